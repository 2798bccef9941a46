// Operations on snapshots. A snapshot is named by its domain and its name, as on the wire.
#include "service/domains.hpp"

#include "base/log.hpp"
#include "compute/snapshots/snapshot_tree.hpp"
#include "compute/snapshots/snapshots.hpp"
#include "format/xml.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

namespace domus::service {

namespace {

namespace create_flag { // virDomainSnapshotCreateFlags
constexpr unsigned redefine = 1, current = 2, no_metadata = 4, halt = 8, disk_only = 16, reuse_ext = 32, quiesce = 64,
                   atomic = 128, live = 256, validate = 512;
constexpr unsigned known = 1023;
constexpr unsigned of_files = disk_only | reuse_ext | quiesce | live;
} // namespace create_flag

void audit(const Caller& caller, std::string_view operation, const std::string& snapshot, const std::string& domain) {
    log::info("{} '{}' of domain '{}' asked by uid {} (connection {})", operation, snapshot, domain, caller.who.uid,
              caller.connection);
}

void exclude(unsigned flags, unsigned one, unsigned other, std::string_view message) {
    if ((flags & one) && (flags & other))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::domain_snapshot, fmt::format("invalid argument: {}", message));
}

} // namespace

Task<std::string> DomainOperations::snapshot_create(Caller caller, DomainRef ref, std::string xml, unsigned flags) {
    using namespace create_flag;
    require_flags(flags, known, "virDomainSnapshotCreateXML");
    exclude(flags, redefine, no_metadata, "flags REDEFINE and NO_METADATA exclude each other");
    exclude(flags, redefine, halt, "flags REDEFINE and HALT exclude each other");
    if ((flags & current) && !(flags & redefine))
        throw Error(ErrorCode::invalid_arg, ErrorDomain::domain_snapshot,
                    "invalid argument: flag CURRENT needs REDEFINE");
    if (flags & of_files)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    "Operation not supported: this version keeps snapshots inside the images of disks")
            .hint("leave out --disk-only, --reuse-external, --quiesce and --live");
    compute::SnapshotRequest request;
    request.xml = std::move(xml);
    request.reading = format::reading(flags & validate);
    request.redefine = flags & redefine;
    request.current = flags & current;
    request.halt = flags & halt;
    request.no_metadata = flags & no_metadata;
    request.caller = caller.who;
    const auto domain = find(ref);
    auto name = co_await compute::create_snapshot(domain, std::move(request));
    audit(caller, "snapshot", name, domain->name());
    co_return name;
}

std::string DomainOperations::snapshot_xml(const Caller& caller, const DomainRef& ref, const std::string& name,
                                           unsigned flags) const {
    constexpr unsigned secure = 1;
    require_flags(flags, secure, "virDomainSnapshotGetXMLDesc");
    if (caller.read_only && (flags & secure))
        throw Error(ErrorCode::operation_denied, ErrorDomain::dom,
                    "operation forbidden: virDomainSnapshotGetXMLDesc with secure flag");
    const auto& entry = find(ref)->snapshots().tree.get(name);
    if (flags & secure) return entry.xml;
    return format::to_xml(compute::parse_snapshot(entry), {.live = false, .secrets = false});
}

std::vector<std::string> DomainOperations::snapshots(const DomainRef& ref, unsigned flags) const {
    require_flags(flags, compute::snapshot_list::all, "virDomainListAllSnapshots");
    return find(ref)->snapshots().tree.list(flags);
}

std::vector<std::string> DomainOperations::snapshots_below(const DomainRef& ref, const std::string& name,
                                                           unsigned flags) const {
    require_flags(flags, compute::snapshot_list::all, "virDomainSnapshotListAllChildren");
    return find(ref)->snapshots().tree.list_below(name, flags);
}

const compute::SnapshotTree& DomainOperations::snapshot_tree(const DomainRef& ref) const {
    return find(ref)->snapshots().tree;
}

Task<> DomainOperations::snapshot_revert(Caller caller, DomainRef ref, std::string name, unsigned flags) {
    constexpr unsigned running = 1, paused = 2, force = 4;
    require_flags(flags, running | paused | force, "virDomainRevertToSnapshot");
    exclude(flags, running, paused, "flags RUNNING and PAUSED exclude each other");
    compute::RevertRequest request;
    if (flags & running) request.state = compute::StateAfterRestore::running;
    if (flags & paused) request.state = compute::StateAfterRestore::paused;
    request.force = flags & force;
    request.caller = caller.who;
    const auto domain = find(ref);
    audit(caller, "revert to snapshot", name, domain->name());
    co_await compute::revert_to_snapshot(domain, std::move(name), std::move(request));
}

Task<> DomainOperations::snapshot_delete(Caller caller, DomainRef ref, std::string name, unsigned flags) {
    constexpr unsigned children = 1, metadata_only = 2, children_only = 4;
    require_flags(flags, children | metadata_only | children_only, "virDomainSnapshotDelete");
    exclude(flags, children, children_only, "flags CHILDREN and CHILDREN_ONLY exclude each other");
    compute::DeleteRequest request;
    request.children = flags & children;
    request.children_only = flags & children_only;
    request.metadata_only = flags & metadata_only;
    request.caller = caller.who;
    const auto domain = find(ref);
    audit(caller, "delete snapshot", name, domain->name());
    co_await compute::delete_snapshot(domain, std::move(name), std::move(request));
}

} // namespace domus::service
