#include "host/plan.hpp"

#include "base/error.hpp"
#include "os/cipher.hpp"
#include "os/netlink/carry.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::host {

using model::HostInterface;
using model::HostInterfaceType;

DeviceState& DevicePlan::device(const std::string& name) {
    const auto found = std::ranges::find(after_, name, &DeviceState::name);
    if (found != after_.end()) return *found;
    before_.push_back(source_.device(name));
    return after_.emplace_back(before_.back());
}

namespace {

Error failed(std::string text) { return Error(ErrorCode::operation_failed, ErrorDomain::interface, std::move(text)); }

netlink::CarriedAddress read(const KeptAddress& kept) {
    const auto bytes = base64_decode(kept.message);
    return netlink::read_address(bytes ? std::string(bytes->view()) : std::string());
}

netlink::CarriedRoute read(const KeptRoute& kept) {
    const auto bytes = base64_decode(kept.message);
    return netlink::read_route(bytes ? std::string(bytes->view()) : std::string());
}

bool has_lease(const DeviceState& device, bool v6) {
    return std::ranges::any_of(device.addresses, [&](const KeptAddress& kept) {
        const auto address = read(kept);
        return address.address.address.v6 == v6 && !address.permanent;
    });
}

/// The kernel gives each device a link-local address of its own.
void take_over(DevicePlan& plan, DeviceState& from, DeviceState& to) {
    if (has_lease(from, false)) plan.leases.push_back({from.name, to.name, false, {}});
    for (auto& address : from.addresses)
        if (!read(address).link_local) to.addresses.push_back(std::move(address));
    for (auto& route : from.routes) to.routes.push_back(std::move(route));
    from.addresses.clear();
    from.routes.clear();
}

DeviceState& present(DevicePlan& plan, const std::string& name) {
    auto& device = plan.device(name);
    if (device.present) return device;
    throw failed(fmt::format("there is no network device '{}'", name)).hint("see 'ip link'");
}

void take_in(DevicePlan& plan, DeviceState& master, const std::string& name) {
    auto& member = present(plan, name);
    if (member.master && *member.master != master.name)
        throw failed(fmt::format("the device '{}' belongs to '{}'", name, *member.master))
            .hint(fmt::format("take it out first: 'ip link set {} nomaster'", name));
    if (master.addresses.empty() && master.routes.empty() && !master.mac && member.mac) master.mac = member.mac;
    take_over(plan, member, master);
    member.master = master.name;
    member.up = true;
}

void settle_bond(DevicePlan& plan, DeviceState& device, const model::BondOptions& options) {
    auto& bond = device.bond ? *device.bond : device.bond.emplace();
    if (options.mode) bond.mode = static_cast<unsigned>(*options.mode);
    if (options.miimon) {
        bond.miimon = options.miimon->freq;
        bond.updelay = options.miimon->updelay;
        bond.downdelay = options.miimon->downdelay;
        if (options.miimon->carrier) bond.use_carrier = options.miimon->carrier == model::Carrier::netif ? 1u : 0u;
    }
    if (options.arpmon) {
        bond.arp_interval = options.arpmon->interval;
        bond.arp_target = options.arpmon->target;
        if (options.arpmon->validate) bond.arp_validate = static_cast<unsigned>(*options.arpmon->validate);
    }
    for (const auto& member : options.members) take_in(plan, device, member.name);
}

void settle_bridge(DevicePlan& plan, DeviceState& device, const model::BridgeOptions& options) {
    constexpr unsigned hundredths = 100;
    device.stp = options.stp.value_or(format::OnOff::on) == format::OnOff::on;
    device.delay = options.delay_s() * hundredths;
    for (const auto& port : options.ports) {
        if (port.type != HostInterfaceType::ethernet) plan_start(plan, model::from_port(port));
        if (!device.mac && port.mac) device.mac = port.mac;
        take_in(plan, device, port.name);
    }
}

void settle_vlan(DevicePlan& plan, DeviceState& device, const model::VlanLink& vlan) {
    auto& parent = present(plan, vlan.parent);
    parent.up = true;
    if (device.tag && (device.tag != vlan.tag || device.parent != vlan.parent))
        throw failed(fmt::format("the VLAN '{}' exists with the tag {} on '{}'", device.name, *device.tag,
                                 device.parent.value_or("")))
            .hint(fmt::format("remove it first: 'ip link delete {}'", device.name));
    device.parent = vlan.parent;
    device.tag = vlan.tag;
}

void add_static(DeviceState& device, const model::InterfaceProtocol& protocol) {
    for (const auto& ip : protocol.ips) {
        const auto address = IpAddress::parse(ip.address).value_or(IpAddress{});
        const auto fresh = netlink::static_address({address, ip.prefix.value_or(address.width())});
        if (std::ranges::none_of(device.addresses,
                                 [&](const KeptAddress& kept) { return read(kept).address == fresh.address; }))
            device.addresses.push_back({device.name, base64_encode(fresh.message), {}});
    }
    for (const auto& route : protocol.routes) {
        const auto gateway = IpAddress::parse(route.gateway).value_or(IpAddress{});
        Subnet destination{IpAddress{.v6 = gateway.v6}, 0};
        if (route.address) {
            destination.address = IpAddress::parse(*route.address).value_or(IpAddress{});
            destination.prefix = route.prefix.value_or(destination.address.width());
        }
        const auto fresh = netlink::static_route(destination, gateway, route.metric);
        const auto same = [&](const KeptRoute& kept) {
            const auto other = read(kept);
            return other.destination == fresh.destination && other.gateway == fresh.gateway;
        };
        if (std::ranges::none_of(device.routes, same)) device.routes.push_back({base64_encode(fresh.message), {}});
    }
}

DeviceState& begin(DevicePlan& plan, const HostInterface& interface) {
    const bool made = interface.type != HostInterfaceType::ethernet;
    auto& device = made ? plan.device(interface.name) : present(plan, interface.name);
    const auto kind = made ? std::string(format::word(interface.type)) : std::string();
    if (device.present && device.kind != kind)
        throw failed(fmt::format("a network device '{}' exists already", interface.name))
            .hint(fmt::format("choose another name, or remove it with 'ip link delete {}'", interface.name));
    device.present = true;
    device.up = true;
    device.kind = kind;
    if (interface.mac) device.mac = interface.mac;
    if (interface.mtu) device.mtu = interface.mtu;
    return device;
}

} // namespace

void plan_start(DevicePlan& plan, const HostInterface& interface) {
    auto& device = begin(plan, interface);
    if (interface.vlan) settle_vlan(plan, device, *interface.vlan);
    if (interface.bond) settle_bond(plan, device, *interface.bond);
    if (interface.bridge) settle_bridge(plan, device, *interface.bridge);
    for (const auto& protocol : interface.protocols) {
        add_static(device, protocol);
        const bool v6 = protocol.family == model::AddressFamily::ipv6;
        if (protocol.dhcp && !has_lease(device, v6)) plan.leases.push_back({{}, interface.name, v6, {}});
    }
}

void plan_stop(DevicePlan& plan, const std::string& name) {
    auto& device = present(plan, name);
    device.up = false;
    device.addresses.clear();
    device.routes.clear();
    if (device.kind.empty()) return;
    device.present = false;
    for (const auto& member : plan.members(name)) {
        auto& released = plan.device(member);
        released.master.reset();
        released.up = false;
    }
}

void plan_unbridge(DevicePlan& plan, const std::string& bridge, const std::string& port) {
    for (const auto& member : plan.members(bridge))
        if (member != port)
            throw failed(fmt::format("the bridge '{}' has another port, '{}'", bridge, member))
                .hint("stop the guests that use it, or take the device out first");
    auto& from = present(plan, bridge);
    auto& to = present(plan, port);
    take_over(plan, from, to);
    to.master.reset();
    to.up = true;
    from.present = false;
    from.up = false;
}

} // namespace domus::host
