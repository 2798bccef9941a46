#include "os/access.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace domus {

// Groups by the raw system call: glibc's would change those of every thread. A process of its own (fork) would be the
// other way; it costs a millisecond for each file and gives nothing more, since the kernel keeps these for each thread.
FileSystemIdentity::FileSystemIdentity(const Credentials& who) {
    if (who.root() || ::geteuid() != 0) return;
    const auto n = ::getgroups(0, nullptr);
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(n, 0)));
    if (n > 0 && ::getgroups(n, groups.data()) < 0) throw system_error(errno, "cannot tell our own groups");
    if (::syscall(SYS_setgroups, who.groups.size(), who.groups.data()) < 0)
        throw system_error(errno, "cannot take on the groups of the caller");
    groups_ = std::move(groups);
    ::setfsgid(who.gid);
    ::setfsuid(who.uid);
    // They report no failure; asking with an impossible number tells what is set.
    constexpr auto nobody = static_cast<unsigned>(-1);
    if (static_cast<gid_t>(::setfsgid(nobody)) == who.gid && static_cast<uid_t>(::setfsuid(nobody)) == who.uid) return;
    restore();
    throw system_error(EPERM, fmt::format("cannot act as uid {}", who.uid));
}

FileSystemIdentity::~FileSystemIdentity() {
    if (groups_) restore();
}

void FileSystemIdentity::restore() {
    ::setfsuid(::geteuid());
    ::setfsgid(::getegid());
    ::syscall(SYS_setgroups, groups_->size(), groups_->data());
}

namespace {

/// The thread's effective identity, until it goes out of scope: what a server learns of its client. By raw system calls,
/// as above; the real and saved ids stay ours, so that the user may not signal the thread.
class EffectiveIdentity {
public:
    explicit EffectiveIdentity(const Credentials& who) : files_(who) {
        if (::syscall(SYS_setresgid, -1, who.gid, -1) == 0 && ::syscall(SYS_setresuid, -1, who.uid, -1) == 0) return;
        const int number = errno;
        restore();
        throw system_error(number, fmt::format("cannot act as uid {}", who.uid));
    }
    EffectiveIdentity(const EffectiveIdentity&) = delete;
    EffectiveIdentity& operator=(const EffectiveIdentity&) = delete;
    ~EffectiveIdentity() { restore(); }

private:
    void restore() {
        ::syscall(SYS_setresuid, -1, ::getuid(), -1);
        ::syscall(SYS_setresgid, -1, ::getgid(), -1);
    }
    FileSystemIdentity files_; ///< the groups
};

sockaddr_un address_of(const std::filesystem::path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto& path = socket.native();
    if (path.size() >= sizeof address.sun_path)
        throw system_error(ENAMETOOLONG, fmt::format("the socket's path '{}' cannot be used", path));
    path.copy(address.sun_path, path.size());
    return address;
}

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

bool may_reopen(const Credentials& who, int fd) {
    if (::geteuid() != 0) return who.uid == ::geteuid();
    if (who.root()) { // without capabilities it is a user like others, which the identity of this thread cannot show
        struct stat info{};
        return ::fstat(fd, &info) == 0 && (info.st_mode & (info.st_uid == 0 ? S_IRUSR : S_IROTH)) != 0;
    }
    const FileSystemIdentity identity(who);
    return static_cast<bool>(UniqueFd(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_RDONLY | O_CLOEXEC)));
}

UniqueFd connect_as(const Credentials& who, const std::filesystem::path& socket) {
    const auto address = address_of(socket);
    std::optional<EffectiveIdentity> identity;
    if (!who.root() && ::geteuid() == 0) identity.emplace(who);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw path_error(errno, "cannot connect to", socket);
    return fd;
}

std::vector<gid_t> groups_for_device(const std::filesystem::path& device) {
    struct stat info{};
    if (::stat(device.c_str(), &info) < 0) return {};
    const auto may = [&](mode_t both) { return (info.st_mode & both) == both; };
    if (may(S_IROTH | S_IWOTH) || !may(S_IRGRP | S_IWGRP) || info.st_gid == 0) return {};
    return {info.st_gid};
}

void symlink_as(const Credentials& who, const std::string& target, const std::filesystem::path& path) {
    const FileSystemIdentity identity(who);
    if (::symlink(target.c_str(), path.c_str()) < 0) throw path_error(errno, "cannot make the link", path);
}

UniqueFd listen_as(const Credentials& who, const std::filesystem::path& path) {
    const auto failed = [&](int number) { return path_error(number, "cannot listen on", path); };
    const auto address = address_of(path);
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) throw failed(errno);
    const FileSystemIdentity identity(who);
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0) {
        if (!S_ISSOCK(info.st_mode)) throw failed(EEXIST);
        if (::unlink(path.c_str()) < 0) throw failed(errno);
    }
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0
        || ::listen(socket.get(), 1) < 0)
        throw failed(errno);
    return socket;
}

void remove_as(const Credentials& who, const std::filesystem::path& path) {
    const FileSystemIdentity identity(who);
    if (::unlink(path.c_str()) < 0) throw path_error(errno, "cannot remove", path);
}

} // namespace domus
