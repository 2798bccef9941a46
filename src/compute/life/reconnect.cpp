#include "compute/life/reconnect.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/devices/devices.hpp"
#include "compute/domain/record.hpp"
#include "compute/life/display_ports.hpp"
#include "compute/life/guest.hpp"
#include "compute/life/guest_processes.hpp"
#include "compute/memory/memory.hpp"
#include "compute/memory/restore.hpp"

#include <csignal>
#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto kill_timeout = 5s;

/// One that has gone while no daemon watched stays in the list, without a process.
void adopt_helpers(Running& running, const RunRecord& record) {
    for (const auto& helper : record.helpers) {
        auto process = Process::adopt(helper.pid, helper.start_time);
        if (!process)
            running.helper_faults.push_back(
                fmt::format("{} of '{}' ended while the daemon was away", helper.program, helper.device));
        running.helpers.push_back({helper.program, helper.device, process ? std::move(*process) : Process()});
    }
}

/// It ended while no daemon was there, or its start was never finished: half a guest is none. What it had is given back
/// when its processes are gone, and not before.
Task<> end_unfinished(DomainPtr domain, std::shared_ptr<Running> running, bool there, bool unfinished,
                      std::vector<Process> others) {
    log::warning("domain '{}': {} while the daemon was away", domain->name(),
                 unfinished ? "its start was cut off" : "its process ended");
    running->ending = unfinished ? Running::Ending{ShutoffReason::failed, event::Stopped::failed}
                                 : Running::Ending{ShutoffReason::crashed, event::Stopped::failed};
    for (auto& process : others) {
        process.signal(SIGKILL);
        (void)co_await wait_for_exit(process, Deadline::in(kill_timeout));
    }
    if (!there) {
        co_await settle(domain, running);
        co_return;
    }
    running->kill();
    spawn(domain->environment().executor, watch(domain, running),
          fmt::format("the process of domain '{}'", domain->name()));
    const bool gone = co_await running->wait_until_over(Deadline::in(kill_timeout));
    if (!gone)
        log::error("domain '{}': process {} of its start is still there after SIGKILL", domain->name(), running->pid());
}

/// However long the machine is silent: until then nobody knows what the guest's memory is. What it refuses is not tried again.
Task<bool> complete_job(DomainPtr domain, std::shared_ptr<Running> running) {
    while (!running->settled) {
        std::optional<Error> failure;
        try {
            const bool ended = co_await finish_job(domain, running);
            co_return ended;
        } catch (...) {
            failure = error_of(std::current_exception(), ErrorDomain::qemu);
        }
        log::error("domain '{}': completing what was cut off: {}", domain->name(), failure->text());
        if (failure->code() == ErrorCode::operation_timeout) continue;
        if (!running->guest().reachable()) break; // it goes on when it is reached again
        running->unfinished.reset();
        write_record(*domain);
        break;
    }
    co_return false;
}

void take_state(const DomainPtr& domain, const std::shared_ptr<Running>& running, engine::GuestState state) {
    using engine::GuestState;
    const bool thought_running = domain->status().state == State::running;
    if (state == GuestState::running && !thought_running) {
        domain->set_status(Status(RunningReason::unknown));
        domain->emit(event::Lifecycle(event::Resumed::unpaused));
    }
    if (state == GuestState::crashed) domain->set_status(Status(State::crashed, 1));
    if (state == GuestState::io_error) {
        domain->set_status(Status(PausedReason::ioerror));
        if (thought_running) domain->emit(event::Lifecycle(event::Suspended::ioerror));
    }
    if ((state == GuestState::paused || state == GuestState::prelaunch) && thought_running) {
        domain->set_status(Status(PausedReason::unknown));
        domain->emit(event::Lifecycle(event::Suspended::paused));
    }
    if (state != GuestState::shut_down || std::exchange(running->guest_stopped, true)) return;
    const auto action = running->reboot_wanted ? "restart" : std::string(format::word(running->domain->on_poweroff));
    spawn(domain->environment().executor, after_guest_stopped(domain, running, action),
          fmt::format("the end of domain '{}'", domain->name()));
}

Task<std::vector<std::string>> find_missing(std::shared_ptr<Running> running, std::string name) {
    try {
        auto missing = co_await running->guest().missing_devices(running->domain);
        co_return missing;
    } catch (const engine::GuestGone&) {
        throw;
    } catch (const Error& error) {
        log::warning("domain '{}': which devices have left it is not known: {}", name, error.message());
    }
    co_return std::vector<std::string>{};
}

/// With what happened while nobody listened.
Task<> catch_up(DomainPtr domain, std::shared_ptr<Running> running) {
    if (!running->agent) make_agent(*domain, *running);
    const auto missing = co_await find_missing(running, domain->name());
    for (const auto& alias : missing)
        spawn(domain->environment().executor, device_gone(domain, running, alias),
              fmt::format("a device that left domain '{}'", domain->name()));
    const bool ended = co_await complete_job(domain, running);
    if (running->settled || !running->guest().reachable()) co_return;
    running->reconnecting = false;
    if (ended) co_return;
    log::info("domain '{}' is connected again: id {}, pid {}", domain->name(), running->id, running->pid());
}

std::shared_ptr<Running> running_of(const Domain& domain, const std::shared_ptr<const RunRecord>& record) {
    auto running = std::make_shared<Running>(domain.environment().executor);
    running->id = record->domain.id.value_or(-1);
    running->domain = std::shared_ptr<const model::Domain>(record, &record->domain);
    running->folder = record->folder;
    running->cgroup = recorded_group(record->cgroup, record->folder);
    if (record->uid && record->gid) running->user = GuestUser{*record->uid, *record->gid};
    running->vcpu_threads = record->vcpu_threads;
    running->undefine_flags = record->undefine_flags;
    adopt_helpers(*running, *record);
    running->unfinished = record->job;
    running->starting = false;
    running->reconnecting = true;
    return running;
}

void adopt_host_ends(const DomainPtr& domain, const std::shared_ptr<Running>& running) {
    auto& environment = domain->environment();
    if (environment.networks)
        for (const auto& interface : running->domain->devices.interfaces) environment.networks->adopt(interface);
    spawn(environment.executor, keep_logs(domain, running), fmt::format("the logs of domain '{}'", domain->name()));
    running->ports = adopt_display_ports(environment, running->domain->devices.graphics, domain->name());
}

} // namespace

Task<> reconnect(DomainPtr domain, FoundGuest found) {
    const auto& record = found.record;
    const auto running = running_of(*domain, record);
    domain->set_running(running);
    domain->assume_status(Status(static_cast<State>(record->state), record->reason));
    const bool unfinished = record->pid == 0 || domain->status() == Status(PausedReason::starting_up);
    const bool there = found.process.has_value();
    if (record->job && record->job->kind == "restore" && record->job->file == managed_save_file(*domain))
        domain->set_managed_save(false); // it is the guest's
    if (there) {
        engine::Survivor survivor{std::move(*found.process), domain->name(), domain->uuid(), running->folder,
                                  running->domain};
        running->machine = domain->environment().engine->adopt(std::move(survivor));
        listen_to(domain, running);
    }
    running->keeps_save = unfinished; // if it has loaded one: it did not run
    domain->publish();
    if (!there || unfinished) {
        co_await end_unfinished(domain, running, there, unfinished, std::move(found.others));
        co_return;
    }
    if (running->pid() != record->pid || running->start_time() != record->start_time) {
        log::warning("domain '{}': process {} has its run lock, not process {} of its record", domain->name(),
                     running->pid(), record->pid);
        found.recorded = false;
    }
    if (!found.recorded) write_record(*domain);
    adopt_host_ends(domain, running);
    watch_all(domain, running);
}

void resynchronize(const DomainPtr& domain, const std::shared_ptr<Running>& running, engine::GuestState state) {
    const auto& executor = domain->environment().executor;
    if (state == engine::GuestState::prelaunch && domain->status().state == State::running) {
        log::warning("domain '{}': its start was cut off before its guest ran", domain->name());
        spawn(executor, end_now(domain, running, {ShutoffReason::failed, event::Stopped::failed}),
              fmt::format("the end of domain '{}'", domain->name()));
        return;
    }
    take_state(domain, running, state);
    spawn(executor, catch_up(domain, running), fmt::format("reconnecting to domain '{}'", domain->name()));
}

} // namespace domus::compute
