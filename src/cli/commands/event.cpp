// Events of domains as they happen.
#include "cli/commands/commands.hpp"
#include "cli/commands/event_messages.hpp"

namespace domus::cli {

namespace {

std::vector<std::int32_t> wanted_events(Call& call) {
    const auto names = domain_event_names();
    if (const auto name = call.args.text("event")) return {event_number("event", names, *name)};
    if (!call.args.flag("all"))
        throw Failure("one of --list, --all, or --event <type> is required")
            .hint("'domus event --all --loop' shows all events until it is interrupted");
    std::vector<std::int32_t> all;
    for (std::size_t id = 0; id < names.size(); ++id) all.push_back(static_cast<std::int32_t>(id));
    return all;
}

/// An older daemon may not know the last types: with --all those are left out, as long as it knows the first.
std::vector<std::int32_t> register_events(Call& call, const std::vector<std::int32_t>& ids,
                                          const std::optional<wire::Domain>& domain) {
    std::vector<std::int32_t> callbacks;
    for (const auto id : ids) try {
            callbacks.push_back(
                call.server()
                    .call<Procedure::connect_domain_event_callback_register_any>({.event_id = id, .dom = domain})
                    .callback_id);
        } catch (const Error& error) {
            if (callbacks.empty()) throw Failure("failed to register for events", error);
        }
    return callbacks;
}

void event(Call& call) {
    if (call.args.flag("list")) return list_event_names(call, domain_event_names());
    const auto ids = wanted_events(call);
    std::optional<wire::Domain> only;
    if (call.args.given("domain")) only = find_domain(call);
    std::vector<std::int32_t> callbacks;
    const auto begin = [&] { callbacks = register_events(call, ids, only); };
    const auto end = [&] {
        for (const auto id : callbacks)
            call.server().call<Procedure::connect_domain_event_callback_deregister_any>({.callback_id = id});
    };
    watch_events(call, {.read = read_domain_event, .begin = begin, .end = end});
}

} // namespace

std::vector<Command> event_commands() {
    return {{.name = "event",
             .group = Group::events,
             .summary = "show events of domains",
             .about = "Waits for one event, or with --loop for all until the timeout or an interrupt. Fails when none "
                      "came. With --json, each event is one object on a line of its own.",
             .options = {text("domain", "show only events of this domain", Complete::domain),
                         one_of("event", domain_event_words(), "type of event to wait for"),
                         flag("all", "wait for events of all types"),
                         flag("loop", "wait until the timeout or an interrupt, not for one event only"),
                         number("timeout", "seconds to wait"), flag("list", "list the types of events"),
                         flag("timestamp", "print the time of each event")},
             .run = event}};
}

} // namespace domus::cli
