#include "network/record.hpp"

#include "format/xml.hpp"
#include "network/admission.hpp"

#include <fmt/format.h>

namespace domus::network {

const format::Schema& Record::schema() {
    static const format::Schema table =
        format::Describe<Record>("networkstatus", "A running network, for the next daemon.")
            .field("@pid", &Record::pid)
            .field("@started", &Record::start_time)
            .field("@persistent", &Record::persistent)
            .field("@unfinished", &Record::unfinished)
            .field("network", &Record::network);
    return table;
}

Record read_record(const std::string& name, const std::string& text) {
    const auto broken = [](std::string why) {
        return Error(ErrorCode::xml_error, ErrorDomain::network, std::move(why));
    };
    auto record = format::from_xml<Record>(text, ErrorDomain::network);
    const auto& network = record.network;
    if (network.name != name) throw broken(fmt::format("it is the record of network '{}'", network.name));
    if (!network.uuid) throw broken("there is no <uuid> in it");
    if (network.has_own_bridge() && network.bridge.name.value_or("").empty()) throw broken("it names no bridge");
    require_device_name(network.bridge.name);
    (void)subnets_of(network);
    return record;
}

} // namespace domus::network
