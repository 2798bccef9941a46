// Terminals (pty(7)) that another process has made.
#pragma once

#include "os/unique_fd.hpp"

#include <string>

namespace domus {

/// Opens the terminal `path`, of which the process says that it has the other end. It may lie: any other file, and any
/// other process's terminal, is an Error.
UniqueFd open_terminal_of(int pid, const std::string& path);

} // namespace domus
