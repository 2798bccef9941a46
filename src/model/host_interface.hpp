// A network interface of the host, as it is configured (the definition) and as it is (live): an ethernet card, a bridge, a
// bond or a VLAN, with its addresses. libvirt's <interface> of virInterfaceDefineXML (docs/formatinterface, interface.rng).
#pragma once

#include "format/xml.hpp"
#include "model/network_parts.hpp"

namespace domus::model {

enum class HostInterfaceType { ethernet, bridge, bond, vlan };
/// When it comes up: with the host, when somebody asks, when its hardware appears.
enum class StartMode { onboot, none, hotplug };
enum class BondMode { balance_rr, active_backup, balance_xor, broadcast, lacp, balance_tlb, balance_alb };
enum class Carrier { ioctl, netif };
enum class ArpValidation { none, active, backup, all };

/// What the kernel reports of a link.
struct InterfaceLink {
    std::optional<unsigned> speed;    ///< megabits a second
    std::optional<std::string> state; ///< operstate: "up", "down", "lower-layer-down"...
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const InterfaceLink&) const = default;
};

struct DhcpClient {
    std::optional<bool> peerdns; ///< whether its name servers are used
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DhcpClient&) const = default;
};

struct InterfaceIp {
    std::string address;
    std::optional<unsigned> prefix; ///< missing: that of a host
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const InterfaceIp&) const = default;
};

/// Without an address it is the default route, the only one that libvirt's XML has.
struct InterfaceRoute {
    std::optional<std::string> address;
    std::optional<unsigned> prefix;
    std::string gateway;
    std::optional<unsigned> metric;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const InterfaceRoute&) const = default;
};

/// Addresses of one family.
struct InterfaceProtocol {
    AddressFamily family = AddressFamily::ipv4;
    bool autoconf = false; ///< IPv6: from router advertisements
    std::optional<DhcpClient> dhcp;
    std::vector<InterfaceIp> ips;
    std::vector<InterfaceRoute> routes;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const InterfaceProtocol&) const = default;
};

struct VlanLink {
    unsigned tag = 0;
    std::string parent; ///< the device that carries the tagged frames
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const VlanLink&) const = default;
};

struct MiiMonitor {
    unsigned freq = 0; ///< ms
    std::optional<unsigned> downdelay, updelay;
    std::optional<Carrier> carrier;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const MiiMonitor&) const = default;
};

struct ArpMonitor {
    unsigned interval = 0; ///< ms
    std::string target;    ///< an IPv4 address
    std::optional<ArpValidation> validate;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const ArpMonitor&) const = default;
};

/// An ethernet card in a bond.
struct BondMember {
    HostInterfaceType type = HostInterfaceType::ethernet;
    std::string name;
    std::optional<InterfaceLink> link;
    std::optional<std::string> mac;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const BondMember&) const = default;
};

struct BondOptions {
    std::optional<BondMode> mode; ///< missing: the kernel's, balance-rr
    std::optional<MiiMonitor> miimon;
    std::optional<ArpMonitor> arpmon;
    std::vector<BondMember> members;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const BondOptions&) const = default;
};

/// What is joined by a bridge: it has no addresses of its own.
struct BridgePort {
    HostInterfaceType type = HostInterfaceType::ethernet;
    std::string name;
    std::optional<InterfaceLink> link;
    std::optional<std::string> mac;
    std::optional<BondOptions> bond;
    std::optional<VlanLink> vlan;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const BridgePort&) const = default;
};

struct BridgeOptions {
    std::optional<OnOff> stp;
    std::optional<std::string> delay; ///< forward delay in seconds, perhaps with a fraction
    std::vector<BridgePort> ports;
    format::Rest rest;

    /// Of the text; 0 where there is none.
    unsigned delay_s() const;
    static const format::Schema& schema();
    bool operator==(const BridgeOptions&) const = default;
};

struct HostInterface {
    HostInterface(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    HostInterface(const HostInterface&);
    HostInterface(HostInterface&&) noexcept;
    HostInterface& operator=(const HostInterface&);
    HostInterface& operator=(HostInterface&&) noexcept;
    ~HostInterface();

    HostInterfaceType type = HostInterfaceType::ethernet;
    std::string name;
    std::optional<StartMode> start;    ///< missing: onboot
    std::optional<InterfaceLink> link; ///< live
    std::optional<std::string> mac;
    std::optional<unsigned> mtu;
    std::vector<InterfaceProtocol> protocols;
    std::optional<BridgeOptions> bridge;
    std::optional<BondOptions> bond;
    std::optional<VlanLink> vlan;
    format::Rest rest;

    bool onboot() const { return start.value_or(StartMode::onboot) != StartMode::none; }
    const InterfaceProtocol* protocol(AddressFamily family) const;
    /// Makes it if there is none.
    InterfaceProtocol& protocol(AddressFamily family);
    /// The names of a bridge's ports or a bond's members.
    std::vector<std::string> members() const;

    static const format::Schema& schema();
    bool operator==(const HostInterface&) const;
};

/// An interface that stands alone, of what stands in a bridge.
HostInterface from_port(const BridgePort& port);
BridgePort to_port(const HostInterface& interface);

/// A VLAN's name where its XML has none: "eth0.10". Each nested interface's too.
void complete(HostInterface& interface);
/// Rules over several fields; adds each breach with its line and what to do.
void check(const HostInterface& interface, format::Findings& findings);

/// Reads, completes and checks a definition; elements of other types are ignored unless it is to be validated. Throws xml_error, xml_invalid_schema where it is to be validated.
HostInterface read_host_interface(const std::string& xml, bool validate);

} // namespace domus::model

namespace domus::format {
template <> inline constexpr auto words<model::HostInterfaceType> = word_list("ethernet", "bridge", "bond", "vlan");
template <> inline constexpr auto words<model::StartMode> = word_list("onboot", "none", "hotplug");
template <>
inline constexpr auto words<model::BondMode> =
    word_list("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb");
template <> inline constexpr auto words<model::Carrier> = word_list("ioctl", "netif");
template <> inline constexpr auto words<model::ArpValidation> = word_list("none", "active", "backup", "all");
} // namespace domus::format
