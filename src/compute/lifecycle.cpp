// What can be asked of a running domain, but for its start and its end.
#include "compute/domain.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"

#include <fmt/format.h>

#include <csignal>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds time_to_write = 500ms; ///< for a QEMU that is destroyed
constexpr auto monitor_patience = 5s;
constexpr auto agent_patience = 5s;

} // namespace

Task<> Domain::suspend() {
    const auto turn = co_await this->turn("suspend");
    const auto running = require_running();
    if (status_.state == State::paused) co_return;
    co_await stop_guest(running, PausedReason::user);
}

/// The event of it may come before or after the answer: whoever is first settles it.
Task<> Domain::stop_guest(std::shared_ptr<Running> running, PausedReason why) {
    running->stopping = why;
    std::exception_ptr failure;
    try {
        co_await running->monitor->execute("stop", {}, Deadline::in(monitor_patience));
    } catch (...) {
        failure = std::current_exception();
    }
    running->stopping.reset();
    if (failure) std::rethrow_exception(failure);
    if (running_ != running || status_.state != State::running) co_return;
    set_status(Status(why));
    emit(event::Lifecycle(event::Suspended::paused));
}

Task<> Domain::let_guest_run(std::shared_ptr<Running> running, RunningReason why) {
    running->resuming = why;
    std::exception_ptr failure;
    try {
        co_await running->monitor->execute("cont", {}, Deadline::in(monitor_patience));
    } catch (...) {
        failure = std::current_exception();
    }
    running->resuming.reset();
    if (failure) std::rethrow_exception(failure);
    if (running_ != running || status_.state == State::running) co_return;
    set_status(Status(why));
    emit(event::Lifecycle(event::Resumed::unpaused));
}

Task<> Domain::resume() {
    const auto turn = co_await this->turn("resume");
    const auto running = require_running();
    if (status_.state == State::running)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu, "Requested operation is not valid: domain is already running");
    if (status_.state == State::pmsuspended)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    fmt::format("domain '{}' is suspended by its guest", name_))
            .hint(fmt::format("wake it with 'domus dompmwakeup {}'", name_));
    co_await let_guest_run(running, RunningReason::unpaused);
}

Task<> Domain::shutdown(ShutdownMode mode) {
    const auto turn = co_await this->turn("shutdown");
    const auto running = require_running();
    running->reboot_wanted = false;
    const bool agent_there = running->agent && running->agent->connected();
    if (mode == ShutdownMode::agent || (mode == ShutdownMode::automatic && agent_there)) {
        std::exception_ptr failure;
        try {
            if (!running->agent)
                throw Error(ErrorCode::argument_unsupported, ErrorDomain::qemu,
                            fmt::format("argument unsupported: QEMU guest agent is not configured for domain '{}'", name_))
                    .hint("add <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>");
            co_await running->agent->shutdown("powerdown", Deadline::in(agent_patience));
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) co_return;
        if (mode == ShutdownMode::agent) std::rethrow_exception(failure);
        log::info("domain '{}': the agent cannot shut it down, pressing the power button: {}", name_, describe(failure));
    }
    co_await running->monitor->execute("system_powerdown", {}, Deadline::in(monitor_patience));
}

Task<> Domain::reboot(ShutdownMode mode) {
    const auto turn = co_await this->turn("reboot");
    const auto running = require_running();
    const bool agent_there = running->agent && running->agent->connected();
    if (mode == ShutdownMode::agent || (mode == ShutdownMode::automatic && agent_there)) {
        if (!running->agent)
            throw Error(ErrorCode::argument_unsupported, ErrorDomain::qemu,
                        fmt::format("argument unsupported: QEMU guest agent is not configured for domain '{}'", name_));
        co_await running->agent->shutdown("reboot", Deadline::in(agent_patience));
        co_return;
    }
    // The guest is asked to shut down; when it has, the monitor's event resets and continues it.
    running->reboot_wanted = true;
    co_await running->monitor->execute("system_powerdown", {}, Deadline::in(monitor_patience));
}

Task<> Domain::reset() {
    const auto turn = co_await this->turn("reset");
    const auto running = require_running();
    co_await running->monitor->execute("system_reset", {}, Deadline::in(monitor_patience));
}

Task<> Domain::inject_nmi() {
    const auto turn = co_await this->turn("inject-nmi");
    const auto running = require_running();
    co_await running->monitor->execute("inject-nmi", {}, Deadline::in(monitor_patience));
}

Task<> Domain::send_key(std::vector<std::uint32_t> qcodes, std::uint32_t hold_ms) {
    const auto turn = co_await this->turn("send-key");
    const auto running = require_running();
    boost::json::array keys;
    for (const auto code : qcodes) keys.push_back({{"type", "number"}, {"data", code}});
    boost::json::object arguments{{"keys", std::move(keys)}};
    if (hold_ms > 0) arguments["hold-time"] = hold_ms;
    co_await running->monitor->execute("send-key", std::move(arguments), Deadline::in(monitor_patience));
}

Task<> Domain::destroy(bool graceful) {
    const auto running = require_running();
    if (!running->ending) running->ending = {ShutoffReason::destroyed, event::Stopped::destroyed};
    bool gone = false;
    if (graceful) {
        running->process.signal(SIGTERM);
        gone = co_await running->gone.wait(Deadline::in(15s));
    } else {
        gone = co_await end_process(running, time_to_write);
    }
    if (gone) co_return;
    if (graceful) {
        running->ending.reset();
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("process {} of domain '{}' did not end within 15 s of SIGTERM", running->process.pid(), name_))
            .hint(fmt::format("end it at once with 'domus destroy {}'", name_));
    }
    throw Error(ErrorCode::system_error, ErrorDomain::qemu,
                fmt::format("process {} of domain '{}' is still there 30 s after SIGKILL", running->process.pid(), name_))
        .because("the kernel holds it, most often in input or output that does not complete")
        .hint("look for state D in 'ps' and at the storage below its disks");
}

/// What QEMU keeps of its images' metadata is written when it ends by itself, whether the guest has asked for that or not.
Task<bool> Domain::end_process(std::shared_ptr<Running> running, std::chrono::milliseconds patience) {
    running->process.signal(SIGTERM);
    bool gone = co_await running->gone.wait(Deadline::in(patience));
    if (gone) co_return true;
    running->process.signal(SIGKILL);
    gone = co_await running->gone.wait(Deadline::in(30s));
    co_return gone;
}

void Domain::connection_closed(std::uint64_t owner) {
    const auto running = running_;
    if (!running || !running->autodestroy || running->owner != owner) return;
    log::info("domain '{}': the client that it was started for has gone, destroying it", name_);
    running->ending = {ShutoffReason::destroyed, event::Stopped::destroyed};
    spawn(environment_.executor, end_with_client(running), fmt::format("end of domain '{}'", name_));
}

Task<> Domain::end_with_client(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    const bool gone = co_await end_process(std::move(running), time_to_write);
    if (!gone) log::error("the process of domain '{}' does not end", name_);
}

Task<boost::json::value> Domain::monitor_command(std::string command, boost::json::object arguments, Deadline by) {
    const auto running = require_running();
    co_return co_await running->monitor->execute(std::move(command), std::move(arguments), by);
}

Task<std::string> Domain::agent_command(std::string request, Deadline by) {
    const auto running = require_running();
    if (!running->agent)
        throw Error(ErrorCode::argument_unsupported, ErrorDomain::qemu,
                    fmt::format("argument unsupported: QEMU guest agent is not configured for domain '{}'", name_));
    co_return co_await running->agent->raw(std::move(request), by);
}

} // namespace domus::compute
