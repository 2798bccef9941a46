#include "network/port/tap.hpp"

#include "base/error.hpp"
#include "network/port/bandwidth.hpp"
#include "network/port/vlan.hpp"
#include "os/netlink/bridge_port.hpp"
#include "os/netlink/link.hpp"
#include "os/netlink/tap.hpp"

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
    netlink::set_up(port.device);
    return port;
}

} // namespace domus::network
