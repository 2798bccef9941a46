// Opening files with somebody else's rights. The daemon opens disks, firmware and kernels for QEMU, but only what the
// caller may open: so that an image in any user's folder starts, and nobody reads through the daemon what is not
// theirs.
#pragma once

#include "os/credentials.hpp"
#include "os/files.hpp"

namespace domus {

/// open(2) with the file system identity of `who` (setfsuid(2): it holds for the calling thread alone, and the kernel
/// drops the capabilities over files with it). Blocks. An Error names the component of the path that refused.
/// `mode` is for a file that O_CREAT makes; it then belongs to `who`.
UniqueFd open_as(const Credentials& who, const std::filesystem::path& path, int flags, mode_t mode = 0600);

/// unlink(2) with that identity. Blocks.
void remove_as(const Credentials& who, const std::filesystem::path& path);

} // namespace domus
