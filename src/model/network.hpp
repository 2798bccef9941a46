// A virtual network: a bridge with addresses, DHCP and DNS of our own, or a way to a bridge or device of the host.
#pragma once

#include "format/xml.hpp"
#include "model/address.hpp"
#include "model/network_parts.hpp"

namespace domus::model {

enum class ForwardMode { none, nat, route, open, bridge, private_, vepa, passthrough, hostdev };
enum class MacTableManager { kernel, libvirt };
enum class LeaseUnit { seconds, minutes, hours };

/// From the first to the last, addresses or ports.
struct AddressRange {
    std::string start, end;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const AddressRange&) const = default;
};

struct PortRange {
    std::uint16_t start = 0, end = 0;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PortRange&) const = default;
};

struct ForwardInterface {
    std::string dev;
    std::optional<unsigned> connections; ///< live
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const ForwardInterface&) const = default;
};

struct Forward {
    std::optional<ForwardMode> mode; ///< missing: nat
    std::optional<std::string> dev;  ///< only through this device
    std::optional<bool> managed;
    std::optional<std::string> driver;
    std::optional<bool> nat_ipv6;
    std::optional<AddressRange> nat_addresses;
    std::optional<PortRange> nat_ports;
    std::optional<std::string> physical_function; ///< SR-IOV: <pf dev=>
    std::vector<ForwardInterface> interfaces;
    std::vector<Address> addresses; ///< hostdev
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Forward&) const = default;
};

struct Bridge {
    std::optional<std::string> name; ///< made at definition where we make the bridge
    std::optional<std::string> zone; ///< of firewalld
    std::optional<OnOff> stp;
    std::optional<unsigned> delay; ///< seconds
    std::optional<MacTableManager> mac_table_manager;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Bridge&) const = default;
};

struct DnsForwarder {
    std::optional<std::string> domain, address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DnsForwarder&) const = default;
};

struct DnsText {
    std::string name;
    std::optional<std::string> value; ///< missing only in what names a record
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DnsText&) const = default;
};

struct DnsService {
    std::string service, protocol;
    std::optional<std::string> domain, target;
    std::optional<unsigned> port, priority, weight;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DnsService&) const = default;
};

struct DnsHost {
    std::string ip;
    std::vector<std::string> names;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DnsHost&) const = default;
};

struct Dns {
    std::optional<bool> enable, forward_plain_names;
    std::vector<DnsForwarder> forwarders;
    std::vector<DnsText> texts;
    std::vector<DnsService> services;
    std::vector<DnsHost> hosts;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Dns&) const = default;
};

struct DhcpLeaseTime {
    std::uint32_t expiry = 0;      ///< 0 is for ever
    std::optional<LeaseUnit> unit; ///< missing: minutes
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DhcpLeaseTime&) const = default;
};

struct DhcpRange {
    std::string start, end;
    std::optional<DhcpLeaseTime> lease;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DhcpRange&) const = default;
};

struct DhcpHost {
    std::optional<std::string> id, mac, name, ip;
    std::optional<DhcpLeaseTime> lease;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DhcpHost&) const = default;
};

/// An address of the bridge and what is offered on its subnet.
struct NetworkIp {
    std::optional<AddressFamily> family;
    std::optional<std::string> address, netmask;
    std::optional<unsigned> prefix;
    std::optional<bool> local_ptr;
    std::optional<std::string> tftp_root;
    bool dhcp = false;
    std::vector<DhcpRange> dhcp_ranges;
    std::vector<DhcpHost> dhcp_hosts;
    std::optional<std::string> bootp_file, bootp_server;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const NetworkIp&) const = default;
};

/// Defaults for the interfaces that name it.
struct PortGroup {
    std::string name;
    std::optional<bool> is_default, trust_guest_rx_filters;
    std::optional<Vlan> vlan;
    std::optional<VirtualPort> virtualport;
    Bandwidth bandwidth;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PortGroup&) const = default;
};

struct DnsmasqOption {
    std::string value;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const DnsmasqOption&) const = default;
};

struct Network {
    Network(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Network(const Network&);
    Network(Network&&) noexcept;
    Network& operator=(const Network&);
    Network& operator=(Network&&) noexcept;
    ~Network();

    std::optional<unsigned> connections; ///< live: interfaces that use it
    std::optional<bool> ipv6;            ///< guests may talk IPv6 among themselves without an address
    std::optional<bool> trust_guest_rx_filters;
    std::string name;
    std::optional<Uuid> uuid; ///< always there once defined
    std::optional<std::string> title, description;
    std::optional<std::string> metadata;
    std::optional<Forward> forward; ///< missing: isolated
    Bridge bridge;
    std::optional<unsigned> mtu;
    std::optional<std::string> mac;
    std::optional<std::string> domain_name;
    std::optional<bool> domain_local_only, domain_register;
    Dns dns;
    std::optional<Vlan> vlan;
    Bandwidth bandwidth;
    std::optional<bool> port_isolated;
    std::vector<NetworkIp> ips;
    std::vector<Route> routes;
    std::optional<VirtualPort> virtualport;
    std::vector<PortGroup> portgroups;
    std::vector<DnsmasqOption> dnsmasq_options; ///< handed over as they are
    format::Rest rest;

    /// none for an isolated network, nat where <forward> has no mode.
    ForwardMode mode() const;
    /// Whether the bridge, addresses, DHCP and DNS are ours to make.
    bool has_own_bridge() const;

    static const format::Schema& schema();
    bool operator==(const Network&) const;
};

/// Rules over several fields; adds each breach with its line and what to do.
void check(const Network& network, format::Findings& findings);

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::ForwardMode> =
    word_list("none", "nat", "route", "open", "bridge", "private", "vepa", "passthrough", "hostdev");
template <> inline constexpr auto words<model::MacTableManager> = word_list("kernel", "libvirt");
template <> inline constexpr auto words<model::LeaseUnit> = word_list("seconds", "minutes", "hours");
} // namespace domus::format
