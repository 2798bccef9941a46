#include "os/files.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/uuid.hpp"
#include "os/own_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace domus {

namespace fs = std::filesystem;

namespace {

/// The component that is missing, is no folder or may not be searched; in words, or empty. Looked for with the file
/// system identity of this thread, which open_as changes.
std::string guilty_component(int number, const fs::path& path) {
    const auto uid = ::setfsuid(static_cast<uid_t>(-1)); // no such user: nothing changes, and it tells who we are
    fs::path walked, above;
    struct stat info{};
    for (const auto& part : path) {
        above = walked;
        walked /= part;
        const auto mode = info.st_mode;
        if (::stat(walked.c_str(), &info) == 0) {
            if (walked != path && !S_ISDIR(info.st_mode)) return fmt::format("'{}' is not a folder", walked.string());
            continue;
        }
        if (errno == EACCES)
            return fmt::format("'{}' (mode {:o}) may not be searched by uid {}", above.empty() ? "." : above.string(),
                               mode & 07777, uid);
        if (errno == ENOENT && walked != path) return fmt::format("'{}' does not exist", walked.string());
        return {};
    }
    if (number != EACCES) return {};
    return fmt::format("'{}' has owner {}, group {} and mode {:o}, and we are uid {}", path.string(), info.st_uid,
                       info.st_gid, info.st_mode & 07777, uid);
}

void sync(int fd, const fs::path& path) {
    if (::fsync(fd) < 0) throw path_error(errno, "cannot sync", path);
}

constexpr std::string_view replacement_prefix = ".domus-", replacement_suffix = ".new";
constexpr std::string_view random_letters = "XXXXXX";

/// A temporary file beside its target; gone in the end, as is what it has replaced. Its name is short, whatever the
/// target's is, and its maker holds a lock on it: one that a kill left behind is recognised by both (remove_leftovers).
class Replacement {
public:
    Replacement(const fs::path& target, mode_t mode)
        : target_(target),
          name_((target.parent_path() / fmt::format("{}{}{}", replacement_prefix, random_letters, replacement_suffix))
                    .string()) {
        fd_.reset(::mkostemps(name_.data(), static_cast<int>(replacement_suffix.size()), O_CLOEXEC));
        if (!fd_) throw path_error(errno, "cannot create a file beside", target);
        ::flock(fd_.get(), LOCK_EX | LOCK_NB);
        ::fchmod(fd_.get(), mode);
    }
    Replacement(const Replacement&) = delete;
    Replacement& operator=(const Replacement&) = delete;
    ~Replacement() {
        if (!renamed_) ::unlink(name_.c_str());
    }
    int fd() const { return fd_.get(); }
    void rename() {
        if (::rename(name_.c_str(), target_.c_str()) < 0) throw path_error(errno, "cannot replace", target_);
        renamed_ = true;
    }
    /// The same, but what was there has the temporary name until the end, so that it can be put back. File systems that
    /// exchange no names (NFS) go without.
    void exchange() {
        struct stat there{};
        fresh_ = ::lstat(target_.c_str(), &there) < 0 && errno == ENOENT;
        const bool plain = !fresh_ && !S_ISDIR(there.st_mode);
        exchanged_ = plain && ::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0;
        if (!exchanged_) rename();
    }
    void take_back() {
        if (exchanged_)
            renamed_ = ::rename(name_.c_str(), target_.c_str()) == 0;
        else if (fresh_)
            ::unlink(target_.c_str());
    }

private:
    const fs::path& target_;
    std::string name_;
    UniqueFd fd_;
    bool renamed_ = false, exchanged_ = false;
    bool fresh_ = false; ///< the target had not been there
};

/// A name beside `path` that nobody has, and that remove_leftovers() knows.
fs::path spare_name(const fs::path& path) {
    return path.parent_path()
           / fmt::format("{}{}{}", replacement_prefix, Uuid::random().text().substr(0, random_letters.size()),
                         replacement_suffix);
}

bool is_replacement(std::string_view name) {
    return name.size() == replacement_prefix.size() + random_letters.size() + replacement_suffix.size()
           && name.starts_with(replacement_prefix) && name.ends_with(replacement_suffix);
}

} // namespace

void sync_folder_of(const fs::path& path) {
    const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    const auto fd = open_file(folder, O_RDONLY | O_DIRECTORY);
    if (::fsync(fd.get()) < 0 && errno != EINVAL) throw path_error(errno, "cannot sync", folder);
}

Error path_error(int number, std::string_view what, const fs::path& path) {
    auto error = system_error(number, fmt::format("{} '{}'", what, path.string()));
    if (number == ENOSPC || number == EDQUOT)
        return std::move(error).hint(
            fmt::format("free space there: see 'df -h {0}' and 'df -i {0}'", path.parent_path().string()));
    if (number == EROFS)
        return std::move(error).hint(fmt::format(
            "its file system is read-only: see 'findmnt -T {}' and the kernel's log", path.parent_path().string()));
    if (number == EACCES || number == ENOENT || number == ENOTDIR) error.add_cause(guilty_component(number, path));
    return error;
}

UniqueFd open_file(const fs::path& path, int flags, mode_t mode) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) throw path_error(errno, "cannot open", path);
    return fd;
}

std::string_view kind_of_file(mode_t mode) {
    if (S_ISREG(mode)) return "a regular file";
    if (S_ISDIR(mode)) return "a folder";
    if (S_ISFIFO(mode)) return "a FIFO";
    if (S_ISSOCK(mode)) return "a socket";
    if (S_ISLNK(mode)) return "a symbolic link";
    return "a device";
}

bool same_file(const struct stat& one, const struct stat& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool is_name_of(const fs::path& name, int fd, int folder) {
    struct stat opened{}, named{};
    return ::fstat(fd, &opened) == 0 && ::fstatat(folder, name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0
           && same_file(opened, named);
}

std::string read_whole(int fd, std::size_t limit, const fs::path& path) {
    struct stat info{};
    if (::fstat(fd, &info) < 0) throw path_error(errno, "cannot read", path);
    if (!S_ISREG(info.st_mode))
        throw Error(
            ErrorCode::operation_failed, ErrorDomain::none,
            fmt::format("cannot read '{}': it is {}, not a regular file", path.string(), kind_of_file(info.st_mode)));
    std::string contents;
    char buffer[16384];
    for (;;) {
        const auto n = ::read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw path_error(errno, "cannot read", path);
        if (n == 0) return contents;
        if (contents.size() + static_cast<std::size_t>(n) > limit)
            throw Error(ErrorCode::operation_failed, ErrorDomain::none,
                        fmt::format("'{}' is larger than {} bytes", path.string(), limit));
        contents.append(buffer, static_cast<std::size_t>(n));
    }
}

std::string read_at(int fd, std::size_t size, std::uint64_t at, const fs::path& path) {
    std::string bytes(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        const auto n = ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw path_error(errno, "cannot read", path);
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    bytes.resize(done);
    return bytes;
}

std::string read_file(const fs::path& path, std::size_t limit) {
    return read_whole(open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY).get(), limit, path);
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder.c_str()), ::closedir);
    if (!entries && errno == ENOENT) return names;
    if (!entries) throw path_error(errno, "cannot list", folder);
    for (;;) {
        errno = 0;
        const auto* entry = ::readdir(entries.get());
        if (!entry) break;
        if (const std::string_view name = entry->d_name; name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) throw path_error(errno, "cannot list", folder);
    std::ranges::sort(names);
    return names;
}

void remove_leftovers(const fs::path& folder) try {
    for (const auto& name : names_in(folder)) {
        if (!is_replacement(name)) continue;
        const auto path = folder / name;
        const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(path.c_str());
    }
} catch (const Error&) {
    return; // a folder that cannot be listed keeps what is in it
}

void write_all(int fd, std::string_view contents, const fs::path& path) {
    while (!contents.empty()) {
        const auto n = ::write(fd, contents.data(), contents.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw path_error(errno, "cannot write", path);
        contents.remove_prefix(static_cast<std::size_t>(n));
    }
}

void write_file_durably(const fs::path& path, std::string_view contents, mode_t mode) {
    Replacement file(path, mode);
    write_all(file.fd(), contents, path);
    sync(file.fd(), path);
    file.exchange();
    try {
        sync_folder_of(path);
    } catch (...) {
        file.take_back();
        throw;
    }
}

void replace_file(const fs::path& path, std::string_view contents, mode_t mode) {
    Replacement file(path, mode);
    write_all(file.fd(), contents, path);
    file.rename();
}

bool rename_durably(const fs::path& from, const fs::path& to) {
    if (::rename(from.c_str(), to.c_str()) < 0) {
        if (errno == ENOENT) return false;
        throw path_error(errno, "cannot rename", from);
    }
    sync_folder_of(to);
    return true;
}

void remove_durably(const fs::path& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) < 0 && errno == ENOENT) return;
    // It has another name until that is on disk, so that it can be put back.
    const auto going = spare_name(path);
    const bool renamed =
        !S_ISDIR(info.st_mode) && ::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, going.c_str(), RENAME_NOREPLACE) == 0;
    try {
        if (renamed) sync_folder_of(path);
        // ENOENT: another thread removes it too.
        if (::unlink((renamed ? going : path).c_str()) < 0 && errno != ENOENT)
            throw path_error(errno, "cannot remove", path);
    } catch (...) {
        if (renamed) ::renameat2(AT_FDCWD, going.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
        throw;
    }
    if (!renamed) sync_folder_of(path);
}

void remove_if_possible(const fs::path& path) noexcept try {
    remove_durably(path);
} catch (const std::exception& error) {
    log::warning("{}", error.what());
}

void make_link_durably(const fs::path& target, const fs::path& link) {
    if (::symlink(target.c_str(), link.c_str()) < 0) {
        if (errno == EEXIST) return;
        throw path_error(errno, "cannot make the link", link);
    }
    try {
        sync_folder_of(link);
    } catch (...) {
        ::unlink(link.c_str());
        throw;
    }
}

namespace {

/// The first folder above that is there.
fs::path nearest_folder(const fs::path& path) {
    auto from = path.parent_path();
    struct stat info{};
    while (from != from.parent_path() && ::stat(from.c_str(), &info) < 0) from = from.parent_path();
    return from;
}

} // namespace

void ensure_directory(const fs::path& path, mode_t mode) { require_own_folder(path, mode, nearest_folder(path)); }

void ensure_directory_durably(const fs::path& path, mode_t mode) {
    require_own_folder(path, mode, nearest_folder(path), NewFolders::synced);
}

namespace {

UniqueFd new_memfd(const char* name) {
    UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) throw system_error(errno, "cannot create a file in memory");
    return fd;
}

UniqueFd sealed(UniqueFd fd) {
    if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        throw system_error(errno, "cannot seal a file in memory");
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

} // namespace

UniqueFd make_memfd(const char* name, std::string_view contents) {
    auto fd = new_memfd(name);
    write_all(fd.get(), contents, name);
    return sealed(std::move(fd));
}

UniqueFd copy_to_memfd(const char* name, int from) {
    auto fd = new_memfd(name);
    constexpr std::size_t at_once = 1u << 30;
    for (off_t at = 0;;) {
        const auto n = ::sendfile(fd.get(), from, &at, at_once);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw system_error(errno, "cannot copy a file into memory");
        if (n == 0) return sealed(std::move(fd));
    }
}

struct flock lock_range(short type, off_t first, off_t count) {
    struct flock range{};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = first;
    range.l_len = count;
    return range;
}

namespace {

/// Whoever can open a file can lock it against us, if only for reading: a lock file is one that nobody else can open.
bool is_private(const struct stat& info) {
    return S_ISREG(info.st_mode) && info.st_uid == ::geteuid() && (info.st_mode & 0077) == 0 && info.st_nlink == 1;
}

enum class LockResult : std::uint8_t { taken, read_by_somebody, written_by_another };

/// `range` then says who has it.
LockResult lock_for_writing(int fd, struct flock& range, const fs::path& path) {
    range = lock_range(F_WRLCK, 0, 0);
    if (::fcntl(fd, F_SETLK, &range) == 0) return LockResult::taken;
    if (errno != EACCES && errno != EAGAIN) throw path_error(errno, "cannot lock", path);
    if (::fcntl(fd, F_GETLK, &range) < 0) throw path_error(errno, "cannot lock", path);
    return range.l_type == F_RDLCK ? LockResult::read_by_somebody : LockResult::written_by_another;
}

} // namespace

FileLock FileLock::acquire(const fs::path& path) {
    constexpr int attempts = 10; // others may replace the file at the same time
    for (int attempt = 0; attempt < attempts; ++attempt) {
        struct stat there{};
        if (::lstat(path.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) ::unlink(path.c_str());
        auto fd = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
        struct flock holder{};
        const auto result = lock_for_writing(fd.get(), holder, path);
        if (result == LockResult::written_by_another)
            throw Error(ErrorCode::resource_busy, ErrorDomain::none, fmt::format("'{}' is locked", path.string()))
                .because(holder.l_type == F_WRLCK && holder.l_pid > 0 ? fmt::format("by process {}", holder.l_pid)
                                                                      : "");
        struct stat opened{};
        if (::fstat(fd.get(), &opened) < 0) throw path_error(errno, "cannot look at", path);
        if (!is_name_of(path, fd.get())) continue;
        if (result == LockResult::taken && is_private(opened)) {
            const auto pid = std::to_string(::getpid());
            if (::ftruncate(fd.get(), 0) == 0) write_all(fd.get(), pid, path);
            return FileLock(std::move(fd));
        }
        // One that others could open is given up for a new one: whoever holds the old one open holds nothing then.
        if (::unlink(path.c_str()) < 0 && errno != ENOENT)
            throw path_error(errno, "cannot replace the lock file", path);
    }
    throw Error(ErrorCode::resource_busy, ErrorDomain::none, fmt::format("'{}' cannot be locked", path.string()))
        .because("it is replaced again and again");
}

} // namespace domus
