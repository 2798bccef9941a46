// Snapshots of a domain inside its images: memory and disks of a running one by QEMU itself, disks of a stopped one by
// qemu-img, run as the caller so that it may do no more than they.
#include "compute/domain.hpp"

#include "async/process_wait.hpp"
#include "async/read_document.hpp"
#include "base/log.hpp"
#include "compute/disk_volumes.hpp"
#include "compute/judge.hpp"
#include "compute/saved_definition.hpp"
#include "compute/snapshot_plan.hpp"
#include "format/xml.hpp"
#include "model/unsupported.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto file_timeout = 30s;
constexpr auto image_timeout = 10min;
constexpr Running::Ending ended_by_snapshot{ShutoffReason::from_snapshot, event::Stopped::from_snapshot};

Error invalid(std::string what) {
    return Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                 fmt::format("Requested operation is not valid: {}", what));
}

Error risky(std::string what) {
    return Error(ErrorCode::snapshot_revert_risky, ErrorDomain::qemu, fmt::format("revert requires force: {}", what));
}

/// qemu-img snapshot OPTION TAG IMAGE
Task<> change_image(Environment& environment, Credentials caller, std::string option, std::string tag,
                    const model::Disk* disk) {
    const auto opened = co_await placed(environment, *disk);
    if (opened.type != model::DiskType::file && opened.type != model::DiskType::block)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("unsupported configuration: internal snapshot for disk {} unsupported for {} disks "
                                "while the domain is off",
                                disk->target.dev, format::word(opened.type)))
            .hint("make it while the domain runs");
    Command command("qemu-img");
    const auto image = opened.source.text();
    command.arguments = {"snapshot", option, tag, image};
    if (::geteuid() == 0 && !caller.root()) {
        command.uid = caller.uid;
        command.gid = caller.gid;
        command.groups = caller.groups;
    }
    const auto done = co_await run_command(std::move(command), Deadline::in(image_timeout));
    if (done.status.success()) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: 'qemu-img snapshot {}' of '{}' {}", option, image, done.status.text()))
        .because(done.err);
}

/// All or none of the images have it afterwards.
Task<> make_in_images(Environment& environment, Credentials caller, std::string tag,
                      std::vector<const model::Disk*> disks) {
    std::exception_ptr failure;
    std::size_t made = 0;
    try {
        for (; made < disks.size(); ++made) co_await change_image(environment, caller, "-c", tag, disks[made]);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    for (std::size_t i = 0; i < made; ++i) {
        std::exception_ptr trouble;
        try {
            co_await change_image(environment, caller, "-d", tag, disks[i]);
        } catch (...) {
            trouble = std::current_exception();
        }
        if (trouble) log::error("a part of snapshot '{}' stays behind: {}", tag, describe(trouble));
    }
    std::rethrow_exception(failure);
}

model::SnapshotState state_of(Status status) {
    switch (status.state) {
    case State::running:
        return model::SnapshotState::running;
    case State::paused:
        return model::SnapshotState::paused;
    case State::shutoff:
        return model::SnapshotState::shutoff;
    default:
        throw invalid("domain is in a state of which no snapshot can be made");
    }
}

} // namespace

// ---- making -----------------------------------------------------------------------------------------------------

Task<std::string> Domain::create_snapshot(SnapshotRequest request) {
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("snapshot");
    auto read = [xml = request.xml, how = request.reading] {
        return format::from_xml<model::Snapshot>(xml, ErrorDomain::domain_snapshot, how);
    };
    auto wanted =
        co_await read_document(environment_.files, request.xml.size(), Deadline::in(file_timeout), std::move(read));
    if (request.redefine) {
        if (wanted.domain) co_await require_rights(environment_, request.caller, *wanted.domain);
        if (wanted.inactive_domain) co_await require_rights(environment_, request.caller, *wanted.inactive_domain);
        auto name = co_await redefine_snapshot(std::move(wanted), request.current);
        co_await note_definer(request.caller);
        co_return name;
    }
    format::Findings unsupported;
    model::find_unsupported(wanted, unsupported);
    format::throw_findings(unsupported, ErrorDomain::domain_snapshot, "<domainsnapshot>");
    co_await settle_earlier();
    const auto running = running_;
    if (running && (running->guest_stopped || running->ending))
        throw invalid(fmt::format("domain '{}' is about to end", name_));
    const auto domain = running ? *running->domain : parse_definition(*definition_);
    complete_snapshot(wanted, domain, state_of(status_), std::time(nullptr));
    if (snapshots_.find(*wanted.name))
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("operation failed: domain snapshot '{}' already exists", *wanted.name));
    wanted.domain = format::from_xml<model::Domain>(saved_xml(domain), ErrorDomain::domain);
    if (running && definition_) wanted.inactive_domain = parse_definition(*definition_);
    if (!snapshots_.current().empty()) wanted.parent = snapshots_.current();
    co_await require_new_in_images(wanted);
    if (running) co_await require_unmistakable(wanted);
    SnapshotIntent intent(SnapshotAction::create, wanted, request.caller);
    intent.metadata = !request.no_metadata;
    co_await note_intent(std::move(intent));
    std::exception_ptr failure;
    try {
        if (running)
            co_await snapshot_running(running, wanted, request.halt);
        else
            co_await make_in_images(environment_, request.caller, *wanted.name, internal_disks(wanted, domain));
        if (!request.no_metadata) co_await keep_snapshot(make_entry(wanted), true);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) co_await settle_failed(wanted, request.caller, failure);
    co_await clear_intent();
    if (running && request.halt) co_await end_now(running, ended_by_snapshot);
    co_return *wanted.name;
}

Task<> Domain::snapshot_running(std::shared_ptr<Running> running, const model::Snapshot& wanted, bool halt) {
    const bool resume = status_.state == State::running;
    running->unfinished = UnfinishedJob{"snapshot", *wanted.name, resume};
    write_record();
    job_ = std::make_shared<Job>(JobOperation::snapshot);
    std::exception_ptr failure;
    try {
        if (resume) co_await stop_guest(running, PausedReason::snapshot);
        auto disks = disks_of(wanted, *running->domain);
        co_await running->guest().save_snapshot(*wanted.name, std::move(disks));
    } catch (...) {
        failure = std::current_exception();
    }
    job_.reset();
    std::optional<RunningReason> resumed;
    if (!running->settled && !running->ending && resume && (failure || !halt)) resumed = RunningReason::unpaused;
    co_await leave_job(running, resumed);
    if (failure) std::rethrow_exception(failure);
}

Task<> Domain::leave_job(std::shared_ptr<Running> running, std::optional<RunningReason> resumed) {
    std::exception_ptr failure;
    try {
        if (resumed) co_await let_guest_run(running, *resumed);
    } catch (...) {
        failure = std::current_exception();
    }
    if (running->guest().reachable()) running->unfinished.reset();
    write_record();
    if (failure) std::rethrow_exception(failure);
}

/// The files follow the memory: what could not be written down is as it was for clients too.
Task<> Domain::keep_snapshot(SnapshotEntry entry, bool current) {
    const auto before = snapshots_.find(snapshots_.current());
    std::optional<SnapshotEntry> old;
    if (before && current && before->name != entry.name) old = *before;
    auto work = [store = environment_.store, domain = name_, entry, current, old,
                 fresh = snapshots_.find(entry.name) == nullptr] {
        store.save_snapshot(domain, entry, current, fresh);
        try {
            if (old) store.save_snapshot(domain, *old, false);
        } catch (...) {
            if (fresh) store.remove_snapshot(domain, entry.name);
            throw;
        }
    };
    co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    if (current) snapshots_.set_current(entry.name);
    snapshots_.put(std::move(entry));
    publish();
}

Task<std::string> Domain::redefine_snapshot(model::Snapshot wanted, bool current) {
    const auto refuse = [](std::string what) {
        throw Error(ErrorCode::invalid_arg, ErrorDomain::domain_snapshot, "invalid argument: " + what);
    };
    if (!wanted.name || !wanted.domain || !wanted.state)
        refuse("a snapshot that is redefined has <name>, <state> and <domain>");
    require_snapshot_name(*wanted.name);
    if (wanted.domain->uuid != uuid_)
        refuse(fmt::format("definition for snapshot {} must use uuid {}", *wanted.name, uuid_.text()));
    require_snapshot_of(wanted, name_, uuid_);
    if (*wanted.state != model::SnapshotState::running && *wanted.state != model::SnapshotState::paused
        && *wanted.state != model::SnapshotState::shutoff)
        refuse("this version knows snapshots of running, paused and shut off domains");
    const bool external =
        wanted.memory == model::SnapshotMode::external || std::ranges::any_of(wanted.disks, [](const auto& disk) {
            return disk.snapshot == model::SnapshotMode::external;
        });
    if (external) refuse("this version keeps snapshots inside the images of disks");
    for (auto above = wanted.parent.value_or(""); !above.empty(); above = snapshots_.get(above).parent) {
        if (above == *wanted.name) refuse(fmt::format("cannot set snapshot {} as its own parent", above));
        if (!snapshots_.find(above)) refuse(fmt::format("parent {} for snapshot {} not found", above, *wanted.name));
    }
    if (!wanted.creation_time) wanted.creation_time = std::time(nullptr);
    const bool stays = snapshots_.current() == *wanted.name;
    co_await keep_snapshot(make_entry(wanted), current || stays);
    co_return *wanted.name;
}

// ---- going back -------------------------------------------------------------------------------------------------

Task<> Domain::revert_to_snapshot(std::string name, RevertRequest request) {
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("snapshot-revert");
    if (!snapshots_.get(name).active()) co_await settle_earlier();
    const auto entry = snapshots_.get(name);
    const auto snapshot = std::make_shared<model::Snapshot>(parse_snapshot(entry));
    require_snapshot_of(*snapshot, name_, uuid_); // its file may have been copied from elsewhere
    co_await recheck_managed_save();
    require_force_for_risks(*snapshot, request);
    if (!snapshot->domain && definition_) snapshot->domain = parse_definition(*definition_);
    if (!snapshot->domain) throw invalid(fmt::format("snapshot '{}' has no definition of its domain", name));
    if (managed_save_ || !entry.active()) co_await require_in_images(*snapshot);
    if (managed_save_) co_await forget_managed_save(); // its memory does not fit the disks any more
    if (entry.active())
        co_await revert_to_memory(snapshot, request);
    else
        co_await revert_to_disks(snapshot, request);
    if (definition_) co_await save_definition(snapshot->inactive_domain.value_or(*snapshot->domain));
    co_await keep_snapshot(entry, true);
}

/// With libvirt's code, on which clients offer to force it.
void Domain::require_force_for_risks(const model::Snapshot& snapshot, const RevertRequest& request) const {
    if (request.force) return;
    if (managed_save_)
        throw risky("removal of existing managed saved state strongly recommended to avoid corruption")
            .because("the disks must stay as they are for the memory that was saved")
            .hint(fmt::format("--force forgets the saved memory, as does 'domus managedsave-remove {}'", name_));
    if (!snapshot.domain)
        throw risky(fmt::format("snapshot '{}' lacks domain '{}' rollback info", *snapshot.name, name_))
            .hint("--force keeps the domain's definition as it is now");
    const bool of_stopped =
        snapshot.state != model::SnapshotState::running && snapshot.state != model::SnapshotState::paused;
    if (running_ && of_stopped && request.state != StateAfterRestore::as_it_was)
        throw risky("must respawn qemu to start inactive snapshot")
            .hint("--force ends the running guest and starts it anew");
}

Task<> Domain::revert_to_memory(std::shared_ptr<const model::Snapshot> snapshot, RevertRequest request) {
    const bool resume = request.state == StateAfterRestore::as_it_was ? snapshot->state == model::SnapshotState::running
                                                                      : request.state == StateAfterRestore::running;
    auto running = running_;
    const bool same = running && same_machine(*running->domain, *snapshot->domain);
    co_await require_unmistakable(*snapshot);
    if (running && !same && !request.force)
        throw risky("the snapshot is of another machine than the domain that runs")
            .hint("--force ends it and starts the one of the snapshot");
    if (same) {
        co_await load_in_place(running, *snapshot, resume);
    } else {
        if (running && !definition_) throw invalid("a transient domain cannot be started anew");
        if (running) co_await end_now(running, ended_by_snapshot);
        StartRequest start;
        start.paused = true;
        start.caller = request.caller;
        start.snapshot = snapshot;
        auto definition = std::make_shared<const model::Domain>(*snapshot->domain);
        running = co_await boot(std::move(start), std::move(definition));
    }
    std::optional<RunningReason> resumed;
    if (resume)
        resumed = RunningReason::from_snapshot;
    else if (!running->settled)
        set_status(Status(PausedReason::from_snapshot));
    if (!resume) emit(event::Lifecycle(event::Suspended::from_snapshot));
    co_await leave_job(running, resumed);
}

Task<> Domain::load_in_place(std::shared_ptr<Running> running, const model::Snapshot& snapshot, bool resume) {
    const bool was_running = status_.state == State::running;
    running->unfinished = UnfinishedJob{"revert", *snapshot.name, resume};
    write_record();
    job_ = std::make_shared<Job>(JobOperation::snapshot_revert);
    std::exception_ptr failure;
    try {
        if (was_running) co_await stop_guest(running, PausedReason::from_snapshot);
        auto disks = disks_of(snapshot, *running->domain);
        co_await running->guest().load_snapshot(*snapshot.name, std::move(disks));
    } catch (...) {
        failure = std::current_exception();
    }
    job_.reset();
    if (!failure) {
        change_live([&](model::Domain& live) { adopt_trays(live.devices, snapshot.domain->devices); });
        co_return;
    }
    std::optional<RunningReason> resumed;
    if (!running->settled && was_running) resumed = RunningReason::unpaused;
    co_await leave_job(running, resumed);
    std::rethrow_exception(failure);
}

/// Of one that could not be made: nothing of it stays in the images, and its failure is what the caller hears.
Task<> Domain::settle_failed(model::Snapshot snapshot, Credentials caller, std::exception_ptr failure) {
    auto work = [store = environment_.store, domain = name_] { store.reverse_intent(domain); };
    std::exception_ptr trouble;
    try {
        co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        trouble = std::current_exception();
    }
    if (trouble) log::error("domain '{}': a snapshot that failed: {}", name_, describe(trouble));
    SnapshotIntent undo(SnapshotAction::remove, std::move(snapshot), caller);
    co_await settle_or_keep(std::move(undo));
    std::rethrow_exception(failure);
}

Task<> Domain::apply_to_images(model::Snapshot snapshot, Credentials caller) {
    for (const auto* disk : internal_disks(snapshot, *snapshot.domain)) {
        const auto opened = co_await placed(environment_, *disk);
        auto reference = *snapshot.name;
        if (is_here(opened)) {
            auto work = [path = opened.source.text(), name = *snapshot.name] { return snapshot_reference(path, name); };
            Lane lane(environment_.executor, fmt::format("the images of domain '{}'", name_), 1);
            reference = co_await lane.run(Deadline::in(file_timeout), std::move(work));
        }
        co_await change_image(environment_, caller, "-a", std::move(reference), disk);
    }
}

Task<> Domain::revert_to_disks(std::shared_ptr<const model::Snapshot> snapshot, RevertRequest request) {
    const bool start = request.state != StateAfterRestore::as_it_was;
    if (!definition_) throw invalid("a transient domain cannot go back to a snapshot of a stopped one");
    if (running_) co_await end_now(running_, ended_by_snapshot);
    SnapshotIntent intent(SnapshotAction::revert, *snapshot, request.caller);
    co_await note_intent(std::move(intent));
    std::exception_ptr failure;
    try {
        co_await apply_to_images(*snapshot, request.caller);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await clear_intent(); // also of one that failed: the next daemon must not do it later
    if (failure) std::rethrow_exception(failure);
    set_status(Status(ShutoffReason::from_snapshot));
    if (!start) co_return;
    StartRequest boot_request;
    boot_request.caller = request.caller;
    boot_request.paused = request.state == StateAfterRestore::paused;
    auto definition = std::make_shared<const model::Domain>(*snapshot->domain);
    co_await boot(std::move(boot_request), std::move(definition));
}

Task<> Domain::end_now(std::shared_ptr<Running> running, Running::Ending ending) {
    if (!running->ending) running->ending = ending;
    running->kill();
    const bool gone = co_await running->wait_until_over(Deadline::in(30s));
    if (!gone)
        throw Error(ErrorCode::system_error, ErrorDomain::qemu,
                    fmt::format("process {} of domain '{}' is still there 30 s after SIGKILL", running->pid(), name_));
}

// ---- removing ---------------------------------------------------------------------------------------------------

Task<> Domain::delete_snapshot(std::string name, DeleteRequest request) {
    const auto self = shared_from_this();
    const auto turn = co_await this->turn("snapshot-delete");
    if (!request.metadata_only) co_await settle_earlier();
    auto names = request.children ? snapshots_.subtree(name) : std::vector<std::string>{snapshots_.get(name).name};
    if (request.children_only) {
        names = snapshots_.subtree(name);
        names.pop_back();
    }
    for (const auto& each : names) {
        auto snapshot = parse_snapshot(snapshots_.get(each));
        if (request.metadata_only) {
            auto changes = snapshots_.changes_without(each);
            co_await forget_snapshot(each, std::move(changes));
            continue;
        }
        co_await remove_snapshot(std::move(snapshot), request.caller);
    }
}

/// The files of others are written first: they need room on the disk, and what has gone from the images does not come back.
Task<> Domain::remove_snapshot(model::Snapshot snapshot, Credentials caller) {
    const auto name = *snapshot.name;
    SnapshotIntent intent(SnapshotAction::remove, std::move(snapshot), caller);
    co_await note_intent(intent);
    std::vector<SnapshotChange> changes; // none: a transient domain that ended meanwhile has taken them along
    if (snapshots_.find(name)) changes = snapshots_.changes_without(name);
    auto work = [store = environment_.store, domain = name_, changes] { store.change_snapshots(domain, changes); };
    std::exception_ptr failure;
    try {
        co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await clear_intent();
        std::rethrow_exception(failure);
    }
    co_await drop_or_settle(intent, std::move(changes));
    std::vector<SnapshotChange> none;
    try {
        co_await forget_snapshot(name, std::move(none));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        keep_unsettled(std::move(intent));
        std::rethrow_exception(failure);
    }
    co_await clear_intent();
}

/// A removal that failed has not happened if all images still have it. Otherwise the rest goes when it can.
Task<> Domain::drop_or_settle(SnapshotIntent intent, std::vector<SnapshotChange> changes) {
    std::exception_ptr failure;
    try {
        co_await drop_from_images(*intent.snapshot, intent.caller());
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    const auto found = co_await look_into_images(*intent.snapshot);
    if (found.have_it == found.images && found.images > 0) {
        auto work = [store = environment_.store, domain = name_, changes = std::move(changes)] {
            store.take_back_changes(domain, changes);
        };
        co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
        co_await clear_intent();
    } else {
        keep_unsettled(std::move(intent));
    }
    std::rethrow_exception(failure);
}

Task<> Domain::drop_from_images(model::Snapshot snapshot, Credentials caller) {
    if (running_) {
        const auto running = running_;
        auto disks = disks_of(snapshot, *running->domain);
        co_await running->guest().delete_snapshot(*snapshot.name, std::move(disks));
        co_return;
    }
    const auto domain = definition_ ? parse_definition(*definition_) : *snapshot.domain;
    for (const auto* disk : internal_disks(snapshot, domain)) {
        std::exception_ptr failure;
        try {
            co_await change_image(environment_, caller, "-d", *snapshot.name, disk);
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) continue;
        // An image that was replaced since has none of it: that must not keep the rest.
        const auto opened = co_await placed(environment_, *disk);
        auto look = [path = opened.source.text(), name = *snapshot.name] {
            try {
                return image_has_snapshot(path, name);
            } catch (const std::exception&) {
                return false;
            }
        };
        Lane lane(environment_.executor, fmt::format("the images of domain '{}'", name_), 1);
        const bool still_there = co_await lane.run(Deadline::in(file_timeout), std::move(look));
        if (still_there) std::rethrow_exception(failure);
        log::warning("domain '{}': snapshot '{}' is not removed from '{}': {}", name_, *snapshot.name,
                     disk->source.text(), describe(failure));
    }
}

/// `changes`: those of others that are not yet written.
Task<> Domain::forget_snapshot(std::string name, std::vector<SnapshotChange> changes) {
    if (!snapshots_.find(name)) co_return; // a transient domain that ended meanwhile has taken it along
    auto work = [store = environment_.store, domain = name_, name, changes = std::move(changes)] {
        store.change_snapshots(domain, changes);
        store.remove_snapshot(domain, name);
    };
    co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    if (snapshots_.find(name)) (void)snapshots_.remove(name);
    publish();
}

void Domain::take_snapshots(SnapshotTree snapshots) {
    snapshots_ = std::move(snapshots);
    publish();
}

} // namespace domus::compute
