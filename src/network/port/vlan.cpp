#include "network/port/vlan.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::network {

netlink::PortVlans port_vlans(const model::Vlan& vlan) {
    netlink::PortVlans vlans;
    const bool access = vlan.tags.size() == 1 && vlan.trunk != true && !vlan.tags.front().native_mode;
    for (const auto& tag : vlan.tags) {
        const auto id = static_cast<std::uint16_t>(tag.id);
        if (!access && !tag.native_mode) {
            vlans.tagged.push_back(id);
            continue;
        }
        vlans.native = id;
        vlans.native_tagged = tag.native_mode == model::NativeMode::tagged;
    }
    return vlans;
}

bool wants_vlans(const model::Network& network) {
    return network.vlan
           || std::ranges::any_of(network.portgroups, [](const auto& group) { return group.vlan.has_value(); });
}

void join_vlans(const std::string& device, const model::Vlan& vlan) { netlink::set_vlans(device, port_vlans(vlan)); }

void require_vlan_filtering(const std::string& bridge) {
    if (netlink::filters_vlans(bridge)) return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                fmt::format("the bridge '{}' does not keep VLANs apart, and the interface is to be in one", bridge))
        .hint(
            fmt::format("'ip link set {} type bridge vlan_filtering 1' turns that on; first give the ports that carry "
                        "tagged packets now their VLANs with 'bridge vlan add'",
                        bridge));
}

} // namespace domus::network
