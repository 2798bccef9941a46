// Steps of jobs on a running guest, for the rooms of compute: the caller has the domain's turn, unless said otherwise.
#pragma once

#include "compute/life/life.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>

namespace domus::compute {

Task<> stop_guest(DomainPtr domain, std::shared_ptr<Running> running, PausedReason why);
Task<> let_guest_run(DomainPtr domain, std::shared_ptr<Running> running, RunningReason why);

/// The steps of a start (start.hpp).
Task<std::shared_ptr<Running>> boot(DomainPtr domain, StartRequest request,
                                    std::shared_ptr<const model::Domain> transient);

/// Kills it when it is still there after that time; false if the kernel holds it even then. Needs no turn.
Task<bool> end_process(DomainPtr domain, std::shared_ptr<Running> running, std::chrono::milliseconds timeout);
/// Kills it. Throws system_error if it stays.
Task<> end_now(DomainPtr domain, std::shared_ptr<Running> running, Running::Ending ending);

/// The last step of a job of the machine's: the guest runs again, if `resumed` says why. One whose machine cannot be
/// reached stays on record: it is completed when it is reached again.
Task<> leave_job(DomainPtr domain, std::shared_ptr<Running> running, std::optional<RunningReason> resumed);

// ---- outside of jobs ------------------------------------------------------------------------------------------------

/// Begins to watch the process and its helpers; at its end the domain is settled (end.cpp).
void watch_all(const DomainPtr& domain, const std::shared_ptr<Running>& running);
/// Waits for the end of the process, then settles the domain.
Task<> watch(DomainPtr domain, std::shared_ptr<Running> running);
/// The process has ended: gives back what it had, and publishes the domain without it.
Task<> settle(DomainPtr domain, std::shared_ptr<Running> running);
/// Does what the definition says of an end: `action` by its word, after "crash-" for that of a crash.
Task<> after_guest_stopped(DomainPtr domain, std::shared_ptr<Running> running, std::string action);

/// The guest agent of its channel, if it has one.
void make_agent(const Domain& domain, Running& running);
/// Throws argument_unsupported where there is none.
qmp::Agent& require_agent(const Domain& domain, const Running& running);
/// Events of its machine, from now on.
void listen_to(const DomainPtr& domain, const std::shared_ptr<Running>& running);
/// Bounds the logs of a guest that was found again, whose logs grew on meanwhile, or that has a new device.
Task<> keep_logs(DomainPtr domain, std::shared_ptr<Running> running);

} // namespace domus::compute
