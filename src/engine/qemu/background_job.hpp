// QEMU's background jobs (qapi/job.json): begun by a command, reported by events, dismissed by whoever began them.
#pragma once

#include "engine/qemu/monitor.hpp"

#include <memory>
#include <string>

namespace domus::engine::qemu {

/// Runs a command that begins a job, and returns when the job is over and dismissed. Throws operation_failed with
/// QEMU's reason. However long it takes: these jobs may keep the monitor from answering meanwhile.
Task<> run_background_job(MonitorPtr monitor, std::string command, json::object arguments);

/// Waits for a job that a daemon which is no more has begun, if there is one.
Task<> await_background_job(MonitorPtr monitor);

} // namespace domus::engine::qemu
