// Opening files with somebody else's rights. The daemon opens disks, firmware and kernels for QEMU, but only what the
// caller may open: so that an image in any user's folder starts, and nobody reads through the daemon what is not
// theirs.
#pragma once

#include "os/credentials.hpp"
#include "os/files.hpp"

#include <optional>
#include <vector>

namespace domus {

/// The calling thread's identity towards file systems, as long as this lives: what it opens, makes and removes is judged
/// as if `who` did it, and belongs to `who`. Nothing changes for one who is root, or where we are not. Throws Error.
class FileSystemIdentity {
public:
    explicit FileSystemIdentity(const Credentials& who);
    FileSystemIdentity(const FileSystemIdentity&) = delete;
    FileSystemIdentity& operator=(const FileSystemIdentity&) = delete;
    ~FileSystemIdentity();

private:
    void restore();
    std::optional<std::vector<gid_t>> groups_; ///< ours, while they are others
};

/// open(2) with the file system identity of `who` (setfsuid(2): it holds for the calling thread alone, and the kernel
/// drops the capabilities over files with it). Blocks. An Error names the component of the path that refused.
/// `mode` is for a file that O_CREAT makes; it then belongs to `who`.
UniqueFd open_as(const Credentials& who, const std::filesystem::path& path, int flags, mode_t mode = 0600);

/// Whether `who` may open this file for reading once more, through /dev/fd.
bool may_reopen(const Credentials& who, int fd);

/// A connection to a listening Unix socket; its server sees `who` as its peer. Blocks.
UniqueFd connect_as(const Credentials& who, const std::filesystem::path& socket);

/// Groups that a user needs to read and write a device of the host: none if all may, or if no group does.
std::vector<gid_t> groups_for_device(const std::filesystem::path& device);

/// symlink(2) with that identity. Blocks.
void symlink_as(const Credentials& who, const std::string& target, const std::filesystem::path& path);

/// A listening Unix socket at this path, made with that identity; a socket that was there goes, anything else is an Error.
UniqueFd listen_as(const Credentials& who, const std::filesystem::path& path);

/// unlink(2) with that identity. Blocks.
void remove_as(const Credentials& who, const std::filesystem::path& path);

} // namespace domus
