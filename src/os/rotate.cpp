#include "os/rotate.hpp"

#include "base/error.hpp"
#include "os/files.hpp"
#include "os/unique_fd.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace domus {

namespace {

std::uint64_t size_of(int log) {
    struct stat info{};
    return ::fstat(log, &info) == 0 ? static_cast<std::uint64_t>(info.st_size) : 0;
}

std::string backup(const std::string& name, unsigned number) { return fmt::format("{}.{}", name, number); }

/// A new, empty NAME.0, once the others have moved up.
UniqueFd make_room(int folder, const std::string& name, unsigned backups) {
    for (unsigned number = backups - 1; number > 0; --number)
        ::renameat(folder, backup(name, number - 1).c_str(), folder, backup(name, number).c_str());
    ::unlinkat(folder, backup(name, 0).c_str(), 0);
    UniqueFd fd(::openat(folder, backup(name, 0).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) throw system_error(errno, fmt::format("cannot make '{}'", backup(name, 0)));
    return fd;
}

void copy_end(int log, int to, const std::string& name, std::uint64_t most) {
    std::array<char, 65536> buffer;
    const auto size = size_of(log);
    auto at = static_cast<off_t>(size > most ? size - most : 0);
    for (std::uint64_t left = most; left > 0;) {
        const auto n = ::pread(log, buffer.data(), std::min<std::uint64_t>(buffer.size(), left), at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        write_all(to, {buffer.data(), static_cast<std::size_t>(n)}, name);
        at += n;
        left -= static_cast<std::uint64_t>(n);
    }
}

} // namespace

bool needs_rotation(int log, const Rotation& rotation) { return rotation.size > 0 && size_of(log) > rotation.size; }

void rotate(int log, int folder, const std::string& name, const Rotation& rotation) {
    std::exception_ptr failure;
    try {
        if (rotation.backups > 0) {
            const auto to = make_room(folder, name, rotation.backups);
            struct stat info{};
            if (::fstat(log, &info) == 0 && ::fchown(to.get(), info.st_uid, info.st_gid) == 0)
                ::fchmod(to.get(), info.st_mode & 0777);
            copy_end(log, to.get(), backup(name, 0), rotation.size);
        }
    } catch (...) {
        failure = std::current_exception(); // a full disk above all: then it must be emptied
    }
    if (::ftruncate(log, 0) < 0) throw system_error(errno, fmt::format("cannot empty '{}'", name));
    if (failure) std::rethrow_exception(failure);
}

} // namespace domus
