// Snapshots of a domain inside its images: memory and disks of a running one by its machine, disks of a stopped one by
// qemu-img.
#include "compute/snapshots/snapshots.hpp"

#include "async/read_document.hpp"
#include "base/log.hpp"
#include "compute/domain/errors.hpp"
#include "compute/domain/judge.hpp"
#include "compute/domain/record.hpp"
#include "compute/life/guest.hpp"
#include "compute/memory/saved_definition.hpp"
#include "compute/snapshots/snapshot_change.hpp"
#include "compute/snapshots/snapshot_plan.hpp"
#include "format/xml.hpp"
#include "model/unsupported.hpp"

#include <ctime>
#include <fmt/format.h>

namespace domus::compute {

namespace {

constexpr Running::Ending ended_by_snapshot{ShutoffReason::from_snapshot, event::Stopped::from_snapshot};

model::SnapshotState state_of(Status status) {
    switch (status.state) {
    case State::running:
        return model::SnapshotState::running;
    case State::paused:
        return model::SnapshotState::paused;
    case State::shutoff:
        return model::SnapshotState::shutoff;
    default:
        throw invalid_operation("domain is in a state of which no snapshot can be made");
    }
}

Task<> snapshot_running(DomainPtr domain, std::shared_ptr<Running> running, model::Snapshot wanted, bool halt) {
    const bool resume = domain->status().state == State::running;
    running->unfinished = UnfinishedJob{"snapshot", *wanted.name, resume};
    write_record(*domain);
    domain->jobs().current = std::make_shared<Job>(JobOperation::snapshot);
    std::exception_ptr failure;
    try {
        if (resume) co_await stop_guest(domain, running, PausedReason::snapshot);
        auto disks = disks_of(wanted, *running->domain);
        co_await running->guest().save_snapshot(*wanted.name, std::move(disks));
    } catch (...) {
        failure = std::current_exception();
    }
    domain->jobs().current.reset();
    std::optional<RunningReason> resumed;
    if (!running->settled && !running->ending && resume && (failure || !halt)) resumed = RunningReason::unpaused;
    co_await leave_job(domain, running, resumed);
    if (failure) std::rethrow_exception(failure);
}

Task<std::string> redefine_snapshot(DomainPtr domain, model::Snapshot wanted, bool current) {
    const auto refuse = [](std::string what) {
        throw Error(ErrorCode::invalid_arg, ErrorDomain::domain_snapshot, "invalid argument: " + what);
    };
    if (!wanted.name || !wanted.domain || !wanted.state)
        refuse("a snapshot that is redefined has <name>, <state> and <domain>");
    require_snapshot_name(*wanted.name);
    if (wanted.domain->uuid != domain->uuid())
        refuse(fmt::format("definition for snapshot {} must use uuid {}", *wanted.name, domain->uuid().text()));
    require_snapshot_of(wanted, domain->name(), domain->uuid());
    if (*wanted.state != model::SnapshotState::running && *wanted.state != model::SnapshotState::paused
        && *wanted.state != model::SnapshotState::shutoff)
        refuse("this version knows snapshots of running, paused and shut off domains");
    const bool external =
        wanted.memory == model::SnapshotMode::external || std::ranges::any_of(wanted.disks, [](const auto& disk) {
            return disk.snapshot == model::SnapshotMode::external;
        });
    if (external) refuse("this version keeps snapshots inside the images of disks");
    for (auto above = wanted.parent.value_or(""); !above.empty(); above = domain->snapshots().tree.get(above).parent) {
        if (above == *wanted.name) refuse(fmt::format("cannot set snapshot {} as its own parent", above));
        if (!domain->snapshots().tree.find(above))
            refuse(fmt::format("parent {} for snapshot {} not found", above, *wanted.name));
    }
    if (!wanted.creation_time) wanted.creation_time = std::time(nullptr);
    const bool stays = domain->snapshots().tree.current() == *wanted.name;
    co_await keep_snapshot(domain, make_entry(wanted), current || stays);
    co_return *wanted.name;
}

/// Of one that could not be made: nothing of it stays in the images, and its failure is what the caller hears.
Task<> settle_failed(DomainPtr domain, model::Snapshot snapshot, Credentials caller, std::exception_ptr failure) {
    auto work = [store = domain->environment().store, domain = domain->name()] { store.reverse_intent(domain); };
    std::exception_ptr trouble;
    try {
        co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        trouble = std::current_exception();
    }
    if (trouble) log::error("domain '{}': a snapshot that failed: {}", domain->name(), describe(trouble));
    SnapshotIntent undo(SnapshotAction::remove, std::move(snapshot), caller);
    co_await settle_or_keep(domain, std::move(undo));
    std::rethrow_exception(failure);
}

/// A removal that failed has not happened if all images still have it. Otherwise the rest goes when it can.
Task<> drop_or_settle(DomainPtr domain, SnapshotIntent intent, std::vector<SnapshotChange> changes) {
    std::exception_ptr failure;
    try {
        co_await drop_from_images(domain, *intent.snapshot, intent.caller());
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    const auto found = co_await look_into_images(domain, *intent.snapshot);
    if (found.have_it == found.images && found.images > 0) {
        auto work = [store = domain->environment().store, domain = domain->name(), changes = std::move(changes)] {
            store.take_back_changes(domain, changes);
        };
        co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
        co_await clear_intent(domain);
    } else {
        keep_unsettled(domain, std::move(intent));
    }
    std::rethrow_exception(failure);
}

/// The files of others are written first: they need room on the disk, and what has gone from the images does not come back.
Task<> remove_snapshot(DomainPtr domain, model::Snapshot snapshot, Credentials caller) {
    const auto name = *snapshot.name;
    SnapshotIntent intent(SnapshotAction::remove, std::move(snapshot), caller);
    co_await note_intent(domain, intent);
    std::vector<SnapshotChange> changes; // none: a transient domain that ended meanwhile has taken them along
    if (domain->snapshots().tree.find(name)) changes = domain->snapshots().tree.changes_without(name);
    auto work = [store = domain->environment().store, domain = domain->name(), changes] {
        store.change_snapshots(domain, changes);
    };
    std::exception_ptr failure;
    try {
        co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await clear_intent(domain);
        std::rethrow_exception(failure);
    }
    co_await drop_or_settle(domain, intent, std::move(changes));
    std::vector<SnapshotChange> none;
    try {
        co_await forget_snapshot(domain, name, std::move(none));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        keep_unsettled(domain, std::move(intent));
        std::rethrow_exception(failure);
    }
    co_await clear_intent(domain);
}

Task<model::Snapshot> read_snapshot(DomainPtr domain, SnapshotRequest request) {
    auto read = [xml = request.xml, how = request.reading] {
        return format::from_xml<model::Snapshot>(xml, ErrorDomain::domain_snapshot, how);
    };
    auto wanted = co_await read_document(domain->environment().files, request.xml.size(), Deadline::in(file_timeout),
                                         std::move(read));
    if (request.redefine) co_return wanted;
    format::Findings unsupported;
    model::find_unsupported(wanted, unsupported);
    format::throw_findings(unsupported, ErrorDomain::domain_snapshot, "<domainsnapshot>");
    co_return wanted;
}

Task<> require_rights_of(DomainPtr domain, model::Snapshot snapshot, Credentials caller) {
    if (snapshot.domain) co_await require_rights(domain->environment(), caller, *snapshot.domain);
    if (snapshot.inactive_domain) co_await require_rights(domain->environment(), caller, *snapshot.inactive_domain);
}

/// What the domain is, or will be at its next start.
model::Domain definition_now(const Domain& domain) {
    const auto& running = domain.running();
    if (running && (running->guest_stopped || running->ending))
        throw invalid_operation(fmt::format("domain '{}' is about to end", domain.name()));
    return running ? *running->domain : parse_definition(*domain.definition());
}

/// All that is known of it before it is made.
void describe_snapshot(const Domain& domain, const model::Domain& definition, model::Snapshot& wanted) {
    const auto& tree = domain.snapshots().tree;
    complete_snapshot(wanted, definition, state_of(domain.status()), std::time(nullptr));
    if (tree.find(*wanted.name))
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("operation failed: domain snapshot '{}' already exists", *wanted.name));
    wanted.domain = format::from_xml<model::Domain>(saved_xml(definition), ErrorDomain::domain);
    if (domain.running() && domain.definition()) wanted.inactive_domain = parse_definition(*domain.definition());
    if (!tree.current().empty()) wanted.parent = tree.current();
}

} // namespace

Task<std::string> create_snapshot(DomainPtr domain, SnapshotRequest request) {
    const auto turn = co_await domain->turn("snapshot");
    auto wanted = co_await read_snapshot(domain, request);
    if (request.redefine) {
        co_await require_rights_of(domain, wanted, request.caller);
        auto name = co_await redefine_snapshot(domain, std::move(wanted), request.current);
        co_await domain->note_definer(request.caller);
        co_return name;
    }
    co_await settle_earlier(domain);
    const auto running = domain->running();
    const auto definition = definition_now(*domain);
    describe_snapshot(*domain, definition, wanted);
    co_await require_new_in_images(domain, wanted);
    if (running) co_await require_unmistakable(domain, wanted);
    SnapshotIntent intent(SnapshotAction::create, wanted, request.caller);
    intent.metadata = !request.no_metadata;
    co_await note_intent(domain, std::move(intent));
    std::exception_ptr failure;
    try {
        if (running)
            co_await snapshot_running(domain, running, wanted, request.halt);
        else
            co_await make_in_images(domain, request.caller, wanted, definition);
        if (!request.no_metadata) co_await keep_snapshot(domain, make_entry(wanted), true);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) co_await settle_failed(domain, wanted, request.caller, failure);
    co_await clear_intent(domain);
    if (running && request.halt) co_await end_now(domain, running, ended_by_snapshot);
    co_return *wanted.name;
}

Task<> delete_snapshot(DomainPtr domain, std::string name, DeleteRequest request) {
    const auto turn = co_await domain->turn("snapshot-delete");
    if (!request.metadata_only) co_await settle_earlier(domain);
    auto names = request.children ? domain->snapshots().tree.subtree(name)
                                  : std::vector<std::string>{domain->snapshots().tree.get(name).name};
    if (request.children_only) {
        names = domain->snapshots().tree.subtree(name);
        names.pop_back();
    }
    for (const auto& each : names) {
        auto snapshot = parse_snapshot(domain->snapshots().tree.get(each));
        if (request.metadata_only) {
            auto changes = domain->snapshots().tree.changes_without(each);
            co_await forget_snapshot(domain, each, std::move(changes));
            continue;
        }
        co_await remove_snapshot(domain, std::move(snapshot), request.caller);
    }
}

/// The files follow the memory: what could not be written down is as it was for clients too.
Task<> keep_snapshot(DomainPtr domain, SnapshotEntry entry, bool current) {
    const auto before = domain->snapshots().tree.find(domain->snapshots().tree.current());
    std::optional<SnapshotEntry> old;
    if (before && current && before->name != entry.name) old = *before;
    auto work = [store = domain->environment().store, domain = domain->name(), entry, current, old,
                 fresh = domain->snapshots().tree.find(entry.name) == nullptr] {
        store.save_snapshot(domain, entry, current, fresh);
        try {
            if (old) store.save_snapshot(domain, *old, false);
        } catch (...) {
            if (fresh) store.remove_snapshot(domain, entry.name);
            throw;
        }
    };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    if (current) domain->snapshots().tree.set_current(entry.name);
    domain->snapshots().tree.put(std::move(entry));
    domain->publish();
}

/// `changes`: those of others that are not yet written.
Task<> forget_snapshot(DomainPtr domain, std::string name, std::vector<SnapshotChange> changes) {
    if (!domain->snapshots().tree.find(name)) co_return; // a transient domain that ended meanwhile has taken it along
    auto work = [store = domain->environment().store, domain = domain->name(), name, changes = std::move(changes)] {
        store.change_snapshots(domain, changes);
        store.remove_snapshot(domain, name);
    };
    co_await domain->environment().files.run(Deadline::in(file_timeout), std::move(work));
    if (domain->snapshots().tree.find(name)) (void)domain->snapshots().tree.remove(name);
    domain->publish();
}

void take_snapshots(Domain& domain, SnapshotTree snapshots) {
    domain.snapshots().tree = std::move(snapshots);
    domain.publish();
}

} // namespace domus::compute
