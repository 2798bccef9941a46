// An image on a server that one domain of this host writes to is no other's: a file below the state folder stands for it,
// locked as an image is (lock.hpp). QEMU gets its descriptor, so that the lock outlives the daemon and ends with the guest.
// What other hosts do is not seen. Blocks.
#pragma once

#include "image/lock.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace domus::image {

/// `source` is the image's name (model/network_source.hpp); without `how`, for work that goes with no other use. Throws
/// resource_busy, naming who has it. Files that stand for images that nobody uses any more are removed on the way.
UniqueFd lock_network_image(const std::filesystem::path& folder, const std::string& source, std::optional<Claim> how);

} // namespace domus::image
