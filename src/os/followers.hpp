// The processes that another one has started: for guests that have no control group (os/cgroup.hpp) to find them by.
#pragma once

#include "os/process.hpp"

#include <vector>

namespace domus {

/// Those of the session that it began, and those that descend from it, without itself; it may have ended. What has left the
/// session and lost its parent is not found. Nothing once its pid is another's. Reads all of /proc.
std::vector<Process> followers_of(int pid, std::uint64_t start_time);

} // namespace domus
