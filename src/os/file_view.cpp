#include "os/file_view.hpp"

#include "base/error.hpp"
#include "os/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>

namespace domus {

namespace {

using Kind = FileView::Part::Kind;
using Use = FileView::Use;

unsigned long mount_flags(Use use) {
    switch (use) {
    case Use::read:
        return MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
    case Use::programs:
        return MS_NOSUID | MS_NODEV | MS_RDONLY;
    case Use::write:
        return MS_NOSUID | MS_NODEV | MS_NOEXEC;
    case Use::devices:
        return MS_NOSUID | MS_NOEXEC;
    }
    return 0;
}

/// Relative to the new root, which is the current folder while it is put together.
const char* inside(const std::string& path) { return path.c_str() + 1; }

ViewStep folder_step(std::string path, mode_t mode = 0755) {
    return {ViewStep::Kind::folder, std::move(path), {}, 0, 0, mode};
}

/// The folders above a path that no step has made yet.
void add_parents(std::vector<ViewStep>& steps, std::set<std::string>& made, const std::string& path) {
    for (auto slash = path.find('/', 1); slash != path.npos; slash = path.find('/', slash + 1)) {
        auto parent = path.substr(0, slash);
        if (made.insert(parent).second) steps.push_back(folder_step(std::move(parent)));
    }
}

ViewStep step_of(const FileView::Part& part) {
    switch (part.kind) {
    case Kind::folder:
        return folder_step(part.path, part.mode);
    case Kind::link:
        return {ViewStep::Kind::link, part.path, part.source};
    case Kind::device:
        return {ViewStep::Kind::device, part.path, {}, 0, part.device, part.mode, part.uid, part.gid};
    case Kind::bind: {
        ViewStep step{ViewStep::Kind::bind, part.path, part.source,
                      mount_flags(part.use) | (part.deep ? unsigned{MS_REC} : 0U)};
        step.device = part.device;
        step.inode = part.inode;
        return step;
    }
    }
    return folder_step(part.path);
}

bool there(bool done) { return done || errno == EEXIST; }

bool make_device(const ViewStep& step) {
    const char* path = inside(step.path);
    return ::mknod(path, step.mode, step.device) == 0 && ::chown(path, step.uid, step.gid) == 0
           && ::chmod(path, step.mode & 07777) == 0; // the umask has taken from the mode
}

bool make_folder(const ViewStep& step) {
    const char* path = inside(step.path);
    if (::mkdir(path, step.mode) < 0) return errno == EEXIST;
    return ::chmod(path, step.mode) == 0; // as above
}

/// Looked at when it is mounted: from then on nobody exchanges it.
bool is_wanted(const ViewStep& step, const char* path) {
    if (step.inode == 0) return true;
    struct stat info{};
    if (::stat(path, &info) < 0) return false;
    if (info.st_dev == step.device && info.st_ino == step.inode) return true;
    errno = ESTALE;
    return false;
}

bool bind(const ViewStep& step) {
    const char* path = inside(step.path);
    return ::mount(step.source.c_str(), path, nullptr, MS_BIND | (step.flags & MS_REC), nullptr) == 0
           && is_wanted(step, path)
           && ::mount(nullptr, path, nullptr, MS_BIND | MS_REMOUNT | (step.flags & ~static_cast<unsigned long>(MS_REC)),
                      nullptr)
                  == 0;
}

bool run(const ViewStep& step) {
    switch (step.kind) {
    case ViewStep::Kind::folder:
        return make_folder(step);
    case ViewStep::Kind::file:
        return there(::mknod(inside(step.path), S_IFREG | 0644, 0) == 0);
    case ViewStep::Kind::link:
        return there(::symlink(step.source.c_str(), inside(step.path)) == 0);
    case ViewStep::Kind::device:
        return make_device(step);
    case ViewStep::Kind::bind:
        return bind(step);
    }
    return false;
}

/// Nothing of other processes, and of the kernel's settings only where they are wanted; older kernels know only the whole.
bool mount_proc(bool settings) {
    constexpr unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    if (::mkdir("proc", 0555) < 0) return false;
    const char* options = settings ? "hidepid=invisible" : "hidepid=invisible,subset=pid";
    return ::mount("proc", "proc", "proc", flags, options) == 0 || ::mount("proc", "proc", "proc", flags, nullptr) == 0;
}

/// Changes of our mounts reach it (a file system that we unmount is free), its own reach nobody.
bool begin_root(const FileView& view) {
    return ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0
           && ::mount("domus", view.staging.c_str(), "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=4m") == 0
           && ::chdir(view.staging.c_str()) == 0;
}

bool finish_root(const FileView& view) {
    return mount_proc(view.settings) && ::syscall(SYS_pivot_root, ".", ".") == 0 && ::umount2(".", MNT_DETACH) == 0
           && ::chdir("/") == 0;
}

} // namespace

void FileView::show(const std::string& path, Use use, bool deep) {
    struct stat info{};
    if (!path.starts_with('/') || ::stat(path.c_str(), &info) < 0) return;
    Part part{Part::Kind::bind, path, path, use};
    part.is_folder = S_ISDIR(info.st_mode);
    part.deep = deep;
    parts.push_back(std::move(part));
}

void FileView::show_folder(std::string path, int folder, Use use) {
    struct stat info{};
    if (::fstat(folder, &info) < 0) throw system_error(errno, "cannot look at a folder");
    Part part{Part::Kind::bind, std::move(path),
              std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(folder)), use};
    part.deep = use != Use::read; // what is mounted below it could be written to
    part.device = info.st_dev;
    part.inode = info.st_ino;
    parts.push_back(std::move(part));
}

void FileView::show_device(const std::string& path, mode_t mode, uid_t uid, gid_t gid) {
    struct stat info{};
    if (::stat(path.c_str(), &info) < 0 || (!S_ISCHR(info.st_mode) && !S_ISBLK(info.st_mode))) return;
    Part part{Part::Kind::device, path};
    part.device = info.st_rdev;
    part.mode = (info.st_mode & S_IFMT) | mode;
    part.uid = uid;
    part.gid = gid;
    parts.push_back(std::move(part));
}

std::vector<ViewStep> view_steps(const FileView& view) {
    std::vector<ViewStep> steps;
    std::set<std::string> made;
    for (const auto& part : view.parts) {
        add_parents(steps, made, part.path);
        const bool fresh = made.insert(part.path).second;
        if (part.kind == Kind::bind && fresh)
            steps.push_back(part.is_folder ? folder_step(part.path) : ViewStep{ViewStep::Kind::file, part.path, {}});
        if (part.kind == Kind::bind || fresh) steps.push_back(step_of(part));
    }
    return steps;
}

std::optional<int> enter_view(const FileView& view, const std::vector<ViewStep>& steps) {
    if (!begin_root(view)) return -1;
    for (std::size_t i = 0; i < steps.size(); ++i)
        if (!run(steps[i])) return static_cast<int>(i);
    if (!finish_root(view)) return -1;
    return std::nullopt;
}

std::string why_no_views(const std::string& staging) {
    Command command("/usr/bin/true");
    command.view.emplace();
    command.view->staging = staging;
    for (const char* folder : {"/usr", "/lib", "/lib64"}) command.view->show(folder, Use::programs);
    command.view->show_device("/dev/null");
    try {
        auto process = Process::spawn(command);
        pollfd ended{process.pidfd(), POLLIN, 0};
        ::poll(&ended, 1, 5'000);
        const auto status = process.poll();
        return status && status->success() ? "" : "a program that was run in one failed";
    } catch (const Error& error) {
        return error.text();
    }
}

} // namespace domus
