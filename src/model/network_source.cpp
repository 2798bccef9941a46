#include "model/network_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::model {

namespace {

struct Protocol {
    std::string_view name;
    unsigned port;
};
constexpr std::array<Protocol, 4> protocols{{{"nbd", 10809}, {"iscsi", 3260}, {"rbd", 6789}, {"gluster", 24007}}};

} // namespace

std::optional<std::string> network_source(DiskType type, const DiskSource& source) {
    if (type != DiskType::network) return std::nullopt;
    const auto found = std::ranges::find(protocols, source.protocol.value_or(""), &Protocol::name);
    if (found == protocols.end()) return std::nullopt;
    std::vector<std::string> hosts; // and their ports
    for (const auto& host : source.hosts)
        hosts.push_back(host.transport == HostTransport::unix_socket
                            ? "unix:" + host.socket.value_or("")
                            : fmt::format("{}:{}", host.name.value_or(""), host.port.value_or(found->port)));
    std::ranges::sort(hosts); // whichever server comes first
    auto name = source.name.value_or("");
    if (found->name == "iscsi" && name.find('/') == name.npos) name += "/0"; // its first unit
    if (source.snapshot) name += '@' + *source.snapshot;
    return fmt::format("{}://{}/{}", found->name, fmt::join(hosts, ","), name);
}

} // namespace domus::model
