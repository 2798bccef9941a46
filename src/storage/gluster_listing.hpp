// The program domus-gluster, which asks servers of Gluster for the daemon, and the XML document in which it tells what a volume
// holds.
#pragma once

#include "model/storage.hpp"
#include "os/process.hpp"

namespace domus::storage {

struct GlusterListing {
    ByteCount capacity, available;
    std::vector<model::Volume> volumes;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const GlusterListing&) const = default;
};

constexpr unsigned gluster_port = 24007; ///< where a definition names none

/// How domus-gluster ends where libgfapi is not installed, and where the user may not.
constexpr int gluster_library_missing = 3, gluster_not_permitted = 4;

/// `what` is said in gluster_main.cc. The program lies beside the daemon's.
Command gluster_command(std::string what, std::string host, std::optional<unsigned> port, std::string volume,
                        std::string path);

} // namespace domus::storage
