// Opens what a definition names: with the rights of whom it is opened for, or as the pool that it lies in.
#pragma once

#include "os/unique_fd.hpp"
#include "storage/pool_places.hpp"

#include <filesystem>

namespace domus::storage {

struct Opener {
    Opener(Credentials for_whom, PoolPlaces places = {}) : who(std::move(for_whom)), pools(std::move(places)) {}

    /// As open_as (os/access.hpp). A file right in the folder of an active pool is opened with that pool's rights, unless
    /// it is a link: where that leads is not the pool's.
    UniqueFd open(const std::filesystem::path& path, int flags) const;
    /// Whether it is the pool's to open.
    bool in_pool(const std::filesystem::path& path) const;

    Credentials who;
    PoolPlaces pools;
};

} // namespace domus::storage
