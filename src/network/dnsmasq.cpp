#include "network/dnsmasq.hpp"

#include "base/subnet.hpp"
#include "network/admission.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace domus::network {

namespace {

class Configuration {
public:
    template <class... Part> void add(fmt::format_string<Part...> line, Part&&... parts) {
        text_ += fmt::format(line, std::forward<Part>(parts)...) + "\n";
    }
    std::string take() { return std::move(text_); }

private:
    std::string text_ = "# Made by domusd from the network's definition; changes are lost.\n";
};

/// Blanks before '#', and quotes, have a meaning there (read_file() in dnsmasq's option.c).
std::string quoted(const std::string& path) {
    std::string text = "\"";
    for (const char c : path) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
    }
    return text + '"';
}

/// As dnsmasq reads it, with a comma before it; nothing for none, dnsmasq's own hour.
std::string lease_time(const std::optional<model::DhcpLeaseTime>& lease) {
    if (!lease) return {};
    if (lease->expiry == 0) return ",infinite";
    const auto unit = lease->unit.value_or(model::LeaseUnit::minutes);
    return fmt::format(",{}{}", lease->expiry,
                       unit == model::LeaseUnit::seconds ? "s"
                       : unit == model::LeaseUnit::hours ? "h"
                                                         : "m");
}

bool lends(const model::NetworkIp& ip) { return !ip.dhcp_ranges.empty() || !ip.dhcp_hosts.empty(); }

bool any_of(const model::Network& network, bool v6, bool with_dhcp) {
    const auto is_it = [&](const model::NetworkIp& ip) {
        const auto subnet = subnet_of(ip);
        return subnet && subnet->address.v6 == v6 && (!with_dhcp || lends(ip));
    };
    return std::ranges::any_of(network.ips, is_it);
}

/// The zones of names that belong to the addresses of a subnet: 122.168.192.in-addr.arpa (RFC 1035, section 3.5; RFC 3596,
/// section 2.5). One that ends within a byte, or within half of one, has several.
std::vector<std::string> reverse_zones(const Subnet& subnet) {
    const bool v6 = subnet.address.v6;
    const unsigned part = v6 ? 4 : 8;
    const auto whole = subnet.prefix / part, rest = subnet.prefix % part;
    const auto first = subnet.first();
    const auto part_of = [&](unsigned index) -> unsigned {
        if (!v6) return first.bytes[index];
        const unsigned byte = first.bytes[index / 2];
        return index % 2 == 0 ? byte >> 4 : byte & 15u;
    };
    const auto word = [&](unsigned value) { return v6 ? fmt::format("{:x}", value) : fmt::format("{}", value); };
    std::string end = v6 ? "ip6.arpa" : "in-addr.arpa";
    for (unsigned i = 0; i < whole; ++i) end.insert(0, word(part_of(i)) + ".");
    if (rest == 0) return {end};
    std::vector<std::string> zones;
    for (unsigned i = 0; i < 1u << (part - rest); ++i) zones.push_back(word(part_of(whole) + i) + "." + end);
    return zones;
}

void add_names(Configuration& conf, const model::Network& network) {
    const auto& dns = network.dns;
    if (network.domain_name) {
        conf.add("domain={}", *network.domain_name);
        conf.add("expand-hosts");
        if (network.domain_local_only.value_or(false)) conf.add("local=/{}/", *network.domain_name);
    }
    if (!dns.enable.value_or(true)) conf.add("port=0");
    // The host's resolvers are asked only where nothing else is said.
    const bool own_servers = std::ranges::any_of(dns.forwarders, [](const auto& each) { return !each.domain; });
    if (!dns.enable.value_or(true) || own_servers) conf.add("no-resolv");
    if (dns.forward_plain_names == false) conf.add("domain-needed");
    for (const auto& forwarder : dns.forwarders)
        conf.add("server={}{}", forwarder.domain ? "/" + *forwarder.domain + "/" : "", forwarder.address.value_or("#"));
    for (const auto& record : dns.texts) conf.add("txt-record={},{}", record.name, record.value.value_or(""));
    for (const auto& record : dns.services) {
        const auto domain = record.domain ? "." + *record.domain : std::string();
        conf.add("srv-host=_{}._{}{},{},{},{},{}", record.service, record.protocol, domain, record.target.value_or(""),
                 record.port.value_or(1), record.priority.value_or(0), record.weight.value_or(0));
    }
    for (const auto& ip : network.ips) {
        if (!ip.local_ptr.value_or(false)) continue;
        if (const auto subnet = subnet_of(ip))
            for (const auto& zone : reverse_zones(*subnet)) conf.add("local=/{}/", zone);
    }
}

/// Ranges and fixed addresses. Of IPv6 without them, guests make addresses of their own (SLAAC).
void add_leases(Configuration& conf, const model::NetworkIp& ip, const Subnet& subnet) {
    const auto mask = subnet.address.v6 ? fmt::format("{}", subnet.prefix) : subnet.mask().text();
    for (const auto& range : ip.dhcp_ranges)
        conf.add("dhcp-range={},{},{}{}", range.start, range.end, mask, lease_time(range.lease));
    if (ip.dhcp_ranges.empty() && !ip.dhcp_hosts.empty())
        conf.add("dhcp-range={},static,{}", subnet.first().text(), mask);
    if (subnet.address.v6 && !lends(ip)) conf.add("dhcp-range={},ra-only", subnet.first().text());
    if (ip.tftp_root) {
        conf.add("enable-tftp");
        conf.add("tftp-root={}", *ip.tftp_root);
    }
    if (ip.bootp_file) conf.add("dhcp-boot={}{}", *ip.bootp_file, ip.bootp_server ? ",," + *ip.bootp_server : "");
}

std::string host_line(const model::DhcpHost& host) {
    std::string line = host.mac.value_or(host.id ? "id:" + *host.id : "");
    const auto add = [&](const std::string& part) { line += (line.empty() ? "" : ",") + part; };
    if (host.ip) add(host.ip->contains(':') ? "[" + *host.ip + "]" : *host.ip);
    if (host.name) add(*host.name);
    return line + lease_time(host.lease);
}

template <class Number> std::optional<Number> number_of(const std::string& text) {
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

/// The MAC address at the end of a DUID of type 1 or 3 for Ethernet (RFC 8415, sections 11.2 and 11.4).
std::string mac_in(const std::string& duid) {
    constexpr std::size_t length = 17;
    const bool with_time = duid.starts_with("00:01:00:01:") && duid.size() == 14 * 3 - 1;
    const bool without = duid.starts_with("00:03:00:01:") && duid.size() == 10 * 3 - 1;
    return with_time || without ? duid.substr(duid.size() - length) : std::string();
}

} // namespace

std::string dnsmasq_configuration(const model::Network& network, const DnsmasqFiles& files) {
    Configuration conf;
    conf.add("no-hosts");
    conf.add("strict-order");
    conf.add("except-interface=lo");
    conf.add("bind-dynamic");
    conf.add("interface={}", *network.bridge.name);
    add_names(conf, network);
    for (const auto& ip : network.ips)
        if (const auto subnet = subnet_of(ip)) add_leases(conf, ip, *subnet);
    if (any_of(network, true, false)) conf.add("enable-ra");
    if (any_of(network, false, true) || any_of(network, true, true)) {
        conf.add("dhcp-authoritative");
        conf.add("dhcp-no-override");
        conf.add("dhcp-leasefile={}", quoted(files.leases.string()));
        conf.add("dhcp-hostsfile={}", quoted(files.hosts.string()));
        if (network.mode() == model::ForwardMode::none) conf.add("dhcp-option=3"); // no way out: no router
    }
    if (network.mode() == model::ForwardMode::none && any_of(network, true, false))
        conf.add("ra-param={},0,0", *network.bridge.name); // the same for IPv6: a router's lifetime of 0
    conf.add("addn-hosts={}", quoted(files.addresses.string()));
    for (const auto& option : network.dnsmasq_options) conf.add("{}", option.value);
    return conf.take();
}

std::string dnsmasq_hosts(const model::Network& network) {
    std::string text;
    for (const auto& ip : network.ips)
        for (const auto& host : ip.dhcp_hosts) text += host_line(host) + "\n";
    return text;
}

std::string dnsmasq_addresses(const model::Network& network) {
    std::string text;
    for (const auto& host : network.dns.hosts) text += fmt::format("{} {}\n", host.ip, fmt::join(host.names, " "));
    return text;
}

std::vector<Lease> parse_leases(const std::string& text) {
    std::vector<Lease> leases;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        std::istringstream fields(line);
        std::string expires, client;
        Lease lease;
        if (!(fields >> expires >> client >> lease.address >> lease.hostname)) continue;
        fields >> lease.client_id;
        const auto time = number_of<std::int64_t>(expires);
        if (!time) continue;
        lease.expires = *time;
        if (lease.hostname == "*") lease.hostname.clear();
        if (lease.client_id == "*") lease.client_id.clear();
        if (lease.v6()) {
            lease.iaid = client.starts_with('T') ? client.substr(1) : client; // T: of a temporary address
            lease.mac = mac_in(lease.client_id);
        } else {
            lease.mac = client;
        }
        leases.push_back(std::move(lease));
    }
    return leases;
}

} // namespace domus::network
