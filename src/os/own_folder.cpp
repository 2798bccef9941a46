#include "os/own_folder.hpp"

#include "base/error.hpp"
#include "os/files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/openat2.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <deque>
#include <memory>

namespace domus {

namespace fs = std::filesystem;

namespace {

constexpr int most_links = 40;    ///< as the kernel
constexpr int deepest_tree = 100; ///< each level holds a descriptor

Error distrust(const fs::path& folder, const fs::path& component, const std::string& why) {
    return Error(ErrorCode::operation_denied, ErrorDomain::none,
                 fmt::format("cannot rely on the folder '{}'", folder.string()))
        .because(fmt::format("'{}' {}", component.string(), why))
        .hint(fmt::format(
            "see 'namei -l {}': every part of it must belong to root or to uid {}, and be writable by nobody else",
            folder.string(), ::geteuid()));
}

/// Whether a group has this user and nobody else in it, as many systems make one for each user.
bool is_private_group(gid_t group) {
    char users[4096], groups[4096];
    passwd of_user{}, *user = nullptr;
    ::group of_group{}, *entry = nullptr;
    if (::getpwuid_r(::geteuid(), &of_user, users, sizeof users, &user) != 0 || !user || user->pw_gid != group)
        return false;
    const std::string name = user->pw_name;
    if (::getgrgid_r(group, &of_group, groups, sizeof groups, &entry) != 0 || !entry || entry->gr_name != name)
        return false;
    for (char** member = entry->gr_mem; *member; ++member)
        if (*member != name) return false;
    return true;
}

/// Looks at one component after the other, by descriptors, so that what was looked at is what is walked through.
class Walk {
public:
    Walk(const fs::path& folder, mode_t mode, const fs::path& from, NewFolders new_folders)
        : folder_(folder), mode_(mode), new_folders_(new_folders) {
        struct stat root{};
        if (::stat("/", &root) == 0) system_owner_ = root.st_uid; // not 0 in a user namespace without root
        start(from);
        for (const auto& part : folder.lexically_relative(from))
            if (!part.empty() && part != ".") parts_.push_back(part);
    }

    void run() {
        while (!parts_.empty()) {
            const auto part = parts_.front();
            parts_.pop_front();
            step(part);
        }
        require_trusted(at_.get(), here_, true);
    }

private:
    void start(const fs::path& from) {
        here_ = from;
        at_ = open_file(from, O_PATH | O_DIRECTORY);
        require_trusted(at_.get(), here_, false);
    }

    void step(const fs::path& part) {
        const auto next = here_ / part;
        UniqueFd fd(::openat(at_.get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
        if (!fd && errno == ENOENT) fd = make(part, next);
        if (!fd) throw path_error(errno, "cannot open", next);
        struct stat info{};
        if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", next);
        if (S_ISLNK(info.st_mode)) return follow(fd, info, next);
        if (!S_ISDIR(info.st_mode)) throw distrust(folder_, next, "is not a folder");
        require_trusted(fd.get(), next, false);
        at_ = std::move(fd);
        here_ = part == ".." ? here_.parent_path() : next;
    }

    UniqueFd make(const fs::path& part, const fs::path& next) const {
        const bool made = ::mkdirat(at_.get(), part.c_str(), mode_) == 0;
        if (!made && errno != EEXIST) throw path_error(errno, "cannot create the folder", next);
        // Whatever the umask.
        if (made && ::fchmodat(at_.get(), part.c_str(), mode_, 0) < 0)
            throw path_error(errno, "cannot set the mode of", next);
        if (made && new_folders_ == NewFolders::synced) sync_new(part, next);
        return UniqueFd(::openat(at_.get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    }

    /// One that cannot be synced is not made.
    void sync_new(const fs::path& part, const fs::path& next) const {
        const UniqueFd folder(::openat(at_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (folder && (::fsync(folder.get()) == 0 || errno == EINVAL)) return;
        const int number = errno;
        ::unlinkat(at_.get(), part.c_str(), AT_REMOVEDIR);
        throw path_error(number, "cannot sync the folder of", next);
    }

    void follow(const UniqueFd& link, const struct stat& info, const fs::path& next) {
        if (!trusted(info.st_uid)) throw distrust(folder_, next, fmt::format("is a link of uid {}", info.st_uid));
        if (++links_ > most_links) throw path_error(ELOOP, "cannot open", next);
        char target[PATH_MAX];
        const auto size = ::readlinkat(link.get(), "", target, sizeof target);
        if (size < 0 || size == sizeof target) throw path_error(size < 0 ? errno : ENAMETOOLONG, "cannot follow", next);
        const fs::path to(std::string(target, static_cast<std::size_t>(size)));
        if (to.is_absolute()) start("/");
        std::deque<fs::path> ahead;
        for (const auto& part : to.relative_path())
            if (!part.empty() && part != ".") ahead.push_back(part);
        parts_.insert(parts_.begin(), ahead.begin(), ahead.end());
    }

    bool trusted(uid_t owner) const { return owner == ::geteuid() || owner == 0 || owner == system_owner_; }

    void require_trusted(int fd, const fs::path& path, bool last) const {
        struct stat info{};
        if (::fstat(fd, &info) < 0) throw path_error(errno, "cannot look at", path);
        if (!trusted(info.st_uid)) throw distrust(folder_, path, fmt::format("belongs to uid {}", info.st_uid));
        if ((info.st_mode & S_ISVTX) && !last)
            return; // what is below it is looked at too, and nobody else may rename that
        if (info.st_mode & S_IWOTH)
            throw distrust(folder_, path,
                           fmt::format("has mode {:o}: everybody may write to it", info.st_mode & 07777));
        if ((info.st_mode & S_IWGRP) && info.st_gid != 0 && !is_private_group(info.st_gid))
            throw distrust(folder_, path,
                           fmt::format("has mode {:o}: group {} may write to it", info.st_mode & 07777, info.st_gid));
    }

    const fs::path& folder_;
    mode_t mode_;
    NewFolders new_folders_;
    uid_t system_owner_ = 0;
    fs::path here_;
    UniqueFd at_;
    std::deque<fs::path> parts_;
    int links_ = 0;
};

UniqueFd open_below(int parent, const char* name) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, parent, name, &how, sizeof how)));
}

void remove_contents(UniqueFd folder, const fs::path& path, int depth, const std::string& last = {}) {
    if (depth == 0) throw path_error(ELOOP, "cannot remove", path);
    const int fd = folder.get();
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(folder.release()), ::closedir);
    if (!entries) throw path_error(errno, "cannot list", path);
    while (const auto* entry = ::readdir(entries.get())) {
        const std::string_view name = entry->d_name;
        if (name == "." || name == ".." || name == last) continue;
        if (::unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT) continue;
        if (errno != EISDIR && errno != EPERM) throw path_error(errno, "cannot remove", path / name);
        auto below = open_below(fd, entry->d_name);
        if (!below) throw path_error(errno, "cannot remove", path / name);
        remove_contents(std::move(below), path / name, depth - 1);
        if (::unlinkat(fd, entry->d_name, AT_REMOVEDIR) < 0) throw path_error(errno, "cannot remove", path / name);
    }
    if (!last.empty() && ::unlinkat(fd, last.c_str(), 0) < 0 && errno != ENOENT)
        throw path_error(errno, "cannot remove", path / last);
}

} // namespace

void require_own_folder(const fs::path& folder, mode_t mode, const fs::path& from, NewFolders made) {
    Walk(folder, mode, from, made).run();
}

void remove_tree(const fs::path& parent, const std::string& name, std::string_view last) {
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
        throw Error(ErrorCode::internal_error, ErrorDomain::none,
                    fmt::format("'{}' is no name of a folder in '{}'", name, parent.string()));
    const UniqueFd above(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!above && errno == ENOENT) return;
    if (!above) throw path_error(errno, "cannot open", parent);
    auto folder = open_below(above.get(), name.c_str());
    if (!folder && errno == ENOENT) return;
    if (!folder) throw path_error(errno, "cannot remove", parent / name);
    remove_contents(std::move(folder), parent / name, deepest_tree, std::string(last));
    if (::unlinkat(above.get(), name.c_str(), AT_REMOVEDIR) < 0)
        throw path_error(errno, "cannot remove", parent / name);
}

} // namespace domus
