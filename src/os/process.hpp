// Starting processes and holding on to them. A process is known by its pidfd: a signal never reaches another that got
// the same pid.
//
//     Command command("/usr/bin/qemu-img");
//     command.arguments = {"info", "--output=json", path};
//     Process child = Process::spawn(command);
#pragma once

#include "os/file_view.hpp"
#include "os/unique_fd.hpp"

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus {

/// A program to run: a value, so that it can be compared and printed.
struct Command {
    explicit Command(std::string program_name) : program(std::move(program_name)) {}

    std::string program; ///< a path, or a name that is looked up in the usual folders
    std::vector<std::string> arguments;
    std::vector<std::string> environment{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                         "LC_ALL=C"};
    std::string folder = "/";

    struct Inherited {
        std::shared_ptr<UniqueFd> fd;
        int number; ///< in the child
        bool operator==(const Inherited&) const = default;
    };
    std::vector<Inherited> fds; ///< 0 to 2 are /dev/null unless named here

    std::optional<uid_t> uid;
    std::optional<gid_t> gid;
    std::vector<gid_t> groups;    ///< supplementary ones, with uid
    bool unprivileged = false;    ///< it has no capabilities and never gains any, whatever it runs
    std::optional<FileView> view; ///< what it sees of the file system; none: what we see
    bool new_session = true;
    std::optional<int> death_signal; ///< sent when the thread that started it ends; never for guests
    std::string cgroup;              ///< folder of the control group that it starts in (os/cgroup.hpp); empty: ours

    struct Limit {
        int resource; ///< RLIMIT_...
        std::uint64_t value;
        bool operator==(const Limit&) const = default;
    };
    std::vector<Limit> limits; ///< set as root, before the user is taken on

    /// Gives the child a descriptor and returns the number that it has there.
    int pass(UniqueFd fd);
    int pass(std::shared_ptr<UniqueFd> fd);
    void redirect(UniqueFd fd, int number);
    /// As a shell would take it.
    std::string text() const;
    bool operator==(const Command&) const = default;
};

struct ExitStatus {
    bool known = false; ///< false for processes that are not our children
    int code = -1;      ///< of exit(2), or -1
    int signal = 0;     ///< that ended it, or 0

    bool success() const { return known && code == 0; }
    std::string text() const; ///< "exited with status 1", "was killed by signal 9"
};

class Process {
public:
    Process() = default;
    Process(Process&&) noexcept = default;
    Process& operator=(Process&& other) noexcept;
    /// Kills and reaps, unless released. One that hangs in the kernel is waited for no longer than a moment, and reaped
    /// at a later start or end of another.
    ~Process();

    /// Throws Error no_support naming the program if it is not there, system_error if it cannot be run.
    static Process spawn(const Command& command);
    /// A process that we did not start: nothing if there is none of that pid that started then.
    static std::optional<Process> adopt(int pid, std::uint64_t start_time);

    int pid() const { return pid_; }
    std::uint64_t start_time() const { return start_time_; }
    int pidfd() const { return pidfd_.get(); }
    bool child() const { return child_; }

    /// False if it is gone.
    bool signal(int number) const;
    /// Without waiting: nothing while it runs.
    std::optional<ExitStatus> poll();
    /// The destructor will leave it alone.
    void release() { released_ = true; }

private:
    friend class PendingProcess;
    int pid_ = 0;
    std::uint64_t start_time_ = 0;
    UniqueFd pidfd_;
    bool child_ = false;
    bool released_ = false;
    std::optional<ExitStatus> status_;
};

/// A child on its way to its program: it may hang on what it is to see of the file system, or on the program itself. One
/// that goes before `finish` is killed, as a Process is.
class PendingProcess {
public:
    /// Throws what Process::spawn throws before there is a child.
    explicit PendingProcess(const Command& command);

    /// Readable once the child has got to its program or given up.
    int report() const { return report_.get(); }
    /// Waits for that; throws system_error if the program cannot be run. Once only.
    Process finish();

private:
    Process process_;
    UniqueFd report_;
    std::string program_;
    std::vector<ViewStep> view_;
};

/// Full path of a program in the usual folders (/usr/local/sbin to /bin); empty if it is not there.
std::string find_program(const std::string& name);

/// What mends that a program is missing, in words: its package, where we know it. What kinds of pools run, they name
/// themselves (storage/needs.hpp).
std::string how_to_install(std::string_view program);

} // namespace domus
