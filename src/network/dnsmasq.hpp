// DHCP and DNS of a network, by dnsmasq: its configuration, and the leases that it writes down.
#pragma once

#include "model/network.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace domus::network {

struct DnsmasqFiles {
    std::filesystem::path configuration, hosts, addresses, leases;
};

/// dnsmasq.conf (dnsmasq(8)) of a network.
std::string dnsmasq_configuration(const model::Network& network, const DnsmasqFiles& files);
/// Fixed addresses: a line for each host.
std::string dnsmasq_hosts(const model::Network& network);
std::string dnsmasq_addresses(const model::Network& network);

struct Lease {
    std::int64_t expires = 0; ///< seconds since 1970; 0 never
    std::string mac;          ///< of IPv6: the one in the client's DUID, if there is one (RFC 8415, section 11)
    std::string address, hostname;
    std::string client_id; ///< of IPv6: the DUID
    std::string iaid;      ///< of IPv6
    bool v6() const { return address.contains(':'); }
    bool operator==(const Lease&) const = default;
};
/// Of dnsmasq's lease file; lines that are none are left out.
std::vector<Lease> parse_leases(const std::string& text);

} // namespace domus::network
