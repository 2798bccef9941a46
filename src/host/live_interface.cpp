#include "host/live_interface.hpp"

#include "base/number.hpp"
#include "os/files.hpp"
#include "os/netlink/carry.hpp"
#include "os/netlink/stacked.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <utility>

namespace domus::host {

using model::AddressFamily;
using model::HostInterface;
using model::HostInterfaceType;
using netlink::Link;

namespace {

HostInterfaceType type_of(const Link& link) {
    return format::from_word<HostInterfaceType>(link.kind).value_or(HostInterfaceType::ethernet);
}

/// libvirt's words for the kernel's (RFC 2863).
std::string state_word(const std::string& operstate) {
    if (operstate == "lowerlayerdown") return "lower-layer-down";
    if (operstate == "notpresent") return "not-present";
    return operstate;
}

/// Megabits a second; nothing where the driver knows none.
std::optional<unsigned> speed_of(const std::string& name) {
    constexpr std::size_t most = 100;
    try {
        auto text = read_file(std::filesystem::path("/sys/class/net") / name / "speed", most);
        while (text.ends_with('\n')) text.pop_back();
        const auto speed = parse_number<unsigned>(text);
        return speed && *speed != 0 ? speed : std::nullopt;
    } catch (const Error&) {
        return std::nullopt; // EINVAL where the link is down
    }
}

model::InterfaceLink link_state(const Link& link) {
    model::InterfaceLink state;
    state.state = state_word(link.state);
    if (link.up && !link.loopback) state.speed = speed_of(link.name);
    return state;
}

std::optional<std::string> mac_of(const Link& link) {
    return link.mac.empty() ? std::nullopt : std::optional(link.mac);
}

model::VlanLink vlan_of(const Link& link, const std::vector<Link>& all) {
    model::VlanLink vlan;
    vlan.tag = link.tag;
    const auto parent = std::ranges::find(all, link.parent, &Link::index);
    if (parent != all.end() && link.parent != 0) vlan.parent = parent->name;
    return vlan;
}

model::BondOptions bond_of(const Link& link, const std::vector<Link>& all) {
    const auto settings = netlink::bond_settings(link.name);
    model::BondOptions bond;
    bond.mode = static_cast<model::BondMode>(settings.mode);
    if (settings.miimon.value_or(0) != 0) {
        auto& monitor = bond.miimon.emplace();
        monitor.freq = *settings.miimon;
        if (settings.updelay.value_or(0) != 0) monitor.updelay = settings.updelay;
        if (settings.downdelay.value_or(0) != 0) monitor.downdelay = settings.downdelay;
        monitor.carrier = settings.use_carrier.value_or(1) ? model::Carrier::netif : model::Carrier::ioctl;
    }
    if (settings.arp_interval.value_or(0) != 0) {
        auto& monitor = bond.arpmon.emplace();
        monitor.interval = *settings.arp_interval;
        if (settings.arp_target) monitor.target = settings.arp_target->text();
        if (settings.arp_validate) monitor.validate = static_cast<model::ArpValidation>(*settings.arp_validate);
    }
    for (const auto& member : all) {
        if (member.master != link.index) continue;
        auto& in_bond = bond.members.emplace_back();
        in_bond.name = member.name;
        in_bond.link = link_state(member);
        in_bond.mac = mac_of(member);
    }
    return bond;
}

model::BridgeOptions bridge_of(const Link& link, const std::vector<Link>& all) {
    constexpr double hundredths = 100;
    const auto settings = netlink::bridge_settings(link.name);
    model::BridgeOptions bridge;
    bridge.stp = settings.stp ? format::OnOff::on : format::OnOff::off;
    bridge.delay = fmt::format("{}", settings.delay_cs / hundredths);
    for (const auto& port : all) {
        if (port.master != link.index) continue;
        auto& in_bridge = bridge.ports.emplace_back();
        in_bridge.type = type_of(port);
        if (in_bridge.type == HostInterfaceType::bridge) in_bridge.type = HostInterfaceType::ethernet;
        in_bridge.name = port.name;
        in_bridge.link = link_state(port);
        if (in_bridge.type != HostInterfaceType::vlan) in_bridge.mac = mac_of(port);
        if (in_bridge.type == HostInterfaceType::vlan) in_bridge.vlan = vlan_of(port, all);
        if (in_bridge.type == HostInterfaceType::bond) in_bridge.bond = bond_of(port, all);
    }
    return bridge;
}

HostInterface device(const Link& link, const std::vector<Link>& all) {
    HostInterface interface;
    interface.type = type_of(link);
    interface.name = link.name;
    interface.mtu = link.mtu;
    if (interface.type == HostInterfaceType::bridge) interface.bridge = bridge_of(link, all);
    if (interface.type == HostInterfaceType::bond) interface.bond = bond_of(link, all);
    if (interface.type == HostInterfaceType::vlan) interface.vlan = vlan_of(link, all);
    if (interface.type == HostInterfaceType::ethernet || interface.type == HostInterfaceType::bond)
        interface.mac = mac_of(link);
    return interface;
}

AddressFamily family_of(const IpAddress& address) { return address.v6 ? AddressFamily::ipv6 : AddressFamily::ipv4; }

void add_ip(HostInterface& interface, const netlink::CarriedAddress& address) {
    auto& ip = interface.protocol(family_of(address.address.address)).ips.emplace_back();
    ip.address = address.address.address.text();
    ip.prefix = address.address.prefix;
}

void add_route(HostInterface& interface, const netlink::CarriedRoute& route) {
    constexpr unsigned ipv6_metric = 1024; // what the kernel takes where none is given
    auto& added = interface.protocol(family_of(*route.gateway)).routes.emplace_back();
    added.gateway = route.gateway->text();
    if (route.destination.prefix != 0) {
        added.address = route.destination.address.text();
        added.prefix = route.destination.prefix;
    }
    if (route.metric != 0 && !(route.gateway->v6 && route.metric == ipv6_metric)) added.metric = route.metric;
}

} // namespace

std::vector<Link> read_links() {
    auto all = netlink::links();
    std::ranges::sort(all, {}, &Link::name);
    return all;
}

HostInterface live_interface(const Link& link, const std::vector<Link>& all) {
    auto interface = device(link, all);
    interface.link = link_state(link);
    for (const auto& address : netlink::addresses_of(link.name)) add_ip(interface, address);
    for (const auto& route : netlink::routes_of(link.name))
        if (route.gateway && route.table == RT_TABLE_MAIN) add_route(interface, route);
    return interface;
}

HostInterface definition_of(const Link& link, const std::vector<Link>& all) {
    auto interface = device(link, all);
    interface.start = model::StartMode::none;
    if (interface.bridge) {
        std::erase_if(interface.bridge->ports, [&](const model::BridgePort& port) {
            const auto found = std::ranges::find(all, port.name, &Link::name);
            return found != all.end() && found->kind == "tun"; // of a guest
        });
        for (auto& port : interface.bridge->ports) port.link.reset();
    }
    if (interface.bond)
        for (auto& member : interface.bond->members) member.link.reset();
    for (const auto& address : netlink::addresses_of(link.name)) {
        if (address.link_local || address.temporary) continue;
        auto& protocol = interface.protocol(family_of(address.address.address));
        if (address.permanent)
            add_ip(interface, address);
        else if (protocol.family == AddressFamily::ipv4)
            protocol.dhcp.emplace();
        else
            protocol.autoconf = true;
    }
    for (const auto& route : netlink::routes_of(link.name)) {
        const bool learned = route.protocol == RTPROT_DHCP || route.protocol == RTPROT_RA;
        if (!route.gateway || route.table != RT_TABLE_MAIN || learned) continue;
        const auto* protocol = std::as_const(interface).protocol(family_of(*route.gateway));
        const bool comes_by_dhcp = route.destination.prefix == 0 && protocol && protocol->ips.empty();
        if (!comes_by_dhcp) add_route(interface, route); // dhclient's has no mark
    }
    return interface;
}

} // namespace domus::host
