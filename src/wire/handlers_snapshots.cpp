// Procedures on snapshots.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::Door;
using service::SnapshotListFlag;
using service::SnapshotOperations;

Error none(std::string what) {
    return Error(ErrorCode::no_domain_snapshot, ErrorDomain::qemu, "Domain snapshot not found: " + std::move(what));
}

DomainSnapshot named(const Domain& domain, std::string name) {
    DomainSnapshot snapshot;
    snapshot.name = std::move(name);
    snapshot.dom = domain;
    return snapshot;
}

std::vector<DomainSnapshot> to_wire(service::SnapshotList list) {
    const auto domain = wire::to_wire(list.domain);
    std::vector<DomainSnapshot> snapshots;
    for (auto& name : list.names) snapshots.push_back(named(domain, std::move(name)));
    return snapshots;
}

std::vector<std::string> at_most(std::vector<std::string> names, std::int32_t limit) {
    if (names.size() > static_cast<std::size_t>(std::max(limit, 0)))
        names.resize(static_cast<std::size_t>(std::max(limit, 0)));
    return names;
}

service::Flags<SnapshotListFlag> list_flags(std::uint32_t bits) {
    return flags<SnapshotListFlag>(bits, "virDomainListAllSnapshots");
}
service::Flags<SnapshotListFlag> children_flags(std::uint32_t bits) {
    return flags<SnapshotListFlag>(bits, "virDomainSnapshotListAllChildren");
}

void serve_lists(Dispatcher& on, Door& door) {
    const auto list = [&](const Session& session, const Domain& domain, std::uint32_t bits) {
        return door.perform<&SnapshotOperations::list>(session.caller(), from_wire(domain), list_flags(bits));
    };
    on.on<Procedure::domain_snapshot_num>([list](Session& session, const DomainSnapshotNumArgs& args) {
        return DomainSnapshotNumRet{static_cast<std::int32_t>(list(session, args.dom, args.flags).names.size())};
    });
    on.on<Procedure::domain_snapshot_list_names>([list](Session& session, const DomainSnapshotListNamesArgs& args) {
        return DomainSnapshotListNamesRet{at_most(list(session, args.dom, args.flags).names, args.maxnames)};
    });
    on.on<Procedure::domain_list_all_snapshots>([list](Session& session, const DomainListAllSnapshotsArgs& args) {
        DomainListAllSnapshotsRet ret;
        auto found = list(session, args.dom, args.flags);
        ret.ret = static_cast<std::int32_t>(found.names.size());
        if (args.need_results) ret.snapshots = to_wire(std::move(found));
        return ret;
    });
}

void serve_children(Dispatcher& on, Door& door) {
    const auto list = [&](const Session& session, const DomainSnapshot& of, std::uint32_t bits) {
        return door.perform<&SnapshotOperations::list_children>(session.caller(), from_wire(of.dom), of.name,
                                                                children_flags(bits));
    };
    on.on<Procedure::domain_snapshot_num_children>([list](Session& session, const DomainSnapshotNumChildrenArgs& args) {
        const auto found = list(session, args.snap, args.flags);
        return DomainSnapshotNumChildrenRet{static_cast<std::int32_t>(found.names.size())};
    });
    on.on<Procedure::domain_snapshot_list_children_names>([list](Session& session,
                                                                 const DomainSnapshotListChildrenNamesArgs& args) {
        return DomainSnapshotListChildrenNamesRet{at_most(list(session, args.snap, args.flags).names, args.maxnames)};
    });
    on.on<Procedure::domain_snapshot_list_all_children>(
        [list](Session& session, const DomainSnapshotListAllChildrenArgs& args) {
            DomainSnapshotListAllChildrenRet ret;
            auto found = list(session, args.snapshot, args.flags);
            ret.ret = static_cast<std::int32_t>(found.names.size());
            if (args.need_results) ret.snapshots = to_wire(std::move(found));
            return ret;
        });
}

void serve_looking(Dispatcher& on, Door& door) {
    const auto get = [&](const Session& session, const Domain& domain, const std::string& name) {
        return door.perform<&SnapshotOperations::get>(session.caller(), from_wire(domain), name);
    };
    on.on<Procedure::domain_snapshot_lookup_by_name>(
        [get](Session& session, const DomainSnapshotLookupByNameArgs& args) {
            no_flags(args.flags, "virDomainSnapshotLookupByName");
            const auto found = get(session, args.dom, args.name);
            return DomainSnapshotLookupByNameRet{named(wire::to_wire(found.domain), found.name)};
        });
    on.on<Procedure::domain_snapshot_is_current>([get](Session& session, const DomainSnapshotIsCurrentArgs& args) {
        no_flags(args.flags, "virDomainSnapshotIsCurrent");
        return DomainSnapshotIsCurrentRet{get(session, args.snap.dom, args.snap.name).current};
    });
    on.on<Procedure::domain_snapshot_has_metadata>([get](Session& session, const DomainSnapshotHasMetadataArgs& args) {
        no_flags(args.flags, "virDomainSnapshotHasMetadata");
        (void)get(session, args.snap.dom, args.snap.name);
        return DomainSnapshotHasMetadataRet{1};
    });
    on.on<Procedure::domain_snapshot_get_parent>([get](Session& session, const DomainSnapshotGetParentArgs& args) {
        no_flags(args.flags, "virDomainSnapshotGetParent");
        const auto found = get(session, args.snap.dom, args.snap.name);
        if (found.parent.empty()) throw none(fmt::format("snapshot '{}' does not have a parent", args.snap.name));
        return DomainSnapshotGetParentRet{named(wire::to_wire(found.domain), found.parent)};
    });
    on.on<Procedure::domain_snapshot_get_xml_desc>([&](Session& session, const DomainSnapshotGetXmlDescArgs& args) {
        const auto how = flags<service::SnapshotXmlFlag>(args.flags, "virDomainSnapshotGetXMLDesc");
        return DomainSnapshotGetXmlDescRet{
            door.perform<&SnapshotOperations::xml>(session.caller(), from_wire(args.snap.dom), args.snap.name, how)};
    });
}

void serve_current(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_has_current_snapshot>([&](Session& session, const DomainHasCurrentSnapshotArgs& args) {
        no_flags(args.flags, "virDomainHasCurrentSnapshot");
        return DomainHasCurrentSnapshotRet{
            door.perform<&SnapshotOperations::current>(session.caller(), from_wire(args.dom)).has_value()};
    });
    on.on<Procedure::domain_snapshot_current>([&](Session& session, const DomainSnapshotCurrentArgs& args) {
        no_flags(args.flags, "virDomainSnapshotCurrent");
        const auto current = door.perform<&SnapshotOperations::current>(session.caller(), from_wire(args.dom));
        if (!current) throw none("the domain does not have a current snapshot");
        return DomainSnapshotCurrentRet{named(wire::to_wire(current->domain), current->name)};
    });
}

void serve_changing(Dispatcher& on, Door& door) {
    on.on<Procedure::domain_snapshot_create_xml>(
        [&](SessionPtr session, DomainSnapshotCreateXmlArgs args) -> Task<DomainSnapshotCreateXmlRet> {
            const auto how = flags<service::SnapshotCreateFlag>(args.flags, "virDomainSnapshotCreateXML");
            auto made = co_await door.perform<&SnapshotOperations::create>(session->caller(), from_wire(args.dom),
                                                                           std::move(args.xml_desc), how);
            co_return DomainSnapshotCreateXmlRet{named(args.dom, std::move(made.name))};
        });
    on.on<Procedure::domain_revert_to_snapshot>([&](SessionPtr session, DomainRevertToSnapshotArgs args) -> Task<> {
        const auto how = flags<service::RevertFlag>(args.flags, "virDomainRevertToSnapshot");
        return door.perform<&SnapshotOperations::revert>(session->caller(), from_wire(args.snap.dom),
                                                         std::move(args.snap.name), how);
    });
    on.on<Procedure::domain_snapshot_delete>([&](SessionPtr session, DomainSnapshotDeleteArgs args) -> Task<> {
        const auto how = flags<service::SnapshotDeleteFlag>(args.flags, "virDomainSnapshotDelete");
        return door.perform<&SnapshotOperations::remove>(session->caller(), from_wire(args.snap.dom),
                                                         std::move(args.snap.name), how);
    });
}

} // namespace

void serve_snapshots(Dispatcher& on, Door& door) {
    serve_lists(on, door);
    serve_children(on, door);
    serve_looking(on, door);
    serve_current(on, door);
    serve_changing(on, door);
}

} // namespace domus::wire
