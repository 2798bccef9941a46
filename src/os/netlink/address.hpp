// IP addresses of the host's network devices. Blocks: call it in a lane. All throw Error.
#pragma once

#include "base/subnet.hpp"

#include <string>
#include <vector>

namespace domus::netlink {

struct LinkAddress {
    int link = 0; ///< index of the device
    Subnet address;
};

/// Of all devices, IPv4 and IPv6.
std::vector<LinkAddress> addresses();

/// Of IPv4 with the subnet's last address as broadcast address; of IPv6 without a search for others that have it.
void add_address(const std::string& device, const Subnet& address);

} // namespace domus::netlink
