#include "network/admission.hpp"

#include "base/error.hpp"
#include "model/unsupported.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::network {

namespace {

/// In order of their names, for the search.
constexpr auto harmless_options = std::to_array<std::string_view>({"address",
                                                                   "alias",
                                                                   "all-servers",
                                                                   "auth-peer",
                                                                   "auth-sec-servers",
                                                                   "auth-server",
                                                                   "auth-soa",
                                                                   "auth-ttl",
                                                                   "auth-zone",
                                                                   "bogus-nxdomain",
                                                                   "bogus-priv",
                                                                   "caa-record",
                                                                   "cache-size",
                                                                   "clear-on-reload",
                                                                   "cname",
                                                                   "dhcp-authoritative",
                                                                   "dhcp-boot",
                                                                   "dhcp-broadcast",
                                                                   "dhcp-circuitid",
                                                                   "dhcp-client-update",
                                                                   "dhcp-duid",
                                                                   "dhcp-fqdn",
                                                                   "dhcp-generate-names",
                                                                   "dhcp-host",
                                                                   "dhcp-ignore",
                                                                   "dhcp-ignore-clid",
                                                                   "dhcp-ignore-names",
                                                                   "dhcp-lease-max",
                                                                   "dhcp-mac",
                                                                   "dhcp-match",
                                                                   "dhcp-name-match",
                                                                   "dhcp-no-override",
                                                                   "dhcp-option",
                                                                   "dhcp-option-force",
                                                                   "dhcp-pxe-vendor",
                                                                   "dhcp-range",
                                                                   "dhcp-rapid-commit",
                                                                   "dhcp-remoteid",
                                                                   "dhcp-reply-delay",
                                                                   "dhcp-sequential-ip",
                                                                   "dhcp-subscrid",
                                                                   "dhcp-ttl",
                                                                   "dhcp-userclass",
                                                                   "dhcp-vendorclass",
                                                                   "dns-forward-max",
                                                                   "dns-loop-detect",
                                                                   "dns-rr",
                                                                   "dnssec",
                                                                   "dnssec-check-unsigned",
                                                                   "dnssec-no-timecheck",
                                                                   "domain",
                                                                   "domain-needed",
                                                                   "edns-packet-max",
                                                                   "enable-ra",
                                                                   "expand-hosts",
                                                                   "filter-A",
                                                                   "filter-AAAA",
                                                                   "filterwin2k",
                                                                   "host-record",
                                                                   "ignore-address",
                                                                   "interface-name",
                                                                   "local",
                                                                   "local-ttl",
                                                                   "localise-queries",
                                                                   "localmx",
                                                                   "log-debug",
                                                                   "log-dhcp",
                                                                   "log-queries",
                                                                   "max-cache-ttl",
                                                                   "max-port",
                                                                   "max-ttl",
                                                                   "min-cache-ttl",
                                                                   "min-port",
                                                                   "mx-host",
                                                                   "mx-target",
                                                                   "naptr-record",
                                                                   "neg-ttl",
                                                                   "no-hosts",
                                                                   "no-negcache",
                                                                   "no-ping",
                                                                   "no-poll",
                                                                   "no-resolv",
                                                                   "no-round-robin",
                                                                   "port-limit",
                                                                   "ptr-record",
                                                                   "pxe-prompt",
                                                                   "pxe-service",
                                                                   "query-port",
                                                                   "quiet-dhcp",
                                                                   "quiet-dhcp6",
                                                                   "quiet-ra",
                                                                   "quiet-tftp",
                                                                   "ra-param",
                                                                   "rebind-domain-ok",
                                                                   "rebind-localhost-ok",
                                                                   "rev-server",
                                                                   "selfmx",
                                                                   "server",
                                                                   "srv-host",
                                                                   "stop-dns-rebind",
                                                                   "strict-order",
                                                                   "synth-domain",
                                                                   "tag-if",
                                                                   "tftp-lowercase",
                                                                   "tftp-max",
                                                                   "tftp-mtu",
                                                                   "tftp-no-blocksize",
                                                                   "tftp-no-fail",
                                                                   "tftp-port-range",
                                                                   "tftp-secure",
                                                                   "tftp-single-port",
                                                                   "tftp-unique-root",
                                                                   "trust-anchor",
                                                                   "txt-record",
                                                                   "use-stale-cache"});
static_assert(std::ranges::is_sorted(harmless_options));

/// Names that go into the scripts of nft and dnsmasq must be names.
void require_plain(std::string_view what, const std::optional<std::string>& text, std::string_view also = "") {
    if (!text) return;
    for (const char c : *text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
                           || std::string_view("_.-:").contains(c) || also.contains(c);
        if (!plain)
            throw Error(
                ErrorCode::xml_error, ErrorDomain::network,
                fmt::format("XML error: {} '{}' has the character '{}', which no such name has", what, *text, c));
    }
}

void require_plain_names(const model::Network& network) {
    require_plain("the bridge's name", network.bridge.name);
    if (network.forward) {
        require_plain("the device", network.forward->dev);
        for (const auto& interface : network.forward->interfaces) require_plain("the device", interface.dev);
    }
    require_plain("the domain", network.domain_name);
    for (const auto& forwarder : network.dns.forwarders) {
        require_plain("the domain", forwarder.domain);
        require_plain("the address", forwarder.address, "#@");
    }
    for (const auto& record : network.dns.texts) {
        require_plain("the name", record.name);
        require_plain("the text", record.value, " =/+@(){}[]");
    }
    for (const auto& record : network.dns.services)
        for (const auto& part :
             {std::optional(record.service), std::optional(record.protocol), record.domain, record.target})
            require_plain("a part of a service record", part);
    for (const auto& host : network.dns.hosts) {
        require_plain("the address", host.ip);
        for (const auto& name : host.names) require_plain("the name", name);
    }
    for (const auto& ip : network.ips) {
        for (const auto& range : ip.dhcp_ranges)
            for (const auto& end : {range.start, range.end}) require_plain("the address", end);
        for (const auto& host : ip.dhcp_hosts)
            for (const auto& part : {host.mac, host.id, host.ip, host.name}) require_plain("a DHCP host", part);
        for (const auto& path : {ip.tftp_root, ip.bootp_file, ip.bootp_server}) require_plain("the path", path, "/ ");
    }
}

/// A list of what is let through, and not of what is dangerous: dnsmasq gets new options with each version.
void require_harmless_options(const model::Network& network) {
    for (const auto& option : network.dnsmasq_options)
        if (!is_harmless_option(option.value))
            throw Error(
                ErrorCode::config_unsupported, ErrorDomain::network,
                fmt::format("unsupported configuration: line {}: <dnsmasq:option value='{}'/> is not handed over to "
                            "dnsmasq",
                            option.rest.line, option.value))
                .hint("options that run programs, change the user or name files are not, since dnsmasq starts as root");
}

} // namespace

namespace {

Subnet subnet_from(const std::string& text, const std::optional<std::string>& netmask, std::optional<unsigned> prefix) {
    const auto invalid = [](std::string what) {
        return Error(ErrorCode::xml_error, ErrorDomain::network, "XML error: " + std::move(what));
    };
    const auto address = IpAddress::parse(text);
    if (!address) throw invalid(fmt::format("'{}' is no IP address", text));
    if (netmask && !prefix) {
        const auto mask = IpAddress::parse(*netmask);
        prefix = mask && mask->v6 == address->v6 ? mask->as_netmask() : std::nullopt;
        if (!prefix) throw invalid(fmt::format("the netmask '{}' of {} is none", *netmask, text));
    }
    const auto length = prefix.value_or(usual_prefix(*address));
    if (length > address->width()) throw invalid(fmt::format("the prefix {} of {} is too long", length, text));
    return {*address, length};
}

} // namespace

std::optional<Subnet> subnet_of(const model::NetworkIp& ip) {
    if (!ip.address) return std::nullopt;
    return subnet_from(*ip.address, ip.netmask, ip.prefix);
}

std::vector<Subnet> subnets_of(const model::Network& network) {
    std::vector<Subnet> all;
    for (const auto& ip : network.ips)
        if (const auto subnet = subnet_of(ip)) all.push_back(*subnet);
    return all;
}

bool has_ipv6(const model::Network& network) {
    return std::ranges::any_of(subnets_of(network), [](const Subnet& subnet) { return subnet.address.v6; });
}

Subnet destination_of(const model::Route& route) { return subnet_from(route.address, route.netmask, route.prefix); }

unsigned metric_of(const model::Route& route) { return route.metric.value_or(1); }

bool is_harmless_option(std::string_view option) {
    if (std::ranges::any_of(option, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }))
        return false;
    auto name = option.substr(0, option.find('='));
    while (name.ends_with(' ')) name.remove_suffix(1);
    return std::ranges::binary_search(harmless_options, name);
}

void require_device_name(const std::optional<std::string>& name) {
    constexpr std::size_t longest = 15;
    if (!name
        || (!name->empty() && name->size() <= longest && name->find_first_of("/: \t\n%\"\\{};#") == std::string::npos))
        return;
    throw Error(ErrorCode::xml_error, ErrorDomain::network,
                fmt::format("XML error: '{}' is no name for a device of the host: 1 to {} characters, no blanks, none "
                            "of / : % \" \\ {{ }} ; #",
                            *name, longest));
}

void require_usable(const model::Network& network) {
    format::Findings findings;
    model::check(network, findings);
    model::find_unsupported(network, findings);
    format::throw_findings(findings, ErrorDomain::network, "<network>");
    require_harmless(network);
}

void require_harmless(const model::Network& network) {
    require_plain_names(network);
    require_harmless_options(network);
}

} // namespace domus::network
