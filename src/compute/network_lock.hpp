// An image on a server that one domain of this host writes to is no other's: a file below the state folder stands for it,
// locked as an image is (image/lock.hpp). QEMU gets its descriptor, so that the lock outlives the daemon and ends with the
// guest. What other hosts do is not seen. Blocks.
#pragma once

#include "image/lock.hpp"

#include <filesystem>
#include <string>

namespace domus::compute {

/// `source` is the image's name (engine/qemu/leased_source.hpp). Throws resource_busy, naming who has it. Files that stand
/// for images that nobody uses any more are removed on the way.
UniqueFd lock_network_image(const std::filesystem::path& folder, const std::string& source, image::Claim how);

} // namespace domus::compute
