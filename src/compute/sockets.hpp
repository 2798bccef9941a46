// Sockets between the daemon and its guests' processes.
#pragma once

#include "os/unique_fd.hpp"

#include <string>

namespace domus::compute {

/// To a Unix socket. Does not wait.
UniqueFd connect_to(const std::string& path);

} // namespace domus::compute
