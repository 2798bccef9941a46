#include "cli/commands/event_loop.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <csignal>

namespace domus::cli {

namespace {

volatile std::sig_atomic_t interrupted = 0;

/// Ctrl-C ends the watching, not the program, while this lives.
class InterruptGuard {
public:
    InterruptGuard() : before_(std::signal(SIGINT, [](int) { interrupted = 1; })) { interrupted = 0; }
    ~InterruptGuard() { std::signal(SIGINT, before_); }
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

private:
    void (*before_)(int);
};

/// "2026-11-21 08:32:43.880+0000", in UTC as virsh writes it.
std::string stamp() {
    const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto part = now.time_since_epoch().count() % 1000;
    return fmt::format("{:%Y-%m-%d %H:%M:%S}.{:03}+0000", fmt::gmtime(std::chrono::system_clock::to_time_t(now)), part);
}

/// The events of a connection go to one place, and to nobody when the command is over.
class Handler {
public:
    Handler(Connection& server, Connection::EventHandler handler) : server_(server) {
        server_.on_event(std::move(handler));
    }
    ~Handler() { server_.on_event({}); }
    Handler(const Handler&) = delete;
    Handler& operator=(const Handler&) = delete;

private:
    Connection& server_;
};

} // namespace

void watch_events(Call& call, const EventWatch& watch) {
    unsigned count = 0;
    const bool loop = call.args.flag("loop");
    const auto seconds = call.args.natural("timeout", 1u << 30);
    auto& server = call.server();
    const Handler handler(server, [&](std::int32_t procedure, std::string_view message) {
        if (count > 0 && !loop) return; // one was wanted
        auto seen = watch.read(procedure, message);
        if (!seen) return;
        ++count;
        call.out.text("{}{}\n", call.args.flag("timestamp") ? stamp() + ": " : std::string(), seen->line);
        if (call.out.json()) call.out.record(std::move(seen->json));
    });
    const InterruptGuard guard;
    std::optional<client::Clock::time_point> by;
    watch.begin();
    if (seconds) by = client::Clock::now() + std::chrono::seconds(*seconds);
    const bool done = server.run_until([&] { return interrupted || (!loop && count > 0); }, by);
    if (!done) call.out.text("event loop timed out\n");
    if (interrupted) call.out.text("event loop interrupted\n");
    call.out.text("events received: {}\n", count);
    watch.end();
    if (count > 0) return;
    if (!call.out.json()) throw Failure::silent(); // the lines above say why
    if (interrupted) throw Failure("interrupted before an event came");
    throw Failure("no event came before the timeout",
                  Error(ErrorCode::operation_timeout, ErrorDomain::none, "Timed out during operation"));
}

void list_event_names(Call& call, std::span<const std::string_view> names) {
    boost::json::array all;
    for (const auto name : names) {
        call.out.text("{}\n", name);
        all.push_back(boost::json::string(name));
    }
    call.out.result(std::move(all));
}

std::int32_t event_number(std::string_view command, std::span<const std::string_view> names, const std::string& name) {
    const auto found = std::ranges::find(names, name);
    if (found == names.end())
        throw Failure(fmt::format("unknown event type {}", name))
            .hint(fmt::format("'domus {} --list' names them all", command));
    return static_cast<std::int32_t>(found - names.begin());
}

std::optional<std::int32_t> asked_event(Call& call, std::span<const std::string_view> names) {
    if (call.args.flag("list")) {
        list_event_names(call, names);
        return std::nullopt;
    }
    const auto& command = call.args.command().name;
    const auto name = call.args.text("event");
    if (!name)
        throw Failure("either --list or --event <type> is required")
            .hint(fmt::format("'domus {} --list' names the types", command));
    return event_number(command, names, *name);
}

SeenEvent object_event(std::string_view name, std::string_view what, const std::string& object,
                       std::string_view change) {
    boost::json::object json{{"event", name}};
    if (!change.empty()) json["kind"] = change;
    return {fmt::format("event '{}' for {} {}{}{}", name, what, object, change.empty() ? "" : ": ", change),
            std::move(json)};
}

} // namespace domus::cli
