#include "base/subnet.hpp"
#include "model/checks.hpp"
#include "model/network.hpp"

#include <algorithm>
#include <limits>
#include <set>

namespace domus::model {

namespace {

using checks::Report;

/// What dnsmasq still starts with in a moment: as many hosts as a network of 16 bits has addresses.
bool counts(const Network& network, Report& report) {
    constexpr std::size_t most_hosts = 65536, most_subnets = 256;
    bool all = checks::within(network.ips, most_subnets, "the network", "<ip>", report)
               && checks::within(network.routes, most_subnets, "the network", "<route>", report)
               && checks::within(network.dns.hosts, most_hosts, "<dns>", "<host>", report);
    for (const auto& ip : network.ips) {
        all = all && checks::within(ip.dhcp_hosts, most_hosts, "<dhcp>", "<host>", report);
        all = all && checks::within(ip.dhcp_ranges, most_subnets, "<dhcp>", "<range>", report);
    }
    return all;
}

void unicast(const std::string& mac, const format::Rest& where, Report& report) {
    if (checks::is_mac(mac) && checks::is_multicast(mac))
        report.add(where, "expected unicast mac address, found multicast '{}'; its first byte must be even", mac);
}

void general(const Network& network, Report& report) {
    checks::object_name(network.name, "network", network.rest, report);
    if (network.mac && !checks::is_mac(*network.mac))
        report.add(network.rest, "'{}' is no MAC address; write it as 52:54:00:12:34:56", *network.mac);
    if (network.mac) unicast(*network.mac, network.rest, report);
    if (network.bridge.name && (network.bridge.name->empty() || network.bridge.name->size() > 15))
        report.add(network.bridge.rest, "the name '{}' of the <bridge> must have 1 to 15 characters",
                   *network.bridge.name);
    if (!network.has_own_bridge() && !network.ips.empty())
        report.add(network.ips.front().rest,
                   "a network that forwards by '{}' has no <ip>: its guests get addresses from outside",
                   format::word(network.mode()));
    if (network.has_own_bridge() && network.forward && !network.forward->interfaces.empty()
        && network.forward->interfaces.size() > 1)
        report.add(network.forward->rest, "a network that forwards by '{}' uses one <interface>",
                   format::word(network.mode()));
    if (network.mode() == ForwardMode::bridge && !network.bridge.name && network.forward->interfaces.empty()
        && !network.forward->dev)
        report.add(network.rest,
                   "a network that forwards by 'bridge' needs <bridge name='...'/> or an <interface dev='...'/>");
}

/// The subnet of an <ip>, where it has a good one.
std::optional<Subnet> subnet(const NetworkIp& ip, Report& report) {
    if (!ip.address) {
        report.add(ip.rest, "an <ip> lacks the attribute 'address'");
        return std::nullopt;
    }
    const auto address = domus::IpAddress::parse(*ip.address);
    if (!address || (ip.family && (*ip.family == AddressFamily::ipv6) != address->v6)) {
        report.add(ip.rest, "'{}' is no {} address", *ip.address, ip.family ? format::word(*ip.family) : "IP");
        return std::nullopt;
    }
    auto prefix = ip.prefix;
    if (ip.netmask) {
        const auto mask = domus::IpAddress::parse(*ip.netmask);
        prefix = mask && mask->v6 == address->v6 ? mask->as_netmask() : std::nullopt;
        if (!prefix || ip.prefix.value_or(*prefix) != *prefix) {
            report.add(ip.rest, "the netmask '{}' of {} is none, or not the same as the prefix; give one of the two",
                       *ip.netmask, *ip.address);
            return std::nullopt;
        }
    }
    const auto length = prefix.value_or(usual_prefix(*address));
    if (length > address->width()) {
        report.add(ip.rest, "the prefix {} of {} is longer than the address", length, *ip.address);
        return std::nullopt;
    }
    return Subnet{*address, length};
}

std::optional<domus::IpAddress> inside(const std::string& text, const Subnet& subnet, const format::Rest& where,
                                       Report& report) {
    const auto number = domus::IpAddress::parse(text);
    if (number && subnet.contains(*number)) return number;
    report.add(where, "'{}' is no address of the subnet that its <ip> has", text);
    return std::nullopt;
}

void dhcp(const NetworkIp& ip, const Subnet& subnet, Report& report) {
    for (const auto& range : ip.dhcp_ranges) {
        const auto start = inside(range.start, subnet, range.rest, report),
                   end = inside(range.end, subnet, range.rest, report);
        if (start && end && *end < *start)
            report.add(range.rest, "the range from {} to {} is empty; exchange them", range.start, range.end);
    }
    std::set<std::string> macs, addresses;
    for (const auto& host : ip.dhcp_hosts) {
        if (!host.mac && !host.id && !host.name)
            report.add(host.rest, "a <host> of <dhcp> needs 'mac', 'id' or 'name'");
        if (host.mac && subnet.address.v6)
            report.add(host.rest, "a <host> of IPv6 is known by its 'id' (DUID) or 'name', not by the MAC address '{}'",
                       *host.mac);
        else if (host.mac && (!checks::is_mac(*host.mac) || !macs.insert(*host.mac).second))
            report.add(host.rest, "the MAC address '{}' of a <host> is none, or stands twice", *host.mac);
        if (host.mac) unicast(*host.mac, host.rest, report);
        if (host.ip && inside(*host.ip, subnet, host.rest, report) && !addresses.insert(*host.ip).second)
            report.add(host.rest, "two <host> have the address {}", *host.ip);
    }
}

void addresses(const Network& network, Report& report) {
    int with_dhcp = 0, with_dhcp6 = 0;
    for (const auto& ip : network.ips) {
        const auto found = subnet(ip, report);
        if (!found) continue;
        dhcp(ip, *found, report);
        if (ip.dhcp_ranges.empty() && ip.dhcp_hosts.empty()) continue;
        if (++(found->address.v6 ? with_dhcp6 : with_dhcp) > 1)
            report.add(ip.rest, "two IPv{} <ip> have <dhcp>; a network has one", found->address.v6 ? 6 : 4);
    }
}

/// dnsmasq takes no lease of less than two minutes.
void lease_time(const std::optional<DhcpLeaseTime>& lease, Report& report) {
    if (!lease || lease->expiry == 0) return;
    const auto unit = lease->unit.value_or(LeaseUnit::minutes);
    const std::uint64_t seconds = unit == LeaseUnit::seconds ? 1 : unit == LeaseUnit::minutes ? 60 : 3600;
    if (lease->expiry * seconds < 120)
        report.add(lease->rest, "a <lease> has an expiry of at least 2 minutes, or 0 for one that does not expire");
    if (lease->expiry * seconds > std::numeric_limits<std::uint32_t>::max())
        report.add(lease->rest, "the expiry of a <lease> is too long; 0 is one that does not expire");
}

void lease_times(const Network& network, Report& report) {
    for (const auto& ip : network.ips) {
        for (const auto& range : ip.dhcp_ranges) lease_time(range.lease, report);
        for (const auto& host : ip.dhcp_hosts) lease_time(host.lease, report);
    }
}

/// Its gateway must be a neighbour.
void route(const Network& network, const Route& wanted, Report& report) {
    const auto to = domus::IpAddress::parse(wanted.address), by = domus::IpAddress::parse(wanted.gateway);
    if (!to || !by || to->v6 != by->v6 || (wanted.family && (*wanted.family == AddressFamily::ipv6) != to->v6)) {
        report.add(wanted.rest, "a <route> needs an 'address' and a 'gateway' of one family; '{}' and '{}' are none",
                   wanted.address, wanted.gateway);
        return;
    }
    if (wanted.prefix.value_or(0) > to->width() || (wanted.metric && *wanted.metric == 0))
        report.add(wanted.rest, "the prefix of the <route> to {} is longer than the address, or its metric is 0",
                   wanted.address);
    if (wanted.netmask) {
        const auto mask = domus::IpAddress::parse(*wanted.netmask);
        const auto prefix = mask && mask->v6 == to->v6 ? mask->as_netmask() : std::nullopt;
        if (!prefix || wanted.prefix.value_or(*prefix) != *prefix)
            report.add(wanted.rest, "the netmask '{}' of the <route> to {} is none, or not the same as the prefix",
                       *wanted.netmask, wanted.address);
    }
    format::Findings ignored;
    Report none(ignored);
    const bool reached = std::ranges::any_of(network.ips, [&](const NetworkIp& ip) {
        const auto found = subnet(ip, none);
        return found && found->contains(*by);
    });
    if (!reached)
        report.add(wanted.rest,
                   "unreachable static route gateway '{}' specified for network '{}': no <ip> has its subnet",
                   wanted.gateway, network.name);
}

void names(const Network& network, Report& report) {
    for (const auto& host : network.dns.hosts)
        if (!domus::IpAddress::parse(host.ip) || host.names.empty())
            report.add(host.rest, "a <host> of <dns> needs an IP address as 'ip', and a <hostname>");
    for (const auto& record : network.dns.texts)
        if (!record.value) report.add(record.rest, "the <txt> '{}' lacks the attribute 'value'", record.name);
}

void services(const Network& network, Report& report) {
    for (const auto& record : network.dns.services) {
        if (record.service.empty() || (record.protocol != "tcp" && record.protocol != "udp"))
            report.add(record.rest, "a <srv> needs a 'service', and 'tcp' or 'udp' as its 'protocol'");
        if (record.port.value_or(1) == 0 || record.port.value_or(1) > 65535)
            report.add(record.rest, "the port of a <srv> is 1 to 65535");
        if (std::max(record.priority.value_or(0), record.weight.value_or(0)) > 65535)
            report.add(record.rest, "priority and weight of a <srv> are 0 to 65535");
    }
}

void groups(const Network& network, Report& report) {
    std::set<std::string_view> names;
    int defaults = 0;
    for (const auto& group : network.portgroups) {
        if (!names.insert(group.name).second) report.add(group.rest, "the <portgroup> '{}' stands twice", group.name);
        if (group.is_default == true && ++defaults > 1)
            report.add(group.rest, "two <portgroup> are default='yes'; only one can be");
        if (group.vlan) checks::vlan(*group.vlan, report);
    }
    if (network.vlan) checks::vlan(*network.vlan, report);
}

void translation(const Network& network, Report& report) {
    if (!network.forward) return;
    const auto& forward = *network.forward;
    if (const auto& ports = forward.nat_ports; ports && (ports->start == 0 || ports->start > ports->end))
        report.add(ports->rest, "the ports {} to {} of <nat> are no range", ports->start, ports->end);
    if (const auto& range = forward.nat_addresses) {
        const auto start = domus::IpAddress::parse(range->start), end = domus::IpAddress::parse(range->end);
        if (!start || !end || start->v6 || end->v6 || *end < *start)
            report.add(range->rest, "the addresses {} to {} of <nat> are no range of IPv4 addresses", range->start,
                       range->end);
    }
}

} // namespace

void check(const Network& network, format::Findings& findings) {
    Report report(findings);
    if (!counts(network, report)) return;
    general(network, report);
    addresses(network, report);
    lease_times(network, report);
    for (const auto& each : network.routes) route(network, each, report);
    names(network, report);
    services(network, report);
    groups(network, report);
    translation(network, report);
}

} // namespace domus::model
