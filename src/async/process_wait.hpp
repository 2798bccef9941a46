// Waiting for processes on the loop, through their pidfds.
#pragma once

#include "async/deadline.hpp"
#include "async/progress.hpp"
#include "async/task.hpp"
#include "os/process.hpp"

#include <functional>
#include <optional>
#include <string>

namespace domus {

/// Process::spawn for the loop, which goes on meanwhile: the program, and what it is to see of the file system, may lie on
/// storage that does not answer. At the deadline the child is killed and operation_timeout thrown.
Task<Process> spawn_process(Command command, Deadline by);

/// Until the process has ended; the process must stay where it is meanwhile.
Task<ExitStatus> wait_for_exit(Process& process);
/// Nothing if it still runs at the deadline.
Task<std::optional<ExitStatus>> wait_for_exit(Process& process, Deadline by);
/// Signals it to end, and kills it if it has not within `timeout`; false if it is not gone even then.
Task<bool> end_process(Process& process, Clock::duration timeout);

struct CommandOutput {
    ExitStatus status;
    std::string out, err;
};

/// What goes on while a program runs. What is thrown here ends the program.
struct Watch {
    Clock::duration every{};
    std::function<Task<>()> look; ///< called so often; may be null
    ProgressPtr progress;         ///< when it is cancelled, the program is killed; may be null
    std::function<void(const std::string& out)>
        read; ///< gets all of its output so far, whenever there is more; may be null
};

/// Runs a program to its end, with `input` on its standard input; at the deadline it is killed, with the processes of
/// its session that it started, and operation_timeout thrown. The same when the caller goes. Output beyond 16 MiB is
/// dropped, as is what others that hold its outputs write more than a second after its end.
Task<CommandOutput> run_command(Command command, Deadline by, std::string input = {}, Watch watch = {});

} // namespace domus
