// Procedures on virtual networks.
#include "wire/flags.hpp"
#include "wire/handlers.hpp"
#include "wire/object_events.hpp"

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::Door;
using service::Flags;
using service::NetworkListFlag;
using service::NetworkOperations;
using service::NetworkRef;
using service::NetworkView;

constexpr Flags<NetworkListFlag> active{NetworkListFlag::active}, inactive{NetworkListFlag::inactive};

Network to_wire(const NetworkView& view) {
    Network network;
    network.name = view.name;
    network.uuid = view.uuid;
    return network;
}
NetworkRef from_wire(Network network) { return {std::move(network.name), network.uuid}; }

std::vector<std::string> names_of(const std::vector<NetworkView>& views, std::int32_t most) {
    std::vector<std::string> names;
    for (const auto& view : views)
        if (names.size() < static_cast<std::size_t>(std::max(most, 0))) names.push_back(view.name);
    return names;
}

void serve_lists(Dispatcher& on, Door& door) {
    const auto list = [&](const Session& session, Flags<NetworkListFlag> which) {
        return door.perform<&NetworkOperations::list>(session.caller(), which);
    };
    on.on<Procedure::connect_list_all_networks>([list](Session& session, const ConnectListAllNetworksArgs& args) {
        ConnectListAllNetworksRet ret;
        const auto which = flags<NetworkListFlag>(args.flags, "virConnectListAllNetworks");
        for (const auto& view : list(session, which)) ret.nets.push_back(to_wire(view));
        ret.ret = static_cast<std::uint32_t>(ret.nets.size());
        if (!args.need_results) ret.nets.clear();
        return ret;
    });
    on.on<Procedure::connect_num_of_networks>([list](Session& session, const Nothing&) {
        return ConnectNumOfNetworksRet{static_cast<std::int32_t>(list(session, active).size())};
    });
    on.on<Procedure::connect_list_networks>([list](Session& session, const ConnectListNetworksArgs& args) {
        return ConnectListNetworksRet{names_of(list(session, active), args.maxnames)};
    });
    on.on<Procedure::connect_num_of_defined_networks>([list](Session& session, const Nothing&) {
        return ConnectNumOfDefinedNetworksRet{static_cast<std::int32_t>(list(session, inactive).size())};
    });
    on.on<Procedure::connect_list_defined_networks>(
        [list](Session& session, const ConnectListDefinedNetworksArgs& args) {
            return ConnectListDefinedNetworksRet{names_of(list(session, inactive), args.maxnames)};
        });
}

void serve_looking(Dispatcher& on, Door& door) {
    const auto view = [&](const Session& session, const Network& network) {
        return door.perform<&NetworkOperations::view>(session.caller(), from_wire(network));
    };
    on.on<Procedure::network_lookup_by_name>([&](Session& session, const NetworkLookupByNameArgs& args) {
        return NetworkLookupByNameRet{
            to_wire(door.perform<&NetworkOperations::lookup_by_name>(session.caller(), args.name))};
    });
    on.on<Procedure::network_lookup_by_uuid>([&](Session& session, const NetworkLookupByUuidArgs& args) {
        return NetworkLookupByUuidRet{
            to_wire(door.perform<&NetworkOperations::lookup_by_uuid>(session.caller(), args.uuid))};
    });
    on.on<Procedure::network_get_xml_desc>([&](Session& session, const NetworkGetXmlDescArgs& args) {
        const auto how = flags<service::NetworkXmlFlag>(args.flags, "virNetworkGetXMLDesc");
        return NetworkGetXmlDescRet{door.perform<&NetworkOperations::xml>(session.caller(), from_wire(args.net), how)};
    });
    on.on<Procedure::network_get_bridge_name>([&](Session& session, const NetworkGetBridgeNameArgs& args) {
        return NetworkGetBridgeNameRet{
            door.perform<&NetworkOperations::bridge_name>(session.caller(), from_wire(args.net))};
    });
    on.on<Procedure::network_get_autostart>([view](Session& session, const NetworkGetAutostartArgs& args) {
        return NetworkGetAutostartRet{view(session, args.net).autostart};
    });
    on.on<Procedure::network_is_active>([view](Session& session, const NetworkIsActiveArgs& args) {
        return NetworkIsActiveRet{view(session, args.net).active};
    });
    on.on<Procedure::network_is_persistent>([view](Session& session, const NetworkIsPersistentArgs& args) {
        return NetworkIsPersistentRet{view(session, args.net).persistent};
    });
}

void serve_definitions(Dispatcher& on, Door& door) {
    using service::NetworkDefineFlag;
    const auto define = [&](const Session& session, std::string xml, Flags<NetworkDefineFlag> how) {
        return door.perform<&NetworkOperations::define>(session.caller(), std::move(xml), how);
    };
    const auto create = [&](const Session& session, std::string xml, Flags<NetworkDefineFlag> how) {
        return door.perform<&NetworkOperations::create_xml>(session.caller(), std::move(xml), how);
    };
    on.on<Procedure::network_define_xml>(
        [define](SessionPtr session, NetworkDefineXmlArgs args) -> Task<NetworkDefineXmlRet> {
            const auto view = co_await define(*session, std::move(args.xml), {});
            co_return NetworkDefineXmlRet{to_wire(view)};
        });
    on.on<Procedure::network_create_xml>(
        [create](SessionPtr session, NetworkCreateXmlArgs args) -> Task<NetworkCreateXmlRet> {
            const auto view = co_await create(*session, std::move(args.xml), {});
            co_return NetworkCreateXmlRet{to_wire(view)};
        });
    on.on<Procedure::network_define_xml_flags>(
        [define](SessionPtr session, NetworkDefineXmlFlagsArgs args) -> Task<NetworkDefineXmlFlagsRet> {
            const auto how = flags<NetworkDefineFlag>(args.flags, "virNetworkDefineXMLFlags");
            const auto view = co_await define(*session, std::move(args.xml), how);
            co_return NetworkDefineXmlFlagsRet{to_wire(view)};
        });
    on.on<Procedure::network_create_xml_flags>(
        [create](SessionPtr session, NetworkCreateXmlFlagsArgs args) -> Task<NetworkCreateXmlFlagsRet> {
            const auto how = flags<NetworkDefineFlag>(args.flags, "virNetworkCreateXMLFlags");
            const auto view = co_await create(*session, std::move(args.xml), how);
            co_return NetworkCreateXmlFlagsRet{to_wire(view)};
        });
}

void serve_changing(Dispatcher& on, Door& door) {
    on.on<Procedure::network_undefine>([&](SessionPtr session, NetworkUndefineArgs args) -> Task<> {
        return door.perform<&NetworkOperations::undefine>(session->caller(), from_wire(std::move(args.net)));
    });
    on.on<Procedure::network_create>([&](SessionPtr session, NetworkCreateArgs args) -> Task<> {
        return door.perform<&NetworkOperations::start>(session->caller(), from_wire(std::move(args.net)));
    });
    on.on<Procedure::network_destroy>([&](SessionPtr session, NetworkDestroyArgs args) -> Task<> {
        return door.perform<&NetworkOperations::destroy>(session->caller(), from_wire(std::move(args.net)));
    });
    on.on<Procedure::network_update>([&](SessionPtr session, NetworkUpdateArgs args) -> Task<> {
        const auto how = flags<service::NetworkUpdateFlag>(args.flags, "virNetworkUpdate");
        const auto command = one_of<network::UpdateCommand>(args.command, "network update command");
        const auto section = one_of<network::UpdateSection>(args.section, "network update section");
        return door.perform<&NetworkOperations::update>(session->caller(), from_wire(std::move(args.net)), command,
                                                        section, args.parent_index, std::move(args.xml), how);
    });
    on.on<Procedure::network_set_autostart>([&](SessionPtr session, NetworkSetAutostartArgs args) -> Task<> {
        return door.perform<&NetworkOperations::set_autostart>(session->caller(), from_wire(std::move(args.net)),
                                                               args.autostart != 0);
    });
}

void serve_leases(Dispatcher& on, Door& door) {
    on.on<Procedure::network_get_dhcp_leases>(
        [&](SessionPtr session, NetworkGetDhcpLeasesArgs args) -> Task<NetworkGetDhcpLeasesRet> {
            no_flags(args.flags, "virNetworkGetDHCPLeases");
            const auto leases = co_await door.perform<&NetworkOperations::leases>(
                session->caller(), from_wire(std::move(args.net)), args.mac.value_or(""));
            NetworkGetDhcpLeasesRet ret;
            for (const auto& lease : leases) {
                NetworkDhcpLease out;
                out.iface = lease.device;
                out.expirytime = lease.lease.expires;
                out.type = lease.lease.v6() ? 1 : 0; // virIPAddrType
                if (!lease.lease.mac.empty()) out.mac = lease.lease.mac;
                if (!lease.lease.iaid.empty()) out.iaid = lease.lease.iaid;
                out.ipaddr = lease.lease.address;
                out.prefix = lease.prefix;
                if (!lease.lease.hostname.empty()) out.hostname = lease.lease.hostname;
                if (!lease.lease.client_id.empty()) out.clientid = lease.lease.client_id;
                ret.leases.push_back(std::move(out));
            }
            ret.ret = static_cast<std::uint32_t>(ret.leases.size());
            if (!args.need_results) ret.leases.clear();
            co_return ret;
        });
    on.on<Procedure::domain_interface_addresses>(
        [&](SessionPtr session, DomainInterfaceAddressesArgs args) -> Task<DomainInterfaceAddressesRet> {
            no_flags(args.flags, "virDomainInterfaceAddresses");
            const auto source = static_cast<service::AddressSource>(args.source);
            const auto found = co_await door.perform<&service::GuestOperations::addresses>(
                session->caller(), wire::from_wire(std::move(args.dom)), source);
            DomainInterfaceAddressesRet ret;
            for (const auto& interface : found) {
                auto& out = ret.ifaces.emplace_back();
                out.name = interface.name;
                if (!interface.mac.empty()) out.hwaddr = interface.mac;
                for (const auto& [address, prefix] : interface.addresses)
                    out.addrs.push_back({address.find(':') == std::string::npos ? 0 : 1, address, prefix});
            }
            co_return ret;
        });
}

/// virNetworkEventID: lifecycle (0), and changed metadata (1), which networks do not have here.
void send_event(Session& session, const EventRequest& to, const NetworkView& view, network::NetworkEvent event) {
    if (to.event != 0) return;
    session.send_event<Procedure::network_event_lifecycle>(
        NetworkEventLifecycleMsg{to.callback, to_wire(view), static_cast<std::int32_t>(event), 0});
}

void serve_events(Dispatcher& on, NetworkOperations& networks) {
    using enum Procedure;
    serve_object_events<connect_network_event_register_any, connect_network_event_deregister_any>(
        on, "network", networks.events, &ConnectNetworkEventRegisterAnyArgs::net,
        [](const NetworkView& view) { return view.uuid; }, send_event);
}

} // namespace

void serve_networks(Dispatcher& on, service::Service& service) {
    serve_lists(on, service.door());
    serve_looking(on, service.door());
    serve_definitions(on, service.door());
    serve_changing(on, service.door());
    serve_leases(on, service.door());
    serve_events(on, service.networks());
}

} // namespace domus::wire
