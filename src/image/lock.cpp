#include "image/lock.hpp"

#include "base/error.hpp"

#include <fcntl.h>

#include <cerrno>

namespace domus::image {

namespace {

constexpr off_t permissions = 100, permission_count = 64;
constexpr off_t write = 1, resize = 3; // which permission of QEMU each bit is

bool locked(int fd, off_t first, off_t count) {
    struct flock range {};
    range.l_type = F_WRLCK; // QEMU's are read locks, which this one would not go with
    range.l_whence = SEEK_SET;
    range.l_start = first;
    range.l_len = count;
    if (::fcntl(fd, F_OFD_GETLK, &range) == 0) return range.l_type != F_UNLCK;
    if (errno == EINVAL || errno == ENOLCK || errno == EOPNOTSUPP || errno == ENOSYS) return false;
    throw system_error(errno, "cannot look at the locks of the image", ErrorDomain::storage);
}

} // namespace

Use look_for_use(int fd) {
    return {.any = locked(fd, permissions, permission_count),
            .writes = locked(fd, permissions + write, 1) || locked(fd, permissions + resize, 1)};
}

} // namespace domus::image
