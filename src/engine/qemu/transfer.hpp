// QEMU's state as a stream: its migration into a file descriptor and out of one (qapi/migration.json).
#pragma once

#include "engine/machine.hpp"
#include "engine/qemu/monitor.hpp"

#include <memory>

namespace domus::engine::qemu {

using TransferPtr = std::shared_ptr<Transfer>;

/// Returns when the state is written, or read, as a whole. Throws operation_aborted if the transfer was cancelled,
/// operation_failed with QEMU's reason.
Task<> send_state(MonitorPtr monitor, UniqueFd into, TransferPtr transfer);
Task<> receive_state(MonitorPtr monitor, UniqueFd from, TransferPtr transfer);
Task<> cancel_transfer(MonitorPtr monitor);
/// Cancels one that a daemon which is no more has begun, and waits for its end.
Task<> abandon_transfer(MonitorPtr monitor);
/// After its state was sent QEMU has given its disks away: takes them back, and stands still.
Task<> reactivate(MonitorPtr monitor);

} // namespace domus::engine::qemu
