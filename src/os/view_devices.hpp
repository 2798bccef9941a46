// Devices of the host that come to and go from a process with a file system view of its own (file_view.hpp) while it runs.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace domus {

/// The process then has nodes of ours at these paths, for its user alone; those that we do not have are left out. Nothing
/// happens to a process that sees what we see. It must not be able to change the folders that the paths lead through.
/// Blocks for well under a millisecond. Throws Error.
void add_devices(int pidfd, const std::vector<std::string>& paths, uid_t uid, gid_t gid);
void take_devices(int pidfd, const std::vector<std::string>& paths);

} // namespace domus
