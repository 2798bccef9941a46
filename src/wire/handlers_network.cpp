// Procedures on virtual networks.
#include "wire/handlers.hpp"
#include "wire/object_events.hpp"

#include "service/flags.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using SessionPtr = std::shared_ptr<Session>;
using service::NetworkOperations;
using service::NetworkView;

Network to_wire(const NetworkView& view) {
    Network network;
    network.name = view.name;
    network.uuid = view.uuid;
    return network;
}

void serve_looking(Dispatcher& on, NetworkOperations& networks) {
    on.on<Procedure::connect_list_all_networks>([&](Session&, const ConnectListAllNetworksArgs& args) {
        ConnectListAllNetworksRet ret;
        for (const auto& view : networks.list(args.flags)) ret.nets.push_back(to_wire(view));
        ret.ret = static_cast<std::uint32_t>(ret.nets.size());
        if (!args.need_results) ret.nets.clear();
        return ret;
    });
    on.on<Procedure::connect_num_of_networks>([&](Session&, const Nothing&) {
        constexpr unsigned active = 2;
        return ConnectNumOfNetworksRet{static_cast<std::int32_t>(networks.list(active).size())};
    });
    on.on<Procedure::connect_list_networks>([&](Session&, const ConnectListNetworksArgs& args) {
        constexpr unsigned active = 2;
        ConnectListNetworksRet ret;
        for (const auto& view : networks.list(active))
            if (ret.names.size() < static_cast<std::size_t>(std::max(args.maxnames, 0))) ret.names.push_back(view.name);
        return ret;
    });
    on.on<Procedure::connect_num_of_defined_networks>([&](Session&, const Nothing&) {
        constexpr unsigned inactive = 1;
        return ConnectNumOfDefinedNetworksRet{static_cast<std::int32_t>(networks.list(inactive).size())};
    });
    on.on<Procedure::connect_list_defined_networks>([&](Session&, const ConnectListDefinedNetworksArgs& args) {
        constexpr unsigned inactive = 1;
        ConnectListDefinedNetworksRet ret;
        for (const auto& view : networks.list(inactive))
            if (ret.names.size() < static_cast<std::size_t>(std::max(args.maxnames, 0))) ret.names.push_back(view.name);
        return ret;
    });
    on.on<Procedure::network_lookup_by_name>([&](Session&, const NetworkLookupByNameArgs& args) {
        return NetworkLookupByNameRet{to_wire(networks.lookup_by_name(args.name))};
    });
    on.on<Procedure::network_lookup_by_uuid>([&](Session&, const NetworkLookupByUuidArgs& args) {
        return NetworkLookupByUuidRet{to_wire(networks.lookup_by_uuid(args.uuid, ""))};
    });
    on.on<Procedure::network_get_xml_desc>([&](Session&, const NetworkGetXmlDescArgs& args) {
        return NetworkGetXmlDescRet{networks.xml(args.net.uuid, args.net.name, args.flags)};
    });
    on.on<Procedure::network_get_bridge_name>([&](Session&, const NetworkGetBridgeNameArgs& args) {
        return NetworkGetBridgeNameRet{networks.bridge_name(args.net.uuid, args.net.name)};
    });
    on.on<Procedure::network_get_autostart>([&](Session&, const NetworkGetAutostartArgs& args) {
        return NetworkGetAutostartRet{networks.lookup_by_uuid(args.net.uuid, args.net.name).autostart};
    });
    on.on<Procedure::network_is_active>([&](Session&, const NetworkIsActiveArgs& args) {
        return NetworkIsActiveRet{networks.lookup_by_uuid(args.net.uuid, args.net.name).active};
    });
    on.on<Procedure::network_is_persistent>([&](Session&, const NetworkIsPersistentArgs& args) {
        return NetworkIsPersistentRet{networks.lookup_by_uuid(args.net.uuid, args.net.name).persistent};
    });
}

void serve_changing(Dispatcher& on, NetworkOperations& networks) {
    on.on<Procedure::network_define_xml>(
        [&](SessionPtr session, NetworkDefineXmlArgs args) -> Task<NetworkDefineXmlRet> {
            const auto view = co_await networks.define(session->caller(), std::move(args.xml));
            co_return NetworkDefineXmlRet{to_wire(view)};
        });
    on.on<Procedure::network_create_xml>(
        [&](SessionPtr session, NetworkCreateXmlArgs args) -> Task<NetworkCreateXmlRet> {
            const auto view = co_await networks.create_xml(session->caller(), std::move(args.xml));
            co_return NetworkCreateXmlRet{to_wire(view)};
        });
    on.on<Procedure::network_define_xml_flags>(
        [&](SessionPtr session, NetworkDefineXmlFlagsArgs args) -> Task<NetworkDefineXmlFlagsRet> {
            const auto view = co_await networks.define(session->caller(), std::move(args.xml), args.flags);
            co_return NetworkDefineXmlFlagsRet{to_wire(view)};
        });
    on.on<Procedure::network_create_xml_flags>(
        [&](SessionPtr session, NetworkCreateXmlFlagsArgs args) -> Task<NetworkCreateXmlFlagsRet> {
            const auto view = co_await networks.create_xml(session->caller(), std::move(args.xml), args.flags);
            co_return NetworkCreateXmlFlagsRet{to_wire(view)};
        });
    on.on<Procedure::network_undefine>([&](SessionPtr session, NetworkUndefineArgs args) -> Task<> {
        return networks.undefine(session->caller(), args.net.uuid, args.net.name);
    });
    on.on<Procedure::network_create>([&](SessionPtr session, NetworkCreateArgs args) -> Task<> {
        return networks.create(session->caller(), args.net.uuid, args.net.name);
    });
    on.on<Procedure::network_destroy>([&](SessionPtr session, NetworkDestroyArgs args) -> Task<> {
        return networks.destroy(session->caller(), args.net.uuid, args.net.name);
    });
    on.on<Procedure::network_set_autostart>([&](SessionPtr session, NetworkSetAutostartArgs args) -> Task<> {
        return networks.set_autostart(session->caller(), args.net.uuid, args.net.name, args.autostart != 0);
    });
    on.on<Procedure::network_get_dhcp_leases>(
        [&](SessionPtr, NetworkGetDhcpLeasesArgs args) -> Task<NetworkGetDhcpLeasesRet> {
            service::require_flags(args.flags, 0, "virNetworkGetDHCPLeases");
            const auto leases = co_await networks.leases(args.net.uuid, args.net.name, args.mac.value_or(""));
            NetworkGetDhcpLeasesRet ret;
            for (const auto& lease : leases) {
                NetworkDhcpLease out;
                out.iface = lease.device;
                out.expirytime = lease.lease.expires;
                out.mac = lease.lease.mac;
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
}

/// virNetworkEventID: lifecycle (0), and changed metadata (1), which networks do not have here.
void tell(Session& session, const EventRequest& to, const NetworkView& view, network::NetworkEvent event) {
    if (to.event != 0) return;
    session.send_event<Procedure::network_event_lifecycle>(
        NetworkEventLifecycleMsg{to.callback, to_wire(view), static_cast<std::int32_t>(event), 0});
}

void serve_events(Dispatcher& on, NetworkOperations& networks) {
    using enum Procedure;
    serve_object_events<connect_network_event_register_any, connect_network_event_deregister_any>(
        on, "network", networks.events, &ConnectNetworkEventRegisterAnyArgs::net,
        [](const NetworkView& view) { return view.uuid; }, tell);
}

} // namespace

void serve_networks(Dispatcher& on, service::Service& service) {
    auto& networks = service.networks;
    serve_looking(on, networks);
    serve_changing(on, networks);
    serve_events(on, networks);
    on.on<Procedure::domain_interface_addresses>(
        [&service](SessionPtr session, DomainInterfaceAddressesArgs args) -> Task<DomainInterfaceAddressesRet> {
            constexpr unsigned from_agent = 1; // virDomainInterfaceAddressesSource
            service::require_flags(args.flags, 0, "virDomainInterfaceAddresses");
            std::vector<compute::GuestInterface> found;
            if (args.source == from_agent) {
                if (session->read_only())
                    throw Error(ErrorCode::operation_denied, ErrorDomain::domain,
                                "operation forbidden: read only access prevents asking the guest's agent");
                found = co_await service.domains.guest_interfaces(from_wire(std::move(args.dom)));
            } else {
                found = co_await service.networks.addresses(service.domains.view(from_wire(std::move(args.dom))),
                                                            args.source);
            }
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

} // namespace domus::wire
