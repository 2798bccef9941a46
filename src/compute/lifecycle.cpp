// What can be asked of a running domain, but for its start and its end.
#include "compute/domain.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/guest_processes.hpp"

#include <fmt/format.h>

#include <csignal>
#include <filesystem>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds time_to_write = 500ms; ///< for a QEMU that is destroyed
constexpr auto agent_timeout = 5s;
constexpr std::chrono::seconds shutdown_timeout = 60s; ///< after which a guest is said to ignore it

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
        co_await running->guest().stop();
    } catch (...) {
        failure = std::current_exception();
    }
    running->stopping.reset();
    if (failure) std::rethrow_exception(failure);
    if (status_.state != State::running) co_return;
    set_status(Status(why));
    emit(event::Lifecycle(event::Suspended::paused));
}

Task<> Domain::let_guest_run(std::shared_ptr<Running> running, RunningReason why) {
    running->resuming = why;
    std::exception_ptr failure;
    try {
        co_await running->guest().run();
    } catch (...) {
        failure = std::current_exception();
    }
    running->resuming.reset();
    if (failure) std::rethrow_exception(failure);
    if (status_.state == State::running) co_return;
    set_status(Status(why));
    emit(event::Lifecycle(event::Resumed::unpaused));
}

Task<> Domain::resume() {
    const auto turn = co_await this->turn("resume");
    const auto running = require_running();
    if (status_.state == State::running)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    "Requested operation is not valid: domain is already running");
    if (status_.state == State::pmsuspended)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    fmt::format("domain '{}' is suspended by its guest", name_))
            .hint(fmt::format("a key wakes most guests: 'virsh send-key {} KEY_ENTER'", name_));
    co_await let_guest_run(running, RunningReason::unpaused);
}

qmp::Agent& Domain::require_agent(const Running& running) const {
    if (running.agent) return *running.agent;
    throw Error(ErrorCode::argument_unsupported, ErrorDomain::qemu,
                fmt::format("argument unsupported: QEMU guest agent is not configured for domain '{}'", name_))
        .hint("add <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>");
}

/// Whether it took the request. Without the domain's turn: the guest decides how long its agent takes, and the agent has a
/// queue of its own.
Task<bool> Domain::shut_down_by_agent(std::shared_ptr<Running> running, ShutdownMode mode, std::string how) {
    const auto self = shared_from_this();
    const bool agent_there = running->agent && running->agent->connected();
    if (mode != ShutdownMode::agent && (mode == ShutdownMode::acpi || !agent_there)) co_return false;
    std::exception_ptr failure;
    try {
        co_await require_agent(*running).shutdown(std::move(how), Deadline::in(agent_timeout));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return true;
    if (mode == ShutdownMode::agent) std::rethrow_exception(failure);
    log::info("domain '{}': the agent cannot shut it down, pressing the power button: {}", name_, describe(failure));
    co_return false;
}

Task<> Domain::shutdown(ShutdownMode mode) {
    const auto asked = require_running();
    asked->reboot_wanted = false;
    const bool taken = co_await shut_down_by_agent(asked, mode, "powerdown");
    if (taken) co_return;
    const auto turn = co_await this->turn("shutdown");
    const auto running = require_running();
    running->reboot_wanted = false;
    co_await running->guest().press_power_button();
    spawn(environment_.executor, warn_of_ignored_shutdown(running), fmt::format("the shutdown of domain '{}'", name_));
}

/// libvirt's call returns at once, so that only the log can tell.
Task<> Domain::warn_of_ignored_shutdown(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    if (std::exchange(running->awaits_shutdown, true)) co_return; // somebody asked before
    const bool gone = co_await running->wait_until_over(Deadline::in(shutdown_timeout));
    running->awaits_shutdown = false;
    if (gone || running->guest_stopped || running->settled) co_return;
    log::warning("domain '{}': the guest was asked to shut down and still runs after {} s: it needs a program that "
                 "listens to the power "
                 "button (acpid, systemd-logind) or a guest agent; 'domus destroy {}' ends it at once",
                 name_, shutdown_timeout.count(), name_);
}

Task<> Domain::reboot(ShutdownMode mode) {
    const bool taken = co_await shut_down_by_agent(require_running(), mode, "reboot");
    if (taken) co_return;
    const auto turn = co_await this->turn("reboot");
    const auto running = require_running();
    // The guest is asked to shut down; when it has, the monitor's event resets and continues it.
    running->reboot_wanted = true;
    co_await running->guest().press_power_button();
}

Task<> Domain::reset() {
    const auto turn = co_await this->turn("reset");
    const auto running = require_running();
    co_await running->guest().reset();
}

Task<> Domain::inject_nmi() {
    const auto turn = co_await this->turn("inject-nmi");
    const auto running = require_running();
    co_await running->guest().inject_nmi();
}

Task<> Domain::send_key(std::vector<std::uint32_t> numbers, std::uint32_t hold_ms) {
    const auto turn = co_await this->turn("send-key");
    const auto running = require_running();
    co_await running->guest().send_keys(std::move(numbers), std::chrono::milliseconds(hold_ms));
}

Task<> Domain::destroy(bool graceful) {
    const auto running = require_running();
    if (!running->ending) running->ending = {ShutoffReason::destroyed, event::Stopped::destroyed};
    bool gone = false;
    if (graceful) {
        co_await note_followers(environment_, running);
        running->terminate();
        gone = co_await running->wait_until_over(Deadline::in(15s));
    } else {
        gone = co_await end_process(running, time_to_write);
    }
    if (gone) co_return;
    if (graceful) {
        running->ending.reset();
        throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                    fmt::format("process {} of domain '{}' did not end within 15 s of SIGTERM", running->pid(), name_))
            .hint(fmt::format("end it at once with 'domus destroy {}'", name_));
    }
    throw Error(ErrorCode::system_error, ErrorDomain::qemu,
                fmt::format("process {} of domain '{}' is still there 30 s after SIGKILL", running->pid(), name_))
        .because("the kernel holds it, most often in input or output that does not complete")
        .hint("look for state D in 'ps' and at the storage below its disks");
}

Task<> Domain::remove_logs() {
    auto work = [folder = environment_.store.folders().logs, log = name_ + ".log"] {
        std::error_code ignored;
        std::vector<std::filesystem::path> found;
        for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
            const auto name = entry.path().filename().string();
            const bool backup = name.starts_with(log + '.')
                                && name.find_first_not_of("0123456789", log.size() + 1) == std::string::npos;
            if (name == log || backup) found.push_back(entry.path());
        }
        for (const auto& file : found) std::filesystem::remove(file, ignored);
    };
    co_await environment_.files.run(Deadline::in(30s), std::move(work));
}

/// What QEMU keeps of its images' metadata is written when it ends by itself, whether the guest has asked for that or not.
Task<bool> Domain::end_process(std::shared_ptr<Running> running, std::chrono::milliseconds patience) {
    co_await note_followers(environment_, running);
    running->terminate();
    bool gone = co_await running->wait_until_over(Deadline::in(patience));
    if (gone) co_return true;
    running->kill();
    gone = co_await running->wait_until_over(Deadline::in(30s));
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

Task<std::vector<GuestInterface>> Domain::guest_interfaces() {
    const auto running = require_running();
    boost::json::object nothing;
    const auto answer = co_await require_agent(*running).execute("guest-network-get-interfaces", std::move(nothing),
                                                                 Deadline::in(agent_timeout));
    co_return read_guest_interfaces(answer);
}

} // namespace domus::compute
