#include "os/unique_fd.hpp"

#include "base/error.hpp"

#include <fcntl.h>

#include <cerrno>

namespace domus {

UniqueFd duplicate(int fd) {
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    if (!copy) throw system_error(errno, "cannot duplicate a file descriptor");
    return copy;
}

} // namespace domus
