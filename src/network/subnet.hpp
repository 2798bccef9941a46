// Which subnet a network gets that names none.
#pragma once

#include "base/subnet.hpp"

#include <vector>

namespace domus::network {

/// 192.168.122.0/24 if nothing overlaps it, else 192.168.123.0/24 and so on to 254. Throws Error if none is free.
Subnet choose_subnet(const std::vector<Subnet>& taken);

} // namespace domus::network
