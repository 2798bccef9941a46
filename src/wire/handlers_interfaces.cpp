// Procedures on the host's network interfaces, which are looked at and not changed; and on kinds of objects of which
// this version keeps none.
#include "wire/handlers.hpp"

#include "host/interfaces.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

namespace domus::wire {

namespace {

using host::HostInterface;

Interface to_wire(const HostInterface& interface) {
    Interface out;
    out.name = interface.name;
    out.mac = interface.mac;
    return out;
}

HostInterface find(const std::vector<HostInterface>& all, const std::string& name) {
    for (const auto& interface : all)
        if (interface.name == name) return interface;
    throw Error(ErrorCode::no_interface, ErrorDomain::interface,
                fmt::format("Interface not found: couldn't find interface named '{}'", name))
        .hint("see 'ip link'");
}

std::vector<Interface> chosen(bool want_active, bool want_inactive) {
    std::vector<Interface> list;
    for (const auto& interface : host::read_interfaces())
        if (interface.up ? want_active : want_inactive) list.push_back(to_wire(interface));
    return list;
}

std::vector<std::string> names(bool active, std::int32_t most) {
    std::vector<std::string> list;
    for (auto& interface : chosen(active, !active))
        if (list.size() < static_cast<std::size_t>(std::max(most, 0))) list.push_back(std::move(interface.name));
    return list;
}

std::int32_t count(bool active) { return static_cast<std::int32_t>(chosen(active, !active).size()); }

void serve_host_interfaces(Dispatcher& on) {
    on.on<Procedure::connect_list_all_interfaces>([](Session&, const ConnectListAllInterfacesArgs& args) {
        constexpr unsigned inactive = 1, active = 2; // virConnectListAllInterfacesFlags
        service::require_flags(args.flags, inactive | active, "virConnectListAllInterfaces");
        const bool any = !(args.flags & (inactive | active));
        ConnectListAllInterfacesRet ret;
        ret.ifaces = chosen(any || (args.flags & active), any || (args.flags & inactive));
        ret.ret = static_cast<std::uint32_t>(ret.ifaces.size());
        if (!args.need_results) ret.ifaces.clear();
        return ret;
    });
    on.on<Procedure::connect_num_of_interfaces>(
        [](Session&, const Nothing&) { return ConnectNumOfInterfacesRet{count(true)}; });
    on.on<Procedure::connect_num_of_defined_interfaces>(
        [](Session&, const Nothing&) { return ConnectNumOfDefinedInterfacesRet{count(false)}; });
    on.on<Procedure::connect_list_interfaces>([](Session&, const ConnectListInterfacesArgs& args) {
        return ConnectListInterfacesRet{names(true, args.maxnames)};
    });
    on.on<Procedure::connect_list_defined_interfaces>([](Session&, const ConnectListDefinedInterfacesArgs& args) {
        return ConnectListDefinedInterfacesRet{names(false, args.maxnames)};
    });
    on.on<Procedure::interface_lookup_by_name>([](Session&, const InterfaceLookupByNameArgs& args) {
        return InterfaceLookupByNameRet{to_wire(find(host::read_interfaces(), args.name))};
    });
    on.on<Procedure::interface_lookup_by_mac_string>([](Session&, const InterfaceLookupByMacStringArgs& args) {
        std::vector<HostInterface> found;
        for (auto& interface : host::read_interfaces())
            if (interface.mac == args.mac) found.push_back(std::move(interface));
        if (found.empty())
            throw Error(ErrorCode::no_interface, ErrorDomain::interface,
                        fmt::format("Interface not found: couldn't find interface with MAC address '{}'", args.mac));
        if (found.size() > 1)
            throw Error(ErrorCode::multiple_interfaces, ErrorDomain::interface,
                        "multiple interfaces with matching MAC address")
                .hint("look it up by its name");
        return InterfaceLookupByMacStringRet{to_wire(found.front())};
    });
    on.on<Procedure::interface_is_active>([](Session&, const InterfaceIsActiveArgs& args) {
        return InterfaceIsActiveRet{find(host::read_interfaces(), args.iface.name).up};
    });
    on.on<Procedure::interface_get_xml_desc>([](Session&, const InterfaceGetXmlDescArgs& args) {
        constexpr unsigned inactive = 1;
        service::require_flags(args.flags, inactive, "virInterfaceGetXMLDesc");
        const auto all = host::read_interfaces();
        return InterfaceGetXmlDescRet{host::interface_xml(find(all, args.iface.name), all)};
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

void serve_interfaces(Dispatcher& on) {
    serve_host_interfaces(on);
    serve_kinds_without_objects(on);
}

} // namespace domus::wire
