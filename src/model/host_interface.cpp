#include "model/host_interface.hpp"

#include "base/ip_address.hpp"
#include "model/checks.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace domus::model {

using checks::Report;
using format::Describe;
using format::empty_is_absent;
using format::never_empty;
using format::required;
using format::Schema;

HostInterface::HostInterface() = default;
HostInterface::HostInterface(const HostInterface&) = default;
HostInterface::HostInterface(HostInterface&&) noexcept = default;
HostInterface& HostInterface::operator=(const HostInterface&) = default;
HostInterface& HostInterface::operator=(HostInterface&&) noexcept = default;
HostInterface::~HostInterface() = default;
bool HostInterface::operator==(const HostInterface&) const = default;

// ---- tables -------------------------------------------------------------------------------------------------------

const Schema& InterfaceLink::schema() {
    static const Schema table = Describe<InterfaceLink>("link", "What the kernel tells of the link.")
                                    .field("@speed", &InterfaceLink::speed, "megabits a second", empty_is_absent)
                                    .field("@state", &InterfaceLink::state, "of operation (RFC 2863)");
    return table;
}

const Schema& DhcpClient::schema() {
    static const Schema table =
        Describe<DhcpClient>("dhcp", "Addresses come from a DHCP server.")
            .field("@peerdns", &DhcpClient::peerdns, "whether its name servers are used", empty_is_absent);
    return table;
}

const Schema& InterfaceIp::schema() {
    static const Schema table = Describe<InterfaceIp>("ip", "An address of the interface.")
                                    .field("@address", &InterfaceIp::address, "the address", required)
                                    .field("@prefix", &InterfaceIp::prefix, "length of its network's prefix");
    return table;
}

const Schema& InterfaceRoute::schema() {
    static const Schema table =
        Describe<InterfaceRoute>("route", "A way to other networks; without an address the default route.")
            .field("@address", &InterfaceRoute::address, "network that it leads to", never_empty)
            .field("@prefix", &InterfaceRoute::prefix, "length of that network's prefix")
            .field("@gateway", &InterfaceRoute::gateway, "address of the router", required)
            .field("@metric", &InterfaceRoute::metric, "smaller is preferred");
    return table;
}

const Schema& InterfaceProtocol::schema() {
    static const Schema table =
        Describe<InterfaceProtocol>("protocol", "Addresses of one family.")
            .field("@family", &InterfaceProtocol::family, "which", required)
            .flag("autoconf", &InterfaceProtocol::autoconf, "IPv6: addresses follow router advertisements")
            .field("dhcp", &InterfaceProtocol::dhcp)
            .field("ip", &InterfaceProtocol::ips)
            .field("route", &InterfaceProtocol::routes);
    return table;
}

const Schema& VlanLink::schema() {
    static const Schema table =
        Describe<VlanLink>("vlan", "Frames with one tag of another interface (IEEE 802.1Q).")
            .field("@tag", &VlanLink::tag, "the tag", required)
            .field("interface@name", &VlanLink::parent, "interface that carries the tagged frames", required);
    return table;
}

const Schema& MiiMonitor::schema() {
    static const Schema table =
        Describe<MiiMonitor>("miimon", "Links are watched by their carrier.")
            .field("@freq", &MiiMonitor::freq, "milliseconds between two looks", required)
            .field("@downdelay", &MiiMonitor::downdelay, "milliseconds until a lost link counts as lost")
            .field("@updelay", &MiiMonitor::updelay, "milliseconds until a link is used")
            .field("@carrier", &MiiMonitor::carrier, "who is asked: the driver, or the kernel");
    return table;
}

const Schema& ArpMonitor::schema() {
    static const Schema table =
        Describe<ArpMonitor>("arpmon", "Links are watched by ARP requests.")
            .field("@interval", &ArpMonitor::interval, "milliseconds between two requests", required)
            .field("@target", &ArpMonitor::target, "IPv4 address that is asked for", required)
            .field("@validate", &ArpMonitor::validate, "links whose answers are checked");
    return table;
}

const Schema& BondMember::schema() {
    static const Schema table = Describe<BondMember>("interface", "An ethernet card in a bond.")
                                    .field("@type", &BondMember::type, "ethernet", required)
                                    .field("@name", &BondMember::name, "name of the device", required)
                                    .field("link", &BondMember::link)
                                    .field("mac@address", &BondMember::mac, "MAC address");
    return table;
}

const Schema& BondOptions::schema() {
    static const Schema table = Describe<BondOptions>("bond", "Cards that act as one.")
                                    .field("@mode", &BondOptions::mode, "how frames are spread over them")
                                    .field("miimon", &BondOptions::miimon)
                                    .field("arpmon", &BondOptions::arpmon)
                                    .field("interface", &BondOptions::members);
    return table;
}

const Schema& BridgePort::schema() {
    static const Schema table = Describe<BridgePort>("interface", "An interface that the bridge joins.")
                                    .field("@type", &BridgePort::type, "ethernet, bond or vlan", required)
                                    .field("@name", &BridgePort::name, "name of the device")
                                    .field("link", &BridgePort::link)
                                    .field("mac@address", &BridgePort::mac, "MAC address")
                                    .field("bond", &BridgePort::bond)
                                    .field("vlan", &BridgePort::vlan);
    return table;
}

const Schema& BridgeOptions::schema() {
    static const Schema table = Describe<BridgeOptions>("bridge", "Interfaces that are joined.")
                                    .field("@stp", &BridgeOptions::stp, "spanning tree protocol", empty_is_absent)
                                    .field("@delay", &BridgeOptions::delay, "seconds before a port forwards")
                                    .field("interface", &BridgeOptions::ports);
    return table;
}

const Schema& HostInterface::schema() {
    static const Schema table =
        Describe<HostInterface>("interface", "A network interface of the host.")
            .field("@type", &HostInterface::type, "what it is", required)
            .field("@name", &HostInterface::name, "name of the device; a VLAN's follows from its parent and tag")
            .field("start@mode", &HostInterface::start, "when it comes up")
            .field("link", &HostInterface::link)
            .field("mac@address", &HostInterface::mac, "MAC address")
            .field("mtu@size", &HostInterface::mtu, "largest packet, in bytes")
            .field("protocol", &HostInterface::protocols)
            .field("bridge", &HostInterface::bridge)
            .field("bond", &HostInterface::bond)
            .field("vlan", &HostInterface::vlan);
    return table;
}

// ---- looking ------------------------------------------------------------------------------------------------------

unsigned BridgeOptions::delay_s() const {
    double seconds = 0;
    if (delay) std::from_chars(delay->data(), delay->data() + delay->size(), seconds);
    return static_cast<unsigned>(seconds);
}

const InterfaceProtocol* HostInterface::protocol(AddressFamily family) const {
    const auto found = std::ranges::find(protocols, family, &InterfaceProtocol::family);
    return found == protocols.end() ? nullptr : &*found;
}

InterfaceProtocol& HostInterface::protocol(AddressFamily family) {
    const auto found = std::ranges::find(protocols, family, &InterfaceProtocol::family);
    if (found != protocols.end()) return *found;
    protocols.emplace_back().family = family;
    return protocols.back();
}

std::vector<std::string> HostInterface::members() const {
    std::vector<std::string> names;
    if (bridge)
        for (const auto& port : bridge->ports) names.push_back(port.name);
    if (bond)
        for (const auto& member : bond->members) names.push_back(member.name);
    return names;
}

HostInterface from_port(const BridgePort& port) {
    HostInterface interface;
    interface.type = port.type;
    interface.name = port.name;
    interface.mac = port.mac;
    interface.bond = port.bond;
    interface.vlan = port.vlan;
    return interface;
}

BridgePort to_port(const HostInterface& interface) {
    BridgePort port;
    port.type = interface.type;
    port.name = interface.name;
    port.mac = interface.mac;
    port.bond = interface.bond;
    port.vlan = interface.vlan;
    return port;
}

namespace {

void complete_vlan(std::string& name, const std::optional<VlanLink>& vlan) {
    if (name.empty() && vlan) name = fmt::format("{}.{}", vlan->parent, vlan->tag);
}

} // namespace

void complete(HostInterface& interface) {
    complete_vlan(interface.name, interface.vlan);
    if (!interface.bridge) return;
    for (auto& port : interface.bridge->ports) complete_vlan(port.name, port.vlan);
}

// ---- rules --------------------------------------------------------------------------------------------------------

namespace {

constexpr std::size_t longest_name = 15; ///< IFNAMSIZ, without the 0
constexpr unsigned last_tag = 4094;
constexpr std::size_t most_members = 1000;

void device_name(const std::string& name, const format::Rest& where, Report& report) {
    const bool strange = std::ranges::any_of(
        name, [](unsigned char c) { return c <= ' ' || c > '~' || c == '/' || c == ':' || c == '\'' || c == '"'; });
    if (name.empty())
        report.add(where, "an <interface> needs a name");
    else if (name.size() > longest_name || strange || name == "." || name == "..")
        report.add(where, "'{}' is no name of a network device: at most {} characters without blanks, '/' and ':'",
                   name, longest_name);
}

void mac_address(const std::optional<std::string>& mac, const format::Rest& where, Report& report) {
    if (mac && !checks::is_mac(*mac)) report.add(where, "'{}' is no MAC address, as 52:54:00:12:34:56 is", *mac);
}

void vlan_link(const VlanLink& vlan, Report& report) {
    if (vlan.tag == 0 || vlan.tag > last_tag)
        report.add(vlan.rest, "the VLAN tag {} is not one from 1 to {}", vlan.tag, last_tag);
    device_name(vlan.parent, vlan.rest, report);
}

void bond_options(const BondOptions& bond, Report& report) {
    if (bond.miimon && bond.arpmon) report.add(bond.rest, "a <bond> is watched either by <miimon> or by <arpmon>");
    if (bond.arpmon) {
        const auto target = domus::IpAddress::parse(bond.arpmon->target);
        if (!target || target->v6)
            report.add(bond.arpmon->rest, "'{}' is no IPv4 address that <arpmon> can ask for", bond.arpmon->target);
    }
    if (!checks::within(bond.members, most_members, "the <bond>", "interfaces", report)) return;
    for (const auto& member : bond.members) {
        device_name(member.name, member.rest, report);
        mac_address(member.mac, member.rest, report);
        if (member.type != HostInterfaceType::ethernet)
            report.add(member.rest, "only interfaces of type 'ethernet' can be in a <bond>");
    }
}

/// That a type has its element, and no other type's.
template <class Owner>
void type_matches(HostInterfaceType type, const Owner& owner, const format::Rest& where, Report& report) {
    const auto one = [&](HostInterfaceType of, bool there) {
        if (there && type != of)
            report.add(where, "an <interface> of type '{}' has no <{}>", format::word(type), format::word(of));
        if (!there && type == of)
            report.add(where, "an <interface> of type '{}' needs a <{}>", format::word(of), format::word(of));
    };
    one(HostInterfaceType::bond, owner.bond.has_value());
    one(HostInterfaceType::vlan, owner.vlan.has_value());
}

void bridge_options(const std::string& name, const BridgeOptions& bridge, Report& report) {
    constexpr double longest_delay = 255; // IEEE 802.1D has 30; "inf" and "nan" are numbers to from_chars
    double seconds = 0;
    if (bridge.delay) {
        const auto* end = bridge.delay->data() + bridge.delay->size();
        const auto [rest, failure] = std::from_chars(bridge.delay->data(), end, seconds);
        if (failure != std::errc() || rest != end || !(seconds >= 0 && seconds <= longest_delay))
            report.add(bridge.rest, "the delay '{}' of the <bridge> is no number of seconds", *bridge.delay);
    }
    if (!checks::within(bridge.ports, most_members, "the <bridge>", "interfaces", report)) return;
    std::set<std::string> names;
    for (const auto& port : bridge.ports) {
        device_name(port.name, port.rest, report);
        mac_address(port.mac, port.rest, report);
        if (port.type == HostInterfaceType::bridge)
            report.add(port.rest, "a bridge cannot join another bridge: '{}'", port.name);
        else
            type_matches(port.type, port, port.rest, report);
        if (port.bond) bond_options(*port.bond, report);
        if (port.vlan) vlan_link(*port.vlan, report);
        if (port.name == name || !names.insert(port.name).second)
            report.add(port.rest, "the interface '{}' stands twice", port.name);
    }
}

void address(const std::string& text, std::optional<unsigned> prefix, bool v6, const format::Rest& where,
             Report& report) {
    const auto parsed = domus::IpAddress::parse(text);
    if (!parsed || parsed->v6 != v6)
        report.add(where, "'{}' is no IPv{} address", text, v6 ? 6 : 4);
    else if (prefix && *prefix > parsed->width())
        report.add(where, "the prefix {} of '{}' is longer than {}", *prefix, text, parsed->width());
}

void protocol(const InterfaceProtocol& protocol, Report& report) {
    constexpr std::size_t most_addresses = 4096;
    const bool v6 = protocol.family == AddressFamily::ipv6;
    if (protocol.autoconf && !v6) report.add(protocol.rest, "<autoconf> is for the family 'ipv6'");
    if (!checks::within(protocol.ips, most_addresses, "the <protocol>", "addresses", report)
        || !checks::within(protocol.routes, most_addresses, "the <protocol>", "routes", report))
        return;
    for (const auto& ip : protocol.ips) address(ip.address, ip.prefix, v6, ip.rest, report);
    for (const auto& route : protocol.routes) {
        address(route.gateway, {}, v6, route.rest, report);
        if (route.address) address(*route.address, route.prefix, v6, route.rest, report);
        if (!route.address && route.prefix.value_or(0) != 0)
            report.add(route.rest, "a <route> with a prefix needs an address");
    }
}

} // namespace

void check(const HostInterface& interface, format::Findings& findings) {
    constexpr unsigned smallest_mtu = 68, largest_mtu = 65535; // RFC 791; of 16 bits
    Report report(findings);
    device_name(interface.name, interface.rest, report);
    mac_address(interface.mac, interface.rest, report);
    if (interface.mtu && (*interface.mtu < smallest_mtu || *interface.mtu > largest_mtu))
        report.add(interface.rest, "an MTU of {} is not between {} and {}", *interface.mtu, smallest_mtu, largest_mtu);
    type_matches(interface.type, interface, interface.rest, report);
    if (interface.bridge.has_value() != (interface.type == HostInterfaceType::bridge))
        report.add(interface.rest, "an <interface> of type '{}' {} <bridge>", format::word(interface.type),
                   interface.bridge ? "has no" : "needs a");
    if (interface.bridge) bridge_options(interface.name, *interface.bridge, report);
    if (interface.bond) bond_options(*interface.bond, report);
    if (interface.vlan) vlan_link(*interface.vlan, report);
    std::set<AddressFamily> families;
    for (const auto& each : interface.protocols) {
        protocol(each, report);
        if (!families.insert(each.family).second)
            report.add(each.rest, "the <protocol> of the family '{}' stands twice", format::word(each.family));
    }
}

namespace {

/// libvirt reads the element of the type alone, and virsh relies on it: its iface-unbridge leaves the <bridge> there.
void drop_elements_of_other_types(HostInterface& interface) {
    if (interface.type != HostInterfaceType::bridge) interface.bridge.reset();
    if (interface.type != HostInterfaceType::bond) interface.bond.reset();
    if (interface.type != HostInterfaceType::vlan) interface.vlan.reset();
}

} // namespace

HostInterface read_host_interface(const std::string& xml, bool validate) {
    auto interface = format::from_xml<HostInterface>(xml, ErrorDomain::interface, format::reading(validate));
    complete(interface);
    if (!validate) drop_elements_of_other_types(interface);
    format::Findings findings;
    check(interface, findings);
    format::throw_findings(findings, ErrorDomain::interface, "<interface>");
    return interface;
}

} // namespace domus::model
