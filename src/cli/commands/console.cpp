#include "cli/commands/console.hpp"

#include "cli/commands/commands.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

namespace domus::cli {

namespace {

/// "^]", as it is typed.
std::string escape_name(char escape) { return {'^', static_cast<char>(escape ^ 0x40)}; }

void write_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const auto count = ::write(fd, data.data(), data.size());
        if (count < 0) {
            if (errno == EINTR || errno == EAGAIN) continue;
            throw system_error(errno, "cannot write to the terminal");
        }
        data.remove_prefix(static_cast<std::size_t>(count));
    }
}

/// What is typed, up to the escape character; nothing when the terminal is gone.
std::optional<std::string> typed(char escape, bool& escaped) {
    char buffer[4096];
    const auto count = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return std::string();
    if (count <= 0) return std::nullopt;
    std::string text(buffer, static_cast<std::size_t>(count));
    if (const auto at = text.find(escape); at != std::string::npos) {
        escaped = true;
        text.resize(at);
    }
    return text;
}

void relay(Connection& connection, client::Stream& stream, char escape) {
    bool escaped = false;
    bool listening = true;
    while (!stream.at_end() && !escaped) {
        pollfd keyboard{listening ? STDIN_FILENO : -1, POLLIN, 0};
        connection.wait(std::span(&keyboard, 1));
        write_all(STDOUT_FILENO, stream.take());
        if (keyboard.revents == 0) continue;
        const auto text = typed(escape, escaped);
        if (!text)
            listening = false;
        else if (!text->empty())
            stream.write(*text);
    }
}

void console(Call& call) {
    constexpr std::uint32_t force = 1, safe = 2;
    const auto domain = find_domain(call);
    ConsoleOptions options;
    options.device = call.args.text("devname");
    if (call.args.flag("force")) options.flags |= force;
    if (call.args.flag("safe")) options.flags |= safe;
    run_console(call, domain, options);
}

} // namespace

void run_console(Call& call, const wire::Domain& domain, const ConsoleOptions& options) {
    auto& connection = call.server();
    const auto state = connection.call<Procedure::domain_get_state>({.dom = domain, .flags = 0});
    if (is_shut_off(state.state)) fail("The domain is not running");
    if (!is_terminal(STDIN_FILENO)) fail("Cannot run interactive console without a controlling TTY");

    const auto escape = call.session.settings().escape;
    auto stream = client::Stream::open<Procedure::domain_open_console>(
        connection, {.dom = domain, .dev_name = options.device, .flags = options.flags});
    fmt::print("Connected to domain '{}'\nEscape character is {} (Ctrl + {})\n", domain.name, escape_name(escape),
               static_cast<char>(escape ^ 0x40));
    std::fflush(stdout);
    {
        const RawTerminal raw(STDIN_FILENO);
        relay(connection, *stream, escape);
    }
    if (!stream->at_end()) stream->abort();
    call.out.result({{"domain", domain.name}});
}

std::vector<Command> console_commands() {
    return {
        {.name = "console",
         .summary = "connect to a domain's serial console",
         .about = "Shows the output of the guest's serial port and sends what you type. Leave with the escape "
                  "character, Ctrl + ] by default; --escape sets another.",
         .options = {the_domain(Complete::running_domain),
                     text("devname", "alias of the character device; the first one by default"),
                     flag("force", "disconnect another client from the console"),
                     flag("safe", "connect only if the daemon guarantees exclusive access")},
         .run = console},
    };
}

} // namespace domus::cli
