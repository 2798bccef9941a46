// Displays that listen on a Unix socket where the definition says: the guest's user may make none there, so QEMU listens in
// the guest's own folder, and a link leads there. All block; called in a lane.
#pragma once

#include "model/graphics.hpp"
#include "os/credentials.hpp"

#include <map>
#include <string>
#include <vector>

namespace domus::compute {

/// Where QEMU listens, by the path in the definition.
std::map<std::string, std::string> own_display_sockets(const std::vector<model::Graphics>& displays,
                                                       const std::string& guest_folder);

/// Made with the rights of the caller; a socket or link that is there already is replaced, as QEMU does. Throws Error.
void link_display_sockets(const Credentials& caller, const std::map<std::string, std::string>& sockets);
/// Only those that still lead there.
void unlink_display_sockets(const std::map<std::string, std::string>& sockets);

} // namespace domus::compute
