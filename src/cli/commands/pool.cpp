// Storage pools.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"

namespace domus::cli {

namespace {

constexpr std::string_view states[]{"inactive", "building", "running", "degraded", "inaccessible"};

void pool_list(Call& call) {
    constexpr std::uint32_t inactive = 1, active = 2;
    std::uint32_t flags = active;
    if (call.args.flag("inactive")) flags = inactive;
    if (call.args.flag("all")) flags = active | inactive;
    auto pools = doing("Failed to list pools", [&] {
        return call.server().call<Procedure::connect_list_all_storage_pools>({.need_results = 1, .flags = flags}).pools;
    });
    std::ranges::sort(pools, {}, &wire::StoragePool::name);
    Table table{.columns = {{"Name", "name"}, {"State", "state"}, {"Autostart", "autostart"}}, .rows = {}};
    for (const auto& pool : pools) {
        const bool runs = call.server().call<Procedure::storage_pool_is_active>({.pool = pool}).active != 0;
        const bool starts = call.server().call<Procedure::storage_pool_get_autostart>({.pool = pool}).autostart != 0;
        table.rows.push_back({pool.name, runs ? "active" : "inactive", yes_no(starts)});
    }
    call.out.table(table);
}

void pool_info(Call& call) {
    const auto pool = find_pool(call);
    const auto info = doing("Failed to get pool information", [&] { return call.server().call<Procedure::storage_pool_get_info>({.pool = pool}); });
    call.out.fields({{"Name:", "name", pool.name}, {"UUID:", "uuid", pool.uuid.text()}, {"State:", "state", std::string(word_of(states, static_cast<std::int64_t>(info.state)))}});
}

} // namespace

std::vector<Command> pool_commands() {
    return {
        {.name = "pool-list", .group = Group::pool, .summary = "list storage pools",
         .options = {flag("inactive", "only those that do not run"), flag("all", "those that run and those that do not")}, .run = pool_list},
        {.name = "pool-info", .group = Group::pool, .summary = "tell about a storage pool",
         .options = {required(text("pool", "name or UUID of the pool", Complete::pool))}, .run = pool_info},
    };
}

} // namespace domus::cli
