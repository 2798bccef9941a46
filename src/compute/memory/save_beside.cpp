#include "compute/memory/save_beside.hpp"

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "os/access.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view beside_mark = ".unfinished";
constexpr int most_beside = 9;              ///< of one file
constexpr std::size_t longest_beside = 120; ///< bytes of its own name: what file systems allow differs

fs::path name_beside(const fs::path& target, int number) {
    const auto name = target.filename();
    const auto own = cut_text(name.native(), longest_beside); // a view of it
    return target.parent_path()
           / (number == 1 ? fmt::format("{}{}", own, beside_mark) : fmt::format("{}{}-{}", own, beside_mark, number));
}

bool is_beside(std::string_view name) {
    if (name.size() > 2 && name[name.size() - 2] == '-' && name.back() >= '2' && name.back() <= '9')
        name.remove_suffix(2);
    return name.ends_with(beside_mark);
}

bool begins_unfinished(const UniqueFd& fd) {
    std::array<char, magic_unfinished.size()> magic{};
    const auto n = ::pread(fd.get(), magic.data(), magic.size(), 0);
    return n == static_cast<ssize_t>(magic.size()) && std::ranges::equal(magic, magic_unfinished);
}

/// Only if the file system says that nobody has it locked: QEMU keeps the lock of a save when its daemon is gone.
void remove_if_left(const fs::path& path, bool whole_too) {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat info{};
    if (!fd || ::fstat(fd.get(), &info) < 0 || !S_ISREG(info.st_mode)) return;
    const auto all = lock_range(F_WRLCK, 0, 0);
    if (::fcntl(fd.get(), F_OFD_SETLK, &all) < 0) return;
    if (!whole_too && !begins_unfinished(fd)) return;
    if (is_name_of(path, fd.get()) && ::unlink(path.c_str()) == 0)
        log::info("'{}' was left by a save that was cut off: removed", path.string());
}

bool may_not_make_files(int number) { return number == EACCES || number == EPERM || number == EROFS; }

/// What a sticky folder says of renaming over others' files (inode(7)). Who we are is seen from the new file: a server may
/// take root for somebody else.
bool may_replace(const fs::path& folder, const UniqueFd& older, const UniqueFd& made) {
    struct stat place{}, old{}, mine{};
    if (::stat(folder.c_str(), &place) < 0 || ::fstat(older.get(), &old) < 0 || ::fstat(made.get(), &mine) < 0)
        return false;
    return !(place.st_mode & S_ISVTX) || mine.st_uid == 0 || mine.st_uid == old.st_uid || mine.st_uid == place.st_uid;
}

Error replaced_meanwhile(const fs::path& path) {
    return Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                 fmt::format("operation failed: '{}' is another file than when the save began", path.string()))
        .because("somebody has put it there meanwhile");
}

} // namespace

void lock_save(const UniqueFd& fd, short type, const fs::path& path) {
    const auto all = lock_range(type, 0, 0);
    if (::fcntl(fd.get(), F_OFD_SETLK, &all) == 0 || (errno != EAGAIN && errno != EACCES)) return;
    throw Error(ErrorCode::resource_busy, ErrorDomain::qemu, fmt::format("'{}' is in use", path.string()))
        .because("a guest has it as an image, or a save or restore is under way")
        .hint(fmt::format("see who has it: 'fuser -v {}'", path.string()));
}

std::optional<SaveBeside> open_beside(const Credentials& caller, const UniqueFd& older) {
    std::error_code failure;
    const auto target = fs::read_symlink(fmt::format("/proc/self/fd/{}", older.get()), failure);
    const FileSystemIdentity identity(caller);
    if (failure || !is_name_of(target, older.get()))
        return std::nullopt; // its name is another one's, or cannot be looked at
    for (int number = 1; number <= most_beside; ++number) {
        const auto path = name_beside(target, number);
        remove_if_left(path, false);
        UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!fd && errno == EEXIST) continue;
        if (!fd && may_not_make_files(errno)) return std::nullopt;
        if (!fd) throw path_error(errno, "cannot make", path);
        lock_save(fd, F_WRLCK, path);
        if (may_replace(target.parent_path(), older, fd)) return SaveBeside{std::move(fd), path, target};
        ::unlink(path.c_str());
        return std::nullopt;
    }
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: the new save cannot be written beside '{}'", target.string()))
        .because(fmt::format("'{}' and others of that kind are there already", name_beside(target, 1).string()))
        .hint("remove them if they are no longer needed");
}

void SaveBeside::take_over_rights(const Credentials& caller, const UniqueFd& older) const {
    const FileSystemIdentity identity(caller);
    struct stat old{};
    if (::fstat(older.get(), &old) < 0 || ::fchown(fd.get(), old.st_uid, old.st_gid) < 0)
        return; // then it stays the caller's alone
    if (::fchmod(fd.get(), old.st_mode & 0777) < 0) throw path_error(errno, "cannot set the mode of", path);
}

void SaveBeside::take_place(const Credentials& caller, const UniqueFd& older) const {
    const FileSystemIdentity identity(caller);
    struct stat there{};
    if (!is_name_of(path, fd.get())) throw replaced_meanwhile(path);
    if (::lstat(target.c_str(), &there) == 0 && !is_name_of(target, older.get())) throw replaced_meanwhile(target);
    if (::rename(path.c_str(), target.c_str()) < 0) throw path_error(errno, "cannot replace", target);
}

void sweep_saves_beside(const fs::path& folder) try {
    for (const auto& name : names_in(folder))
        if (is_beside(name)) remove_if_left(folder / name, true);
} catch (const Error&) {
    return; // a folder that cannot be listed keeps what is in it
}

} // namespace domus::compute
