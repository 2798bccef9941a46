#include "engine/qemu/monitor.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "engine/machine.hpp"
#include "os/sockets.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::engine::qemu {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::seconds first_pause = 1s, last_pause = 60s; ///< before a lost monitor is connected to again
constexpr auto end_timeout = 1s; ///< between the end of the connection and that of the process

} // namespace

Monitor::Monitor(Executor executor, Site site)
    : executor_(executor), site_(std::move(site)), progress_(executor), closed_(executor), gone_(executor) {}

void Monitor::connect() {
    client_ = qmp::Client::open(executor_, connect_to(site_.socket), fmt::format("domain '{}'", site_.domain));
    client_->on_event([weak = weak_from_this()](std::string_view name, const json::object& data) {
        const auto self = weak.lock();
        if (!self || self->ended_) return;
        if (name == "MIGRATION" || name == "JOB_STATUS_CHANGE") self->progress_.notify_all();
        if (self->event_) self->event_(name, data);
    });
    client_->on_closed([weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->lost();
    });
    opened_ = Clock::now();
}

void Monitor::reach() {
    kept_ = true;
    spawn(executor_, reconnect(0s), fmt::format("reconnecting to domain '{}'", site_.domain));
}

void Monitor::disconnect() {
    if (client_) client_->close();
}

Task<> Monitor::end() {
    const auto self = shared_from_this();
    kept_ = false;
    for (const auto by = Deadline::in(end_timeout); connected() && !by.expired();) (void)co_await closed_.wait(by);
    ended_ = true;
    disconnect();
    gone_.notify_all();
}

Task<bool> Monitor::wait_ended(Deadline by) {
    const auto self = shared_from_this();
    while (!ended_) {
        const bool notified = co_await gone_.wait(by);
        if (!notified) break;
    }
    co_return ended_;
}

void Monitor::lost() {
    closed_.notify_all();
    if (!kept_ || ended_) return;
    const bool held = Clock::now() - opened_ > last_pause;
    pause_ = held ? first_pause : std::clamp(2 * pause_, first_pause, last_pause);
    spawn(executor_, reconnect(pause_), fmt::format("the monitor of domain '{}'", site_.domain));
}

/// A QEMU that does not answer as one is asked again after a while.
Task<> Monitor::reconnect(std::chrono::seconds pause) {
    const auto self = shared_from_this();
    if (pause > 0s) co_await sleep_until(Deadline::in(pause));
    co_await connect_again();
    if (ended_) co_return;
    std::exception_ptr failure;
    try {
        kept_ = co_await greet();
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure || ended_) co_return;
    log::error("domain '{}': connecting to its QEMU: {}", site_.domain, describe(failure));
    disconnect();
}

/// A QEMU that is stopped takes no more than a few connections.
Task<> Monitor::connect_again() {
    for (bool logged = false; !ended_;) {
        try {
            connect();
            co_return;
        } catch (const Error& error) {
            if (!std::exchange(logged, true))
                log::error("domain '{}': {}; trying again each second", site_.domain, error.message());
        }
        co_await sleep_until(Deadline::in(1s));
    }
}

/// False if it is not the QEMU of this domain: that is left alone.
Task<bool> Monitor::greet() {
    std::vector<qmp::Command> questions;
    questions.push_back({"query-status", {}});
    questions.push_back({"query-uuid", {}});
    const auto client = client_;
    // A stopped QEMU answers when it is continued; when it ends, its monitor is closed.
    const auto answers = co_await client->handshake(Deadline::never(), std::move(questions));
    const auto* uuid = answers[1].as_object().if_contains("UUID");
    if (uuid && uuid->as_string() != json::string_view(site_.uuid.text())) {
        log::error("domain '{}': the monitor '{}' answers for the UUID {}: it is left alone", site_.domain,
                   site_.socket, std::string(uuid->as_string()));
        co_return false;
    }
    if (!ended_ && reached_) reached_(answers[0]);
    co_return true;
}

// ---- calls --------------------------------------------------------------------------------------------------------

std::shared_ptr<qmp::Client> Monitor::client() const {
    if (ended_) throw GuestGone(site_.domain);
    if (client_) return client_;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("the monitor of domain '{}' is not reached yet", site_.domain))
        .hint(fmt::format("wait a moment, or end the domain with 'domus destroy {}'", site_.domain));
}

/// A monitor that closes its connection under a call has mostly ended, and its process is about to.
template <class Result> Task<Result> Monitor::guarded(Task<Result> call) {
    const auto self = shared_from_this();
    const bool was_connected = connected();
    std::exception_ptr failure;
    try {
        auto result = co_await std::move(call);
        if (!ended_) co_return result;
    } catch (...) {
        failure = std::current_exception();
    }
    if (!ended_ && was_connected && !connected()) (void)co_await gone_.wait(Deadline::in(end_timeout));
    if (ended_) throw GuestGone(site_.domain);
    std::rethrow_exception(failure);
}

Task<json::value> Monitor::execute(std::string command, json::object arguments, Deadline by) {
    return guarded(client()->execute(std::move(command), std::move(arguments), by));
}

Task<std::vector<json::value>> Monitor::execute_all(std::vector<qmp::Command> commands, Deadline by) {
    return guarded(client()->execute_all(std::move(commands), by));
}

Task<json::value> Monitor::execute_with_fd(std::string command, json::object arguments, UniqueFd fd, Deadline by) {
    return guarded(client()->execute_with_fd(std::move(command), std::move(arguments), std::move(fd), by));
}

Task<std::vector<json::value>> Monitor::handshake(Deadline by, std::vector<qmp::Command> more) {
    return guarded(client()->handshake(by, std::move(more)));
}

} // namespace domus::engine::qemu
