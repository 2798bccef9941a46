// Events of secrets as they happen.
#include "cli/commands/event_loop.hpp"
#include "cli/commands/secret.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::string_view names[]{"lifecycle", "value-changed"}; // by virSecretEventID
constexpr std::string_view changes[]{"Defined", "Undefined"};

SeenEvent seen(std::string_view name, const wire::Secret& secret, std::string_view change) {
    auto event = object_event(name, "secret", secret.uuid.text(), change);
    event.json["secret"] = secret.uuid.text();
    return event;
}

std::optional<SeenEvent> read(std::int32_t procedure, std::string_view message) {
    switch (static_cast<Procedure>(procedure)) {
    case Procedure::secret_event_lifecycle: {
        const auto event = wire::decode<wire::SecretEventLifecycleMsg>(message);
        return seen(names[0], event.secret, word_of(changes, event.event));
    }
    case Procedure::secret_event_value_changed:
        return seen(names[1], wire::decode<wire::SecretEventValueChangedMsg>(message).secret, {});
    default:
        return std::nullopt;
    }
}

void event(Call& call) {
    const auto id = asked_event(call, names);
    if (!id) return;
    std::optional<wire::Secret> only;
    if (call.args.given("secret")) only = find_secret(call);
    auto& server = call.server();
    std::int32_t callback = 0;
    const auto begin = [&] {
        callback =
            server.call<Procedure::connect_secret_event_register_any>({.event_id = *id, .secret = only}).callback_id;
    };
    const auto end = [&] { server.call<Procedure::connect_secret_event_deregister_any>({.callback_id = callback}); };
    watch_events(call, {.read = read, .begin = begin, .end = end});
}

} // namespace

std::vector<Command> secret_event_commands() {
    return {{.name = "secret-event",
             .summary = "show events of secrets",
             .about = "Waits for one event, or with --loop for all until the timeout. Fails when none came.",
             .options = {text("secret", "show only events of this secret", Complete::secret),
                         one_of("event", "lifecycle|value-changed", "type of event to wait for"),
                         flag("loop", "wait until the timeout or an interrupt, not for one event only"),
                         number("timeout", "seconds to wait"), flag("list", "list the types of events"),
                         flag("timestamp", "print the time of each event")},
             .run = event}};
}

} // namespace domus::cli
