// Virtual networks.
#include "cli/commands/commands.hpp"
#include "cli/editor.hpp"
#include "cli/objects.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::uint32_t inactive = 1, active = 2;
constexpr std::uint32_t validate_document = 1; // of virNetworkDefineFlags and virNetworkCreateFlags

void net_list(Call& call) {
    std::uint32_t flags = active;
    if (call.args.flag("inactive")) flags = inactive;
    if (call.args.flag("all")) flags = active | inactive;
    constexpr std::pair<std::string_view, std::uint32_t> filters[]{
        {"persistent", 4}, {"transient", 8}, {"autostart", 16}, {"no-autostart", 32}};
    for (const auto& [option, flag] : filters)
        if (call.args.flag(option)) flags |= flag;
    auto networks = doing("Failed to list networks", [&] {
        return call.server().call<Procedure::connect_list_all_networks>({.need_results = 1, .flags = flags}).nets;
    });
    std::ranges::sort(networks, {}, &wire::Network::name);
    if (call.args.flag("name") || call.args.flag("uuid")) {
        boost::json::array all;
        for (const auto& network : networks) {
            const auto text = call.args.flag("uuid") ? network.uuid.text() : network.name;
            call.out.text("{}\n", text);
            all.push_back(boost::json::string(text));
        }
        call.out.text("\n");
        call.out.result(std::move(all));
        return;
    }
    Table table{
        .columns = {{"Name", "name"}, {"State", "state"}, {"Autostart", "autostart"}, {"Persistent", "persistent"}},
        .rows = {}};
    for (const auto& network : networks) {
        auto& server = call.server();
        const bool runs = server.call<Procedure::network_is_active>({.net = network}).active != 0;
        const bool starts = server.call<Procedure::network_get_autostart>({.net = network}).autostart != 0;
        const bool stays = server.call<Procedure::network_is_persistent>({.net = network}).persistent != 0;
        table.rows.push_back(
            {network.name,
             {runs ? "active" : "inactive", runs ? "active" : "inactive", runs ? Tone::good : Tone::faint},
             yes_no(starts),
             yes_no(stays)});
    }
    call.out.table(table);
}

void net_info(Call& call) {
    const auto network = find_network(call);
    auto& server = call.server();
    std::vector<Field> fields{{"Name:", "name", network.name}, {"UUID:", "uuid", network.uuid.text()}};
    fields.push_back(
        {"Active:", "active", yes_no(server.call<Procedure::network_is_active>({.net = network}).active != 0)});
    fields.push_back({"Persistent:", "persistent",
                      yes_no(server.call<Procedure::network_is_persistent>({.net = network}).persistent != 0)});
    fields.push_back({"Autostart:", "autostart",
                      yes_no(server.call<Procedure::network_get_autostart>({.net = network}).autostart != 0)});
    try {
        fields.push_back({"Bridge:", "bridge", server.call<Procedure::network_get_bridge_name>({.net = network}).name});
    } catch (const Error&) {
        // it has none
    }
    call.out.fields(fields);
}

template <Procedure procedure> void change(Call& call, std::string_view failure, std::string_view done) {
    const auto network = find_network(call);
    doing(fmt::format("Failed to {} network {}", failure, network.name),
          [&] { call.server().call<procedure>({.net = network}); });
    call.out.done({{"network", network.name}}, "Network {} {}", network.name, done);
}

void net_start(Call& call) { change<Procedure::network_create>(call, "start", "started"); }
void net_destroy(Call& call) { change<Procedure::network_destroy>(call, "destroy", "destroyed"); }
void net_undefine(Call& call) { change<Procedure::network_undefine>(call, "undefine", "has been undefined"); }

/// Only with flags, so that older daemons can be asked too.
wire::Network define_xml(Call& call, const std::string& xml, bool validate) {
    if (validate)
        return call.server().call<Procedure::network_define_xml_flags>({.xml = xml, .flags = validate_document}).net;
    return call.server().call<Procedure::network_define_xml>({.xml = xml}).net;
}

void net_define(Call& call) {
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto network = doing(fmt::format("Failed to define network from {}", file),
                               [&] { return define_xml(call, xml, call.args.flag("validate")); });
    call.out.done({{"network", network.name}, {"file", file}}, "Network {} defined from {}", network.name, file);
}

void net_create(Call& call) {
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto network = doing(fmt::format("Failed to create network from {}", file), [&] {
        if (call.args.flag("validate"))
            return call.server()
                .call<Procedure::network_create_xml_flags>({.xml = xml, .flags = validate_document})
                .net;
        return call.server().call<Procedure::network_create_xml>({.xml = xml}).net;
    });
    call.out.done({{"network", network.name}, {"file", file}}, "Network {} created from {}", network.name, file);
}

void net_autostart(Call& call) {
    const auto network = find_network(call);
    const bool on = !call.args.flag("disable");
    doing(fmt::format("failed to {} network {} as autostarted", on ? "mark" : "unmark", network.name),
          [&] { call.server().call<Procedure::network_set_autostart>({.net = network, .autostart = on ? 1 : 0}); });
    call.out.done({{"network", network.name}, {"autostart", on}}, "Network {} {} as autostarted", network.name,
                  on ? "marked" : "unmarked");
}

std::string xml_of(Call& call, const wire::Network& network, std::uint32_t flags) {
    return doing("Failed to get the network's XML", [&] {
        return call.server().call<Procedure::network_get_xml_desc>({.net = network, .flags = flags}).xml;
    });
}

void net_dumpxml(Call& call) { print_xml(call, xml_of(call, find_network(call), call.args.flag("inactive") ? 1 : 0)); }

void net_edit(Call& call) {
    const auto network = find_network(call);
    const bool changed =
        edit_object({.fetch = [&] { return xml_of(call, network, 1); },
                     .store = [&](const std::string& xml, bool validate) { define_xml(call, xml, validate); }});
    if (changed)
        call.out.done({{"network", network.name}}, "Network {} XML configuration edited.", network.name);
    else
        call.out.done({{"network", network.name}}, "Network {} XML configuration not changed.", network.name);
}

void net_name(Call& call) { call.out.value("name", find_network(call, "network", by_uuid).name); }
void net_uuid(Call& call) { call.out.value("uuid", find_network(call, "network", by_name).uuid.text()); }

void net_dhcp_leases(Call& call) {
    const auto network = find_network(call);
    const auto leases = doing(fmt::format("Failed to get leases info for {}", network.name), [&] {
        return call.server()
            .call<Procedure::network_get_dhcp_leases>(
                {.net = network, .mac = call.args.text("mac"), .need_results = 1, .flags = 0})
            .leases;
    });
    Table table{.columns = {{"Expiry Time", "expires"},
                            {"MAC address", "mac"},
                            {"Protocol", "protocol"},
                            {"IP address", "address"},
                            {"Hostname", "hostname"},
                            {"Client ID or DUID", "client_id"}},
                .rows = {}};
    for (const auto& lease : leases) {
        const auto expires =
            fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(static_cast<std::time_t>(lease.expirytime)));
        table.rows.push_back({{expires, lease.expirytime},
                              lease.mac.value_or("-"),
                              lease.type == 0 ? "ipv4" : "ipv6",
                              fmt::format("{}/{}", lease.ipaddr, lease.prefix),
                              lease.hostname.value_or("-"),
                              lease.clientid.value_or("-")});
    }
    call.out.table(table);
}

/// The XML itself, or a file that has it: libvirt's way to tell them apart.
std::string xml_or_file(Call& call, std::string_view option) {
    auto given = call.args.required(option);
    const auto begin = given.find_first_not_of(" \t\n");
    if (begin != std::string::npos && given[begin] == '<') return given;
    return read_file_option(call, option);
}

void net_update(Call& call) {
    const auto network = find_network(call);
    constexpr auto commands = std::to_array<std::pair<std::string_view, std::uint32_t>>(
        {{"add", 3}, {"add-last", 3}, {"add-first", 4}, {"delete", 2}, {"modify", 1}}); // virNetworkUpdateCommand
    constexpr auto sections = std::to_array<std::string_view>(
        {"none", "bridge", "domain", "ip", "ip-dhcp-host", "ip-dhcp-range", "forward", "forward-interface",
         "forward-pf", "portgroup", "dns-host", "dns-txt", "dns-srv"}); // virNetworkUpdateSection
    const auto word = call.args.required("command"), place = call.args.required("section");
    const auto* const command = std::ranges::find(commands, word, &std::pair<std::string_view, std::uint32_t>::first);
    if (command == commands.end())
        throw Failure(fmt::format("unrecognized command name '{}'", word))
            .hint("commands: add-first, add-last, delete, modify");
    const auto* const section = std::ranges::find(sections, place);
    if (section == sections.end() || section == sections.begin())
        throw Failure(fmt::format("unrecognized section name '{}'", place))
            .hint("'domus help net-update' lists the sections");
    const auto parent = static_cast<std::int32_t>(call.args.number("parent-index", -1, 65535).value_or(-1));
    const auto impact = affect_flags(call.args);
    doing(fmt::format("Failed to update network {}", network.name), [&] {
        call.server().call<Procedure::network_update>(
            {.net = network,
             .command = command->second,
             .section = static_cast<std::uint32_t>(section - sections.begin()),
             .parent_index = parent,
             .xml = xml_or_file(call, "xml"),
             .flags = impact});
    });
    constexpr auto changed = std::to_array<std::string_view>(
        {"current state", "live state", "persistent config", "persistent config and live state"});
    call.out.text("Updated network {} {}", network.name, changed[impact]);
}

Option the_network(Complete complete = Complete::network) {
    return required(text("network", "name or UUID of the network", complete));
}

} // namespace

std::vector<Command> network_commands() {
    const auto file = required(text("file", "file with the network's XML", Complete::file));
    const auto validate = flag("validate", "validate the XML against the schema");
    return {
        {.name = "net-list",
         .group = Group::network,
         .summary = "list networks",
         .options = {flag("inactive", "list only inactive networks"), flag("all", "list active and inactive networks"),
                     flag("persistent", "list only persistent networks"),
                     flag("transient", "list only transient networks"),
                     flag("autostart", "list only networks with autostart"),
                     flag("no-autostart", "list only networks without autostart"), flag("name", "list names"),
                     flag("uuid", "list UUIDs"), flag("table", "list a table (default)")},
         .run = net_list},
        {.name = "net-info",
         .group = Group::network,
         .summary = "show basic information about a network",
         .options = {the_network()},
         .run = net_info},
        {.name = "net-start",
         .group = Group::network,
         .summary = "start a defined network",
         .options = {the_network(Complete::stopped_network)},
         .run = net_start},
        {.name = "net-destroy",
         .group = Group::network,
         .summary = "stop a network",
         .about = "Removes the bridge, its addresses and its rules. The definition is kept.",
         .options = {the_network(Complete::running_network)},
         .run = net_destroy},
        {.name = "net-define",
         .group = Group::network,
         .summary = "define a network from an XML file without starting it",
         .options = {file, validate},
         .run = net_define},
        {.name = "net-create",
         .group = Group::network,
         .summary = "create a transient network from an XML file",
         .about = "The network is gone once it stops.",
         .options = {file, validate},
         .run = net_create},
        {.name = "net-undefine",
         .group = Group::network,
         .summary = "remove a network's definition",
         .options = {the_network()},
         .run = net_undefine},
        {.name = "net-autostart",
         .group = Group::network,
         .summary = "start a network when the host boots",
         .options = {the_network(), flag("disable", "disable autostart")},
         .run = net_autostart},
        {.name = "net-dumpxml",
         .group = Group::network,
         .summary = "print a network's XML",
         .options = {the_network(), flag("inactive", "print the definition"),
                     named(text("xpath", "print only what this XPath expression finds")),
                     flag("wrap", "wrap the results in one element")},
         .run = net_dumpxml},
        {.name = "net-edit",
         .group = Group::network,
         .summary = "edit a network's XML",
         .options = {the_network()},
         .run = net_edit},
        {.name = "net-update",
         .group = Group::network,
         .summary = "update parts of a network's XML, also while it runs",
         .options = {the_network(), required(text("command", "add-first, add-last (or add), delete or modify")),
                     required(text("section", "ip-dhcp-host, ip-dhcp-range, forward-interface, portgroup, dns-host, "
                                              "dns-txt or dns-srv")),
                     required(text("xml", "the entry's XML, or a file that has it", Complete::file)),
                     named(number("parent-index", "index of the <ip> that the entry is in")),
                     flag("config", "change the definition"), flag("live", "change the network that runs"),
                     flag("current", "change the network that runs, or the definition of one that does not")},
         .run = net_update},
        {.name = "net-name",
         .group = Group::network,
         .summary = "print the network's name",
         .options = {required(text("network", "UUID of the network"))},
         .run = net_name},
        {.name = "net-uuid",
         .group = Group::network,
         .summary = "print the network's UUID",
         .options = {required(text("network", "name of the network", Complete::network))},
         .run = net_uuid},
        {.name = "net-dhcp-leases",
         .group = Group::network,
         .summary = "list a network's DHCP leases",
         .options = {the_network(), text("mac", "show only leases of this MAC address")},
         .run = net_dhcp_leases},
    };
}

} // namespace domus::cli
