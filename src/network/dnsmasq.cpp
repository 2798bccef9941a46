#include "network/dnsmasq.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace domus::network {

namespace {

/// Blanks before '#', and quotes, have a meaning there (read_file() in dnsmasq's option.c).
std::string quoted(const std::string& path) {
    std::string text = "\"";
    for (const char c : path) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
    }
    return text + '"';
}

} // namespace

std::string dnsmasq_configuration(const model::Network& network, const std::vector<Subnet>& subnets,
                                  const DnsmasqFiles& files) {
    std::string text = "# Made by domusd from the network's definition; changes are lost.\n";
    const auto add = [&](std::string line) { text += line + "\n"; };
    add("no-hosts");
    add("strict-order");
    add("except-interface=lo");
    add("bind-dynamic");
    add(fmt::format("interface={}", *network.bridge.name));
    if (network.domain_name) {
        add(fmt::format("domain={}", *network.domain_name));
        add("expand-hosts");
        if (network.domain_local_only.value_or(false)) add(fmt::format("local=/{}/", *network.domain_name));
    }
    if (!network.dns.enable.value_or(true)) add("port=0");
    // The host's resolvers are asked only where nothing else is said.
    const bool own_servers =
        std::ranges::any_of(network.dns.forwarders, [](const auto& forwarder) { return !forwarder.domain; });
    if (!network.dns.enable.value_or(true) || own_servers) add("no-resolv");
    if (network.dns.forward_plain_names == false) add("domain-needed");
    for (const auto& forwarder : network.dns.forwarders)
        add(fmt::format("server={}{}", forwarder.domain ? "/" + *forwarder.domain + "/" : "",
                        forwarder.address.value_or("#")));
    for (const auto& record : network.dns.texts) add(fmt::format("txt-record={},{}", record.name, record.value));
    bool dhcp = false;
    for (std::size_t i = 0, subnet = 0; i < network.ips.size(); ++i) {
        const auto& ip = network.ips[i];
        if (ip.family == model::AddressFamily::ipv6 || subnet >= subnets.size()) continue;
        const auto prefix = subnets[subnet++];
        const auto mask = prefix.mask().text();
        for (const auto& range : ip.dhcp_ranges) add(fmt::format("dhcp-range={},{},{}", range.start, range.end, mask));
        if (ip.dhcp_ranges.empty() && !ip.dhcp_hosts.empty())
            add(fmt::format("dhcp-range={},static,{}", prefix.first().text(), mask));
        dhcp |= !ip.dhcp_ranges.empty() || !ip.dhcp_hosts.empty();
        if (ip.tftp_root) add(fmt::format("enable-tftp\ntftp-root={}", *ip.tftp_root));
        if (ip.bootp_file)
            add(fmt::format("dhcp-boot={}{}", *ip.bootp_file, ip.bootp_server ? ",," + *ip.bootp_server : ""));
    }
    if (dhcp) {
        add("dhcp-authoritative");
        add("dhcp-no-override");
        add(fmt::format("dhcp-leasefile={}", quoted(files.leases.string())));
        add(fmt::format("dhcp-hostsfile={}", quoted(files.hosts.string())));
        if (network.mode() == model::ForwardMode::none) add("dhcp-option=3"); // no way out: no router
    }
    add(fmt::format("addn-hosts={}", quoted(files.addresses.string())));
    for (const auto& option : network.dnsmasq_options) add(option.value);
    return text;
}

std::string dnsmasq_hosts(const model::Network& network) {
    std::string text;
    for (const auto& ip : network.ips)
        for (const auto& host : ip.dhcp_hosts) {
            std::string line = host.mac.value_or(host.id ? "id:" + *host.id : "");
            for (const auto& part : {host.ip, host.name})
                if (part) line += (line.empty() ? "" : ",") + *part;
            text += line + "\n";
        }
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
        std::string expires;
        Lease lease;
        if (!(fields >> expires >> lease.mac >> lease.address >> lease.hostname)) continue;
        fields >> lease.client_id;
        const auto [end, error] = std::from_chars(expires.data(), expires.data() + expires.size(), lease.expires);
        if (error != std::errc{} || end != expires.data() + expires.size()) continue;
        if (lease.hostname == "*") lease.hostname.clear();
        if (lease.client_id == "*") lease.client_id.clear();
        leases.push_back(std::move(lease));
    }
    return leases;
}

} // namespace domus::network
