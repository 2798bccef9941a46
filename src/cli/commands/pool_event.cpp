// Events of storage pools as they happen.
#include "cli/commands/event_loop.hpp"
#include "cli/commands/pool.hpp"
#include "cli/commands/storage.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::string_view names[]{"lifecycle", "refresh"}; // by virStoragePoolEventID
constexpr std::string_view changes[]{"Defined", "Undefined", "Started", "Stopped", "Created", "Deleted"};

SeenEvent seen(std::string_view name, const wire::StoragePool& pool, std::string_view change) {
    boost::json::object json{{"event", name}, {"pool", pool.name}, {"uuid", pool.uuid.text()}};
    if (!change.empty()) json["kind"] = change;
    return {fmt::format("event '{}' for storage pool {}{}{}", name, pool.name, change.empty() ? "" : ": ", change),
            std::move(json)};
}

std::optional<SeenEvent> read(std::int32_t procedure, std::string_view message) {
    switch (static_cast<Procedure>(procedure)) {
    case Procedure::storage_pool_event_lifecycle: {
        const auto event = wire::decode<wire::StoragePoolEventLifecycleMsg>(message);
        return seen(names[0], event.pool, word_of(changes, event.event));
    }
    case Procedure::storage_pool_event_refresh:
        return seen(names[1], wire::decode<wire::StoragePoolEventRefreshMsg>(message).pool, {});
    default:
        return std::nullopt;
    }
}

void event(Call& call) {
    if (call.args.flag("list")) return list_event_names(call, names);
    const auto name = call.args.text("event");
    if (!name)
        throw Failure("either --list or --event <type> is required").hint("'domus pool-event --list' names the types");
    const auto id = event_number("pool-event", names, *name);
    std::optional<wire::StoragePool> only;
    if (call.args.given("pool")) only = find_pool(call);
    auto& server = call.server();
    std::int32_t callback = 0;
    watch_events(
        call,
        {.read = read,
         .begin =
             [&] {
                 callback =
                     server.call<Procedure::connect_storage_pool_event_register_any>({.event_id = id, .pool = only})
                         .callback_id;
             },
         .end = [&] { server.call<Procedure::connect_storage_pool_event_deregister_any>({.callback_id = callback}); }});
}

} // namespace

std::vector<Command> pool_event_commands() {
    return {{.name = "pool-event",
             .summary = "show events of storage pools",
             .about = "Waits for one event, or with --loop for all until the time is over. Fails when none came.",
             .options = {text("pool", "only of this pool", Complete::pool),
                         one_of("event", "lifecycle|refresh", "which kind"),
                         flag("loop", "until the time is over or it is interrupted, not only one"),
                         number("timeout", "seconds to wait"), flag("list", "name the kinds"),
                         flag("timestamp", "put the time before each")},
             .run = event}};
}

} // namespace domus::cli
