// Procedures on the host's network interfaces.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"

namespace domus::wire {

namespace {

using service::Door;
using service::Flags;
using service::HostInterface;
using service::InterfaceChangeFlag;
using service::InterfaceListFlag;
using service::InterfaceOperations;
using service::InterfaceRef;
using SessionPtr = std::shared_ptr<Session>;

constexpr Flags<InterfaceListFlag> active{InterfaceListFlag::active}, inactive{InterfaceListFlag::inactive};

Interface to_wire(const HostInterface& interface) {
    Interface out;
    out.name = interface.name;
    out.mac = interface.mac;
    return out;
}

InterfaceRef ref_of(const Interface& interface) { return {interface.name}; }

std::vector<std::string> names_of(const std::vector<HostInterface>& all, std::int32_t most) {
    std::vector<std::string> names;
    for (const auto& interface : all)
        if (names.size() < static_cast<std::size_t>(std::max(most, 0))) names.push_back(interface.name);
    return names;
}

void serve_lists(Dispatcher& on, Door& door) {
    const auto list = [&](const SessionPtr& session, Flags<InterfaceListFlag> which) {
        return door.perform<&InterfaceOperations::list>(session->caller(), which);
    };
    on.on<Procedure::connect_list_all_interfaces>(
        [list](SessionPtr session, ConnectListAllInterfacesArgs args) -> Task<ConnectListAllInterfacesRet> {
            const auto which = flags<InterfaceListFlag>(args.flags, "virConnectListAllInterfaces");
            const auto all = co_await list(session, which);
            ConnectListAllInterfacesRet ret;
            ret.ret = static_cast<std::uint32_t>(all.size());
            if (!args.need_results) co_return ret;
            for (const auto& interface : all) ret.ifaces.push_back(to_wire(interface));
            co_return ret;
        });
    on.on<Procedure::connect_num_of_interfaces>([list](SessionPtr session, Nothing) -> Task<ConnectNumOfInterfacesRet> {
        const auto all = co_await list(session, active);
        co_return ConnectNumOfInterfacesRet{static_cast<std::int32_t>(all.size())};
    });
    on.on<Procedure::connect_num_of_defined_interfaces>(
        [list](SessionPtr session, Nothing) -> Task<ConnectNumOfDefinedInterfacesRet> {
            const auto all = co_await list(session, inactive);
            co_return ConnectNumOfDefinedInterfacesRet{static_cast<std::int32_t>(all.size())};
        });
    on.on<Procedure::connect_list_interfaces>(
        [list](SessionPtr session, ConnectListInterfacesArgs args) -> Task<ConnectListInterfacesRet> {
            const auto all = co_await list(session, active);
            co_return ConnectListInterfacesRet{names_of(all, args.maxnames)};
        });
    on.on<Procedure::connect_list_defined_interfaces>(
        [list](SessionPtr session, ConnectListDefinedInterfacesArgs args) -> Task<ConnectListDefinedInterfacesRet> {
            const auto all = co_await list(session, inactive);
            co_return ConnectListDefinedInterfacesRet{names_of(all, args.maxnames)};
        });
}

void serve_looking(Dispatcher& on, Door& door) {
    on.on<Procedure::interface_lookup_by_name>([&](SessionPtr session,
                                                   InterfaceLookupByNameArgs args) -> Task<InterfaceLookupByNameRet> {
        const auto found = co_await door.perform<&InterfaceOperations::lookup_by_name>(session->caller(), args.name);
        co_return InterfaceLookupByNameRet{to_wire(found)};
    });
    on.on<Procedure::interface_lookup_by_mac_string>(
        [&](SessionPtr session, InterfaceLookupByMacStringArgs args) -> Task<InterfaceLookupByMacStringRet> {
            const auto found = co_await door.perform<&InterfaceOperations::lookup_by_mac>(session->caller(), args.mac);
            co_return InterfaceLookupByMacStringRet{to_wire(found)};
        });
    on.on<Procedure::interface_is_active>(
        [&](SessionPtr session, InterfaceIsActiveArgs args) -> Task<InterfaceIsActiveRet> {
            const auto ref = ref_of(args.iface);
            const auto found = co_await door.perform<&InterfaceOperations::view>(session->caller(), ref);
            co_return InterfaceIsActiveRet{found.up};
        });
    on.on<Procedure::interface_get_xml_desc>(
        [&](SessionPtr session, InterfaceGetXmlDescArgs args) -> Task<InterfaceGetXmlDescRet> {
            const auto how = flags<service::InterfaceXmlFlag>(args.flags, "virInterfaceGetXMLDesc");
            const auto ref = ref_of(args.iface);
            auto text = co_await door.perform<&InterfaceOperations::xml>(session->caller(), ref, how);
            co_return InterfaceGetXmlDescRet{std::move(text)};
        });
}

void serve_changing(Dispatcher& on, Door& door) {
    on.on<Procedure::interface_define_xml>(
        [&](SessionPtr session, InterfaceDefineXmlArgs args) -> Task<InterfaceDefineXmlRet> {
            const auto how = flags<service::InterfaceDefineFlag>(args.flags, "virInterfaceDefineXML");
            const auto view =
                co_await door.perform<&InterfaceOperations::define>(session->caller(), std::move(args.xml), how);
            co_return InterfaceDefineXmlRet{to_wire(view)};
        });
    on.on<Procedure::interface_undefine>([&](SessionPtr session, InterfaceUndefineArgs args) -> Task<> {
        return door.perform<&InterfaceOperations::undefine>(session->caller(), ref_of(args.iface));
    });
    on.on<Procedure::interface_create>([&](SessionPtr session, InterfaceCreateArgs args) -> Task<> {
        no_flags(args.flags, "virInterfaceCreate");
        return door.perform<&InterfaceOperations::start>(session->caller(), ref_of(args.iface));
    });
    on.on<Procedure::interface_destroy>([&](SessionPtr session, InterfaceDestroyArgs args) -> Task<> {
        no_flags(args.flags, "virInterfaceDestroy");
        return door.perform<&InterfaceOperations::destroy>(session->caller(), ref_of(args.iface));
    });
    on.on<Procedure::interface_change_begin>([&](SessionPtr session, InterfaceChangeBeginArgs args) -> Task<> {
        no_flags(args.flags, "virInterfaceChangeBegin");
        return door.perform<&InterfaceOperations::begin>(session->caller());
    });
    on.on<Procedure::interface_change_commit>([&](SessionPtr session, InterfaceChangeCommitArgs args) -> Task<> {
        no_flags(args.flags, "virInterfaceChangeCommit");
        return door.perform<&InterfaceOperations::commit>(session->caller());
    });
    on.on<Procedure::interface_change_rollback>([&](SessionPtr session, InterfaceChangeRollbackArgs args) -> Task<> {
        no_flags(args.flags, "virInterfaceChangeRollback");
        return door.perform<&InterfaceOperations::rollback>(session->caller());
    });
}

/// Those of our own program: what libvirt's clients do in several calls, as one change.
void serve_own(Dispatcher& on, Door& door) {
    on.on<DomusProcedure::interface_open_change>([&](SessionPtr session, Nothing) -> Task<DomusInterfaceOpenChangeRet> {
        auto what = co_await door.perform<&InterfaceOperations::open_change>(session->caller());
        co_return DomusInterfaceOpenChangeRet{std::move(what)};
    });
    on.on<DomusProcedure::interface_bridge>(
        [&](SessionPtr session, DomusInterfaceBridgeArgs args) -> Task<DomusInterfaceBridgeRet> {
            const auto how = flags<InterfaceChangeFlag>(args.flags, "INTERFACE_BRIDGE");
            const InterfaceRef ref{args.iface};
            auto text = co_await door.perform<&InterfaceOperations::bridge>(session->caller(), ref, args.bridge,
                                                                            args.delay, args.timeout, how);
            co_return DomusInterfaceBridgeRet{std::move(text)};
        });
    on.on<DomusProcedure::interface_unbridge>(
        [&](SessionPtr session, DomusInterfaceUnbridgeArgs args) -> Task<DomusInterfaceUnbridgeRet> {
            const auto how = flags<InterfaceChangeFlag>(args.flags, "INTERFACE_UNBRIDGE");
            const InterfaceRef ref{args.bridge};
            auto text = co_await door.perform<&InterfaceOperations::unbridge>(session->caller(), ref, args.iface,
                                                                              args.timeout, how);
            co_return DomusInterfaceUnbridgeRet{std::move(text)};
        });
    on.on<DomusProcedure::interface_add_vlan>([&](SessionPtr session,
                                                  DomusInterfaceAddVlanArgs args) -> Task<DomusInterfaceAddVlanRet> {
        const auto how = flags<InterfaceChangeFlag>(args.flags, "INTERFACE_ADD_VLAN");
        const InterfaceRef ref{args.parent};
        auto text =
            co_await door.perform<&InterfaceOperations::add_vlan>(session->caller(), ref, args.tag, args.bridge, how);
        co_return DomusInterfaceAddVlanRet{std::move(text)};
    });
    on.on<DomusProcedure::interface_remove_vlan>(
        [&](SessionPtr session, DomusInterfaceRemoveVlanArgs args) -> Task<DomusInterfaceRemoveVlanRet> {
            const auto how = flags<InterfaceChangeFlag>(args.flags, "INTERFACE_REMOVE_VLAN");
            const InterfaceRef ref{args.parent};
            auto text = co_await door.perform<&InterfaceOperations::remove_vlan>(session->caller(), ref, args.tag,
                                                                                 args.bridge, how);
            co_return DomusInterfaceRemoveVlanRet{std::move(text)};
        });
}

} // namespace

void serve_interfaces(Dispatcher& on, Door& door) {
    serve_lists(on, door);
    serve_looking(on, door);
    serve_changing(on, door);
    serve_own(on, door);
}

} // namespace domus::wire
