// Bounds the logs that guests' processes write by themselves: QEMU's own, and those of character devices. Their writer needs
// no daemon (a guest outlives it), and whatever fills a disk is noticed at once: the kernel reports each write (inotify),
// and who writes much is looked at every 20 ms.
#pragma once

#include "async/task.hpp"
#include "base/uuid.hpp"
#include "engine/launch.hpp"
#include "os/rotate.hpp"
#include "os/unique_fd.hpp"

#include <memory>
#include <string>
#include <vector>

namespace domus::compute {

/// A log and the folder of its backups, both open: nobody can put another file in its place.
struct KeptLog {
    UniqueFd file;
    UniqueFd folder; ///< none: it is not where it was made, and has no backups
    std::string name;
};

/// What QEMU is given to write to: its own log, and the files and logs of character devices. Blocks.
std::vector<KeptLog> logs_of(const engine::Launch& launch);
/// The same of a process that runs: the files that it has open to add to. Blocks.
std::vector<KeptLog> logs_of(int pid);

/// Whose logs they are: one run of a domain.
std::string log_owner(const Uuid& domain, int id);

class LogKeeper {
public:
    LogKeeper(Executor executor, Rotation rotation);
    ~LogKeeper();
    LogKeeper(const LogKeeper&) = delete;
    LogKeeper& operator=(const LogKeeper&) = delete;

    /// Bounds them from now on, until their owner has ended.
    void keep(const std::string& owner, std::vector<KeptLog> logs);
    void forget(const std::string& owner);

private:
    void keep_one(const std::string& owner, KeptLog log);
    struct State;
    std::shared_ptr<State> state_; ///< shared with what is under way
};

} // namespace domus::compute
