// Which processes hold the locks on a file, as /proc tells (proc(5): fdinfo lists the locks of each descriptor). A process
// that only has the file open is none of them. Blocks; processes that we may not look at are left out.
#pragma once

#include "os/process.hpp"

#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <vector>

namespace domus {

enum class LockKind { flock, ofd }; ///< flock(2); F_OFD_SETLK of fcntl(2)

struct LockHolder {
    int pid = 0;
    bool survives_exec = false; ///< else it has the descriptor only until it runs its program
};

/// Ourselves included.
std::vector<LockHolder> find_lock_holders(const struct stat& file, LockKind kind);

/// Other processes that hold it; one that leads its session first, as what we started does. A child that a killed process
/// has just forked gets that much time to run its program.
std::vector<Process> lock_holding_processes(const struct stat& file, LockKind kind,
                                            std::chrono::milliseconds exec_timeout);

/// Whether a process has a file open that had this name when it was removed: it may hold a lock that cannot be seen any more.
bool is_open_though_removed(const std::filesystem::path& file);

/// Whether this process is one that holds it beyond exec.
bool holds_lock(int pid, const struct stat& file, LockKind kind);

} // namespace domus
