// Events of domains as they happen, and waiting for a state.
#include "cli/commands/commands.hpp"
#include "cli/commands/event_loop.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

constexpr std::string_view event_names[]{"lifecycle",
                                         "reboot",
                                         "rtc-change",
                                         "watchdog",
                                         "io-error",
                                         "graphics",
                                         "io-error-reason",
                                         "control-error",
                                         "block-job",
                                         "disk-change",
                                         "tray-change",
                                         "pm-wakeup",
                                         "pm-suspend",
                                         "balloon-change",
                                         "pm-suspend-disk",
                                         "device-removed",
                                         "block-job-2",
                                         "tunable",
                                         "agent-lifecycle",
                                         "device-added",
                                         "migration-iteration",
                                         "job-completed",
                                         "device-removal-failed",
                                         "metadata-change",
                                         "block-threshold",
                                         "memory-failure",
                                         "memory-device-size-change"};
constexpr std::string_view lifecycle_names[]{"Defined", "Undefined", "Started",     "Suspended", "Resumed",
                                             "Stopped", "Shutdown",  "PMSuspended", "Crashed"};

std::string_view detail_name(std::int32_t event, std::int32_t detail) {
    static constexpr std::string_view defined[]{"Added", "Updated", "Renamed", "Snapshot"},
        undefined[]{"Removed", "Renamed"}, started[]{"Booted", "Migrated", "Restored", "Snapshot", "Event wakeup"},
        suspended[]{"Paused",   "Migrated",  "I/O Error", "Watchdog",       "Restored",
                    "Snapshot", "API error", "Post-copy", "Post-copy Error"},
        resumed[]{"Unpaused", "Migrated", "Snapshot", "Post-copy", "Post-copy Error"},
        stopped[]{"Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed", "Snapshot"},
        shutdown[]{"Finished", "Finished after guest request", "Finished after host request"},
        suspended_pm[]{"Memory", "Disk"}, crashed[]{"Panicked"};
    const std::span<const std::string_view> all[]{defined, undefined, started,      suspended, resumed,
                                                  stopped, shutdown,  suspended_pm, crashed};
    if (event < 0 || event >= static_cast<std::int32_t>(std::size(all))) return "unknown";
    return word_of(all[event], detail);
}

template <Procedure procedure, class Describe>
SeenEvent read(std::string_view message, std::string_view name, const Describe& describe) {
    const auto body = wire::decode<typename wire::Call<procedure>::Ret>(message);
    const wire::Domain& domain = [&]() -> const wire::Domain& {
        if constexpr (requires { body.msg.dom; })
            return body.msg.dom;
        else
            return body.dom;
    }();
    boost::json::object json{{"event", name}, {"domain", domain.name}, {"uuid", domain.uuid.text()}};
    const std::string text = describe(body, json);
    return {fmt::format("event '{}' for domain '{}'{}{}", name, domain.name, text.empty() ? "" : ": ", text),
            std::move(json)};
}

std::optional<SeenEvent> read_event(std::int32_t procedure, std::string_view message) {
    const auto nothing = [](const auto&, boost::json::object&) { return std::string(); };
    switch (static_cast<Procedure>(procedure)) {
    case Procedure::domain_event_callback_lifecycle:
        return read<Procedure::domain_event_callback_lifecycle>(
            message, "lifecycle", [](const auto& body, boost::json::object& json) {
                const auto what = word_of(lifecycle_names, body.msg.event);
                const auto detail = detail_name(body.msg.event, body.msg.detail);
                json["kind"] = what;
                json["detail"] = detail;
                return fmt::format("{} {}", what, detail);
            });
    case Procedure::domain_event_callback_reboot:
        return read<Procedure::domain_event_callback_reboot>(message, "reboot", nothing);
    case Procedure::domain_event_callback_rtc_change:
        return read<Procedure::domain_event_callback_rtc_change>(message, "rtc-change",
                                                                 [](const auto& body, boost::json::object& json) {
                                                                     json["offset"] = body.msg.offset;
                                                                     return std::to_string(body.msg.offset);
                                                                 });
    case Procedure::domain_event_callback_watchdog:
        return read<Procedure::domain_event_callback_watchdog>(
            message, "watchdog", [](const auto& body, boost::json::object& json) {
                static constexpr std::string_view actions[]{"none",     "pause", "reset",     "poweroff",
                                                            "shutdown", "debug", "inject-nmi"};
                json["action"] = word_of(actions, body.msg.action);
                return std::string(word_of(actions, body.msg.action));
            });
    case Procedure::domain_event_callback_balloon_change:
        return read<Procedure::domain_event_callback_balloon_change>(message, "balloon-change",
                                                                     [](const auto& body, boost::json::object& json) {
                                                                         json["kib"] = body.msg.actual;
                                                                         return fmt::format("{}KiB", body.msg.actual);
                                                                     });
    case Procedure::domain_event_callback_io_error:
        return read<Procedure::domain_event_callback_io_error>(
            message, "io-error", [](const auto& body, boost::json::object& json) {
                json["source"] = body.msg.src_path;
                json["device"] = body.msg.dev_alias;
                return fmt::format("{} ({}) {}", body.msg.src_path, body.msg.dev_alias, body.msg.action);
            });
    case Procedure::domain_event_callback_agent_lifecycle:
        return read<Procedure::domain_event_callback_agent_lifecycle>(
            message, "agent-lifecycle", [](const auto& body, boost::json::object& json) {
                static constexpr std::string_view words[]{"unknown", "connected", "disconnected"},
                    reasons[]{"unknown", "domain started", "channel event"};
                json["state"] = word_of(words, body.state);
                return fmt::format("state: '{}' reason: '{}'", word_of(words, body.state),
                                   word_of(reasons, body.reason));
            });
    case Procedure::domain_event_callback_device_added:
        return read<Procedure::domain_event_callback_device_added>(message, "device-added",
                                                                   [](const auto& body, boost::json::object& json) {
                                                                       json["device"] = body.dev_alias;
                                                                       return body.dev_alias;
                                                                   });
    case Procedure::domain_event_callback_device_removed:
        return read<Procedure::domain_event_callback_device_removed>(message, "device-removed",
                                                                     [](const auto& body, boost::json::object& json) {
                                                                         json["device"] = body.msg.dev_alias;
                                                                         return body.msg.dev_alias;
                                                                     });
    case Procedure::domain_event_callback_metadata_change:
        return read<Procedure::domain_event_callback_metadata_change>(
            message, "metadata-change", [](const auto& body, boost::json::object& json) {
                static constexpr std::string_view types[]{"description", "title", "element"};
                json["type"] = word_of(types, body.type);
                return fmt::format("type {}, uri {}", word_of(types, body.type), body.nsuri.value_or("(null)"));
            });
    default:
        return std::nullopt;
    }
}

void event(Call& call) {
    if (call.args.flag("list")) return list_event_names(call, event_names);
    const auto name = call.args.text("event");
    if (!name && !call.args.flag("all")) fail("one of --list, --all, or --event <type> is required");
    std::vector<std::int32_t> wanted;
    if (name)
        wanted = {event_number("event", event_names, *name)};
    else
        for (std::int32_t i = 0; i < static_cast<std::int32_t>(std::size(event_names)); ++i) wanted.push_back(i);
    std::optional<wire::Domain> only;
    if (call.args.given("domain")) only = find_domain(call);
    auto& server = call.server();
    std::vector<std::int32_t> callbacks;
    const auto begin = [&] {
        for (const auto id : wanted)
            callbacks.push_back(doing("failed to register for events", [&] {
                return server.call<Procedure::connect_domain_event_callback_register_any>({.event_id = id, .dom = only})
                    .callback_id;
            }));
    };
    const auto end = [&] {
        for (const auto id : callbacks)
            server.call<Procedure::connect_domain_event_callback_deregister_any>({.callback_id = id});
    };
    watch_events(call, {.read = read_event, .begin = begin, .end = end});
}

// -- wait --

constexpr std::int32_t running = 1;

/// What is waited for, or nothing yet.
std::optional<std::string> reached(Call& call, const wire::Domain& domain, const std::string& what) {
    const auto now = call.server().call<Procedure::domain_lookup_by_uuid>({.uuid = domain.uuid}).dom;
    const auto state = call.server().call<Procedure::domain_get_state>({.dom = now, .flags = 0}).state;
    if (what == "running") return state == running ? std::optional<std::string>("running") : std::nullopt;
    if (what == "shutdown") return is_shut_off(state) ? std::optional<std::string>("shut off") : std::nullopt;
    if (is_shut_off(state))
        throw Failure(fmt::format("Domain '{}' is shut off", domain.name))
            .hint(fmt::format("start it with 'domus start {}'", domain.name));
    if (what == "agent") {
        const auto document = parse_xml(domain_xml(call, now));
        const auto found =
            document.select_node("/domain/devices/channel/target[@name='org.qemu.guest_agent.0'][@state='connected']");
        return found ? std::optional<std::string>("connected") : std::nullopt;
    }
    for (const std::uint32_t source : {0u, 2u})
        for (const auto& interface :
             call.server()
                 .call<Procedure::domain_interface_addresses>({.dom = now, .source = source, .flags = 0})
                 .ifaces)
            for (const auto& address : interface.addrs) return address.addr;
    return std::nullopt;
}

Failure too_late(const std::string& domain, const std::string& what, std::uint64_t seconds) {
    Failure failure(fmt::format("Domain '{}': no '{}' within {} s", domain, what, seconds));
    if (what != "shutdown") return failure;
    return std::move(failure).hint(fmt::format(
        "a guest obeys only if a program in it listens to the power button (acpid, systemd-logind) or an agent runs; "
        "'domus destroy {}' ends it at once",
        domain));
}

void wait(Call& call) {
    const auto what = call.args.required("for");
    if (what != "running" && what != "shutdown" && what != "ip" && what != "agent")
        fail("'{}' cannot be waited for, only running, shutdown, ip and agent", what);
    const auto seconds = call.args.natural("timeout", 1u << 30).value_or(60);
    const auto domain = find_domain(call);
    const auto end = client::Clock::now() + std::chrono::seconds(seconds);
    for (;;) {
        const auto found =
            doing(fmt::format("Failed to look at domain '{}'", domain.name), [&]() -> std::optional<std::string> {
                try {
                    return reached(call, domain, what);
                } catch (const Error& error) {
                    if (error.code() == ErrorCode::no_domain && what == "shutdown") return "gone"; // a transient one
                    throw;
                }
            });
        if (found) {
            if (what == "ip") call.out.text("{}\n", *found);
            call.out.result({{"domain", domain.name}, {"for", what}, {"found", *found}});
            return;
        }
        if (client::Clock::now() >= end) throw too_late(domain.name, what, seconds);
        constexpr auto pause = std::chrono::milliseconds(200);
        call.server().run_until([] { return false; }, std::min(end, client::Clock::now() + pause));
    }
}

} // namespace

std::vector<Command> event_commands() {
    return {{.name = "event",
             .group = Group::events,
             .summary = "show events of domains",
             .options = {text("domain", "only of this domain", Complete::domain), text("event", "which kind"),
                         flag("all", "every kind"), flag("loop", "until it is interrupted, not only one"),
                         number("timeout", "seconds to wait"), flag("list", "name the kinds"),
                         flag("timestamp", "put the time before each")},
             .run = event}};
}

std::vector<Command> wait_commands() {
    return {{.name = "wait",
             .summary = "wait for a domain",
             .about = "Returns when the domain runs, is shut off, has an address (which is printed), or when the agent "
                      "in its guest answers. Fails when the time is over.",
             .options = {the_domain(), required(named(one_of("for", "running|shutdown|ip|agent", "what to wait for"))),
                         named(number("timeout", "seconds to wait; 60 without it"))},
             .run = wait}};
}

} // namespace domus::cli
