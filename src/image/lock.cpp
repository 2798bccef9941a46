#include "image/lock.hpp"

#include "base/error.hpp"
#include "image/holder.hpp"
#include "os/files.hpp"

#include <fcntl.h>

#include <cerrno>
#include <initializer_list>
#include <utility>

namespace domus::image {

namespace {

constexpr off_t permissions = 100, unshared = 200, permission_count = 64;
/// QEMU's permissions that images are used with (BLK_PERM_*), by bit.
enum Permission : off_t { consistent_read = 0, write = 1, write_unchanged = 2, resize = 3 };
using Permissions = std::initializer_list<Permission>;

bool without_locks(int failure) {
    return failure == EINVAL || failure == ENOLCK || failure == EOPNOTSUPP || failure == ENOSYS;
}

bool locked(int fd, off_t first, off_t count) {
    auto range = lock_range(F_WRLCK, first, count); // QEMU's are read locks, which this one would not go with
    if (::fcntl(fd, F_OFD_GETLK, &range) == 0) return range.l_type != F_UNLCK;
    if (without_locks(errno)) return false;
    throw system_error(errno, "cannot look at the locks of the image", ErrorDomain::storage);
}

bool lock(int fd, off_t byte) {
    const auto range = lock_range(F_RDLCK, byte, 1);
    if (::fcntl(fd, F_OFD_SETLK, &range) == 0 || without_locks(errno)) return true;
    if (errno == EAGAIN || errno == EACCES) return false; // somebody has all of it for himself
    throw system_error(errno, "cannot lock the image", ErrorDomain::storage);
}

/// First one's own, then others': of two that come at once, none overlooks the other.
bool try_claim(int fd, Permissions used, Permissions not_shared) {
    for (const auto each : used)
        if (!lock(fd, permissions + each)) return false;
    for (const auto each : not_shared)
        if (!lock(fd, unshared + each)) return false;
    for (const auto each : used)
        if (locked(fd, unshared + each, 1)) return false;
    for (const auto each : not_shared)
        if (locked(fd, permissions + each, 1)) return false;
    return true;
}

bool claim(int fd, Permissions used, Permissions not_shared) {
    if (try_claim(fd, used, not_shared)) return true;
    const auto all = lock_range(F_UNLCK, permissions, unshared + permission_count - permissions);
    (void)::fcntl(fd, F_OFD_SETLK, &all);
    return false;
}

} // namespace

Use look_for_use(int fd) {
    return {.any = locked(fd, permissions, permission_count),
            .writes = locked(fd, permissions + write, 1) || locked(fd, permissions + resize, 1)};
}

bool claim(int fd, Claim how) {
    // No more than every disk of that kind has: QEMU adds what else its format needs.
    if (how.write)
        return how.share ? claim(fd, {consistent_read, write}, {})
                         : claim(fd, {consistent_read, write}, {write, resize});
    return how.share ? claim(fd, {consistent_read}, {}) : claim(fd, {consistent_read}, {write, resize});
}

bool claim_alone(int fd) { return claim(fd, {write, resize}, {consistent_read, write, write_unchanged, resize}); }

UniqueFd hold_alone(const std::string& path) {
    auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
    if (!claim_alone(fd.get())) throw in_use(path, fd.get());
    return fd;
}

} // namespace domus::image
