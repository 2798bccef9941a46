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
    auto event = object_event(name, "storage pool", pool.name, change);
    event.json["pool"] = pool.name;
    event.json["uuid"] = pool.uuid.text();
    return event;
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
    const auto id = asked_event(call, names);
    if (!id) return;
    std::optional<wire::StoragePool> only;
    if (call.args.given("pool")) only = find_pool(call);
    auto& server = call.server();
    std::int32_t callback = 0;
    const auto begin = [&] {
        callback = server.call<Procedure::connect_storage_pool_event_register_any>({.event_id = *id, .pool = only})
                       .callback_id;
    };
    const auto end = [&] {
        server.call<Procedure::connect_storage_pool_event_deregister_any>({.callback_id = callback});
    };
    watch_events(call, {.read = read, .begin = begin, .end = end});
}

} // namespace

std::vector<Command> pool_event_commands() {
    return {{.name = "pool-event",
             .summary = "show events of storage pools",
             .about = "Waits for one event, or with --loop for all until the timeout. Fails when none came.",
             .options = {text("pool", "show only events of this pool", Complete::pool),
                         one_of("event", "lifecycle|refresh", "type of event to wait for"),
                         flag("loop", "wait until the timeout or an interrupt, not for one event only"),
                         number("timeout", "seconds to wait"), flag("list", "list the types of events"),
                         flag("timestamp", "print the time of each event")},
             .run = event}};
}

} // namespace domus::cli
