#include "os/access.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

namespace domus {

namespace {

/// The thread's identity towards file systems, until it goes out of scope. Groups by the raw system call: glibc's
/// would change those of every thread. A process of its own (fork) would be the other way; it costs a millisecond for
/// each file and gives nothing more, since the kernel keeps these for each thread.
class FileSystemIdentity {
public:
    explicit FileSystemIdentity(const Credentials& who) {
        const auto n = ::getgroups(0, nullptr);
        groups_.resize(static_cast<std::size_t>(std::max(n, 0)));
        if (n > 0 && ::getgroups(n, groups_.data()) < 0) throw system_error(errno, "cannot tell our own groups");
        if (::syscall(SYS_setgroups, who.groups.size(), who.groups.data()) < 0)
            throw system_error(errno, "cannot take on the groups of the caller");
        ::setfsgid(who.gid);
        ::setfsuid(who.uid);
        // They report no failure; asking with an impossible number tells what is set.
        if (static_cast<gid_t>(::setfsgid(nobody)) == who.gid && static_cast<uid_t>(::setfsuid(nobody)) == who.uid)
            return;
        restore();
        throw system_error(EPERM, fmt::format("cannot act as uid {}", who.uid));
    }
    FileSystemIdentity(const FileSystemIdentity&) = delete;
    FileSystemIdentity& operator=(const FileSystemIdentity&) = delete;
    ~FileSystemIdentity() { restore(); }

private:
    static constexpr auto nobody = static_cast<unsigned>(-1);

    void restore() {
        ::setfsuid(::geteuid());
        ::setfsgid(::getegid());
        ::syscall(SYS_setgroups, groups_.size(), groups_.data());
    }

    std::vector<gid_t> groups_;
};

} // namespace

UniqueFd open_as(const Credentials& who, const std::filesystem::path& path, int flags, mode_t mode) {
    if (who.root() || ::geteuid() != 0) return open_file(path, flags, mode);
    const FileSystemIdentity identity(who);
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (fd) return fd;
    const int number = errno;
    auto error = path_error(number, "cannot open", path);
    if (number != EACCES) throw error;
    throw std::move(error).hint(fmt::format("uid {} needs {} access: see 'namei -l {}', or use 'setfacl'", who.uid,
                                            (flags & O_ACCMODE) == O_RDONLY ? "read" : "read and write",
                                            path.string()));
}

void remove_as(const Credentials& who, const std::filesystem::path& path) {
    std::optional<FileSystemIdentity> identity;
    if (!who.root() && ::geteuid() == 0) identity.emplace(who);
    if (::unlink(path.c_str()) < 0) throw path_error(errno, "cannot remove", path);
}

} // namespace domus
