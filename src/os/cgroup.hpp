// Control groups: one for each guest, so that all its processes can be found and ended, whatever they have done to their
// session and their parents. Version 2 where it is mounted, else a hierarchy of version 1; below our own group, which the
// service manager delegates to us (Delegate=yes) or which is writable since we are root.
//
//     const auto parent = find_cgroup_parent();        // empty: there is none, and guests run without
//     make_cgroup(parent / "domus-1-web");
//     command.cgroup = parent / "domus-1-web";         // the process is in it before it runs
//     ...
//     kill_cgroup(group);                              // again until remove_cgroup(group)
#pragma once

#include <filesystem>
#include <string>

namespace domus {

/// The folder of a cgroup in which we may make others; empty where there is none. `proc` and `root` are for tests.
std::filesystem::path find_cgroup_parent(const std::filesystem::path& proc = "/proc/self",
                                         const std::filesystem::path& root = "/");
/// Throws system_error. One that is there already is taken as it is.
void make_cgroup(const std::filesystem::path& group);
/// False if there is no such group.
bool has_process(const std::filesystem::path& group, int pid);
/// Sends SIGKILL to all processes in it. They need a moment to go, and version 1 may miss one that forks just then.
void kill_cgroup(const std::filesystem::path& group);
/// True if it is gone; false while processes are in it.
bool remove_cgroup(const std::filesystem::path& group);
/// Whether processes enter it when they are made (version 2); else they enter it by themselves.
bool is_cgroup_v2(const std::filesystem::path& group);

} // namespace domus
