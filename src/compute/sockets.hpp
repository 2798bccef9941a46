// Sockets between the daemon and its guests' processes, and the TCP ports of displays.
#pragma once

#include "os/unique_fd.hpp"

#include <string>

namespace domus::compute {

/// A listening Unix socket; its path is removed first. Does not wait.
UniqueFd listen_on(const std::string& path);
UniqueFd connect_to(const std::string& path);

/// The first TCP port from `first` on that nobody listens on at this address.
int free_tcp_port(const std::string& address, int first);
/// Throws an Error that says who may have the port.
void require_free_tcp_port(const std::string& address, int port);

} // namespace domus::compute
