// Whether a guest's user may use its images on Gluster. QEMU asks the server as that user, and the server defers the opening
// of a file: without this a guest would start and get I/O errors.
#pragma once

#include "compute/domain/environment.hpp"
#include "compute/domain/guest_user.hpp"
#include "model/disk.hpp"

#include <optional>

namespace domus::compute {

/// Asks the servers of the disk's images; `user` as the guest's, none for the daemon's own. Throws operation_denied, naming the
/// image, its owner and what to do; operation_timeout when a server does not answer.
Task<> require_gluster_rights(model::Disk disk, std::optional<GuestUser> user);

} // namespace domus::compute
