// What volumes there are and what is known of each.
#include "cli/commands/volume.hpp"
#include "cli/sizes.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::string_view types[]{"file", "block", "dir", "network", "netdir", "ploop"}; // virStorageVolType

/// The replies to one question about each volume, all asked at once: as many trips as there are questions.
template <Procedure procedure> auto ask_all(Call& call, const std::vector<wire::StorageVol>& volumes) {
    std::vector<typename wire::Call<procedure>::Args> questions;
    for (const auto& volume : volumes) questions.push_back({.vol = volume});
    return call.server().call_all<procedure>(questions);
}

/// A volume that went away while we asked is left out; any other error is told.
template <class Ret> const Ret* answer_of(const std::variant<Ret, Error>& reply) {
    if (const auto* ret = std::get_if<Ret>(&reply)) return ret;
    const auto& error = std::get<Error>(reply);
    if (error.code() != ErrorCode::no_storage_vol) throw Failure("Failed to list volumes", error);
    return nullptr;
}

void list(Call& call) {
    const bool details = call.args.flag("details");
    const auto pool = find_pool(call);
    auto volumes = doing_in_pool("Failed to list volumes", pool.name, {}, [&] {
        return call.server()
            .call<Procedure::storage_pool_list_all_volumes>({.pool = pool, .need_results = 1, .flags = 0})
            .vols;
    });
    std::ranges::sort(volumes, before_without_case, &wire::StorageVol::name);
    const auto paths = ask_all<Procedure::storage_vol_get_path>(call, volumes);
    decltype(ask_all<Procedure::storage_vol_get_info>(call, volumes)) infos;
    Table table{.columns = {{"Name", "name"}, {"Path", "path"}}, .rows = {}};
    if (details) {
        infos = ask_all<Procedure::storage_vol_get_info>(call, volumes);
        for (const auto& column :
             {Column{"Type", "type"}, Column{"Capacity", "capacity"}, Column{"Allocation", "allocation"}})
            table.columns.push_back(column);
    }
    for (std::size_t i = 0; i < volumes.size(); ++i) {
        const auto* path = answer_of(paths[i]);
        const auto* info = details ? answer_of(infos[i]) : nullptr;
        if (!path || (details && !info)) continue;
        std::vector<Cell> row{volumes[i].name, path->name};
        if (info) {
            row.push_back(std::string(word_of(types, info->type)));
            row.push_back(size_cell(info->capacity));
            row.push_back(size_cell(info->allocation));
        }
        table.rows.push_back(std::move(row));
    }
    call.out.table(table);
}

void info(Call& call) {
    constexpr std::uint32_t get_physical = 1;
    const bool physical = call.args.flag("physical");
    const auto volume = find_volume(call);
    const auto told =
        doing_in_pool(fmt::format("Failed to get information of vol {}", volume.name), volume.pool, {}, [&] {
            return call.server().call<Procedure::storage_vol_get_info_flags>(
                {.vol = volume, .flags = physical ? get_physical : 0});
        });
    const auto size = [&](std::uint64_t bytes) {
        return call.args.flag("bytes") ? Cell{fmt::format("{} bytes", bytes), bytes} : size_cell(bytes);
    };
    call.out.fields(
        {{"Name:", "name", volume.name},
         {"Type:", "type", std::string(word_of(types, told.type))},
         {"Capacity:", "capacity", size(told.capacity)},
         {physical ? "Physical:" : "Allocation:", physical ? "physical" : "allocation", size(told.allocation)}});
}

void dumpxml(Call& call) { print_xml(call, volume_xml(call, find_volume(call))); }
void key(Call& call) { call.out.value("key", find_volume(call).key); }
void name(Call& call) { call.out.value("name", find_volume_anywhere(call).name); }
void path(Call& call) {
    const auto volume = find_volume(call);
    call.out.value("path", volume_path(call, volume));
}

void pool(Call& call) {
    const auto volume = find_volume_anywhere(call);
    const auto found = doing_in_pool("failed to get parent pool", volume.pool, {}, [&] {
        return call.server().call<Procedure::storage_pool_lookup_by_volume>({.vol = volume}).pool;
    });
    if (call.args.flag("uuid"))
        call.out.value("uuid", found.uuid.text());
    else
        call.out.value("pool", found.name);
}

} // namespace

std::vector<Command> volume_reading_commands() {
    const auto by_path = required(text("vol", "key or path of the volume", Complete::volume));
    return {
        {.name = "vol-list",
         .summary = "list the volumes of a pool",
         .options = {the_pool(Complete::running_pool), flag("details", "show types and sizes too")},
         .run = list},
        {.name = "vol-info",
         .summary = "show basic information about a volume",
         .options = {the_volume(), the_volumes_pool(), flag("bytes", "print sizes in bytes"),
                     flag("physical", "show the size of the file instead of the allocation")},
         .run = info},
        {.name = "vol-dumpxml",
         .summary = "print a volume's XML",
         .options = {the_volume(), the_volumes_pool(), xpath_option(), wrap_option()},
         .run = dumpxml},
        {.name = "vol-key",
         .summary = "print the volume's key",
         .about = "The key is unique among the volumes of all pools.",
         .options = {the_volume(), the_volumes_pool()},
         .run = key},
        {.name = "vol-name", .summary = "print the volume's name", .options = {by_path}, .run = name},
        {.name = "vol-path",
         .summary = "print the volume's path",
         .options = {the_volume(), the_volumes_pool()},
         .run = path},
        {.name = "vol-pool",
         .summary = "print the name of the volume's pool",
         .options = {by_path, flag("uuid", "print the pool's UUID instead of its name")},
         .run = pool},
    };
}

} // namespace domus::cli
