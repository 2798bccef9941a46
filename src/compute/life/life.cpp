#include "compute/life/life.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/domain/domains.hpp"
#include "compute/domain/errors.hpp"
#include "compute/life/guest.hpp"
#include "compute/life/guest_processes.hpp"
#include "compute/memory/restore.hpp"

#include <csignal>
#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds time_to_write = 500ms; ///< for a QEMU that is destroyed
constexpr auto agent_timeout = 5s;
constexpr std::chrono::seconds shutdown_timeout = 60s; ///< after which a guest is said to ignore it

/// Whether it took the request. Without the domain's turn: the guest decides how long its agent takes, and the agent has a
/// queue of its own.
Task<bool> shut_down_by_agent(DomainPtr domain, std::shared_ptr<Running> running, ShutdownMode mode, std::string how) {
    const bool agent_there = running->agent && running->agent->connected();
    if (mode != ShutdownMode::agent && (mode == ShutdownMode::acpi || !agent_there)) co_return false;
    std::exception_ptr failure;
    try {
        co_await require_agent(*domain, *running).shutdown(std::move(how), Deadline::in(agent_timeout));
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return true;
    if (mode == ShutdownMode::agent) std::rethrow_exception(failure);
    log::info("domain '{}': the agent cannot shut it down, pressing the power button: {}", domain->name(),
              describe(failure));
    co_return false;
}

/// libvirt's call returns at once, so that only the log can tell.
Task<> warn_of_ignored_shutdown(DomainPtr domain, std::shared_ptr<Running> running) {
    if (std::exchange(running->awaits_shutdown, true)) co_return; // somebody asked before
    const bool gone = co_await running->wait_until_over(Deadline::in(shutdown_timeout));
    running->awaits_shutdown = false;
    if (gone || running->guest_stopped || running->settled) co_return;
    log::warning("domain '{}': the guest was asked to shut down and still runs after {} s: it needs a program that "
                 "listens to the power "
                 "button (acpid, systemd-logind) or a guest agent; 'domus destroy {}' ends it at once",
                 domain->name(), shutdown_timeout.count(), domain->name());
}

Task<> end_with_client(DomainPtr domain, std::shared_ptr<Running> running) {
    const bool gone = co_await end_process(domain, std::move(running), time_to_write);
    if (!gone) log::error("the process of domain '{}' does not end", domain->name());
}

} // namespace

Task<> start(DomainPtr domain, StartRequest request, std::shared_ptr<const model::Domain> transient) {
    const auto turn = co_await domain->turn("start");
    if (domain->running())
        throw invalid_operation(request.restore ? fmt::format("domain is already active as '{}'", domain->name())
                                : transient     ? fmt::format("domain '{}' is already active", domain->name())
                                                : "domain is already running");
    domain->environment().domains->require_no_stray(*domain);
    co_await recheck_managed_save(domain);
    if (domain->managed_save() && transient)
        throw invalid_operation(fmt::format("domain '{}' has a managed save image", domain->name()))
            .because("its disks must stay as they are for the memory that was saved")
            .hint(fmt::format("'domus start {0}' goes on from it, 'domus managedsave-remove {0}' forgets it",
                              domain->name()));
    if (domain->managed_save() && request.force_boot) co_await forget_managed_save(domain);
    if (domain->managed_save()) {
        auto kept = co_await open_managed_save(domain, request.paused, request.bypass_cache);
        request.restore = std::move(kept.restore);
        transient = std::move(kept.definition);
    }
    domain->jobs().completed.reset();
    const auto running = co_await boot(domain, request, transient);
    if (request.autodestroy && !domain->environment().domains->connected(request.owner))
        connection_closed(domain, request.owner); // it left meanwhile
    if (request.restore) co_await finish_restore(domain, running, request);
}

Task<> suspend(DomainPtr domain) {
    const auto turn = co_await domain->turn("suspend");
    const auto running = domain->require_running();
    if (domain->status().state == State::paused) co_return;
    co_await stop_guest(domain, running, PausedReason::user);
}

Task<> resume(DomainPtr domain) {
    const auto turn = co_await domain->turn("resume");
    const auto running = domain->require_running();
    if (domain->status().state == State::running) throw invalid_operation("domain is already running");
    if (domain->status().state == State::pmsuspended)
        throw Error(ErrorCode::operation_invalid, ErrorDomain::qemu,
                    fmt::format("domain '{}' is suspended by its guest", domain->name()))
            .hint(fmt::format("a key wakes most guests: 'domus send-key {} KEY_ENTER'", domain->name()));
    co_await let_guest_run(domain, running, RunningReason::unpaused);
}

Task<> shutdown(DomainPtr domain, ShutdownMode mode) {
    const auto asked = domain->require_running();
    asked->reboot_wanted = false;
    const bool taken = co_await shut_down_by_agent(domain, asked, mode, "powerdown");
    if (taken) co_return;
    const auto turn = co_await domain->turn("shutdown");
    const auto running = domain->require_running();
    running->reboot_wanted = false;
    co_await running->guest().press_power_button();
    spawn(domain->environment().executor, warn_of_ignored_shutdown(domain, running),
          fmt::format("the shutdown of domain '{}'", domain->name()));
}

Task<> reboot(DomainPtr domain, ShutdownMode mode) {
    const bool taken = co_await shut_down_by_agent(domain, domain->require_running(), mode, "reboot");
    if (taken) co_return;
    const auto turn = co_await domain->turn("reboot");
    const auto running = domain->require_running();
    // The guest is asked to shut down; when it has, the monitor's event resets and continues it.
    running->reboot_wanted = true;
    co_await running->guest().press_power_button();
}

Task<> reset(DomainPtr domain) {
    const auto turn = co_await domain->turn("reset");
    const auto running = domain->require_running();
    co_await running->guest().reset();
}

Task<> destroy(DomainPtr domain, bool graceful) {
    const auto running = domain->require_running();
    if (!running->ending) running->ending = {ShutoffReason::destroyed, event::Stopped::destroyed};
    bool gone = false;
    if (graceful) {
        co_await note_followers(domain->environment(), running);
        running->terminate();
        gone = co_await running->wait_until_over(Deadline::in(15s));
    } else {
        gone = co_await end_process(domain, running, time_to_write);
    }
    if (gone) co_return;
    if (graceful) {
        running->ending.reset();
        throw Error(
            ErrorCode::operation_failed, ErrorDomain::qemu,
            fmt::format("process {} of domain '{}' did not end within 15 s of SIGTERM", running->pid(), domain->name()))
            .hint(fmt::format("end it at once with 'domus destroy {}'", domain->name()));
    }
    throw Error(
        ErrorCode::system_error, ErrorDomain::qemu,
        fmt::format("process {} of domain '{}' is still there 30 s after SIGKILL", running->pid(), domain->name()))
        .because("the kernel holds it, most often in input or output that does not complete")
        .hint("look for state D in 'ps' and at the storage below its disks");
}

Task<> inject_nmi(DomainPtr domain) {
    const auto turn = co_await domain->turn("inject-nmi");
    const auto running = domain->require_running();
    co_await running->guest().inject_nmi();
}

Task<> send_key(DomainPtr domain, std::vector<std::uint32_t> numbers, std::uint32_t hold_ms) {
    const auto turn = co_await domain->turn("send-key");
    const auto running = domain->require_running();
    co_await running->guest().send_keys(std::move(numbers), std::chrono::milliseconds(hold_ms));
}

void connection_closed(const DomainPtr& domain, std::uint64_t owner) {
    const auto running = domain->running();
    if (!running || !running->autodestroy || running->owner != owner) return;
    log::info("domain '{}': the client that it was started for has gone, destroying it", domain->name());
    running->ending = {ShutoffReason::destroyed, event::Stopped::destroyed};
    spawn(domain->environment().executor, end_with_client(domain, running),
          fmt::format("end of domain '{}'", domain->name()));
}

} // namespace domus::compute
