#include "compute/snapshot_intent.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/disk_volumes.hpp"
#include "compute/domains.hpp"
#include "compute/snapshot_plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto file_timeout = 30s;
constexpr auto look_again = 200ms;
constexpr std::chrono::milliseconds retry_first = 2s, retry_last = 5min;

} // namespace

SnapshotIntent::SnapshotIntent(SnapshotAction what, model::Snapshot of, const Credentials& who)
    : action(what), uid(who.uid), gid(who.gid), groups(who.groups.begin(), who.groups.end()), snapshot(std::move(of)) {}

Credentials SnapshotIntent::caller() const {
    return {.uid = uid, .gid = gid, .pid = 0, .groups = {groups.begin(), groups.end()}};
}

const format::Schema& SnapshotIntent::schema() {
    static const format::Schema table =
        format::Describe<SnapshotIntent>("intent", "A change of snapshots that is under way.")
            .field("@action", &SnapshotIntent::action)
            .field("@metadata", &SnapshotIntent::metadata)
            .field("@uid", &SnapshotIntent::uid)
            .field("@gid", &SnapshotIntent::gid)
            .field("group", &SnapshotIntent::groups)
            .field("domainsnapshot", &SnapshotIntent::snapshot);
    return table;
}

Task<Domain::InImages> Domain::look_into_images(const model::Snapshot& snapshot) {
    const auto domain = running_ ? *running_->domain : definition_ ? parse_definition(*definition_) : *snapshot.domain;
    InImages found;
    std::vector<std::string> paths;
    for (const auto* disk : internal_disks(snapshot, domain)) {
        const auto opened = co_await placed(environment_, *disk);
        (is_here(opened) ? found.images : found.elsewhere) += 1;
        if (is_here(opened)) paths.push_back(opened.source.text());
    }
    auto work = [paths = std::move(paths), name = *snapshot.name] {
        return static_cast<std::size_t>(
            std::ranges::count_if(paths, [&](const auto& path) { return image_has_snapshot(path, name); }));
    };
    Lane lane(environment_.executor, fmt::format("the images of domain '{}'", name_), 1);
    found.have_it = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    co_return found;
}

/// One that an image has and the domain does not know would be mixed up with the new one.
Task<> Domain::require_new_in_images(const model::Snapshot& snapshot) {
    const auto found = co_await look_into_images(snapshot);
    if (found.have_it == 0) co_return;
    throw Error(
        ErrorCode::operation_failed, ErrorDomain::qemu,
        fmt::format(
            "operation failed: an image of domain '{}' already has a snapshot '{}', which the domain does not know",
            name_, *snapshot.name))
        .hint(fmt::format("choose another name, or remove it: 'qemu-img snapshot -d {} IMAGE'", *snapshot.name));
}

/// Paths of those on this host, as the snapshot's own definition has them.
Task<std::vector<std::string>> Domain::images_of(const model::Snapshot& snapshot) {
    std::vector<std::string> paths;
    for (const auto* disk : internal_disks(snapshot, *snapshot.domain)) {
        const auto opened = co_await placed(environment_, *disk);
        if (is_here(opened)) paths.push_back(opened.source.text());
    }
    co_return paths;
}

/// Before something is given up for it.
Task<> Domain::require_in_images(const model::Snapshot& snapshot) {
    auto paths = co_await images_of(snapshot);
    auto work = [paths = std::move(paths), name = *snapshot.name] {
        const auto found =
            std::ranges::find_if(paths, [&](const auto& path) { return !image_has_snapshot(path, name); });
        return found == paths.end() ? std::string{} : *found;
    };
    Lane lane(environment_.executor, fmt::format("the images of domain '{}'", name_), 1);
    const auto without = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    if (without.empty()) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: '{}' has no snapshot '{}'", without, *snapshot.name))
        .hint(fmt::format("'qemu-img snapshot -l {}' shows what it has", without));
}

/// QEMU itself loads memory by the name alone, which it takes for an id first.
Task<> Domain::require_unmistakable(const model::Snapshot& snapshot) {
    auto paths = co_await images_of(snapshot);
    auto work = [paths = std::move(paths), name = *snapshot.name] {
        for (const auto& path : paths)
            if (auto other = snapshot_mistaken_for(path, name)) return other;
        return std::optional<std::string>{};
    };
    Lane lane(environment_.executor, fmt::format("the images of domain '{}'", name_), 1);
    const auto other = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    if (!other) co_return;
    throw Error(
        ErrorCode::operation_failed, ErrorDomain::qemu,
        fmt::format(
            "operation failed: QEMU would take '{}' for snapshot '{}', whose number in an image of domain '{}' it is",
            *snapshot.name, *other, name_))
        .hint(fmt::format("names that are no numbers are safe; '{}' can be used once '{}' is deleted", *snapshot.name,
                          *other));
}

/// What could not be settled before comes first: there is one intent at a time. It may remove a snapshot or add one, so a
/// call begins with it, before it looks for those that it is about.
Task<> Domain::settle_earlier() {
    if (unsettled_) co_await settle_intent(*unsettled_);
}

Task<> Domain::note_intent(SnapshotIntent intent) {
    co_await settle_earlier();
    auto work = [store = environment_.store, domain = name_, intent = std::move(intent)] {
        store.save_intent(domain, intent);
    };
    co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
}

Task<> Domain::clear_intent() {
    unsettled_.reset();
    auto work = [store = environment_.store, domain = name_] { store.remove_intent(domain); };
    std::exception_ptr failure;
    try {
        co_await environment_.files.run(Deadline::in(file_timeout), std::move(work));
    } catch (...) {
        failure = std::current_exception(); // what it says is done: the next daemon finds nothing to do
    }
    if (failure) log::warning("domain '{}': {}", name_, describe(failure));
}

void Domain::finish_intent(SnapshotIntent intent) {
    unsettled_ = std::make_shared<const SnapshotIntent>(std::move(intent));
    spawn(environment_.executor, complete_intent(unsettled_), fmt::format("a snapshot of domain '{}'", name_));
}

/// If the guest runs, its QEMU may be at it still, and is asked first.
Task<> Domain::complete_intent(std::shared_ptr<const SnapshotIntent> intent) {
    const auto self = shared_from_this();
    while (running_ && running_->reconnecting) co_await sleep_until(Deadline::in(look_again));
    while (unsettled_ == intent) {
        try {
            const auto turn = co_await this->turn("recovery of a snapshot");
            if (running_) co_await running_->guest().await_snapshot();
            if (unsettled_ == intent) co_await settle_or_keep(*intent);
            break;
        } catch (const Error& error) {
            if (error.code() == ErrorCode::operation_timeout) continue; // a long job has the domain
            log::error("domain '{}': snapshot '{}': {}", name_, *intent->snapshot->name, error.message());
            break;
        }
    }
}

/// What fails is tried again. Only disks that were to go back are not: what is written to them from now on would be lost.
Task<> Domain::settle_or_keep(SnapshotIntent intent) {
    std::exception_ptr failure;
    try {
        co_await settle_intent(intent);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    log::error("domain '{}': snapshot '{}' could not be settled: {}", name_, *intent.snapshot->name, describe(failure));
    if (intent.action == SnapshotAction::revert)
        co_await clear_intent();
    else
        keep_unsettled(std::move(intent));
}

void Domain::keep_unsettled(SnapshotIntent intent) {
    unsettled_ = std::make_shared<const SnapshotIntent>(std::move(intent));
    spawn(environment_.executor, retry_unsettled(unsettled_), fmt::format("a snapshot of domain '{}'", name_));
}

/// Until it is settled, by this or by the next change of snapshots, or the domain has gone. Each intent has one such loop,
/// which retries only while that intent is the domain's: a newer one has its own.
Task<> Domain::retry_unsettled(std::shared_ptr<const SnapshotIntent> intent) {
    const auto self = shared_from_this();
    for (auto pause = retry_first; unsettled_ == intent; pause = std::min(pause * 2, retry_last)) {
        co_await sleep_until(Deadline::in(pause));
        if (unsettled_ != intent) break;
        try {
            const auto turn = co_await this->turn("recovery of a snapshot");
            if (unsettled_ == intent) co_await settle_intent(*intent);
        } catch (const Error& error) {
            if (error.code() == ErrorCode::no_domain) break;
            log::debug("domain '{}': a snapshot is not settled: {}", name_, error.message());
        } catch (const std::exception& error) {
            log::debug("domain '{}': a snapshot is not settled: {}", name_, error.what());
        }
    }
}

Task<> Domain::settle_intent(SnapshotIntent intent) {
    const auto& snapshot = *intent.snapshot;
    const auto& name = *snapshot.name;
    const auto found = co_await look_into_images(snapshot);
    const bool whole = found.have_it == found.images && found.images > 0;
    if (intent.action == SnapshotAction::revert) {
        if (!running_ && whole) co_await apply_to_images(snapshot, intent.caller());
        log::warning("domain '{}': going back to snapshot '{}' was cut off and is done now", name_, name);
    } else if (intent.action == SnapshotAction::create && whole) {
        if (intent.metadata && !snapshots_.find(name)) co_await keep_snapshot(make_entry(snapshot), true);
        log::warning("domain '{}': making snapshot '{}' was cut off; it is whole", name_, name);
    } else {
        if (found.have_it + found.elsewhere > 0) co_await drop_from_images(snapshot, intent.caller());
        std::vector<SnapshotChange> changes;
        if (snapshots_.find(name)) changes = snapshots_.changes_without(name);
        co_await forget_snapshot(name, std::move(changes));
        log::warning("domain '{}': snapshot '{}' was being {} and is removed", name_, name,
                     intent.action == SnapshotAction::create ? "made" : "deleted");
    }
    co_await clear_intent();
}

} // namespace domus::compute
