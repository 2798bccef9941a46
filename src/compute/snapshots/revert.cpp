// Going back to a snapshot.
#include "compute/snapshots/snapshots.hpp"

#include "compute/domain/errors.hpp"
#include "compute/domain/record.hpp"
#include "compute/life/guest.hpp"
#include "compute/memory/restore.hpp"
#include "compute/memory/saved_definition.hpp"
#include "compute/snapshots/snapshot_change.hpp"
#include "compute/snapshots/snapshot_plan.hpp"

#include <fmt/format.h>

namespace domus::compute {

namespace {

constexpr Running::Ending ended_by_snapshot{ShutoffReason::from_snapshot, event::Stopped::from_snapshot};

Error risky(std::string what) {
    return Error(ErrorCode::snapshot_revert_risky, ErrorDomain::qemu, fmt::format("revert requires force: {}", what));
}

/// With libvirt's code, on which clients offer to force it.
void require_force_for_risks(const Domain& domain, const model::Snapshot& snapshot, const RevertRequest& request) {
    if (request.force) return;
    if (domain.managed_save())
        throw risky("removal of existing managed saved state strongly recommended to avoid corruption")
            .because("the disks must stay as they are for the memory that was saved")
            .hint(
                fmt::format("--force forgets the saved memory, as does 'domus managedsave-remove {}'", domain.name()));
    if (!snapshot.domain)
        throw risky(fmt::format("snapshot '{}' lacks domain '{}' rollback info", *snapshot.name, domain.name()))
            .hint("--force keeps the domain's definition as it is now");
    const bool of_stopped =
        snapshot.state != model::SnapshotState::running && snapshot.state != model::SnapshotState::paused;
    if (domain.running() && of_stopped && request.state != StateAfterRestore::as_it_was)
        throw risky("must respawn qemu to start inactive snapshot")
            .hint("--force ends the running guest and starts it anew");
}

Task<> load_in_place(DomainPtr domain, std::shared_ptr<Running> running, model::Snapshot snapshot, bool resume) {
    const bool was_running = domain->status().state == State::running;
    running->unfinished = UnfinishedJob{"revert", *snapshot.name, resume};
    write_record(*domain);
    domain->jobs().current = std::make_shared<Job>(JobOperation::snapshot_revert);
    std::exception_ptr failure;
    try {
        if (was_running) co_await stop_guest(domain, running, PausedReason::from_snapshot);
        auto disks = disks_of(snapshot, *running->domain);
        co_await running->guest().load_snapshot(*snapshot.name, std::move(disks));
    } catch (...) {
        failure = std::current_exception();
    }
    domain->jobs().current.reset();
    if (!failure) {
        domain->change_live([&](model::Domain& live) { adopt_trays(live.devices, snapshot.domain->devices); });
        co_return;
    }
    std::optional<RunningReason> resumed;
    if (!running->settled && was_running) resumed = RunningReason::unpaused;
    co_await leave_job(domain, running, resumed);
    std::rethrow_exception(failure);
}

Task<> revert_to_memory(DomainPtr domain, std::shared_ptr<const model::Snapshot> snapshot, RevertRequest request) {
    const bool resume = request.state == StateAfterRestore::as_it_was ? snapshot->state == model::SnapshotState::running
                                                                      : request.state == StateAfterRestore::running;
    auto running = domain->running();
    const bool same = running && same_machine(*running->domain, *snapshot->domain);
    co_await require_unmistakable(domain, *snapshot);
    if (running && !same && !request.force)
        throw risky("the snapshot is of another machine than the domain that runs")
            .hint("--force ends it and starts the one of the snapshot");
    if (same) {
        co_await load_in_place(domain, running, *snapshot, resume);
    } else {
        if (running && !domain->definition()) throw invalid_operation("a transient domain cannot be started anew");
        if (running) co_await end_now(domain, running, ended_by_snapshot);
        StartRequest start;
        start.paused = true;
        start.caller = request.caller;
        start.snapshot = snapshot;
        auto definition = std::make_shared<const model::Domain>(*snapshot->domain);
        running = co_await boot(domain, std::move(start), std::move(definition));
    }
    std::optional<RunningReason> resumed;
    if (resume)
        resumed = RunningReason::from_snapshot;
    else if (!running->settled)
        domain->set_status(Status(PausedReason::from_snapshot));
    if (!resume) domain->emit(event::Lifecycle(event::Suspended::from_snapshot));
    std::exception_ptr failure;
    try {
        co_await leave_job(domain, running, resumed);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    if (!same && !running->settled && domain->status().state == State::paused) { // it was said to have started
        domain->set_status(Status(PausedReason::from_snapshot));
        domain->emit(event::Lifecycle(event::Suspended::from_snapshot));
    }
    std::rethrow_exception(failure);
}

Task<> revert_to_disks(DomainPtr domain, std::shared_ptr<const model::Snapshot> snapshot, RevertRequest request) {
    const bool start = request.state != StateAfterRestore::as_it_was;
    if (!domain->definition())
        throw invalid_operation("a transient domain cannot go back to a snapshot of a stopped one");
    if (domain->running()) co_await end_now(domain, domain->running(), ended_by_snapshot);
    SnapshotIntent intent(SnapshotAction::revert, *snapshot, request.caller);
    co_await note_intent(domain, std::move(intent));
    std::exception_ptr failure;
    try {
        co_await apply_to_images(domain, *snapshot, request.caller);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await clear_intent(domain); // also of one that failed: the next daemon must not do it later
    if (failure) std::rethrow_exception(failure);
    domain->set_status(Status(ShutoffReason::from_snapshot));
    if (!start) co_return;
    StartRequest boot_request;
    boot_request.caller = request.caller;
    boot_request.paused = request.state == StateAfterRestore::paused;
    auto definition = std::make_shared<const model::Domain>(*snapshot->domain);
    co_await boot(domain, std::move(boot_request), std::move(definition));
}

} // namespace

Task<> revert_to_snapshot(DomainPtr domain, std::string name, RevertRequest request) {
    const auto turn = co_await domain->turn("snapshot-revert");
    if (!domain->snapshots().tree.get(name).active()) co_await settle_earlier(domain);
    const auto entry = domain->snapshots().tree.get(name);
    const auto snapshot = std::make_shared<model::Snapshot>(parse_snapshot(entry));
    require_snapshot_of(*snapshot, domain->name(), domain->uuid()); // its file may have been copied from elsewhere
    co_await recheck_managed_save(domain);
    require_force_for_risks(*domain, *snapshot, request);
    if (!snapshot->domain && domain->definition()) snapshot->domain = parse_definition(*domain->definition());
    if (!snapshot->domain) throw invalid_operation(fmt::format("snapshot '{}' has no definition of its domain", name));
    if (domain->managed_save() || !entry.active()) co_await require_in_images(domain, *snapshot);
    if (domain->managed_save()) co_await forget_managed_save(domain); // its memory does not fit the disks any more
    if (entry.active())
        co_await revert_to_memory(domain, snapshot, request);
    else
        co_await revert_to_disks(domain, snapshot, request);
    if (domain->definition()) co_await domain->save_definition(snapshot->inactive_domain.value_or(*snapshot->domain));
    co_await keep_snapshot(domain, entry, true);
}

} // namespace domus::compute
