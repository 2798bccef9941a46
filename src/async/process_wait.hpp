// Waiting for processes on the loop, through their pidfds.
#pragma once

#include "async/deadline.hpp"
#include "async/task.hpp"
#include "os/process.hpp"

#include <string>

namespace domus {

/// Until the process has ended; the process must stay where it is meanwhile.
Task<ExitStatus> wait_for_exit(Process& process);

struct CommandOutput {
    ExitStatus status;
    std::string out, err;
};

/// Runs a program to its end, with `input` on its standard input; at the deadline it is killed and operation_timeout
/// thrown. Output beyond 16 MiB is dropped.
Task<CommandOutput> run_command(Command command, Deadline by, std::string input = {});

} // namespace domus
