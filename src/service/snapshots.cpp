#include "service/snapshots.hpp"

#include "compute/snapshots/snapshot_tree.hpp"
#include "compute/snapshots/snapshots.hpp"
#include "format/xml.hpp"

#include <fmt/format.h>

namespace domus::service {

namespace {

using compute::DomainRef;

template <class Flag> void exclude(Flags<Flag> flags, Flag one, Flag other, std::string_view message) {
    if (flags.has(one) && flags.has(other))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::domain_snapshot, fmt::format("invalid argument: {}", message));
}

void check(Flags<SnapshotCreateFlag> flags) {
    using enum SnapshotCreateFlag;
    exclude(flags, redefine, no_metadata, "flags REDEFINE and NO_METADATA exclude each other");
    exclude(flags, redefine, halt, "flags REDEFINE and HALT exclude each other");
    if (flags.has(current) && !flags.has(redefine))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::domain_snapshot,
                    "invalid argument: flag CURRENT needs REDEFINE");
    if (flags.has_any({disk_only, reuse_external, quiesce, live}))
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    "Operation not supported: this version keeps snapshots inside the images of disks")
            .hint("leave out --disk-only, --reuse-external, --quiesce and --live");
}

SnapshotView view_of(const compute::Domain& domain, const compute::SnapshotEntry& entry) {
    return {domain.ref(), entry.name, entry.parent, entry.name == domain.snapshots().tree.current()};
}

} // namespace

SnapshotList SnapshotOperations::list(const DomainRef& ref, Flags<SnapshotListFlag> flags) const {
    const auto domain = find(ref);
    return {domain->view()->ref, domain->snapshots().tree.list(flags.bits())};
}

SnapshotList SnapshotOperations::list_children(const DomainRef& ref, const std::string& snapshot,
                                               Flags<SnapshotListFlag> flags) const {
    const auto domain = find(ref);
    return {domain->view()->ref, domain->snapshots().tree.list_below(snapshot, flags.bits())};
}

SnapshotView SnapshotOperations::get(const DomainRef& ref, const std::string& snapshot) const {
    const auto domain = find(ref);
    return view_of(*domain, domain->snapshots().tree.get(snapshot));
}

std::optional<SnapshotView> SnapshotOperations::current(const DomainRef& ref) const {
    const auto domain = find(ref);
    const auto& name = domain->snapshots().tree.current();
    if (name.empty()) return std::nullopt;
    return view_of(*domain, domain->snapshots().tree.get(name));
}

std::string SnapshotOperations::xml(const DomainRef& ref, const std::string& snapshot,
                                    Flags<SnapshotXmlFlag> flags) const {
    const auto domain = find(ref);
    const auto& entry = domain->snapshots().tree.get(snapshot);
    if (flags.has(SnapshotXmlFlag::secure)) return entry.xml;
    return format::to_xml(compute::parse_snapshot(entry), {.live = false, .secrets = false});
}

Task<SnapshotView> SnapshotOperations::create(Caller caller, DomainRef ref, std::string xml,
                                              Flags<SnapshotCreateFlag> flags) {
    using enum SnapshotCreateFlag;
    check(flags);
    compute::SnapshotRequest request;
    request.xml = std::move(xml);
    request.reading = format::reading(flags.has(validate));
    request.redefine = flags.has(redefine);
    request.current = flags.has(SnapshotCreateFlag::current);
    request.halt = flags.has(halt);
    request.no_metadata = flags.has(no_metadata);
    request.caller = caller.who;
    const auto domain = find(ref);
    SnapshotView made;
    made.name = co_await compute::create_snapshot(domain, std::move(request));
    made.domain = domain->ref(); // it may have ended with it
    if (const auto* entry = domain->snapshots().tree.find(made.name)) made = view_of(*domain, *entry);
    co_return made;
}

Task<> SnapshotOperations::revert(Caller caller, DomainRef ref, std::string snapshot, Flags<RevertFlag> flags) {
    exclude(flags, RevertFlag::running, RevertFlag::paused, "flags RUNNING and PAUSED exclude each other");
    compute::RevertRequest request;
    if (flags.has(RevertFlag::running)) request.state = compute::StateAfterRestore::running;
    if (flags.has(RevertFlag::paused)) request.state = compute::StateAfterRestore::paused;
    request.force = flags.has(RevertFlag::force);
    request.caller = caller.who;
    const auto domain = find(ref);
    co_await compute::revert_to_snapshot(domain, std::move(snapshot), std::move(request));
}

Task<> SnapshotOperations::remove(Caller caller, DomainRef ref, std::string snapshot, Flags<SnapshotDeleteFlag> flags) {
    using enum SnapshotDeleteFlag;
    exclude(flags, children, children_only, "flags CHILDREN and CHILDREN_ONLY exclude each other");
    compute::DeleteRequest request;
    request.children = flags.has(children);
    request.children_only = flags.has(children_only);
    request.metadata_only = flags.has(metadata_only);
    request.caller = caller.who;
    const auto domain = find(ref);
    co_await compute::delete_snapshot(domain, std::move(snapshot), std::move(request));
}

} // namespace domus::service
