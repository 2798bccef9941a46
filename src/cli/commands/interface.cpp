// The host's network interfaces.
#include "cli/commands/interface.hpp"
#include "cli/commands/commands.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

void iface_list(Call& call) {
    constexpr std::uint32_t inactive_interfaces = 1, active_interfaces = 2;
    std::uint32_t flags = call.args.flag("inactive") ? inactive_interfaces : active_interfaces;
    if (call.args.flag("all")) flags = active_interfaces | inactive_interfaces;
    auto& server = call.server();
    auto interfaces = doing("Failed to list interfaces", [&] {
        return server.call<Procedure::connect_list_all_interfaces>({.need_results = 1, .flags = flags}).ifaces;
    });
    std::ranges::sort(interfaces, {}, &wire::Interface::name);
    Table table{.columns = {{"Name", "name"}, {"State", "state"}, {"MAC Address", "mac"}}, .rows = {}};
    for (const auto& interface : interfaces) {
        const bool up = server.call<Procedure::interface_is_active>({.iface = interface}).active != 0;
        const std::string state = up ? "active" : "inactive";
        table.rows.push_back(
            {interface.name, {state, boost::json::string(state), up ? Tone::good : Tone::faint}, interface.mac});
    }
    call.out.table(table);
}

void iface_dumpxml(Call& call) {
    constexpr std::uint32_t defined = 1;
    const auto interface = find_interface(call, interface_by_name | interface_by_mac);
    print_xml(call, call.server()
                        .call<Procedure::interface_get_xml_desc>(
                            {.iface = interface, .flags = call.args.flag("inactive") ? defined : 0})
                        .xml);
}

void iface_name(Call& call) { call.out.value("name", find_interface(call, interface_by_mac).name); }
void iface_mac(Call& call) { call.out.value("mac", find_interface(call, interface_by_name).mac); }

} // namespace

wire::Interface find_interface(Call& call, unsigned lookup) {
    const auto wanted = call.args.required("interface");
    auto& server = call.server();
    const auto by_mac = [&] { return server.call<Procedure::interface_lookup_by_mac_string>({.mac = wanted}).iface; };
    const auto line = fmt::format("failed to get interface '{}'", wanted);
    if (!(lookup & interface_by_name)) return doing(line, by_mac);
    try {
        return server.call<Procedure::interface_lookup_by_name>({.name = wanted}).iface;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_interface || !(lookup & interface_by_mac)
            || wanted.find(':') == std::string::npos)
            throw Failure(line, error).hint("'domus iface-list --all' lists the interfaces of the host");
    }
    return doing(line, by_mac);
}

std::vector<Command> interface_commands() {
    using enum Group;
    std::vector<Command> all{
        {.name = "iface-list",
         .group = interface,
         .summary = "list network interfaces of the host",
         .options = {flag("inactive", "list only inactive interfaces"),
                     flag("all", "list active and inactive interfaces")},
         .run = iface_list},
        {.name = "iface-dumpxml",
         .group = interface,
         .summary = "print a host interface's XML",
         .options = {required(text("interface", "name or MAC address of the interface", Complete::interface)),
                     flag("inactive", "show the definition"),
                     named(text("xpath", "print only what this XPath expression finds")),
                     flag("wrap", "wrap the results in one element")},
         .run = iface_dumpxml},
        {.name = "iface-name",
         .group = interface,
         .summary = "print the name of a host interface",
         .options = {required(text("interface", "MAC address of the interface"))},
         .run = iface_name},
        {.name = "iface-mac",
         .group = interface,
         .summary = "print the MAC address of a host interface",
         .options = {required(text("interface", "name of the interface", Complete::interface))},
         .run = iface_mac},
    };
    std::ranges::move(interface_change_commands(), std::back_inserter(all));
    return all;
}

} // namespace domus::cli
