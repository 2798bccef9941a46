// Routes of the host, of all tables. Blocks: call it in a lane. Throws Error.
#pragma once

#include "base/subnet.hpp"

#include <optional>
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

} // namespace domus::netlink
