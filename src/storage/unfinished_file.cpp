#include "storage/unfinished_file.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdio>
#include <filesystem>
#include <functional>

namespace domus::storage {

namespace fs = std::filesystem;

namespace {

/// Who makes a volume has this byte of its file locked; QEMU's programs lock others (image/lock.hpp).
constexpr off_t maker_byte = 300;

bool lock_as_maker(int fd, int command) {
    const auto range = lock_range(F_WRLCK, maker_byte, 1);
    // Without locks in the file system nobody sweeps, and nothing is to be feared.
    return ::fcntl(fd, command, &range) == 0;
}

bool has_name(int fd) {
    struct stat info{};
    return ::fstat(fd, &info) == 0 && info.st_nlink > 0;
}

Error exists(const std::string& path) {
    return Error(ErrorCode::storage_vol_exist, ErrorDomain::storage,
                 fmt::format("storage volume '{}' exists already", fs::path(path).filename().string()))
        .hint("choose another name, or delete that volume first: 'domus vol-delete'");
}

/// The empty file of a volume in the making, which is nobody else's until it is closed.
UniqueFd begin_unfinished(const std::string& made) {
    for (;;) {
        sweep_unfinished(made);
        UniqueFd fd(::open(made.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!fd && errno == EEXIST)
            throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                        "operation failed: a volume of that name is being made")
                .hint(fmt::format("by another daemon or host; if by none, remove '{}'", made));
        if (!fd) throw path_error(errno, "cannot make", made);
        (void)lock_as_maker(fd.get(), F_OFD_SETLKW);
        if (has_name(fd.get())) return fd; // else it was swept in between
    }
}

/// A name of its own, never another file's. NFS cannot rename so, but it can link.
void give_name(const std::string& made, const std::string& path) {
    if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno == EINVAL && ::link(made.c_str(), path.c_str()) == 0) {
        ::unlink(made.c_str());
        return;
    }
    if (errno == EEXIST) throw exists(path);
    throw path_error(errno, "cannot name", path);
}

void require_same(const UniqueFd& fd, const std::string& path) {
    if (is_name_of(path, fd.get())) return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                fmt::format("operation failed: '{}' is not the file that was made", path))
        .because("somebody who may write to its folder has put another one in its place");
}

/// The file gets its owner and mode, is on disk, and has its name only then; one that is there already stays.
void finish(const std::string& path, const model::Permissions& permissions, const Unfinished& unfinished) {
    const auto& made = unfinished.path;
    const auto& fd = *unfinished.file;
    const auto mode = static_cast<mode_t>(std::stoul(permissions.mode.value_or("0600"), nullptr, 8));
    if (::fchmod(fd.get(), mode) < 0) throw path_error(errno, "cannot set the mode of", made);
    const auto owner = static_cast<uid_t>(permissions.owner.value_or(-1));
    const auto group = static_cast<gid_t>(permissions.group.value_or(-1));
    if (::fchown(fd.get(), owner, group) < 0) throw path_error(errno, "cannot give away", made);
    if (::fsync(fd.get()) < 0) throw path_error(errno, "cannot write", made);
    give_name(made, path);
    require_same(fd, path);
    try {
        sync_folder_of(path);
    } catch (...) {
        ::unlink(path.c_str());
        throw;
    }
}

Task<> make_and_finish(std::string path, model::Permissions permissions, Site site, Unfinished unfinished,
                       std::function<Task<>(Unfinished)> make) {
    co_await make(unfinished);
    auto end = [path, permissions, unfinished] { finish(path, permissions, unfinished); };
    co_await site.block(std::move(end));
}

} // namespace

bool is_unfinished(std::string_view name) { return name.starts_with(unfinished_prefix); }

void sweep_unfinished(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd || !lock_as_maker(fd.get(), F_OFD_SETLK) || !has_name(fd.get())) return;
    if (::unlink(path.c_str()) == 0) log::info("'{}' was begun by a daemon that was killed: removed", path);
}

std::string unfinished_path(const std::string& path) {
    const fs::path whole(path);
    auto name = whole.filename().string();
    constexpr std::size_t room = NAME_MAX - unfinished_prefix.size(), digits = 16;
    if (name.size() > room)
        name = fmt::format("{}{:016x}", cut_text(name, room - digits), std::hash<std::string>()(name));
    return (whole.parent_path() / (std::string(unfinished_prefix) + name)).string();
}

void require_absent(const std::string& path) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) == 0) throw exists(path);
}

Task<> make_whole(std::string path, model::Permissions permissions, Site site, std::function<Task<>(Unfinished)> make) {
    auto begin = [path] {
        const auto made = unfinished_path(path);
        return Unfinished{made, std::make_shared<UniqueFd>(begin_unfinished(made))};
    };
    const auto unfinished = co_await site.block(std::move(begin));
    auto finishing = make_and_finish(path, permissions, site, unfinished, std::move(make));
    auto clean = [made = unfinished.path] { ::unlink(made.c_str()); };
    co_await or_undo(std::move(finishing), site.block(std::move(clean)));
}

} // namespace domus::storage
