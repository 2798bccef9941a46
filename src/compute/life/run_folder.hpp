// The folder of a domain that runs: the daemon's sockets and record, and in it the guest's own (docs/architecture.md).
#pragma once

#include "compute/domain/environment.hpp"
#include "engine/launch.hpp"

#include <memory>
#include <optional>
#include <string>

namespace domus::compute {

struct RunFolders {
    std::string all, own, staging; ///< the daemon's, and in it the guest's own and that for its view
};
struct MadeRunFolders {
    engine::SharedFd lock;            ///< to be held by the guest's process
    std::optional<UserIdClaim> claim; ///< of the id that was chosen, until a process has it
    std::optional<GuestUser> user;
};

/// Makes and locks them, chooses the user that the guest runs as, and gives that user its own. `spread`: where to begin
/// to look for a user id. Leaves nothing if it fails. Blocks.
MadeRunFolders make_run_folders(const RunFolders& folders, const Settings& settings, std::uint32_t spread);

/// Whatever a record says: only what the library has for a running domain. Failure is for the log.
Task<> remove_run_folder(Environment& environment, std::filesystem::path folder);

} // namespace domus::compute
