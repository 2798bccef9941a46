// Events of networks as they happen.
#include "cli/commands/commands.hpp"
#include "cli/commands/event_loop.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::string_view network_events[]{"lifecycle"}; // by virNetworkEventID
constexpr std::string_view network_changes[]{"Defined", "Undefined", "Started", "Stopped"};

std::optional<SeenEvent> read_network_event(std::int32_t procedure, std::string_view message) {
    if (static_cast<Procedure>(procedure) != Procedure::network_event_lifecycle) return std::nullopt;
    const auto body = wire::decode<wire::NetworkEventLifecycleMsg>(message);
    auto event = object_event(network_events[0], "network", body.net.name, word_of(network_changes, body.event));
    event.json["network"] = body.net.name;
    event.json["uuid"] = body.net.uuid.text();
    return event;
}

void net_event(Call& call) {
    const auto id = asked_event(call, network_events);
    if (!id) return;
    std::optional<wire::Network> only;
    if (call.args.given("network")) only = find_network(call);
    auto& server = call.server();
    std::int32_t callback = 0;
    const auto begin = [&] {
        callback =
            server.call<Procedure::connect_network_event_register_any>({.event_id = *id, .net = only}).callback_id;
    };
    const auto end = [&] { server.call<Procedure::connect_network_event_deregister_any>({.callback_id = callback}); };
    watch_events(call, {.read = read_network_event, .begin = begin, .end = end});
}

} // namespace

std::vector<Command> network_event_commands() {
    return {{.name = "net-event",
             .group = Group::network,
             .summary = "show events of networks",
             .about = "Waits for one event, or with --loop for all until the timeout. Fails when none came.",
             .options = {text("network", "show only events of this network", Complete::network),
                         one_of("event", "lifecycle", "type of event to wait for"),
                         flag("loop", "wait until the timeout or an interrupt, not for one event only"),
                         number("timeout", "seconds to wait"), flag("list", "list the types of events"),
                         flag("timestamp", "print the time of each event")},
             .run = net_event}};
}

} // namespace domus::cli
