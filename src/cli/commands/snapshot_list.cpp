// Looking at snapshots.
#include "cli/commands/snapshot.hpp"
#include "cli/tree.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <strings.h>

namespace domus::cli {

namespace {

constexpr std::uint32_t descendants = 1, topological = 1024;

struct Known {
    wire::DomainSnapshot snapshot;
    std::string parent, state;
    std::int64_t created = 0;
};

Known describe(Call& call, const wire::DomainSnapshot& snapshot) {
    const auto document = parse_xml(snapshot_xml(call, snapshot, 0));
    const auto root = document.child("domainsnapshot");
    return {.snapshot = snapshot,
            .parent = root.child("parent").child_value("name"),
            .state = root.child_value("state"),
            .created = root.child("creationTime").text().as_llong()};
}

std::uint32_t list_flags(const Arguments& args) {
    constexpr std::pair<std::string_view, std::uint32_t> all[]{
        {"roots", 1},     {"metadata", 2}, {"leaves", 4},      {"no-leaves", 8},  {"no-metadata", 16},
        {"inactive", 32}, {"active", 64},  {"disk-only", 128}, {"internal", 256}, {"external", 512}};
    std::uint32_t flags = 0;
    for (const auto& [name, value] : all)
        if (args.flag(name)) flags |= value;
    return flags;
}

std::vector<Known> collect(Call& call, const wire::Domain& domain) {
    const auto& args = call.args;
    args.exclusive("roots", "from");
    args.exclusive("roots", "current");
    args.exclusive("tree", "name");
    args.exclusive("tree", "parent");
    auto flags = list_flags(args) | topological;
    auto& server = call.server();
    std::vector<wire::DomainSnapshot> found;
    if (args.given("from") || args.flag("current")) {
        const auto from = args.given("from")
                              ? server
                                    .call<Procedure::domain_snapshot_lookup_by_name>(
                                        {.dom = domain, .name = args.required("from"), .flags = 0})
                                    .snap
                              : server.call<Procedure::domain_snapshot_current>({.dom = domain, .flags = 0}).snap;
        if (args.flag("descendants")) flags |= descendants;
        found = server
                    .call<Procedure::domain_snapshot_list_all_children>(
                        {.snapshot = from, .need_results = 1, .flags = flags})
                    .snapshots;
        if (args.flag("tree")) found.insert(found.begin(), from);
    } else {
        found = server.call<Procedure::domain_list_all_snapshots>({.dom = domain, .need_results = 1, .flags = flags})
                    .snapshots;
    }
    if (!args.flag("topological"))
        std::ranges::stable_sort(
            found, [](const auto& a, const auto& b) { return ::strcasecmp(a.name.c_str(), b.name.c_str()) < 0; });
    std::vector<Known> all;
    for (const auto& snapshot : found) all.push_back(describe(call, snapshot));
    return all;
}

void list(Call& call) {
    const auto domain = find_domain(call);
    const auto all = collect(call, domain);
    if (call.args.flag("name") && !call.out.json()) {
        for (const auto& each : all) call.out.text("{}\n", each.snapshot.name);
        return;
    }
    if (call.args.flag("tree") && !call.out.json()) {
        std::vector<TreeNode> nodes;
        for (const auto& each : all) nodes.push_back({each.snapshot.name, each.parent});
        return call.out.raw(render_tree(nodes));
    }
    const bool parents = call.args.flag("parent") || call.out.json();
    Table table{.columns = {{"Name", "name"}, {"Creation Time", "created"}, {"State", "state"}}, .rows = {}};
    if (parents) table.columns.push_back({"Parent", "parent"});
    for (const auto& each : all) {
        const auto time =
            fmt::format("{:%Y-%m-%d %H:%M:%S %z}", fmt::localtime(static_cast<std::time_t>(each.created)));
        std::vector<Cell> row{each.snapshot.name, Cell(time, each.created), each.state};
        if (parents) row.emplace_back(each.parent);
        table.rows.push_back(std::move(row));
    }
    call.out.table(table);
}

void info(Call& call) {
    const auto domain = find_domain(call);
    const auto snapshot = find_snapshot(call, domain);
    auto& server = call.server();
    const auto known = describe(call, snapshot);
    const auto count = [&](std::uint32_t flags) {
        const auto number =
            server.call<Procedure::domain_snapshot_num_children>({.snap = snapshot, .flags = flags}).num;
        return Cell(std::to_string(number), number);
    };
    const auto current = server.call<Procedure::domain_snapshot_is_current>({.snap = snapshot, .flags = 0}).current;
    const auto metadata = server.call<Procedure::domain_snapshot_has_metadata>({.snap = snapshot, .flags = 0}).metadata;
    call.out.fields({{"Name:", "name", snapshot.name},
                     {"Domain:", "domain", domain.name},
                     {"Current:", "current", yes_no(current != 0)},
                     {"State:", "state", known.state},
                     {"Location:", "location", "internal"},
                     {"Parent:", "parent", known.parent.empty() ? "-" : known.parent},
                     {"Children:", "children", count(0)},
                     {"Descendants:", "descendants", count(descendants)},
                     {"Metadata:", "metadata", yes_no(metadata != 0)}});
}

void dumpxml(Call& call) {
    const auto domain = find_domain(call);
    print_xml(call, snapshot_xml(call, find_snapshot(call, domain), call.args.flag("security-info") ? 1 : 0));
}

void parent(Call& call) {
    const auto domain = find_domain(call);
    const auto snapshot = find_snapshot(call, domain);
    const auto name = describe(call, snapshot).parent;
    if (name.empty()) fail("snapshot '{}' has no parent", snapshot.name);
    call.out.text("{}", name); // without a line's end, as virsh does
    call.out.result(boost::json::object{{"parent", name}});
}

} // namespace

wire::DomainSnapshot find_snapshot(Call& call, const wire::Domain& domain) {
    const auto name = call.args.text("snapshotname");
    const bool current = find_option(call.args.command(), "current") && call.args.flag("current");
    if (name && current) fail("--snapshotname and --current are mutually exclusive");
    if (name)
        return call.server()
            .call<Procedure::domain_snapshot_lookup_by_name>({.dom = domain, .name = *name, .flags = 0})
            .snap;
    if (!current) fail("--snapshotname or --current is required");
    return call.server().call<Procedure::domain_snapshot_current>({.dom = domain, .flags = 0}).snap;
}

std::string snapshot_xml(Call& call, const wire::DomainSnapshot& snapshot, std::uint32_t flags) {
    return call.server().call<Procedure::domain_snapshot_get_xml_desc>({.snap = snapshot, .flags = flags}).xml;
}

Option snapshot_name() { return text("snapshotname", "name of the snapshot"); }

std::vector<Command> snapshot_reading_commands() {
    return {
        {.name = "snapshot-list",
         .summary = "list a domain's snapshots",
         .options = {the_domain(), flag("parent", "show the parent of each snapshot"),
                     flag("roots", "list only snapshots without a parent"),
                     flag("leaves", "list only snapshots without children"),
                     flag("no-leaves", "list only snapshots with children"),
                     flag("metadata", "list only snapshots with metadata"),
                     flag("no-metadata", "list only snapshots without metadata"),
                     flag("inactive", "list only snapshots taken while the domain was shut off"),
                     flag("active", "list only snapshots taken while the domain ran"),
                     flag("disk-only", "list only snapshots without memory"),
                     flag("internal", "list only internal snapshots"), flag("external", "list only external snapshots"),
                     flag("tree", "list snapshots as a tree"), text("from", "list only children of this snapshot"),
                     flag("current", "list only children of the current snapshot"),
                     flag("descendants", "with --from or --current: list all descendants"),
                     flag("name", "list only names"), flag("topological", "list parents before children, not by name")},
         .run = list},
        {.name = "snapshot-info",
         .summary = "show basic information about a snapshot",
         .options = {the_domain(), snapshot_name(), flag("current", "use the current snapshot")},
         .run = info},
        {.name = "snapshot-dumpxml",
         .summary = "print a snapshot's XML",
         .options = {the_domain(), required(snapshot_name()), flag("security-info", "include passwords"),
                     named(text("xpath", "print only what this XPath expression finds")),
                     flag("wrap", "wrap the results in one element")},
         .run = dumpxml},
        {.name = "snapshot-parent",
         .summary = "print the name of a snapshot's parent",
         .options = {the_domain(), snapshot_name(), flag("current", "use the current snapshot")},
         .run = parent},
    };
}

} // namespace domus::cli
