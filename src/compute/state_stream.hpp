// A guest's whole state through a descriptor: QEMU's migration, out to a file and in from one. What the guest has in
// its disks stays there. QEMU reads and writes the descriptor from where it stands.
#pragma once

#include "compute/job.hpp"
#include "compute/running.hpp"
#include "os/unique_fd.hpp"

#include <memory>

namespace domus::compute {

/// How QEMU calls the descriptor.
inline constexpr std::string_view stream_fd_name = "domus-state";

/// Returns when QEMU has written all. Throws operation_aborted if the job was cancelled, operation_failed with QEMU's
/// reason; the guest is where it was then, stopped. However long it takes: a monitor that is silent meanwhile is no
/// failure, one that goes is.
Task<> send_state(std::shared_ptr<Running> running, std::shared_ptr<Job> job, UniqueFd file);

/// Into a process that was started with "-incoming defer". Returns when all is loaded; the guest does not run yet.
Task<> receive_state(std::shared_ptr<Running> running, std::shared_ptr<Job> job, UniqueFd file);

/// A QEMU that has written its state can neither be saved again nor use its disks before it went on: it does for an
/// instant, and is stopped then as it was.
Task<> leave_migrated(std::shared_ptr<Running> running);

/// Ends a stream that somebody else has begun (a daemon that is no more), and returns when QEMU has left it.
Task<> stop_stream(std::shared_ptr<Running> running);

} // namespace domus::compute
