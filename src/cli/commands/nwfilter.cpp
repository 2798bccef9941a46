// Network filters.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

namespace domus::cli {

namespace {

void nwfilter_list(Call& call) {
    auto filters = doing("Failed to list network filters", [&] {
        return call.server().call<Procedure::connect_list_all_nwfilters>({.need_results = 1, .flags = 0}).filters;
    });
    std::ranges::sort(filters, {}, &wire::Nwfilter::name);
    Table table{.columns = {{"UUID", "uuid"}, {"Name", "name"}}, .rows = {}};
    for (const auto& filter : filters) table.rows.push_back({filter.uuid.text(), filter.name});
    call.out.table(table);
}

} // namespace

std::vector<Command> nwfilter_commands() {
    return {{.name = "nwfilter-list", .group = Group::filter, .summary = "list network filters", .run = nwfilter_list}};
}

} // namespace domus::cli
