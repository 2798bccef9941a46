// Lists of a domain's devices, and of its addresses.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::uint32_t inactive_xml = 2;

std::string or_dash(const char* text) { return *text ? text : "-"; }

std::string source_of(const pugi::xml_node& source, std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (const char* value = source.attribute(name).value(); *value) return value;
    return "-";
}

void domblklist(Call& call) {
    const auto domain = find_domain(call);
    const auto document = parse_xml(domain_xml(call, domain, call.args.flag("inactive") ? inactive_xml : 0));
    const bool details = call.args.flag("details");
    Table table{.columns = {}, .rows = {}};
    if (details) table.columns = {{"Type", "type"}, {"Device", "device"}};
    table.columns.push_back({"Target", "target"});
    table.columns.push_back({"Source", "source"});
    for (const auto& disk : document.child("domain").child("devices").children("disk")) {
        std::vector<Cell> row;
        if (details) row = {Cell(disk.attribute("type").value()), Cell(disk.attribute("device").as_string("disk"))};
        row.emplace_back(or_dash(disk.child("target").attribute("dev").value()));
        row.emplace_back(source_of(disk.child("source"), {"file", "dev", "dir", "name", "volume"}));
        table.rows.push_back(std::move(row));
    }
    call.out.table(table);
}

void domiflist(Call& call) {
    const auto domain = find_domain(call);
    const auto document = parse_xml(domain_xml(call, domain, call.args.flag("inactive") ? inactive_xml : 0));
    Table table{.columns = {{"Interface", "interface"},
                            {"Type", "type"},
                            {"Source", "source"},
                            {"Model", "model"},
                            {"MAC", "mac"}},
                .rows = {}};
    for (const auto& interface : document.child("domain").child("devices").children("interface"))
        table.rows.push_back({or_dash(interface.child("target").attribute("dev").value()),
                              or_dash(interface.attribute("type").value()),
                              source_of(interface.child("source"), {"network", "bridge", "dev", "name"}),
                              or_dash(interface.child("model").attribute("type").value()),
                              or_dash(interface.child("mac").attribute("address").value())});
    call.out.table(table);
}

void domifaddr(Call& call) {
    constexpr std::string_view sources[]{"lease", "agent", "arp"};
    const auto wanted = call.args.text("source").value_or("lease");
    const auto source = std::ranges::find(sources, wanted);
    if (source == std::end(sources)) fail("Unknown data source '{}'", wanted);
    const auto only = call.args.text("interface").value_or("");
    const auto domain = find_domain(call);
    const auto found = doing("Failed to query for interfaces addresses", [&] {
        return call.server()
            .call<Procedure::domain_interface_addresses>(
                {.dom = domain, .source = static_cast<std::uint32_t>(source - std::begin(sources)), .flags = 0})
            .ifaces;
    });
    call.out.text(" {:<10} {:<20} {:<8}     {}\n{}\n", "Name", "MAC address", "Protocol", "Address",
                  std::string(79, '-'));
    boost::json::array all;
    for (const auto& interface : found) {
        if (!only.empty() && interface.name != only) continue;
        bool first = true;
        for (const auto& address : interface.addrs) {
            const bool full = first || call.args.flag("full");
            const std::string_view protocol = address.type == 0 ? "ipv4" : "ipv6";
            call.out.text(" {:<10} {:<20} {:<8}     {}/{}\n", full ? interface.name : "-",
                          full ? interface.hwaddr.value_or("-") : "-", protocol, address.addr, address.prefix);
            all.push_back({{"interface", interface.name},
                           {"mac", interface.hwaddr.value_or("")},
                           {"protocol", protocol},
                           {"address", address.addr},
                           {"prefix", address.prefix}});
            first = false;
        }
    }
    call.out.text("\n");
    call.out.result(std::move(all));
}

} // namespace

std::vector<Command> device_list_commands() {
    return {
        {.name = "domblklist",
         .group = Group::monitor,
         .summary = "list a domain's disks",
         .options = {the_domain(), flag("inactive", "show the definition of the next boot"),
                     flag("details", "show types too")},
         .run = domblklist},
        {.name = "domiflist",
         .group = Group::monitor,
         .summary = "list a domain's network interfaces",
         .options = {the_domain(), flag("inactive", "show the definition of the next boot")},
         .run = domiflist},
        {.name = "domifaddr",
         .group = Group::monitor,
         .summary = "list the addresses of a domain's network interfaces",
         .options = {the_domain(Complete::running_domain), text("interface", "show only this device"),
                     flag("full", "repeat the name and MAC address on each line"),
                     named(one_of(
                         "source", "lease|agent|arp",
                         "source of the addresses: DHCP leases, the guest's agent, the host's neighbour table"))},
         .run = domifaddr},
    };
}

} // namespace domus::cli
