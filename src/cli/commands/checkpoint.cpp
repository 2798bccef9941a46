// Checkpoints of domains' disks.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"
#include "cli/tree.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <strings.h>

namespace domus::cli {

namespace {

struct KnownCheckpoint {
    std::string name, parent;
    std::int64_t created = 0;
};

std::vector<wire::DomainCheckpoint> checkpoints_of(Call& call, const wire::Domain& domain) {
    constexpr std::uint32_t roots = 1, descendants = 1, topological = 2, leaves = 4, no_leaves = 8;
    const auto& args = call.args;
    std::uint32_t flags = topological | (args.flag("leaves") ? leaves : 0) | (args.flag("no-leaves") ? no_leaves : 0);
    auto& server = call.server();
    if (!args.given("from")) {
        if (args.flag("roots")) flags |= roots;
        return server.call<Procedure::domain_list_all_checkpoints>({.dom = domain, .need_results = 1, .flags = flags})
            .checkpoints;
    }
    const auto from = server
                          .call<Procedure::domain_checkpoint_lookup_by_name>(
                              {.dom = domain, .name = args.required("from"), .flags = 0})
                          .checkpoint;
    if (args.flag("descendants")) flags |= descendants;
    auto found = server
                     .call<Procedure::domain_checkpoint_list_all_children>(
                         {.checkpoint = from, .need_results = 1, .flags = flags})
                     .checkpoints;
    if (args.flag("tree")) found.insert(found.begin(), from);
    return found;
}

std::vector<KnownCheckpoint> describe_checkpoints(Call& call, const wire::Domain& domain) {
    constexpr std::uint32_t no_domain = 2;
    auto found = checkpoints_of(call, domain);
    if (!call.args.flag("topological"))
        std::ranges::stable_sort(
            found, [](const auto& a, const auto& b) { return ::strcasecmp(a.name.c_str(), b.name.c_str()) < 0; });
    std::vector<KnownCheckpoint> all;
    for (const auto& checkpoint : found) {
        const auto document = parse_xml(
            call.server()
                .call<Procedure::domain_checkpoint_get_xml_desc>({.checkpoint = checkpoint, .flags = no_domain})
                .xml);
        const auto root = document.child("domaincheckpoint");
        all.push_back({.name = checkpoint.name,
                       .parent = root.child("parent").child_value("name"),
                       .created = root.child("creationTime").text().as_llong()});
    }
    return all;
}

void checkpoint_list(Call& call) {
    const auto& args = call.args;
    args.exclusive("roots", "from");
    args.exclusive("tree", "roots");
    args.exclusive("tree", "parent");
    args.exclusive("tree", "name");
    args.requires_option("descendants", "from");
    const auto domain = find_domain(call);
    const auto all = describe_checkpoints(call, domain);
    if (args.flag("name") && !call.out.json()) {
        for (const auto& each : all) call.out.text("{}\n", each.name);
        return;
    }
    if (args.flag("tree") && !call.out.json()) {
        std::vector<TreeNode> nodes;
        for (const auto& each : all) nodes.push_back({each.name, each.parent});
        return call.out.raw(render_tree(nodes));
    }
    const bool parents = args.flag("parent") || call.out.json();
    Table table{.columns = {{"Name", "name"}, {"Creation Time", "created"}}, .rows = {}};
    if (parents) table.columns.push_back({"Parent", "parent"});
    for (const auto& each : all) {
        const auto time = fmt::localtime(static_cast<std::time_t>(each.created));
        std::vector<Cell> row{each.name, Cell(fmt::format("{:%Y-%m-%d %H:%M:%S %z}", time), each.created)};
        if (parents) row.emplace_back(each.parent);
        table.rows.push_back(std::move(row));
    }
    call.out.table(table);
}

} // namespace

std::vector<Command> checkpoint_commands() {
    return {
        {.name = "checkpoint-list",
         .group = Group::checkpoint,
         .summary = "list checkpoints of a domain",
         .options = {the_domain(), flag("parent", "show the parent of each checkpoint"),
                     flag("roots", "list only checkpoints without a parent"),
                     flag("leaves", "list only checkpoints without children"),
                     flag("no-leaves", "list only checkpoints with children"),
                     flag("tree", "list checkpoints as a tree"), text("from", "list only children of this checkpoint"),
                     flag("descendants", "with --from: list all descendants"), flag("name", "list only names"),
                     flag("topological", "list parents before children, not by name")},
         .run = checkpoint_list}};
}

} // namespace domus::cli
