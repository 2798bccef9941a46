// Sockets of the daemon to programs of this host.
#pragma once

#include "os/unique_fd.hpp"

#include <string>

namespace domus {

/// To a Unix socket. Does not wait.
UniqueFd connect_to(const std::string& path);

} // namespace domus
