#include "storage/opener.hpp"

#include "os/access.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace domus::storage {

namespace {

/// Nothing where it is a link.
UniqueFd open_in_folder(const Credentials& pool, const std::filesystem::path& path, int flags) {
    const FileSystemIdentity identity(pool);
    const auto folder = open_file(path.parent_path(), O_PATH | O_DIRECTORY);
    open_how how{};
    how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, folder.get(), path.filename().c_str(), &how, sizeof how)));
    if (!fd && errno != ELOOP) throw path_error(errno, "cannot open", path);
    return fd;
}

} // namespace

bool Opener::in_pool(const std::filesystem::path& path) const {
    const auto clean = path.lexically_normal();
    if (pools.devices.contains(clean.string())) return true;
    struct stat info{};
    return pools.folders.contains(clean.parent_path()) && (::lstat(clean.c_str(), &info) < 0 || !S_ISLNK(info.st_mode));
}

UniqueFd Opener::open(const std::filesystem::path& path, int flags) const {
    if (who.unrestricted()) return open_file(path, flags);
    const auto clean = path.lexically_normal();
    if (pools.devices.contains(clean.string())) return open_file(clean, flags);
    if (const auto pool = pools.folders.find(clean.parent_path()); pool != pools.folders.end())
        if (auto fd = open_in_folder(pool->second, clean, flags)) return fd;
    return open_as(who, path, flags);
}

} // namespace domus::storage
