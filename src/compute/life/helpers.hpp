// Programs that serve devices of a guest beside QEMU: swtpm a TPM, virtiofsd a shared folder. They run as the guest's own
// user without capabilities, in its control group, see no more of the host than they need, and end with the guest. The
// record names them, so that a restarted daemon knows them too.
#pragma once

#include "async/task.hpp"
#include "compute/domain/environment.hpp"
#include "compute/domain/opener.hpp"
#include "compute/domain/running.hpp"
#include "engine/launch.hpp"
#include "model/domain.hpp"

#include <memory>
#include <string>

namespace domus::compute {

/// What the helpers of one start have in common.
struct HelperSite {
    std::optional<GuestUser> user; ///< none: they run as the daemon
    bool views = false;
    std::string staging; ///< where views are put together
    std::string folder;  ///< the daemon's, of this guest
    std::string cgroup;
    engine::SharedFd log;
};

/// A helper that runs, and QEMU's end of the connection to it.
struct StartedHelper {
    Helper helper;
    engine::SharedFd socket;
};

/// With everything that is the same for all: user, control group, view, log.
Command helper_command(const HelperSite& site, const std::string& program);
Task<Helper> start_helper(Command command, std::string device);

/// Of the TPM that swtpm emulates; its state is made if it has none, or waited for from the saved memory (`incoming`).
Task<StartedHelper> start_tpm(Environment& environment, HelperSite site, model::Tpm tpm, Uuid uuid, bool incoming);
/// Of a folder that virtiofsd serves. `opener`: with whose rights the folder is opened. Throws where it is not installed.
Task<StartedHelper> start_shared_folder(Environment& environment, HelperSite site, model::Filesystem filesystem,
                                        Opener opener);

/// Waits a moment for those that end by themselves when QEMU has ended, and kills the rest.
Task<> end_helpers(std::shared_ptr<Running> running);

} // namespace domus::compute
