#include "cli/session.hpp"

#include "cli/call.hpp"
#include "cli/help.hpp"
#include "cli/terminal.hpp"
#include "client/connection.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace domus::cli {

namespace {

Arguments understand(const Words& typed) {
    const auto words = join_command(typed);
    const auto* command = find_command(words.front());
    if (!command) {
        UsageError unknown(fmt::format("unknown command: '{}'", words.front()));
        const auto is_group = [&](const GroupName& group) { return group.keyword == words.front(); };
        if (std::ranges::any_of(groups(), is_group))
            throw UsageError(std::move(unknown),
                             fmt::format("'domus help {}' lists the commands for it", words.front()));
        if (const auto* near = nearest_command(words.front()))
            throw UsageError(std::move(unknown), fmt::format("did you mean '{}'?", near->name));
        throw unknown;
    }
    return parse(*command, std::span(words).subspan(1));
}

} // namespace

Session::Session(Settings settings, Output& out) : settings_(std::move(settings)), out_(out) {
    if (settings_.uri_given) out_.set_hint_uri(settings_.uri);
}

Session::~Session() = default;

void Session::connect_elsewhere(const std::string& uri, bool readonly) {
    out_.set_hint_uri(uri);
    connect(uri, readonly);
}

void Session::connect(const std::string& uri, bool readonly) {
    connection_.reset();
    settings_.uri = uri;
    settings_.readonly = readonly;
    client::Connection::Options options;
    options.uri = uri;
    options.readonly = readonly;
    if (settings_.keepalive_interval) options.keepalive_interval = std::chrono::seconds(*settings_.keepalive_interval);
    if (settings_.keepalive_count) options.keepalive_count = *settings_.keepalive_count;
    connection_ = doing("failed to connect to the hypervisor", [&] { return client::Connection::open(options); });
}

client::Connection& Session::connection() {
    if (!connection_) connect(settings_.uri, settings_.readonly);
    return *connection_;
}

void Session::check_alive() {
    if (!connection_ || connection_->alive()) return;
    out_.complain(fmt::format("Disconnected from {} due to end of file", connection_->uri()));
    connect(settings_.uri, settings_.readonly);
    out_.complain("Reconnected to the hypervisor");
}

bool Session::run(const std::vector<Words>& commands) {
    std::vector<Arguments> ready;
    for (const auto& words : commands) ready.push_back(understand(words));
    const bool json_before = out_.json();
    if (std::ranges::any_of(ready, &Arguments::json_wanted)) out_.set_json(true);
    const bool good = run_all(ready);
    out_.set_json(json_before);
    return good;
}

bool Session::run_all(const std::vector<Arguments>& ready) {
    if (!connection_ && !settings_.uri.empty() && !ready.empty() && ready.front().command().connects
        && !ready.front().help_wanted())
        try {
            connect(settings_.uri, settings_.readonly);
        } catch (const Failure& failure) {
            out_.failure(failure);
            return false;
        }
    bool good = true;
    for (const auto& arguments : ready) {
        good = run_one(arguments);
        if (ended) return true;
    }
    return good;
}

bool Session::run_one(const Arguments& arguments) {
    const auto& command = arguments.command();
    const auto start = std::chrono::steady_clock::now();
    bool good = true;
    try {
        if (arguments.help_wanted()) {
            if (out_.json())
                out_.result(help_json(command));
            else
                out_.raw(help_of_command(command, terminal_width(STDOUT_FILENO)));
        } else {
            if (command.connects) check_alive();
            Call call(arguments, out_, *this);
            command.run(call);
        }
    } catch (const Failure& failure) {
        out_.failure(failure);
        good = false;
    } catch (const Error& error) {
        out_.failure(Failure::of(error));
        good = false;
    }
    if (ended) {
        out_.finish();
        return true;
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (settings_.timing)
        out_.text("\n(Time: {:.3f} ms)\n\n", took.count());
    else
        out_.extra("\n");
    out_.finish();
    return good;
}

} // namespace domus::cli
