// What a guest's process sees of the host's file system: programs, libraries and firmware, a few devices, its own folder,
// and what its definition names that QEMU has to open by itself. Blocks; called in a lane.
#pragma once

#include "compute/domain/guest_user.hpp"
#include "model/domain.hpp"
#include "os/file_view.hpp"

#include <string>

namespace domus::compute {

struct GuestPlaces {
    std::string staging;  ///< an empty folder
    std::string own;      ///< the guest's folder
    std::string emulator; ///< the program
};

FileView guest_view(const model::Domain& live, const GuestUser& user, const GuestPlaces& places);

/// What a program beside QEMU sees that serves a device of the guest: programs, libraries, devices that all have, and a
/// /tmp in memory. `program` may lie elsewhere than in /usr.
FileView helper_view(const std::string& staging, const std::string& program);

/// Devices of the host that QEMU opens by their names for what is assigned to the guest.
std::vector<std::string> device_nodes(const model::Domain& live);

} // namespace domus::compute
