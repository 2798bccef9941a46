// What is written down before images are changed for a snapshot, and how changes that were cut off or failed are settled.
#include "compute/snapshots/snapshot_change.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto look_again = 200ms;
constexpr std::chrono::milliseconds retry_first = 2s, retry_last = 5min;

Task<> settle_intent(DomainPtr domain, SnapshotIntent intent) {
    const auto& snapshot = *intent.snapshot;
    const auto& name = *snapshot.name;
    const auto found = co_await look_into_images(domain, snapshot);
    const bool whole = found.have_it == found.images && found.images > 0;
    if (intent.action == SnapshotAction::revert) {
        if (!domain->running() && whole) co_await apply_to_images(domain, snapshot, intent.caller());
        log::warning("domain '{}': going back to snapshot '{}' was cut off and is done now", domain->name(), name);
    } else if (intent.action == SnapshotAction::create && whole) {
        if (intent.metadata && !domain->snapshots().tree.find(name))
            co_await keep_snapshot(domain, make_entry(snapshot), true);
        log::warning("domain '{}': making snapshot '{}' was cut off; it is whole", domain->name(), name);
    } else {
        if (found.have_it + found.elsewhere > 0) co_await drop_from_images(domain, snapshot, intent.caller());
        std::vector<SnapshotChange> changes;
        if (domain->snapshots().tree.find(name)) changes = domain->snapshots().tree.changes_without(name);
        co_await forget_snapshot(domain, name, std::move(changes));
        log::warning("domain '{}': snapshot '{}' was being {} and is removed", domain->name(), name,
                     intent.action == SnapshotAction::create ? "made" : "deleted");
    }
    co_await clear_intent(domain);
}

/// If the guest runs, its QEMU may be at it still, and is asked first.
Task<> complete_intent(DomainPtr domain, std::shared_ptr<const SnapshotIntent> intent) {
    while (domain->running() && domain->running()->reconnecting) co_await sleep_until(Deadline::in(look_again));
    while (domain->snapshots().unsettled == intent) {
        try {
            const auto turn = co_await domain->turn("recovery of a snapshot");
            if (domain->running()) co_await domain->running()->guest().await_snapshot();
            if (domain->snapshots().unsettled == intent) co_await settle_or_keep(domain, *intent);
            break;
        } catch (const Error& error) {
            if (error.code() == ErrorCode::operation_timeout) continue; // a long job has the domain
            log::error("domain '{}': snapshot '{}': {}", domain->name(), *intent->snapshot->name, error.message());
            break;
        }
    }
}

/// Until it is settled, by this or by the next change of snapshots, or the domain has gone. Each intent has one such loop,
/// which retries only while that intent is the domain's: a newer one has its own.
Task<> retry_unsettled(DomainPtr domain, std::shared_ptr<const SnapshotIntent> intent) {
    for (auto pause = retry_first; domain->snapshots().unsettled == intent; pause = std::min(pause * 2, retry_last)) {
        co_await sleep_until(Deadline::in(pause));
        if (domain->snapshots().unsettled != intent) break;
        try {
            const auto turn = co_await domain->turn("recovery of a snapshot");
            if (domain->snapshots().unsettled == intent) co_await settle_intent(domain, *intent);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::no_domain) break;
            log::debug("domain '{}': a snapshot is not settled: {}", domain->name(), error.message());
        } catch (const std::exception& error) {
            log::debug("domain '{}': a snapshot is not settled: {}", domain->name(), error.what());
        }
    }
}

} // namespace

/// What could not be settled before comes first: there is one intent at a time. It may remove a snapshot or add one, so a
/// call begins with it, before it looks for those that it is about.
Task<> settle_earlier(DomainPtr domain) {
    if (domain->snapshots().unsettled) co_await settle_intent(domain, *domain->snapshots().unsettled);
}

Task<> note_intent(DomainPtr domain, SnapshotIntent intent) {
    co_await settle_earlier(domain);
    auto work = [store = domain->environment().store, domain = domain->name(), intent = std::move(intent)] {
        store.save_intent(domain, intent);
    };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
}

Task<> clear_intent(DomainPtr domain) {
    domain->snapshots().unsettled.reset();
    auto work = [store = domain->environment().store, domain = domain->name()] { store.remove_intent(domain); };
    std::exception_ptr failure;
    try {
        co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        failure = std::current_exception(); // what it says is done: the next daemon finds nothing to do
    }
    if (failure) log::warning("domain '{}': {}", domain->name(), describe(failure));
}

/// What fails is tried again. Only disks that were to go back are not: what is written to them from now on would be lost.
Task<> settle_or_keep(DomainPtr domain, SnapshotIntent intent) {
    std::exception_ptr failure;
    try {
        co_await settle_intent(domain, intent);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    log::error("domain '{}': snapshot '{}' could not be settled: {}", domain->name(), *intent.snapshot->name,
               describe(failure));
    if (intent.action == SnapshotAction::revert)
        co_await clear_intent(domain);
    else
        keep_unsettled(domain, std::move(intent));
}

void keep_unsettled(const DomainPtr& domain, SnapshotIntent intent) {
    domain->snapshots().unsettled = std::make_shared<const SnapshotIntent>(std::move(intent));
    spawn(domain->environment().executor, retry_unsettled(domain, domain->snapshots().unsettled),
          fmt::format("a snapshot of domain '{}'", domain->name()));
}

void finish_intent(const DomainPtr& domain, SnapshotIntent intent) {
    domain->snapshots().unsettled = std::make_shared<const SnapshotIntent>(std::move(intent));
    spawn(domain->environment().executor, complete_intent(domain, domain->snapshots().unsettled),
          fmt::format("a snapshot of domain '{}'", domain->name()));
}

} // namespace domus::compute
