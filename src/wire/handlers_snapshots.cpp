// Procedures on snapshots.
#include "wire/handlers.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::DomainOperations;

Error none(std::string what) {
    return Error(ErrorCode::no_domain_snapshot, ErrorDomain::qemu, "Domain snapshot not found: " + std::move(what));
}

DomainSnapshot named(const Domain& domain, std::string name) {
    DomainSnapshot snapshot;
    snapshot.name = std::move(name);
    snapshot.dom = domain;
    return snapshot;
}

/// The domain as it is now: the client's id may be older than its last start.
Domain known(const DomainOperations& domains, const Domain& domain) {
    return wire::to_wire(domains.view(from_wire(domain))->ref);
}

std::vector<DomainSnapshot> to_wire(const Domain& domain, std::vector<std::string> names) {
    std::vector<DomainSnapshot> snapshots;
    for (auto& name : names) snapshots.push_back(named(domain, std::move(name)));
    return snapshots;
}

std::vector<std::string> at_most(std::vector<std::string> names, std::int32_t limit) {
    if (names.size() > static_cast<std::size_t>(std::max(limit, 0)))
        names.resize(static_cast<std::size_t>(std::max(limit, 0)));
    return names;
}

void require_no_flags(std::uint32_t flags, std::string_view function) {
    if (flags)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("unsupported flags (0x{:x}) in function {}", flags, function));
}

void serve_lists(Dispatcher& on, DomainOperations& domains) {
    on.on<Procedure::domain_snapshot_num>([&](Session&, const DomainSnapshotNumArgs& args) {
        return DomainSnapshotNumRet{
            static_cast<std::int32_t>(domains.snapshots(from_wire(args.dom), args.flags).size())};
    });
    on.on<Procedure::domain_snapshot_list_names>([&](Session&, const DomainSnapshotListNamesArgs& args) {
        return DomainSnapshotListNamesRet{at_most(domains.snapshots(from_wire(args.dom), args.flags), args.maxnames)};
    });
    on.on<Procedure::domain_list_all_snapshots>([&](Session&, const DomainListAllSnapshotsArgs& args) {
        DomainListAllSnapshotsRet ret;
        auto names = domains.snapshots(from_wire(args.dom), args.flags);
        ret.ret = static_cast<std::int32_t>(names.size());
        if (args.need_results) ret.snapshots = to_wire(known(domains, args.dom), std::move(names));
        return ret;
    });
    on.on<Procedure::domain_snapshot_num_children>([&](Session&, const DomainSnapshotNumChildrenArgs& args) {
        const auto names = domains.snapshots_below(from_wire(args.snap.dom), args.snap.name, args.flags);
        return DomainSnapshotNumChildrenRet{static_cast<std::int32_t>(names.size())};
    });
    on.on<Procedure::domain_snapshot_list_children_names>(
        [&](Session&, const DomainSnapshotListChildrenNamesArgs& args) {
            return DomainSnapshotListChildrenNamesRet{
                at_most(domains.snapshots_below(from_wire(args.snap.dom), args.snap.name, args.flags), args.maxnames)};
        });
    on.on<Procedure::domain_snapshot_list_all_children>([&](Session&, const DomainSnapshotListAllChildrenArgs& args) {
        DomainSnapshotListAllChildrenRet ret;
        auto names = domains.snapshots_below(from_wire(args.snapshot.dom), args.snapshot.name, args.flags);
        ret.ret = static_cast<std::int32_t>(names.size());
        if (args.need_results) ret.snapshots = to_wire(known(domains, args.snapshot.dom), std::move(names));
        return ret;
    });
}

void serve_looking(Dispatcher& on, DomainOperations& domains) {
    on.on<Procedure::domain_snapshot_lookup_by_name>([&](Session&, const DomainSnapshotLookupByNameArgs& args) {
        require_no_flags(args.flags, "virDomainSnapshotLookupByName");
        const auto& entry = domains.snapshot_tree(from_wire(args.dom)).get(args.name);
        return DomainSnapshotLookupByNameRet{named(known(domains, args.dom), entry.name)};
    });
    on.on<Procedure::domain_snapshot_get_xml_desc>([&](Session& session, const DomainSnapshotGetXmlDescArgs& args) {
        return DomainSnapshotGetXmlDescRet{
            domains.snapshot_xml(session.caller(), from_wire(args.snap.dom), args.snap.name, args.flags)};
    });
    on.on<Procedure::domain_has_current_snapshot>([&](Session&, const DomainHasCurrentSnapshotArgs& args) {
        require_no_flags(args.flags, "virDomainHasCurrentSnapshot");
        return DomainHasCurrentSnapshotRet{!domains.snapshot_tree(from_wire(args.dom)).current().empty()};
    });
    on.on<Procedure::domain_snapshot_current>([&](Session&, const DomainSnapshotCurrentArgs& args) {
        require_no_flags(args.flags, "virDomainSnapshotCurrent");
        const auto& current = domains.snapshot_tree(from_wire(args.dom)).current();
        if (current.empty()) throw none("the domain does not have a current snapshot");
        return DomainSnapshotCurrentRet{named(known(domains, args.dom), current)};
    });
    on.on<Procedure::domain_snapshot_is_current>([&](Session&, const DomainSnapshotIsCurrentArgs& args) {
        require_no_flags(args.flags, "virDomainSnapshotIsCurrent");
        const auto& tree = domains.snapshot_tree(from_wire(args.snap.dom));
        return DomainSnapshotIsCurrentRet{tree.get(args.snap.name).name == tree.current()};
    });
    on.on<Procedure::domain_snapshot_has_metadata>([&](Session&, const DomainSnapshotHasMetadataArgs& args) {
        require_no_flags(args.flags, "virDomainSnapshotHasMetadata");
        (void)domains.snapshot_tree(from_wire(args.snap.dom)).get(args.snap.name);
        return DomainSnapshotHasMetadataRet{1};
    });
    on.on<Procedure::domain_snapshot_get_parent>([&](Session&, const DomainSnapshotGetParentArgs& args) {
        require_no_flags(args.flags, "virDomainSnapshotGetParent");
        const auto& parent = domains.snapshot_tree(from_wire(args.snap.dom)).get(args.snap.name).parent;
        if (parent.empty()) throw none(fmt::format("snapshot '{}' does not have a parent", args.snap.name));
        return DomainSnapshotGetParentRet{named(known(domains, args.snap.dom), parent)};
    });
}

void serve_changing(Dispatcher& on, DomainOperations& domains) {
    on.on<Procedure::domain_snapshot_create_xml>(
        [&](SessionPtr session, DomainSnapshotCreateXmlArgs args) -> Task<DomainSnapshotCreateXmlRet> {
            auto name = co_await domains.snapshot_create(session->caller(), from_wire(args.dom),
                                                         std::move(args.xml_desc), args.flags);
            co_return DomainSnapshotCreateXmlRet{named(args.dom, std::move(name))};
        });
    on.on<Procedure::domain_revert_to_snapshot>([&](SessionPtr session, DomainRevertToSnapshotArgs args) -> Task<> {
        return domains.snapshot_revert(session->caller(), from_wire(args.snap.dom), std::move(args.snap.name),
                                       args.flags);
    });
    on.on<Procedure::domain_snapshot_delete>([&](SessionPtr session, DomainSnapshotDeleteArgs args) -> Task<> {
        return domains.snapshot_delete(session->caller(), from_wire(args.snap.dom), std::move(args.snap.name),
                                       args.flags);
    });
}

} // namespace

void serve_snapshots(Dispatcher& on, service::Service& service) {
    serve_lists(on, service.domains);
    serve_looking(on, service.domains);
    serve_changing(on, service.domains);
}

} // namespace domus::wire
