#include "os/files.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>

namespace domus {

namespace fs = std::filesystem;

namespace {

/// The component that is missing, is no folder or may not be searched; in words, or empty. Looked for with the file
/// system identity of this thread, which open_as changes.
std::string guilty_component(int number, const fs::path& path) {
    const auto uid = ::setfsuid(static_cast<uid_t>(-1)); // no such user: nothing changes, and it tells who we are
    fs::path walked, above;
    struct stat info {};
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

void sync_folder_of(const fs::path& path) {
    const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    const auto fd = open_file(folder, O_RDONLY | O_DIRECTORY);
    sync(fd.get(), folder);
}

/// A temporary file beside its target; gone unless it was renamed.
class Replacement {
public:
    Replacement(const fs::path& target, mode_t mode) : target_(target), name_(target.string() + ".XXXXXX") {
        fd_.reset(::mkostemp(name_.data(), O_CLOEXEC));
        if (!fd_) throw path_error(errno, "cannot create a file beside", target);
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

private:
    const fs::path& target_;
    std::string name_;
    UniqueFd fd_;
    bool renamed_ = false;
};

} // namespace

Error path_error(int number, std::string_view what, const fs::path& path) {
    auto error = system_error(number, fmt::format("{} '{}'", what, path.string()));
    if (number == EACCES || number == ENOENT || number == ENOTDIR) error.add_cause(guilty_component(number, path));
    return error;
}

UniqueFd open_file(const fs::path& path, int flags, mode_t mode) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) throw path_error(errno, "cannot open", path);
    return fd;
}

std::string read_file(const fs::path& path, std::size_t limit) {
    const auto fd = open_file(path, O_RDONLY);
    std::string contents;
    char buffer[16384];
    for (;;) {
        const auto n = ::read(fd.get(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw path_error(errno, "cannot read", path);
        if (n == 0) return contents;
        if (contents.size() + static_cast<std::size_t>(n) > limit)
            throw Error(ErrorCode::operation_failed, ErrorDomain::none,
                        fmt::format("'{}' is larger than {} bytes", path.string(), limit));
        contents.append(buffer, static_cast<std::size_t>(n));
    }
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
    file.rename();
    sync_folder_of(path);
}

void replace_file(const fs::path& path, std::string_view contents, mode_t mode) {
    Replacement file(path, mode);
    write_all(file.fd(), contents, path);
    file.rename();
}

void remove_durably(const fs::path& path) {
    if (::unlink(path.c_str()) < 0) {
        if (errno == ENOENT) return;
        throw path_error(errno, "cannot remove", path);
    }
    sync_folder_of(path);
}

void ensure_directory(const fs::path& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) {
        ::chmod(path.c_str(), mode);
        return;
    }
    if (errno == EEXIST) {
        if (fs::is_directory(path)) return;
        throw system_error(ENOTDIR, fmt::format("cannot use '{}'", path.string()));
    }
    if (errno != ENOENT || !path.has_parent_path() || path.parent_path() == path)
        throw path_error(errno, "cannot create the folder", path);
    ensure_directory(path.parent_path(), 0755);
    ensure_directory(path, mode);
}

UniqueFd make_memfd(const char* name, std::string_view contents) {
    UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) throw system_error(errno, "cannot create a file in memory");
    write_all(fd.get(), contents, name);
    if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
        throw system_error(errno, "cannot seal a file in memory");
    ::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

FileLock FileLock::acquire(const fs::path& path) {
    auto fd = open_file(path, O_RDWR | O_CREAT, 0644);
    struct flock whole {};
    whole.l_type = F_WRLCK;
    if (::fcntl(fd.get(), F_SETLK, &whole) < 0) {
        if (errno != EACCES && errno != EAGAIN) throw path_error(errno, "cannot lock", path);
        const bool told = ::fcntl(fd.get(), F_GETLK, &whole) == 0 && whole.l_type != F_UNLCK && whole.l_pid > 0;
        throw Error(ErrorCode::resource_busy, ErrorDomain::none, fmt::format("'{}' is locked", path.string()))
            .because(told ? fmt::format("by process {}", whole.l_pid) : "");
    }
    const auto pid = std::to_string(::getpid());
    if (::ftruncate(fd.get(), 0) == 0) write_all(fd.get(), pid, path);
    return FileLock(std::move(fd));
}

} // namespace domus
