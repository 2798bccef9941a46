// What pools there are and what is known of each.
#include "cli/commands/pool.hpp"
#include "cli/commands/storage.hpp"
#include "cli/sizes.hpp"
#include "model/pool_types.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace domus::cli {

namespace {

constexpr std::string_view states[]{"inactive", "building", "running", "degraded", "inaccessible"};

std::uint32_t type_flags(std::string_view words) {
    std::uint32_t flags = 0;
    for (std::size_t start = 0; start <= words.size();) {
        const auto end = std::min(words.find(',', start), words.size());
        const auto word = words.substr(start, end - start);
        const auto flag = model::pool_type_flag(word);
        if (!flag)
            throw Failure(fmt::format("Invalid pool type '{}'", word))
                .hint(fmt::format("types are {}; 'domus pool-capabilities' prints which ones the daemon has",
                                  fmt::join(model::pool_types, ", ")));
        flags |= flag;
        start = end + 1;
    }
    return flags;
}

std::uint32_t list_flags(const Arguments& args) {
    constexpr std::uint32_t inactive = 1, active = 2;
    args.exclusive("all", "inactive");
    args.exclusive("details", "uuid");
    args.exclusive("details", "name");
    std::uint32_t flags = active;
    if (args.flag("inactive")) flags = inactive;
    if (args.flag("all")) flags = active | inactive;
    constexpr std::pair<std::string_view, std::uint32_t> filters[]{
        {"persistent", 4}, {"transient", 8}, {"autostart", 16}, {"no-autostart", 32}};
    for (const auto& [option, flag] : filters)
        if (args.flag(option)) flags |= flag;
    if (const auto words = args.text("type")) flags |= type_flags(*words);
    return flags;
}

/// The replies to one question about each pool, all asked at once.
template <Procedure procedure> auto ask_all(Call& call, const std::vector<wire::StoragePool>& pools) {
    std::vector<typename wire::Call<procedure>::Args> questions;
    for (const auto& pool : pools) questions.push_back({.pool = pool});
    return call.server().call_all<procedure>(questions);
}

/// A pool that went away while we asked is left out; any other error is told.
template <class Ret> const Ret* answer_of(const std::variant<Ret, Error>& reply) {
    if (const auto* ret = std::get_if<Ret>(&reply)) return ret;
    const auto& error = std::get<Error>(reply);
    if (error.code() != ErrorCode::no_storage_pool) throw Failure("Could not retrieve pool information", error);
    return nullptr;
}

Cell state_cell(std::uint32_t state) {
    const auto word = std::string(word_of(states, state));
    const auto tone = state == pool_running ? Tone::good : state == 0 ? Tone::faint : Tone::warning;
    return {word, boost::json::string(word), tone};
}

void short_table(Call& call, const std::vector<wire::StoragePool>& pools) {
    const auto active = ask_all<Procedure::storage_pool_is_active>(call, pools);
    const auto starts = ask_all<Procedure::storage_pool_get_autostart>(call, pools);
    Table table{.columns = {{"Name", "name"}, {"State", "state"}, {"Autostart", "autostart"}}, .rows = {}};
    for (std::size_t i = 0; i < pools.size(); ++i) {
        const auto* runs = answer_of(active[i]);
        const auto* start = answer_of(starts[i]);
        if (!runs || !start) continue;
        const std::string word = runs->active ? "active" : "inactive";
        table.rows.push_back({pools[i].name,
                              {word, boost::json::string(word), runs->active ? Tone::good : Tone::faint},
                              yes_no(start->autostart != 0)});
    }
    call.out.table(table);
}

void long_table(Call& call, const std::vector<wire::StoragePool>& pools) {
    const auto infos = ask_all<Procedure::storage_pool_get_info>(call, pools);
    const auto starts = ask_all<Procedure::storage_pool_get_autostart>(call, pools);
    const auto persistent = ask_all<Procedure::storage_pool_is_persistent>(call, pools);
    Table table{.columns = {{"Name", "name"},
                            {"State", "state"},
                            {"Autostart", "autostart"},
                            {"Persistent", "persistent"},
                            {"Capacity", "capacity"},
                            {"Allocation", "allocation"},
                            {"Available", "available"}},
                .rows = {}};
    const Cell none{"-", nullptr};
    for (std::size_t i = 0; i < pools.size(); ++i) {
        const auto* info = answer_of(infos[i]);
        const auto* start = answer_of(starts[i]);
        const auto* stays = answer_of(persistent[i]);
        if (!info || !start || !stays) continue;
        const bool known = info->state == pool_running || info->state == pool_degraded;
        table.rows.push_back({pools[i].name, state_cell(info->state), yes_no(start->autostart != 0),
                              yes_no(stays->persistent != 0), known ? size_cell(info->capacity) : none,
                              known ? size_cell(info->allocation) : none, known ? size_cell(info->available) : none});
    }
    call.out.table(table);
}

/// Lines as virsh writes them: the UUID in 36 columns, the name in 20.
void bare_names(Call& call, const std::vector<wire::StoragePool>& pools) {
    const bool uuid = call.args.flag("uuid"), name = call.args.flag("name");
    boost::json::array all;
    for (const auto& pool : pools) {
        if (uuid) call.out.text("{:<36}{}", pool.uuid.text(), name ? ' ' : '\n');
        if (name) call.out.text("{:<20}\n", pool.name);
        if (uuid && name)
            all.push_back({{"uuid", pool.uuid.text()}, {"name", pool.name}});
        else
            all.push_back(boost::json::string(uuid ? pool.uuid.text() : pool.name));
    }
    call.out.result(std::move(all));
}

void list(Call& call) {
    const auto flags = list_flags(call.args);
    auto pools = doing_in_pool("Failed to list pools", {}, {}, [&] {
        return call.server().call<Procedure::connect_list_all_storage_pools>({.need_results = 1, .flags = flags}).pools;
    });
    std::ranges::sort(pools, before_without_case, &wire::StoragePool::name);
    if (call.args.flag("uuid") || call.args.flag("name"))
        bare_names(call, pools);
    else if (call.args.flag("details"))
        long_table(call, pools);
    else
        short_table(call, pools);
}

void info(Call& call) {
    const auto pool = find_pool(call);
    auto& server = call.server();
    const auto told = doing_in_pool("Could not retrieve pool information", pool.name, {},
                                    [&] { return server.call<Procedure::storage_pool_get_info>({.pool = pool}); });
    const bool stays = server.call<Procedure::storage_pool_is_persistent>({.pool = pool}).persistent != 0;
    const bool starts = server.call<Procedure::storage_pool_get_autostart>({.pool = pool}).autostart != 0;
    std::vector<Field> fields{{"Name:", "name", pool.name},
                              {"UUID:", "uuid", pool.uuid.text()},
                              {"State:", "state", state_cell(told.state)},
                              {"Persistent:", "persistent", yes_no(stays)},
                              {"Autostart:", "autostart", yes_no(starts)}};
    const auto size = [&](std::uint64_t bytes) {
        return call.args.flag("bytes") ? Cell{std::to_string(bytes), bytes} : size_cell(bytes);
    };
    if (told.state == pool_running || told.state == pool_degraded) {
        fields.push_back({"Capacity:", "capacity", size(told.capacity)});
        fields.push_back({"Allocation:", "allocation", size(told.allocation)});
        fields.push_back({"Available:", "available", size(told.available)});
    }
    call.out.fields(fields);
}

void name(Call& call) { call.out.value("name", find_pool(call, "pool", by_uuid).name); }
void uuid(Call& call) { call.out.value("uuid", find_pool(call, "pool", by_name).uuid.text()); }

void capabilities(Call& call) {
    const auto xml = doing_in_pool("failed to get storage pool capabilities", {}, {}, [&] {
        return call.server().call<Procedure::connect_get_storage_pool_capabilities>({.flags = 0}).capabilities;
    });
    call.out.text("{}\n", xml); // one line's end more than the document has, as virsh does
    call.out.result({{"xml", xml}});
}

} // namespace

std::vector<Command> pool_reading_commands() {
    return {
        {.name = "pool-list",
         .summary = "list storage pools",
         .about = "Lists active pools; --all lists inactive ones too.",
         .options = {flag("inactive", "list only inactive pools"), flag("all", "list active and inactive pools"),
                     flag("transient", "list only transient pools"), flag("persistent", "list only persistent pools"),
                     flag("autostart", "list only pools with autostart"),
                     flag("no-autostart", "list only pools without autostart"),
                     text("type", "list only pools of these types, separated by commas"),
                     flag("details", "show sizes and free space too"), flag("uuid", "list only UUIDs"),
                     flag("name", "list only names")},
         .run = list},
        {.name = "pool-info",
         .summary = "show basic information about a storage pool",
         .options = {the_pool(), flag("bytes", "print sizes in bytes")},
         .run = info},
        {.name = "pool-name",
         .summary = "print the pool's name",
         .options = {required(text("pool", "UUID of the pool"))},
         .run = name},
        {.name = "pool-uuid",
         .summary = "print the pool's UUID",
         .options = {required(text("pool", "name of the pool", Complete::pool))},
         .run = uuid},
        {.name = "pool-capabilities",
         .summary = "print the supported types of pools as XML",
         .about = "For each type: the formats of its source and of its volumes.",
         .run = capabilities},
    };
}

} // namespace domus::cli
