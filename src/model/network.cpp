#include "model/network.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::keep_empty;
using format::live_only;
using format::never_empty;
using format::required;
using format::Schema;

ForwardMode Network::mode() const { return forward ? forward->mode.value_or(ForwardMode::nat) : ForwardMode::none; }

bool Network::has_own_bridge() const {
    return mode() == ForwardMode::none || mode() == ForwardMode::nat || mode() == ForwardMode::route
           || mode() == ForwardMode::open;
}

const Schema& AddressRange::schema() {
    static const Schema table = Describe<AddressRange>("address", "Addresses from the first to the last.")
                                    .field("@start", &AddressRange::start, "the first", required)
                                    .field("@end", &AddressRange::end, "the last", required);
    return table;
}

const Schema& PortRange::schema() {
    static const Schema table = Describe<PortRange>("port", "Ports from the first to the last.")
                                    .field("@start", &PortRange::start, "the first", required)
                                    .field("@end", &PortRange::end, "the last", required);
    return table;
}

const Schema& ForwardInterface::schema() {
    static const Schema table =
        Describe<ForwardInterface>("interface", "A device of the host that guests share.")
            .field("@dev", &ForwardInterface::dev, "its name", required)
            .field("@connections", &ForwardInterface::connections, "interfaces that use it", live_only);
    return table;
}

const Schema& Forward::schema() {
    static const Schema table =
        Describe<Forward>("forward", "How guests get beyond the network; without it they do not.")
            .field("@dev", &Forward::dev, "the only device of the host that is used")
            .field("@mode", &Forward::mode, "the way", empty_is_absent)
            .field("@managed", &Forward::managed, "hostdev: whether the daemon takes devices from the host's driver",
                   empty_is_absent)
            .field("driver@name", &Forward::driver, "hostdev: vfio")
            .field("nat@ipv6", &Forward::nat_ipv6, "whether IPv6 is translated too")
            .field("nat/address", &Forward::nat_addresses, "addresses that guests appear with")
            .field("nat/port", &Forward::nat_ports, "ports that guests appear with")
            .field("pf@dev", &Forward::physical_function, "SR-IOV device whose functions are shared out", never_empty)
            .field("interface", &Forward::interfaces)
            .field("address", &Forward::addresses, "hostdev: devices that are shared out");
    return table;
}

const Schema& Bridge::schema() {
    static const Schema table =
        Describe<Bridge>("bridge", "The bridge on the host.")
            .field("@name", &Bridge::name, "its name; chosen if missing")
            .field("@zone", &Bridge::zone, "zone of firewalld")
            .field("@stp", &Bridge::stp, "spanning tree protocol", empty_is_absent)
            .field("@delay", &Bridge::delay, "seconds before a port forwards", empty_is_absent)
            .field("@macTableManager", &Bridge::mac_table_manager, "who keeps the table of addresses", empty_is_absent);
    return table;
}

const Schema& DnsForwarder::schema() {
    static const Schema table = Describe<DnsForwarder>("forwarder", "A server that is asked.")
                                    .field("@domain", &DnsForwarder::domain, "only for names in this domain")
                                    .field("@addr", &DnsForwarder::address, "its address", never_empty);
    return table;
}

const Schema& DnsText::schema() {
    static const Schema table = Describe<DnsText>("txt", "A text record.")
                                    .field("@name", &DnsText::name, "its name", required)
                                    .field("@value", &DnsText::value, "its text", keep_empty);
    return table;
}

const Schema& DnsService::schema() {
    static const Schema table =
        Describe<DnsService>("srv", "A service record.")
            .field("@service", &DnsService::service, "name of the service")
            .field("@protocol", &DnsService::protocol, "tcp or udp")
            .field("@domain", &DnsService::domain, "domain that offers it")
            .field("@target", &DnsService::target, "host that offers it")
            .field("@port", &DnsService::port, "port there", empty_is_absent)
            .field("@priority", &DnsService::priority, "smaller is asked first", empty_is_absent)
            .field("@weight", &DnsService::weight, "share among equals", empty_is_absent);
    return table;
}

const Schema& DnsHost::schema() {
    static const Schema table = Describe<DnsHost>("host", "Names of an address.")
                                    .field("@ip", &DnsHost::ip, "the address")
                                    .field("hostname", &DnsHost::names, "a name");
    return table;
}

const Schema& Dns::schema() {
    static const Schema table =
        Describe<Dns>("dns", "The name server of the network.")
            .field("@enable", &Dns::enable, "whether there is one")
            .field("@forwardPlainNames", &Dns::forward_plain_names, "whether names without a dot are asked upstream")
            .field("forwarder", &Dns::forwarders)
            .field("txt", &Dns::texts)
            .field("srv", &Dns::services)
            .field("host", &Dns::hosts);
    return table;
}

const Schema& DhcpLeaseTime::schema() {
    static const Schema table = Describe<DhcpLeaseTime>("lease", "How long an address is lent.")
                                    .field("@expiry", &DhcpLeaseTime::expiry, "how long; 0 is for ever", required)
                                    .field("@unit", &DhcpLeaseTime::unit, "in which unit; minutes if missing");
    return table;
}

const Schema& DhcpRange::schema() {
    static const Schema table = Describe<DhcpRange>("range", "Addresses that are lent.")
                                    .field("@start", &DhcpRange::start, "the first", required)
                                    .field("@end", &DhcpRange::end, "the last", required)
                                    .field("lease", &DhcpRange::lease);
    return table;
}

const Schema& DhcpHost::schema() {
    static const Schema table = Describe<DhcpHost>("host", "A fixed address for one guest.")
                                    .field("@id", &DhcpHost::id, "IPv6: its DUID")
                                    .field("@mac", &DhcpHost::mac, "its MAC address", never_empty)
                                    .field("@name", &DhcpHost::name, "its name", never_empty)
                                    .field("@ip", &DhcpHost::ip, "the address", never_empty)
                                    .field("lease", &DhcpHost::lease);
    return table;
}

const Schema& NetworkIp::schema() {
    static const Schema table =
        Describe<NetworkIp>("ip", "An address of the bridge, and what is offered on its subnet.")
            .field("@family", &NetworkIp::family, "kind of address")
            .field("@address", &NetworkIp::address, "the host's address on the network")
            .field("@netmask", &NetworkIp::netmask, "mask of the subnet")
            .field("@prefix", &NetworkIp::prefix, "length of its prefix")
            .field("@localPtr", &NetworkIp::local_ptr, "whether names of its addresses are not asked upstream")
            .field("tftp@root", &NetworkIp::tftp_root, "folder that is served by TFTP")
            .flag("dhcp", &NetworkIp::dhcp, "addresses are lent")
            .field("dhcp/range", &NetworkIp::dhcp_ranges)
            .field("dhcp/host", &NetworkIp::dhcp_hosts)
            .field("dhcp/bootp@file", &NetworkIp::bootp_file, "file to boot from the network")
            .field("dhcp/bootp@server", &NetworkIp::bootp_server, "server that has it", never_empty);
    return table;
}

const Schema& PortGroup::schema() {
    static const Schema table =
        Describe<PortGroup>("portgroup", "Defaults for the interfaces that name it.")
            .keep(".")
            .field("@name", &PortGroup::name, "its name", required)
            .field("@default", &PortGroup::is_default, "whether interfaces that name none get it", empty_is_absent)
            .field("@trustGuestRxFilters", &PortGroup::trust_guest_rx_filters,
                   "whether guests may change their addresses")
            .field("vlan", &PortGroup::vlan)
            .field("virtualport", &PortGroup::virtualport)
            .field("bandwidth", &PortGroup::bandwidth);
    return table;
}

const Schema& DnsmasqOption::schema() {
    static const Schema table = Describe<DnsmasqOption>("dnsmasq:option", "A line for dnsmasq; nobody checks it.")
                                    .field("@value", &DnsmasqOption::value, "the line", required | keep_empty);
    return table;
}

Network::Network() = default;
Network::Network(const Network&) = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(const Network&) = default;
Network& Network::operator=(Network&&) noexcept = default;
Network::~Network() = default;
bool Network::operator==(const Network&) const = default;

const Schema& Network::schema() {
    static const Schema table =
        Describe<Network>("network", "A virtual network.")
            .in_namespace("dnsmasq", "http://libvirt.org/schemas/network/dnsmasq/1.0")
            .field("@connections", &Network::connections, "interfaces that use it", live_only)
            .field("@ipv6", &Network::ipv6, "whether guests may talk IPv6 without an address of the network",
                   empty_is_absent)
            .field("@trustGuestRxFilters", &Network::trust_guest_rx_filters,
                   "whether guests may change their addresses")
            .field("name", &Network::name, "its name, unique on the host", required)
            .field("uuid", &Network::uuid, "its identity; made at definition")
            .field("title", &Network::title, "short description, one line")
            .field("description", &Network::description, "long description")
            .raw("metadata", &Network::metadata, "what applications keep here, word for word")
            .field("forward", &Network::forward)
            .field("bridge", &Network::bridge)
            .field("mtu@size", &Network::mtu, "largest packet", empty_is_absent)
            .field("mac@address", &Network::mac, "address of the bridge")
            .field("domain@name", &Network::domain_name, "DNS domain of the guests")
            .field("domain@localOnly", &Network::domain_local_only, "whether its names are not asked upstream")
            .field("domain@register", &Network::domain_register, "whether the host's resolver asks us for its names")
            .field("dns", &Network::dns)
            .field("vlan", &Network::vlan)
            .field("bandwidth", &Network::bandwidth)
            .field("port@isolated", &Network::port_isolated, "whether guests reach only the host")
            .field("ip", &Network::ips)
            .field("route", &Network::routes)
            .field("virtualport", &Network::virtualport)
            .field("portgroup", &Network::portgroups)
            .field("dnsmasq:options/dnsmasq:option", &Network::dnsmasq_options);
    return table;
}

} // namespace domus::model
