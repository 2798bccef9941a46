// QEMU's background jobs (job-... of its monitor): begun by a command, told of by events, dismissed by whoever began
// them.
#pragma once

#include "compute/running.hpp"

#include <memory>
#include <string>

namespace domus::compute {

/// Runs a command that begins a job, and returns when the job is over and dismissed. Throws operation_failed with
/// QEMU's reason. However long it takes: these jobs may keep the monitor from answering meanwhile.
Task<> run_qemu_job(std::shared_ptr<Running> running, std::string command, boost::json::object arguments);

/// Waits for a job that a daemon which is no more has begun, if there is one. False if it failed.
Task<bool> await_foreign_job(std::shared_ptr<Running> running);

} // namespace domus::compute
