// What a service manager and its service say to each other: readiness (sd_notify(3)) and handed-over sockets
// (sd_listen_fds(3)), by their documented protocols.
#pragma once

#include "os/unique_fd.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace domus {

/// Sends a state such as "READY=1"; nothing happens if no manager listens.
void notify_service_manager(std::string_view state);

struct ListeningSocket {
    std::string name; ///< FileDescriptorName= of the socket unit
    UniqueFd fd;
};

/// The sockets that were handed to this process, once: the environment variables that name them are removed.
std::vector<ListeningSocket> take_listening_sockets();

} // namespace domus
