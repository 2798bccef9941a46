// Changes of the host's network interfaces: virsh's, and those that are made as one and confirmed.
#include "cli/commands/commands.hpp"
#include "cli/commands/interface.hpp"
#include "cli/editor.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <limits>
#include <thread>

namespace domus::cli {

namespace {

using wire::DomusProcedure;

constexpr std::uint32_t validate_document = 1;                 // of virInterfaceDefineFlags
constexpr std::uint32_t no_stp = 1, no_start = 2, dry_run = 4; // of InterfaceChangeFlag
constexpr auto either = interface_by_name | interface_by_mac;

wire::Interface define_xml(Call& call, const std::string& xml, bool validate) {
    return call.server()
        .call<Procedure::interface_define_xml>({.xml = xml, .flags = validate ? validate_document : 0})
        .iface;
}

void iface_define(Call& call) {
    const auto file = call.args.required("file");
    const auto xml = read_file_option(call);
    const auto interface = doing(fmt::format("Failed to define interface from {}", file),
                                 [&] { return define_xml(call, xml, call.args.flag("validate")); });
    call.out.done({{"interface", interface.name}, {"file", file}}, "Interface {} defined from {}", interface.name,
                  file);
}

void iface_edit(Call& call) {
    constexpr std::uint32_t defined = 1;
    const auto interface = find_interface(call, either);
    const bool changed =
        edit_object({.fetch =
                         [&] {
                             return call.server()
                                 .call<Procedure::interface_get_xml_desc>({.iface = interface, .flags = defined})
                                 .xml;
                         },
                     .store = [&](const std::string& xml, bool validate) { define_xml(call, xml, validate); }});
    if (changed)
        call.out.done({{"interface", interface.name}}, "Interface {} XML configuration edited.", interface.name);
    else
        call.out.done({{"interface", interface.name}}, "Interface {} XML configuration not changed.", interface.name);
}

template <Procedure procedure> void change(Call& call, std::string_view verb, std::string_view done) {
    const auto interface = find_interface(call, either);
    doing(fmt::format("Failed to {} interface {}", verb, interface.name),
          [&] { call.server().call<procedure>({.iface = interface}); });
    call.out.done({{"interface", interface.name}}, "Interface {} {}", interface.name, done);
}

void iface_undefine(Call& call) { change<Procedure::interface_undefine>(call, "undefine", "undefined"); }
void iface_start(Call& call) { change<Procedure::interface_create>(call, "start", "started"); }
void iface_destroy(Call& call) { change<Procedure::interface_destroy>(call, "destroy", "destroyed"); }

template <Procedure procedure> void transact(Call& call, std::string_view verb, std::string_view done) {
    doing(fmt::format("Failed to {} network config change transaction", verb),
          [&] { call.server().call<procedure>({}); });
    call.out.done({{"transaction", done}}, "Network config change transaction {}", done);
}

void iface_begin(Call& call) { transact<Procedure::interface_change_begin>(call, "begin", "started"); }
void iface_commit(Call& call) { transact<Procedure::interface_change_commit>(call, "commit", "committed"); }
void iface_rollback(Call& call) { transact<Procedure::interface_change_rollback>(call, "rollback", "rolled back"); }

// ---- changes made as one ----------------------------------------------------------------------------------------------

constexpr std::uint32_t default_timeout = 30;

std::uint32_t flags_of(Call& call) {
    std::uint32_t flags = 0;
    for (const auto& [option, flag] :
         {std::pair("no-stp", no_stp), std::pair("no-start", no_start), std::pair("dry-run", dry_run)})
        if (call.args.flag(option)) flags |= flag;
    return flags;
}

std::uint32_t number_of(Call& call, std::string_view option, std::uint32_t otherwise) {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    return static_cast<std::uint32_t>(call.args.natural(option, most).value_or(otherwise));
}

std::uint32_t timeout_of(Call& call) {
    if (call.args.flag("no-start") || call.args.flag("yes")) return 0;
    return number_of(call, "timeout", default_timeout);
}

/// True once a person has pressed Enter; throws where the terminal has gone.
bool enter_pressed(std::chrono::milliseconds wait) {
    pollfd terminal{STDIN_FILENO, POLLIN, 0};
    if (::poll(&terminal, 1, static_cast<int>(wait.count())) <= 0) return false;
    std::array<char, 256> line{};
    if (::read(STDIN_FILENO, line.data(), line.size()) > 0) return true;
    throw Failure("the terminal has gone: the change is taken back");
}

bool is_open(Call& call) { return !call.server().call<DomusProcedure::interface_open_change>({}).what.empty(); }

/// The daemon still answers over the connection that asked for it. Whether the person can still be reached he says himself,
/// on a terminal, or with iface-commit from elsewhere.
void confirm(Call& call, std::uint32_t timeout, const std::string& name) {
    constexpr std::chrono::milliseconds step{200};
    const bool asks = ::isatty(STDIN_FILENO) == 1 && !call.out.json();
    if (!asks && !call.args.given("timeout")) {
        call.server().call<Procedure::interface_change_commit>({});
        return;
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(timeout);
    if (asks)
        call.out.complain(fmt::format("Press Enter within {} s to keep it; else the old state returns.", timeout));
    while (std::chrono::steady_clock::now() < end && is_open(call)) {
        if (!asks)
            std::this_thread::sleep_for(step);
        else if (enter_pressed(step))
            call.server().call<Procedure::interface_change_commit>({});
    }
    while (is_open(call)) std::this_thread::sleep_for(step);
    try {
        call.server().call<Procedure::interface_lookup_by_name>({.name = name});
    } catch (const Error& error) {
        throw Failure("The change was not confirmed and is taken back", error)
            .hint("confirm it with Enter, with --yes, or with 'domus iface-commit' from another terminal");
    }
}

void iface_bridge(Call& call) {
    const auto interface = call.args.required("interface"), bridge = call.args.required("bridge");
    const auto timeout = timeout_of(call);
    const auto text = doing(fmt::format("Failed to bridge interface {}", interface), [&] {
        return call.server()
            .call<DomusProcedure::interface_bridge>({.iface = interface,
                                                     .bridge = bridge,
                                                     .delay = number_of(call, "delay", 0),
                                                     .timeout = timeout,
                                                     .flags = flags_of(call)})
            .text;
    });
    if (call.args.flag("dry-run")) return call.out.document(text, "files");
    call.out.text("Created bridge {} with attached device {}\n", bridge, interface);
    if (!call.args.flag("no-start")) call.out.text("Bridge interface {} started\n", bridge);
    if (timeout != 0) confirm(call, timeout, bridge);
    call.out.result({{"bridge", bridge}, {"interface", interface}});
}

void iface_unbridge(Call& call) {
    const auto bridge = call.args.required("bridge");
    const auto timeout = timeout_of(call);
    const auto xml = doing(fmt::format("Failed to unbridge {}", bridge), [&] {
        return call.server()
            .call<Procedure::interface_get_xml_desc>({.iface = {.name = bridge, .mac = ""}, .flags = 1})
            .xml;
    });
    const auto document = parse_xml(xml);
    const std::string port = document.select_node("/interface/bridge/interface/@name").attribute().value();
    const auto text = doing(fmt::format("Failed to unbridge {}", bridge), [&] {
        return call.server()
            .call<DomusProcedure::interface_unbridge>(
                {.bridge = bridge, .iface = port, .timeout = timeout, .flags = flags_of(call)})
            .text;
    });
    if (call.args.flag("dry-run")) return call.out.document(text, "files");
    call.out.text("Device {} un-attached from bridge {}\n", port, bridge);
    if (!call.args.flag("no-start")) call.out.text("Interface {} started\n", port);
    if (timeout != 0) confirm(call, timeout, port);
    call.out.result({{"bridge", bridge}, {"interface", port}});
}

void net_vlan(Call& call) {
    const auto tag = number_of(call, "tag", 0);
    const auto parent = call.args.required("on");
    const auto bridge = call.args.given("bridge") ? call.args.required("bridge") : fmt::format("brvlan{}", tag);
    const auto line =
        fmt::format("Failed to {} VLAN {} on {}", call.args.flag("remove") ? "remove" : "make", tag, parent);
    const auto flags = flags_of(call);
    const auto text = doing(line, [&] {
        if (call.args.flag("remove"))
            return call.server()
                .call<DomusProcedure::interface_remove_vlan>(
                    {.parent = parent, .tag = tag, .bridge = bridge, .flags = flags})
                .text;
        return call.server()
            .call<DomusProcedure::interface_add_vlan>({.parent = parent, .tag = tag, .bridge = bridge, .flags = flags})
            .text;
    });
    if (call.args.flag("dry-run")) return call.out.document(text, "files");
    const auto vlan = fmt::format("{}.{}", parent, tag);
    if (call.args.flag("remove"))
        call.out.done({{"vlan", vlan}, {"bridge", bridge}}, "VLAN {} and bridge {} removed", vlan, bridge);
    else
        call.out.done({{"vlan", vlan}, {"bridge", bridge}}, "VLAN {} joined by bridge {}", vlan, bridge);
}

// ---- the table --------------------------------------------------------------------------------------------------------

Option the_interface() {
    return required(text("interface", "name or MAC address of the interface", Complete::interface));
}
Option timeout_option() {
    return named(number("timeout", "seconds until the old state returns, unless it is confirmed; 30 if not given"));
}

std::vector<Command> interface_definition_commands() {
    return {
        {.name = "iface-define",
         .summary = "define or change a host interface from an XML file",
         .about = "Written for the system by which the host configures its network: ifupdown, systemd-networkd or "
                  "NetworkManager. Nothing is brought up.",
         .options = {required(text("file", "file with the interface's XML", Complete::file)),
                     flag("validate", "validate the XML against the schema")},
         .run = iface_define},
        {.name = "iface-edit",
         .summary = "edit a host interface's XML",
         .options = {the_interface()},
         .run = iface_edit},
        {.name = "iface-undefine",
         .summary = "remove the definition of a host interface",
         .options = {the_interface()},
         .run = iface_undefine},
        {.name = "iface-start", .summary = "start a host interface", .options = {the_interface()}, .run = iface_start},
        {.name = "iface-destroy",
         .summary = "stop a host interface",
         .about = "A bridge, bond or VLAN is taken away.",
         .options = {the_interface()},
         .run = iface_destroy},
        {.name = "iface-begin",
         .summary = "start changes of host interfaces that can be taken back",
         .about = "Until iface-commit, iface-rollback takes back all that was changed since. So does a reboot.",
         .run = iface_begin},
        {.name = "iface-commit", .summary = "commit changes of host interfaces", .run = iface_commit},
        {.name = "iface-rollback", .summary = "revert changes of host interfaces", .run = iface_rollback},
    };
}

std::vector<Command> bridge_commands() {
    return {
        {.name = "iface-bridge",
         .summary = "attach a host interface to a new bridge",
         .about =
             "The bridge takes over MAC address, addresses and routes, so that connections go on, and DHCP gives it "
             "the "
             "same lease. It must be confirmed in time: with Enter, or with iface-commit from another terminal. "
             "Otherwise, or when this command is cut off, the old state returns by itself. Where standard input is no "
             "terminal it is confirmed as soon as the daemon answers, unless --timeout is given.",
         .options = {required(text("interface", "interface to put into the bridge", Complete::interface)),
                     required(text("bridge", "name of the new bridge")),
                     flag("no-stp", "without spanning tree protocol"),
                     number("delay", "seconds before a port forwards; 0 if not given"),
                     flag("no-start", "only define it"), timeout_option(), flag("yes", "keep it without asking"),
                     flag("dry-run", "print what would be written")},
         .run = iface_bridge},
        {.name = "iface-unbridge",
         .summary = "remove a bridge and give its addresses to its interface",
         .about = "It is confirmed as iface-bridge is.",
         .options = {required(text("bridge", "the bridge", Complete::interface)), flag("no-start", "only define it"),
                     timeout_option(), flag("yes", "keep it without asking"),
                     flag("dry-run", "print what would be written")},
         .run = iface_unbridge},
    };
}

} // namespace

std::vector<Command> interface_change_commands() {
    auto all = interface_definition_commands();
    std::ranges::move(bridge_commands(), std::back_inserter(all));
    for (auto& command : all) command.group = Group::interface;
    all.push_back(
        {.name = "net-vlan",
         .group = Group::network,
         .summary = "create a VLAN of a host interface and a bridge that joins it",
         .about = "'net vlan 10 --on eth0' makes eth0.10 and the bridge brvlan10, for guests without tags, and "
                  "configures both for the next boot.",
         .options = {required(number("tag", "the VLAN's tag, 1 to 4094")),
                     named(required(text("on", "interface that carries the tagged frames", Complete::interface))),
                     named(text("bridge", "name of the bridge; brvlanTAG if not given")),
                     flag("remove", "take both away"), flag("no-start", "only define them"),
                     flag("dry-run", "print what would be written")},
         .run = net_vlan});
    return all;
}

} // namespace domus::cli
