// Procedures on the host's network interfaces, which are looked at and not changed; and on kinds of objects of which
// this version keeps none.
#include "wire/handlers.hpp"

#include "host/interfaces.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::wire {

namespace {

using netlink::Link;
using service::HostOperations;
using SessionPtr = std::shared_ptr<Session>;

Interface to_wire(const Link& interface) {
    Interface out;
    out.name = interface.name;
    out.mac = interface.mac;
    return out;
}

const Link& find(const std::vector<Link>& all, const std::string& name) {
    const auto found = std::ranges::find(all, name, &Link::name);
    if (found != all.end()) return *found;
    throw Error(ErrorCode::no_interface, ErrorDomain::interface,
                fmt::format("Interface not found: couldn't find interface named '{}'", name))
        .hint("see 'ip link'");
}

const Link& find_mac(const std::vector<Link>& all, const std::string& mac) {
    const auto found = std::ranges::find(all, mac, &Link::mac);
    if (found == all.end())
        throw Error(ErrorCode::no_interface, ErrorDomain::interface,
                    fmt::format("Interface not found: couldn't find interface with MAC address '{}'", mac));
    if (std::ranges::count(all, mac, &Link::mac) > 1)
        throw Error(ErrorCode::multiple_interfaces, ErrorDomain::interface,
                    "multiple interfaces with matching MAC address")
            .hint("look it up by its name");
    return *found;
}

std::vector<Interface> chosen(const std::vector<Link>& all, bool want_active, bool want_inactive) {
    std::vector<Interface> list;
    for (const auto& interface : all)
        if (interface.up ? want_active : want_inactive) list.push_back(to_wire(interface));
    return list;
}

std::vector<std::string> names(const std::vector<Link>& all, bool active, std::int32_t most) {
    std::vector<std::string> list;
    for (auto& interface : chosen(all, active, !active))
        if (list.size() < static_cast<std::size_t>(std::max(most, 0))) list.push_back(std::move(interface.name));
    return list;
}

std::int32_t count(const std::vector<Link>& all, bool active) {
    return static_cast<std::int32_t>(std::ranges::count(all, active, &Link::up));
}

void serve_interface_lists(Dispatcher& on, HostOperations& host) {
    on.on<Procedure::connect_list_all_interfaces>(
        [&](SessionPtr, ConnectListAllInterfacesArgs args) -> Task<ConnectListAllInterfacesRet> {
            constexpr unsigned inactive = 1, active = 2; // virConnectListAllInterfacesFlags
            service::require_flags(args.flags, inactive | active, "virConnectListAllInterfaces");
            const auto all = co_await host.interfaces();
            const bool any = !(args.flags & (inactive | active));
            ConnectListAllInterfacesRet ret;
            ret.ifaces = chosen(all, any || (args.flags & active), any || (args.flags & inactive));
            ret.ret = static_cast<std::uint32_t>(ret.ifaces.size());
            if (!args.need_results) ret.ifaces.clear();
            co_return ret;
        });
    on.on<Procedure::connect_num_of_interfaces>([&](SessionPtr, Nothing) -> Task<ConnectNumOfInterfacesRet> {
        const auto all = co_await host.interfaces();
        co_return ConnectNumOfInterfacesRet{count(all, true)};
    });
    on.on<Procedure::connect_num_of_defined_interfaces>(
        [&](SessionPtr, Nothing) -> Task<ConnectNumOfDefinedInterfacesRet> {
            const auto all = co_await host.interfaces();
            co_return ConnectNumOfDefinedInterfacesRet{count(all, false)};
        });
    on.on<Procedure::connect_list_interfaces>(
        [&](SessionPtr, ConnectListInterfacesArgs args) -> Task<ConnectListInterfacesRet> {
            const auto all = co_await host.interfaces();
            co_return ConnectListInterfacesRet{names(all, true, args.maxnames)};
        });
    on.on<Procedure::connect_list_defined_interfaces>(
        [&](SessionPtr, ConnectListDefinedInterfacesArgs args) -> Task<ConnectListDefinedInterfacesRet> {
            const auto all = co_await host.interfaces();
            co_return ConnectListDefinedInterfacesRet{names(all, false, args.maxnames)};
        });
}

void serve_one_interface(Dispatcher& on, HostOperations& host) {
    on.on<Procedure::interface_lookup_by_name>(
        [&](SessionPtr, InterfaceLookupByNameArgs args) -> Task<InterfaceLookupByNameRet> {
            const auto all = co_await host.interfaces();
            co_return InterfaceLookupByNameRet{to_wire(find(all, args.name))};
        });
    on.on<Procedure::interface_lookup_by_mac_string>(
        [&](SessionPtr, InterfaceLookupByMacStringArgs args) -> Task<InterfaceLookupByMacStringRet> {
            const auto all = co_await host.interfaces();
            co_return InterfaceLookupByMacStringRet{to_wire(find_mac(all, args.mac))};
        });
    on.on<Procedure::interface_is_active>([&](SessionPtr, InterfaceIsActiveArgs args) -> Task<InterfaceIsActiveRet> {
        const auto all = co_await host.interfaces();
        co_return InterfaceIsActiveRet{find(all, args.iface.name).up};
    });
    on.on<Procedure::interface_get_xml_desc>(
        [&](SessionPtr, InterfaceGetXmlDescArgs args) -> Task<InterfaceGetXmlDescRet> {
            constexpr unsigned inactive = 1;
            service::require_flags(args.flags, inactive, "virInterfaceGetXMLDesc");
            const auto all = co_await host.interfaces();
            co_return InterfaceGetXmlDescRet{host::interface_xml(find(all, args.iface.name), all)};
        });
}

/// There are none, since none can be made: clients that list them go on.
void serve_kinds_without_objects(Dispatcher& on) {
    on.on<Procedure::connect_list_all_secrets>(
        [](Session&, const ConnectListAllSecretsArgs&) { return ConnectListAllSecretsRet{}; });
    on.on<Procedure::connect_num_of_secrets>([](Session&, const Nothing&) { return ConnectNumOfSecretsRet{}; });
    on.on<Procedure::connect_list_all_nwfilters>([](Session&, const ConnectListAllNwfiltersArgs& args) {
        service::require_flags(args.flags, 0, "virConnectListAllNWFilters");
        return ConnectListAllNwfiltersRet{};
    });
    on.on<Procedure::connect_num_of_nwfilters>([](Session&, const Nothing&) { return ConnectNumOfNwfiltersRet{}; });
}

} // namespace

void serve_interfaces(Dispatcher& on, service::Service& service) {
    serve_interface_lists(on, service.host);
    serve_one_interface(on, service.host);
    serve_kinds_without_objects(on);
}

} // namespace domus::wire
