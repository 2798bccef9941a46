#include "service/definitions.hpp"

#include "format/xml.hpp"
#include "service/filters.hpp"
#include "service/networks.hpp"

namespace domus::service {

Task<> DefinitionOperations::check(Caller caller, std::string xml) {
    const auto kind = format::root_element(xml);
    if (kind == "network")
        co_await driver_or_refuse(networks_).check(std::move(xml));
    else if (kind == "filter")
        filters_or_refuse(filters_).check(xml);
    else if (kind == "pool")
        pools_.check(xml);
    else if (kind == "secret")
        secrets_.check(xml);
    else
        co_await domains_.check(std::move(xml), std::move(caller.who));
}

} // namespace domus::service
