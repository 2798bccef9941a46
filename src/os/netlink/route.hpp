// Routes of the host, of all tables. Blocks: call it in a lane. Throws Error.
#pragma once

#include "base/subnet.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::netlink {

struct Route {
    Subnet destination; ///< prefix 0: the default route
    std::optional<IpAddress> gateway;
    int link = 0;       ///< index of the device; 0: none, or several
    unsigned table = 0; ///< RT_TABLE_MAIN 254, RT_TABLE_LOCAL 255, ...
};

/// IPv4 and IPv6.
std::vector<Route> routes();

/// In the main table, through that device. Throws operation_failed if there is no such device, system_error (EEXIST,
/// ENETUNREACH for a gateway that no address reaches).
void add_route(const std::string& device, const Subnet& destination, const IpAddress& gateway, unsigned metric);

} // namespace domus::netlink
