// Where volumes lie that a definition may name by their paths, as stock virt-install does. What a pool holds is the pool's
// to open, for all who may use pools.
#pragma once

#include "os/credentials.hpp"

#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace domus::storage {

struct PoolPlaces {
    std::map<std::filesystem::path, Credentials> folders; ///< of active pools, and whose rights count in them
    std::set<std::string> devices;                        ///< volumes of other pools
};

} // namespace domus::storage
