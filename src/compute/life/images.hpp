// Opening a domain's images for it: disks with the images below them, firmware, kernel. Blocks; called in a lane.
#pragma once

#include "compute/domain/guest_user.hpp"
#include "compute/domain/opener.hpp"
#include "engine/launch.hpp"
#include "model/domain.hpp"

#include <filesystem>
#include <optional>

namespace domus::engine {
class Engine;
}

namespace domus::compute {

/// Descriptors for everything that the domain reads, opened with the rights of the caller (opener.hpp); images are locked through
/// them (image/lock.hpp), so that QEMU has the locks as long as it has the images. Throws resource_busy for one that is
/// used otherwise. Fills the backing chains of
/// `live` from the images' headers where the definition leaves them open. Throws an Error that names the device.
/// Variables of UEFI that have no place yet get a file of their own in `folders.nvram`.
struct ImageFolders {
    const engine::Engine* engine; ///< that chooses the firmware
    std::filesystem::path nvram, locks;
    bool reset_nvram = false; ///< they get the contents of their template again
};
/// `guest`: the user that QEMU runs as; none: as the daemon. What QEMU opens by itself it gets as a copy where that user may not.
engine::Launch open_images(model::Domain& live, const Opener& caller, const std::optional<GuestUser>& guest,
                           const ImageFolders& folders);

/// The option ROM of a device, into launch.files.
void open_rom(const Opener& caller, const std::optional<GuestUser>& guest, const model::Rom& rom,
              engine::Launch& launch);

/// Whether images are locked as they are opened, or by QEMU itself when it comes to use them.
enum class Locking { now, by_qemu };

/// Those of one disk alone, into launch.disks. `lock_folder`: for what stands for images on servers (image/network_lock.hpp).
void open_disk(const Opener& caller, model::Disk& disk, engine::Launch& launch,
               const std::filesystem::path& lock_folder, Locking locking = Locking::now);

} // namespace domus::compute
