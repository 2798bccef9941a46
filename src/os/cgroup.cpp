#include "os/cgroup.hpp"

#include "base/error.hpp"
#include "os/files.hpp"
#include "os/proc.hpp"
#include "os/unique_fd.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <vector>

namespace domus {

namespace fs = std::filesystem;

namespace {

/// A line of /proc/self/cgroup: "0::/system.slice/domusd.service" is version 2, "4:freezer:/x" version 1.
struct Membership {
    std::string controllers;
    std::string path;
};

std::vector<Membership> memberships(const fs::path& proc) {
    std::vector<Membership> all;
    std::istringstream lines(read_proc(proc / "cgroup"));
    for (std::string line; std::getline(lines, line);) {
        const auto first = line.find(':'), second = line.find(':', first + 1);
        if (first == line.npos || second == line.npos) continue;
        all.push_back({line.substr(first + 1, second - first - 1), line.substr(second + 1)});
    }
    return all;
}

/// A line of /proc/self/mountinfo (proc(5)): "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw".
struct Hierarchy {
    std::string root;    ///< which of its groups is mounted
    std::string folder;  ///< where
    std::string options; ///< of version 1: with its controllers
    bool v2 = false;
};

std::vector<Hierarchy> hierarchies(const fs::path& proc) {
    std::vector<Hierarchy> all;
    std::istringstream lines(read_proc(proc / "mountinfo"));
    for (std::string line; std::getline(lines, line);) {
        const auto dash = line.find(" - ");
        if (dash == line.npos) continue;
        std::string skip, type, source;
        Hierarchy found;
        std::istringstream front(line.substr(0, dash)), back(line.substr(dash + 3));
        front >> skip >> skip >> skip >> found.root >> found.folder;
        back >> type >> source >> found.options;
        found.v2 = type == "cgroup2";
        if (found.v2 || type == "cgroup") all.push_back(std::move(found));
    }
    return all;
}

bool has_word(const std::string& list, const std::string& word) {
    return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

/// Our own group in that hierarchy, as a folder; empty if it is not below what is mounted there.
fs::path own_folder(const Hierarchy& hierarchy, const std::string& path, const fs::path& root) {
    auto below = path;
    if (hierarchy.root != "/") {
        if (!path.starts_with(hierarchy.root)) return {};
        below = path.substr(hierarchy.root.size());
    }
    return root / fs::path(hierarchy.folder + below).lexically_normal().relative_path();
}

bool can_make_groups(const fs::path& folder) {
    return !folder.empty() && ::access((folder / "cgroup.procs").c_str(), W_OK) == 0
           && ::access(folder.c_str(), W_OK) == 0;
}

} // namespace

fs::path find_cgroup_parent(const fs::path& proc, const fs::path& root) {
    const auto groups = memberships(proc);
    const auto mounts = hierarchies(proc);
    // Of version 1 any hierarchy will do that limits nothing by itself.
    for (const std::string wanted : {"", "pids", "freezer", "name=systemd"})
        for (const auto& group : groups)
            for (const auto& mount : mounts) {
                const bool same = wanted.empty() ? group.controllers.empty() && mount.v2
                                                 : !mount.v2 && has_word(group.controllers, wanted)
                                                       && has_word(mount.options, wanted);
                if (!same) continue;
                auto folder = own_folder(mount, group.path, root).lexically_normal();
                if (folder.native().size() > 1 && folder.native().back() == '/') folder = folder.parent_path();
                if (can_make_groups(folder)) return folder;
            }
    return {};
}

bool is_cgroup_v2(const fs::path& group) {
    struct statfs info{};
    return ::statfs(group.c_str(), &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
}

void make_cgroup(const fs::path& group) {
    if (::mkdir(group.c_str(), 0755) < 0 && errno != EEXIST)
        throw path_error(errno, "cannot make the control group", group);
}

bool has_process(const fs::path& group, int pid) {
    std::istringstream pids(read_proc(group / "cgroup.procs"));
    for (int each = 0; pids >> each;)
        if (each == pid) return true;
    return false;
}

void kill_cgroup(const fs::path& group) {
    const UniqueFd at_once(::open((group / "cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
    if (at_once && ::write(at_once.get(), "1", 1) == 1) return;
    std::istringstream pids(read_proc(group / "cgroup.procs"));
    for (int pid = 0; pids >> pid;) {
        // Opened first and then looked up again: the number may be another's by now.
        const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
        if (pidfd && has_process(group, pid)) ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
    }
}

bool remove_cgroup(const fs::path& group) { return ::rmdir(group.c_str()) == 0 || errno == ENOENT; }

} // namespace domus
