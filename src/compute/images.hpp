// Opening a domain's images for it: disks with the images below them, firmware, kernel. Blocks; called in a lane.
#pragma once

#include "engine/qemu/launch.hpp"
#include "model/domain.hpp"
#include "os/credentials.hpp"

namespace domus::compute {

/// Descriptors for everything that the domain reads, opened with the rights of the caller. Fills the backing chains of
/// `live` from the images' headers where the definition leaves them open. Throws an Error that names the device.
engine::qemu::Launch open_images(model::Domain& live, const Credentials& caller);

} // namespace domus::compute
