// What a volume of Gluster holds, as the program domus-gluster tells the daemon: an XML document on its standard output.
#pragma once

#include "model/storage.hpp"

namespace domus::storage {

struct GlusterListing {
    ByteCount capacity, available;
    std::vector<model::Volume> volumes;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const GlusterListing&) const = default;
};

/// How domus-gluster ends where libgfapi is not installed.
constexpr int gluster_library_missing = 3;

} // namespace domus::storage
