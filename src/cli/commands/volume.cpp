// Storage volumes: finding them, and what is done to one that is there.
#include "cli/commands/volume.hpp"

#include "cli/commands/commands.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

/// Asks one question; what is not there is nothing, any other error is thrown.
template <class Lookup> std::optional<wire::StorageVol> if_there(Lookup&& lookup) {
    try {
        return lookup();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_storage_vol) throw;
        return std::nullopt;
    }
}

/// The pool that holds the volume, which must run: what is in another cannot be known.
std::optional<wire::StoragePool> named_pool(Call& call, std::string_view option) {
    if (option.empty() || !call.args.given(option)) return std::nullopt;
    auto pool = find_pool(call, option);
    if (call.server().call<Procedure::storage_pool_is_active>({.pool = pool}).active == 0)
        throw Failure(fmt::format("pool '{}' is not active", pool.name))
            .hint(fmt::format("start it with 'domus pool-start {}'", pool.name));
    return pool;
}

[[noreturn]] void not_there(const std::string& name, std::string_view pool_option,
                            const std::optional<wire::StoragePool>& pool) {
    auto line = fmt::format("failed to get vol '{}'", name);
    if (!pool_option.empty() && !pool) line += fmt::format(", specifying --{} might help", pool_option);
    const auto hint =
        pool ? fmt::format("'domus vol-list {0}' shows what is there; 'domus pool-refresh {0}' looks again", pool->name)
             : std::string("'domus vol-list POOL' shows what is there; 'domus pool-refresh POOL' looks again");
    throw Failure(std::move(line), Error(ErrorCode::no_storage_vol, ErrorDomain::storage,
                                         fmt::format("Storage volume not found: no storage vol with matching {} '{}'",
                                                     pool ? "name" : "path", name)))
        .hint(hint);
}

} // namespace

std::optional<wire::StorageVol> look_for_volume(Call& call, const wire::StoragePool* pool, const std::string& name) {
    auto& server = call.server();
    std::optional<wire::StorageVol> found;
    if (pool)
        found = if_there(
            [&] { return server.call<Procedure::storage_vol_lookup_by_name>({.pool = *pool, .name = name}).vol; });
    if (!found) found = if_there([&] { return server.call<Procedure::storage_vol_lookup_by_key>({.key = name}).vol; });
    if (!found)
        found = if_there([&] { return server.call<Procedure::storage_vol_lookup_by_path>({.path = name}).vol; });
    return found;
}

wire::StorageVol find_volume(Call& call, std::string_view option, std::string_view pool_option) {
    const auto name = call.args.required(option);
    const auto pool = named_pool(call, pool_option);
    const auto found = doing_in_pool(fmt::format("failed to get vol '{}'", name), pool ? pool->name : "POOL", {},
                                     [&] { return look_for_volume(call, pool ? &*pool : nullptr, name); });
    if (!found) not_there(name, pool_option, pool);
    if (pool && found->pool != pool->name)
        throw Failure(fmt::format("Requested volume '{}' is not in pool '{}'", name, pool->name))
            .hint(fmt::format("it is in pool '{}'", found->pool));
    return *found;
}

wire::StorageVol find_volume_anywhere(Call& call, std::string_view option) { return find_volume(call, option, {}); }

std::string volume_path(Call& call, const wire::StorageVol& volume) {
    return call.server().call<Procedure::storage_vol_get_path>({.vol = volume}).name;
}

std::string volume_xml(Call& call, const wire::StorageVol& volume) {
    return call.server().call<Procedure::storage_vol_get_xml_desc>({.vol = volume, .flags = 0}).xml;
}

boost::json::object volume_json(const wire::StorageVol& volume) {
    return {{"volume", volume.name}, {"pool", volume.pool}, {"key", volume.key}};
}

Option the_volume() { return required(text("vol", "name, key or path of the volume", Complete::volume)); }
Option the_volumes_pool() { return text("pool", "name or UUID of its pool", Complete::running_pool); }

namespace {

void remove(Call& call) {
    constexpr std::uint32_t with_snapshots = 2;
    const auto given = call.args.required("vol"); // virsh's words name it as the caller does
    const auto volume = find_volume(call);
    const auto label = fmt::format("Deleting {}", volume.name);
    doing_in_pool(fmt::format("Failed to delete vol {}", given), volume.pool,
                  "a volume that a running domain uses cannot be deleted", [&] {
                      call_with_progress<Procedure::storage_vol_delete>(
                          call, label,
                          {.vol = volume, .flags = call.args.flag("delete-snapshots") ? with_snapshots : 0});
                  });
    call.out.done(volume_json(volume), "Vol {} deleted", given);
}

void resize(Call& call) {
    constexpr std::uint32_t allocate = 1, delta = 2, shrink = 4;
    std::uint32_t flags = (call.args.flag("allocate") ? allocate : 0) | (call.args.flag("delta") ? delta : 0)
                          | (call.args.flag("shrink") ? shrink : 0);
    auto words = call.args.required("capacity");
    if (words.starts_with('-')) {
        // Going down by so much, which is always by, never to.
        if (!(flags & shrink))
            throw Failure("negative size requires --shrink").hint("what lies behind the new end is lost with --shrink");
        words.erase(0, 1);
        flags |= delta;
    }
    const auto capacity = parse_size(words, 1, fmt::format("Malformed size {}", words));
    const auto volume = find_volume(call);
    const std::string_view how = (flags & delta) ? "by" : "to";
    const auto label = fmt::format("Resizing {}", volume.name);
    doing_in_pool(fmt::format("Failed to change size of volume '{}' {} {}", volume.name, how, words), volume.pool,
                  "'domus pool-info --pool " + volume.pool + "' shows what is free", [&] {
                      call_with_progress<Procedure::storage_vol_resize>(
                          call, label, {.vol = volume, .capacity = capacity, .flags = flags});
                  });
    call.out.done(volume_json(volume), "Size of volume '{}' successfully changed {} {}", volume.name, how, words);
}

constexpr std::string_view algorithms = "zero|nnsa|dod|bsi|gutmann|schneier|pfitzner7|pfitzner33|random|trim";

/// virStorageVolWipeAlgorithm, in the order of the words.
std::uint32_t algorithm_number(const std::string& name) {
    std::uint32_t number = 0;
    for (std::string_view left = algorithms; !left.empty(); ++number) {
        const auto bar = std::min(left.find('|'), left.size());
        if (left.substr(0, bar) == name) return number;
        left.remove_prefix(std::min(bar + 1, left.size()));
    }
    throw Failure(fmt::format("Unsupported algorithm '{}'", name))
        .hint("take 'zero', which is enough for the drives of today");
}

void wipe(Call& call) {
    std::optional<std::uint32_t> algorithm;
    if (const auto name = call.args.text("algorithm")) algorithm = algorithm_number(*name);
    const auto given = call.args.required("vol");
    const auto volume = find_volume(call);
    const auto label = fmt::format("Wiping {}", volume.name);
    doing_in_pool(fmt::format("Failed to wipe vol {}", given), volume.pool,
                  "a volume that a running domain uses cannot be wiped", [&] {
                      if (algorithm)
                          call_with_progress<Procedure::storage_vol_wipe_pattern>(
                              call, label, {.vol = volume, .algorithm = *algorithm, .flags = 0});
                      else
                          call_with_progress<Procedure::storage_vol_wipe>(call, label, {.vol = volume, .flags = 0});
                  });
    call.out.done(volume_json(volume), "Vol {} wiped", given);
}

} // namespace

std::vector<Command> volume_changing_commands() {
    return {
        {.name = "vol-delete",
         .summary = "delete a volume",
         .about = "The volume's contents are lost.",
         .options = {the_volume(), the_volumes_pool(), flag("delete-snapshots", "delete the volume's snapshots too")},
         .run = remove},
        {.name = "vol-resize",
         .summary = "resize a volume",
         .about = "No running domain may use the volume. The file system inside is not resized.",
         .options = {the_volume(), required(text("capacity", "new size in bytes, or with a unit")), the_volumes_pool(),
                     flag("allocate", "allocate all the space now"),
                     flag("delta", "add the given size to the current one"),
                     flag("shrink", "allow a smaller size; data behind the new end is lost")},
         .run = resize},
        {.name = "vol-wipe",
         .summary = "wipe a volume",
         .about = "Overwrites the volume so that its former contents cannot be read. Copies that the drive itself "
                  "keeps are not reached.",
         .options = {the_volume(), the_volumes_pool(), one_of("algorithm", algorithms, "wiping algorithm")},
         .run = wipe},
    };
}

std::vector<Command> volume_commands() {
    std::vector<Command> all;
    for (const auto part :
         {volume_changing_commands, volume_reading_commands, volume_making_commands, volume_transfer_commands})
        for (auto& command : part()) all.push_back(std::move(command));
    for (auto& command : all) command.group = Group::volume;
    return all;
}

} // namespace domus::cli
