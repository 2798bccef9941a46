// Subnets of IPv4 and IPv6: an address with the length of its network's prefix.
#pragma once

#include "base/ip_address.hpp"

#include <string>

namespace domus {

struct Subnet {
    IpAddress address; ///< any address in it: that of a device, say
    unsigned prefix = 24;

    IpAddress mask() const { return IpAddress::netmask(address.v6, prefix); }
    IpAddress first() const;
    IpAddress last() const;
    /// False for an address of the other family.
    bool contains(const IpAddress& other) const;
    /// False for a subnet of the other family.
    bool overlaps(const Subnet& other) const;
    /// "192.168.122.0/24"
    std::string text() const;
    bool operator==(const Subnet&) const = default;
};

/// The prefix of an address that is given without one, as libvirt takes it: that of its class (RFC 791, section 2.3), 64 for
/// IPv6, 0 for the address of all zeros.
unsigned usual_prefix(const IpAddress& address);

} // namespace domus
