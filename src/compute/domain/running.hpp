// What a domain has while it runs: its process, its monitor, and the record on disk from which a restarted daemon
// finds it again.
#pragma once

#include "async/signal.hpp"
#include "async/task.hpp"
#include "compute/domain/guest_user.hpp"
#include "compute/domain/status.hpp"
#include "compute/domain/view.hpp"
#include "compute/life/ports.hpp"
#include "engine/machine.hpp"
#include "format/schema.hpp"
#include "model/domain.hpp"
#include "os/process.hpp"
#include "qmp/agent.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace domus::compute {

/// What a daemon that ends in the middle leaves to the next one.
struct UnfinishedJob {
    std::string kind;                    ///< "save", "restore", "snapshot", "revert"
    std::string file;                    ///< what it writes, or what goes once it is restored, or the snapshot's name
    bool resume = false;                 ///< the guest is to run after it
    std::uint64_t device = 0, inode = 0; ///< of the file that a save has made; 0: not known
    std::string beside = {};             ///< that file's name while an older one has `file`; empty: it has that itself
    static const format::Schema& schema();
    bool operator==(const UnfinishedJob&) const = default;
};

/// A program beside QEMU that serves one of its devices (helpers.hpp).
struct HelperRecord {
    std::string program, device; ///< "swtpm", the device's alias
    int pid = 0;
    std::uint64_t start_time = 0;
    static const format::Schema& schema();
    bool operator==(const HelperRecord&) const = default;
};

struct Helper {
    std::string program, device;
    Process process;
};

/// The record of a running domain: STATE/NAME.xml. Written before the process runs its guest, removed when it is gone.
struct RunRecord {
    int state = 0;
    int reason = 0;
    int pid = 0;                      ///< 0: it was being started
    std::uint64_t start_time = 0;     ///< clock ticks since boot: tells the process from a later one of the same pid
    std::string folder;               ///< the domain's folder with its sockets
    std::string cgroup;               ///< its control group; empty where it has none
    std::optional<unsigned> uid, gid; ///< the user that the process runs as; none: as the daemon
    std::vector<int> vcpu_threads;
    std::vector<HelperRecord> helpers;
    bool persistent = true;
    unsigned undefine_flags = 0; ///< it was undefined while it runs, with these
    std::optional<UnfinishedJob> job;
    model::Domain domain; ///< live definition

    static const format::Schema& schema();
    bool operator==(const RunRecord&) const = default;
};

struct Running {
    int id = -1;
    std::shared_ptr<const model::Domain> domain;
    /// Null until its process was made, and if that was gone when it was found.
    std::shared_ptr<engine::Machine> machine;
    std::string folder;            ///< the daemon's; guest_folder() in it is the guest's own
    std::optional<GuestUser> user; ///< none: as the daemon
    std::string guest_folder() const { return folder + "/guest"; }
    std::string staging_folder() const { return folder + "/root"; } ///< where its view is put together; empty for us
    std::string cgroup;                                             ///< empty: it has none
    std::vector<Helper> helpers;                                    ///< neither added to nor removed from once it runs
    std::vector<std::string> helper_faults;                         ///< what happened to them, in words
    unsigned undefine_flags = 0;                                    ///< of the undefine while it runs
    std::vector<Process> followers; ///< without a control group: what it had started when its end began
    std::shared_ptr<qmp::Agent> agent;
    std::vector<int> vcpu_threads;
    std::vector<PortReservation> ports; ///< of its displays

    /// Set by whoever ends the domain, before it does; else its end counts as a crash.
    struct Ending {
        ShutoffReason reason;
        event::Stopped detail;
    };
    std::optional<Ending> ending;
    /// What the balloon leaves the guest; asked for once, then told by QEMU's events.
    std::optional<std::uint64_t> balloon_kib;
    /// As QEMU says it; no more than the domain has.
    void note_balloon(std::uint64_t bytes) { balloon_kib = std::min(bytes, domain->memory.bytes) >> 10; }

    /// For calls. Throws GuestGone where there is none.
    engine::Machine& guest() const;
    int pid() const { return machine ? machine->process().pid() : 0; }
    std::uint64_t start_time() const { return machine ? machine->process().start_time() : 0; }
    void terminate() const;
    void kill() const;
    bool starting = true;         ///< the start job still owns it and cleans up itself
    bool reconnecting = false;    ///< by a daemon that has just begun: what QEMU does is not known yet
    bool guest_stopped = false;   ///< the guest has shut down; the process waits for what the policy says
    bool awaits_shutdown = false; ///< somebody looks whether the guest obeys
    bool reboot_wanted = false;   ///< what looks like a shutdown is our way to reboot
    bool settled = false;         ///< its end has begun to be dealt with: nothing of it is changed any more

    /// Its process has ended, and what it had is given back.
    void finish();
    /// False at the deadline. Whoever waits holds it.
    Task<bool> wait_until_over(Deadline by);

    Notice unplugged;                           ///< a device has gone, or the guest has refused to let it go
    std::set<std::string, std::less<>> leaving; ///< aliases of devices whose end is being dealt with
    std::string refused;                        ///< alias of the last device that the guest did not release

    bool autodestroy = false;
    std::uint64_t owner = 0;

    std::optional<PausedReason> stopping;  ///< why the guest is being stopped by us
    std::optional<RunningReason> resuming; ///< or resumed
    std::optional<UnfinishedJob> unfinished;
    bool keeps_save = false; ///< its saved memory is kept until the guest runs (keep_loaded_save())
    bool status_noted = false, notes_status = false; ///< since its record was written; somebody writes it soon
    std::string record_fault;                        ///< why its record is not up to date; empty: it is

    std::shared_ptr<const engine::MachineStatistics> statistics;
    bool refreshing = false;
    Notice refreshed;

    explicit Running(Executor executor);

private:
    bool over_ = false;
    Notice gone_;
};

} // namespace domus::compute
