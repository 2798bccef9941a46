#include "network/port/tap.hpp"

#include "base/error.hpp"
#include "network/port/bandwidth.hpp"
#include "network/port/vlan.hpp"
#include "os/netlink/bridge_port.hpp"
#include "os/netlink/link.hpp"
#include "os/netlink/tap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

namespace domus::network {

namespace {

netlink::Tap open_device(const PortSettings& settings) try {
    const auto existing = settings.prepared ? netlink::Existing::joined : netlink::Existing::refused;
    return netlink::open_tap(settings.device, settings.queues, existing);
} catch (Error& error) {
    if (error.number() != EBUSY) throw;
    throw std::move(error).hint(
        "a network device of this name exists: choose another name in <target dev=.../>, or leave <target> out");
}

} // namespace

std::string tap_mac(const std::string& guest) { return "fe" + guest.substr(std::min<std::size_t>(2, guest.size())); }

Port open_tap_port(const PortSettings& settings, const std::string& bridge) {
    auto tap = open_device(settings);
    Port port;
    port.id = Uuid::random();
    port.device = tap.name;
    port.bridge = bridge;
    port.taps = std::move(tap.queues);
    if (settings.prepared) return port;
    if (settings.mac) netlink::set_mac(port.device, tap_mac(*settings.mac));
    if (settings.mtu) netlink::set_mtu(port.device, *settings.mtu);
    if (!bridge.empty()) netlink::set_master(port.device, bridge);
    if (settings.vlan) {
        require_vlan_filtering(bridge);
        join_vlans(port.device, *settings.vlan);
    }
    if (settings.isolated) netlink::set_isolated(port.device, true);
    if (is_limited(settings.bandwidth)) set_bandwidth(port.device, settings.bandwidth);
    if (!settings.held) netlink::set_up(port.device);
    return port;
}

Port change_tap_port(const PortSettings& settings, const std::string& bridge, bool was_limited) {
    const auto before = netlink::find_link(settings.device);
    if (!before)
        throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                    fmt::format("there is no network device '{}'", settings.device));
    if (settings.vlan) require_vlan_filtering(bridge);
    const auto old_bridge = netlink::link_name(before->master);
    netlink::set_down(settings.device);
    try {
        if (old_bridge != bridge) netlink::set_master(settings.device, bridge);
        if (settings.vlan)
            join_vlans(settings.device, *settings.vlan);
        else if (netlink::filters_vlans(bridge))
            netlink::set_vlans(settings.device, {{}, 1}); // that of ports which nobody put into one
        netlink::set_isolated(settings.device, settings.isolated);
        if (was_limited || is_limited(settings.bandwidth)) set_bandwidth(settings.device, settings.bandwidth);
    } catch (...) {
        if (!old_bridge.empty() && old_bridge != bridge) netlink::set_master(settings.device, old_bridge);
        netlink::set_up(settings.device);
        throw;
    }
    netlink::set_up(settings.device);
    Port port;
    port.id = Uuid::random();
    port.device = settings.device;
    port.bridge = bridge;
    return port;
}

} // namespace domus::network
