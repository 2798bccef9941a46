// The record of a running domain, and taking a domain over from it after the daemon was started anew.
#include "compute/domain.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/display_ports.hpp"
#include "compute/domains.hpp"
#include "compute/found_guests.hpp"
#include "compute/guest_processes.hpp"
#include "compute/log_keeper.hpp"
#include "compute/machine_events.hpp"
#include "compute/start.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"
#include "os/sockets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <set>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto kill_timeout = 5s;
constexpr auto record_pause = 100ms; ///< between two records of a status that changes all the time
constexpr std::chrono::seconds first_retry = 1s, last_retry = 60s; ///< of a record that cannot be written

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

} // namespace

const format::Schema& UnfinishedJob::schema() {
    static const format::Schema table = format::Describe<UnfinishedJob>("job", "What was under way.")
                                            .field("@kind", &UnfinishedJob::kind)
                                            .field("@file", &UnfinishedJob::file)
                                            .field("@resume", &UnfinishedJob::resume)
                                            .field("@device", &UnfinishedJob::device)
                                            .field("@inode", &UnfinishedJob::inode)
                                            .field("@beside", &UnfinishedJob::beside);
    return table;
}

const format::Schema& RunRecord::schema() {
    static const format::Schema table =
        format::Describe<RunRecord>("domstatus", "A running domain, for the next daemon.")
            .field("@state", &RunRecord::state)
            .field("@reason", &RunRecord::reason)
            .field("@pid", &RunRecord::pid, "", format::required)
            .field("@started", &RunRecord::start_time, "", format::required)
            .field("@persistent", &RunRecord::persistent)
            .field("@folder", &RunRecord::folder, "", format::required)
            .field("@cgroup", &RunRecord::cgroup)
            .field("@uid", &RunRecord::uid)
            .field("@gid", &RunRecord::gid)
            .field("@undefined", &RunRecord::undefine_flags)
            .field("vcpu", &RunRecord::vcpu_threads)
            .field("helper", &RunRecord::helpers)
            .field("job", &RunRecord::job)
            .field("domain", &RunRecord::domain);
    return table;
}

void Domain::store_record() const {
    RunRecord record;
    record.state = static_cast<int>(status_.state);
    record.reason = status_.reason;
    record.pid = running_->pid();
    record.start_time = running_->start_time();
    record.folder = running_->folder;
    record.cgroup = running_->cgroup;
    if (running_->user) record.uid = running_->user->uid;
    if (running_->user) record.gid = running_->user->gid;
    record.vcpu_threads = running_->vcpu_threads;
    for (const auto& helper : running_->helpers)
        if (helper.process.pid() != 0)
            record.helpers.push_back(
                {helper.program, helper.device, helper.process.pid(), helper.process.start_time()});
    record.undefine_flags = running_->undefine_flags;
    record.persistent = definition_ != nullptr;
    record.job = running_->unfinished;
    record.domain = *running_->domain;
    // The state folder is in memory, and nothing is synced: this does not wait for a disk.
    environment_.store.save_record(name_, running_->folder, format::to_xml(record, {.live = true, .secrets = true}));
}

void Domain::write_record() {
    if (!running_ || running_->settled) return; // it ended while the caller waited: a record would name what is gone
    const auto before = std::exchange(running_->record_fault, {});
    try {
        store_record();
    } catch (const Error& error) {
        running_->record_fault = error.text();
    }
    if (running_->record_fault != before) publish();
    if (running_->record_fault.empty() || !before.empty()) return;
    log::error("domain '{}': its record is not up to date, trying again: {}", name_, running_->record_fault);
    spawn(environment_.executor, retry_record(running_), fmt::format("the record of domain '{}'", name_));
}

void Domain::note_status() {
    running_->status_noted = false;
    if (running_->notes_status) return;
    running_->notes_status = true;
    write_record();
    running_->status_noted = true;
    spawn(environment_.executor, note_newest_status(running_), fmt::format("the status of domain '{}'", name_));
}

Task<> Domain::note_newest_status(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    for (;;) {
        co_await sleep_until(Deadline::in(record_pause));
        if (running->settled || std::exchange(running->status_noted, true)) break;
        write_record();
    }
    running->notes_status = false;
}

Task<> Domain::retry_record(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    for (auto pause = first_retry; !running->record_fault.empty(); pause = std::min(2 * pause, last_retry)) {
        co_await sleep_until(Deadline::in(pause));
        if (running->settled) co_return;
        write_record();
    }
    log::info("domain '{}': its record is up to date again", name_);
}

void Domain::listen_to(const std::shared_ptr<Running>& running) {
    running->machine->listen(
        [weak = weak_from_this(), watched = std::weak_ptr(running)](const engine::MachineEvent& event) {
            const auto self = weak.lock();
            const auto still = watched.lock();
            if (self && still && !still->settled) MachineEvents::handle(*self, still, event);
        });
}

void Domain::make_agent(Running& running) const {
    for (const auto& channel : running.domain->devices.channels) {
        if (channel.target.name != "org.qemu.guest_agent.0" || !channel.source().path) continue;
        running.agent = std::make_shared<qmp::Agent>(
            environment_.executor, [path = *channel.source().path] { return connect_to(path); },
            fmt::format("domain '{}'", name_));
        running.agent->set_guest_side_open(channel.target.state == "connected");
    }
}

Task<> Domain::reconnect(FoundGuest found) {
    const auto self = shared_from_this();
    const auto& record = found.record;
    auto running = std::make_shared<Running>(environment_.executor);
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
    running_ = running;
    status_ = Status(static_cast<State>(record->state), record->reason);
    const bool unfinished = record->pid == 0 || status_ == Status(PausedReason::starting_up);
    const bool there = found.process.has_value();
    if (record->job && record->job->kind == "restore" && record->job->file == managed_save_file())
        managed_save_ = false; // it is the guest's
    if (there) {
        engine::Survivor survivor{std::move(*found.process), name_, uuid_, running->folder, running->domain};
        running->machine = environment_.engine->adopt(std::move(survivor));
        listen_to(running);
    }
    running->keeps_save = unfinished; // if it has loaded one: it did not run
    publish();
    if (!there || unfinished) {
        co_await end_unfinished(running, there, unfinished, std::move(found.others));
        co_return;
    }
    if (running->pid() != record->pid || running->start_time() != record->start_time) {
        log::warning("domain '{}': process {} has its run lock, not process {} of its record", name_, running->pid(),
                     record->pid);
        found.recorded = false;
    }
    if (!found.recorded) write_record();
    if (environment_.networks)
        for (const auto& interface : running->domain->devices.interfaces) environment_.networks->adopt(interface);
    spawn(environment_.executor, keep_logs(running), fmt::format("the logs of domain '{}'", name_));
    running->ports = adopt_display_ports(environment_, running->domain->devices.graphics, name_);
    watch_all(running);
}

/// Of a guest that was found again, whose logs grew on meanwhile, or that has a new device.
Task<> Domain::keep_logs(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    if (!environment_.logs) co_return;
    auto work = [pid = running->pid()] { return logs_of(pid); };
    auto logs = co_await environment_.files.run(Deadline::in(10s), std::move(work));
    if (!running->settled) environment_.logs->keep(log_owner(uuid_, running->id), std::move(logs));
}

/// It ended while no daemon was there, or its start was never finished: half a guest is none. What it had is given back
/// when its processes are gone, and not before.
Task<> Domain::end_unfinished(std::shared_ptr<Running> running, bool there, bool unfinished,
                              std::vector<Process> others) {
    log::warning("domain '{}': {} while the daemon was away", name_,
                 unfinished ? "its start was cut off" : "its process ended");
    running->ending = unfinished ? Running::Ending{ShutoffReason::failed, event::Stopped::failed}
                                 : Running::Ending{ShutoffReason::crashed, event::Stopped::failed};
    for (auto& process : others) {
        process.signal(SIGKILL);
        (void)co_await wait_for_exit(process, Deadline::in(kill_timeout));
    }
    if (!there) {
        co_await settle(running);
        co_return;
    }
    running->kill();
    spawn(environment_.executor, watch(running), fmt::format("the process of domain '{}'", name_));
    const bool gone = co_await running->wait_until_over(Deadline::in(kill_timeout));
    if (!gone) log::error("domain '{}': process {} of its start is still there after SIGKILL", name_, running->pid());
}

/// However long the machine is silent: until then nobody knows what the guest's memory is. What it refuses is not tried again.
Task<bool> Domain::complete_job(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    while (!running->settled) {
        std::optional<Error> failure;
        try {
            const bool ended = co_await finish_job(running);
            co_return ended;
        } catch (...) {
            failure = error_of(std::current_exception(), ErrorDomain::qemu);
        }
        log::error("domain '{}': completing what was cut off: {}", name_, failure->text());
        if (failure->code() == ErrorCode::operation_timeout) continue;
        if (!running->guest().reachable()) break; // it goes on when it is reached again
        running->unfinished.reset();
        write_record();
        break;
    }
    co_return false;
}

/// While no daemon listened, or the control connection was lost.
Task<> Domain::resynchronize(std::shared_ptr<Running> running, engine::machine_event::Reached reached) {
    const auto self = shared_from_this();
    using engine::GuestState;
    if (!running->agent) make_agent(*running);
    const auto missing = co_await running->guest().missing_devices(running->domain);
    for (auto& alias : missing)
        spawn(environment_.executor, device_gone(running, alias), fmt::format("a device that left domain '{}'", name_));
    if (reached.state == GuestState::prelaunch && status_.state == State::running) {
        log::warning("domain '{}': its start was cut off before its guest ran", name_);
        co_await end_now(running, {ShutoffReason::failed, event::Stopped::failed});
        co_return;
    }
    take_state(running, reached.state);
    const bool ended = co_await complete_job(running);
    if (running->settled || !running->guest().reachable()) co_return;
    running->reconnecting = false;
    if (ended) co_return;
    log::info("domain '{}' is connected again: id {}, pid {}", name_, running->id, running->pid());
}

void Domain::take_state(const std::shared_ptr<Running>& running, engine::GuestState state) {
    using engine::GuestState;
    const bool thought_running = status_.state == State::running;
    if (state == GuestState::running && !thought_running) set_status(Status(RunningReason::unknown));
    if (state == GuestState::crashed) set_status(Status(State::crashed, 1));
    if (state == GuestState::io_error) set_status(Status(PausedReason::ioerror));
    if ((state == GuestState::paused || state == GuestState::prelaunch) && thought_running)
        set_status(Status(PausedReason::unknown));
    if (state == GuestState::shut_down && !std::exchange(running->guest_stopped, true))
        spawn(environment_.executor,
              after_guest_stopped(running, std::string(format::word(running->domain->on_poweroff))),
              fmt::format("the end of domain '{}'", name_));
}

} // namespace domus::compute
