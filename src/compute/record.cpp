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
#include "compute/monitor_events.hpp"
#include "compute/sockets.hpp"
#include "compute/start.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <set>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto kill_timeout = 5s;
constexpr auto record_pause = 100ms; ///< between two records of a status that changes all the time
constexpr std::chrono::seconds first_reopening = 1s,
                               last_reopening = 60s; ///< pauses before a closed monitor is connected to again
constexpr std::chrono::seconds first_retry = 1s, last_retry = 60s; ///< of a record that cannot be written

/// Devices of the record that QEMU has no longer: the guest let go of them while no daemon listened. `there` is what
/// qom-list says of /machine/peripheral.
std::vector<std::string> gone_devices(const model::Devices& devices, const boost::json::value& there) {
    std::set<std::string, std::less<>> known;
    for (const auto& child : there.as_array()) known.emplace(child.as_object().at("name").as_string());
    std::vector<std::string> gone;
    const auto look = [&](const auto& list) {
        for (const auto& device : list)
            if (device.alias && !known.contains(*device.alias)) gone.push_back(*device.alias);
    };
    look(devices.disks);
    look(devices.interfaces);
    look(devices.hostdevs);
    look(devices.redirdevs);
    look(devices.rngs);
    return gone;
}

/// A monitor for callers who come before the real one is reached: it says that it has gone.
std::shared_ptr<qmp::Client> unreachable_monitor(const Executor& executor, std::string who) {
    auto monitor =
        qmp::Client::open(executor, UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), std::move(who));
    monitor->close();
    return monitor;
}

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
    record.pid = running_->process.pid();
    record.start_time = running_->process.start_time();
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
        if (running_ != running || running->settled || std::exchange(running->status_noted, true)) break;
        write_record();
    }
    running->notes_status = false;
}

Task<> Domain::retry_record(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    for (auto pause = first_retry; !running->record_fault.empty(); pause = std::min(2 * pause, last_retry)) {
        co_await sleep_until(Deadline::in(pause));
        if (running_ != running || running->settled) co_return;
        write_record();
    }
    log::info("domain '{}': its record is up to date again", name_);
}

void Domain::listen_to_monitor(const std::shared_ptr<Running>& running) {
    running->monitor->on_event([weak = weak_from_this(), watched = std::weak_ptr(running)](
                                   std::string_view name, const boost::json::object& data) {
        const auto self = weak.lock();
        const auto still = watched.lock();
        if (self && still && self->running_ == still) MonitorEvents::handle(*self, still, name, data);
    });
    running->monitor_opened = Clock::now();
    running->monitor->on_closed([weak = weak_from_this(), watched = std::weak_ptr(running)] {
        const auto self = weak.lock();
        const auto still = watched.lock();
        if (!self || !still || self->running_ != still || still->settled || still->starting) return;
        spawn(self->environment_.executor, self->reopen_monitor(still),
              fmt::format("the monitor of domain '{}'", self->name_));
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
    running->monitor = unreachable_monitor(environment_.executor, fmt::format("domain '{}'", name_));
    running_ = running;
    status_ = Status(static_cast<State>(record->state), record->reason);
    const bool unfinished = record->pid == 0 || status_ == Status(PausedReason::starting_up);
    const bool there = found.process.has_value();
    if (record->job && record->job->kind == "restore" && record->job->file == managed_save_file())
        managed_save_ = false; // it is the guest's
    if (there) running->process = std::move(*found.process);
    running->keeps_save = unfinished; // if it has loaded one: it did not run
    publish();
    if (!there || unfinished) {
        co_await end_unfinished(running, there, unfinished, std::move(found.others));
        co_return;
    }
    if (running->process.pid() != record->pid || running->process.start_time() != record->start_time) {
        log::warning("domain '{}': process {} has its run lock, not process {} of its record", name_,
                     running->process.pid(), record->pid);
        found.recorded = false;
    }
    if (!found.recorded) write_record();
    if (environment_.networks)
        for (const auto& interface : running->domain->devices.interfaces) environment_.networks->adopt(interface);
    spawn(environment_.executor, keep_logs(running), fmt::format("the logs of domain '{}'", name_));
    running->ports = adopt_display_ports(environment_, running->domain->devices.graphics, name_);
    watch_all(running);
    spawn(environment_.executor, resynchronize(running), fmt::format("reconnecting to domain '{}'", name_));
}

/// Of a guest that was found again, whose logs grew on meanwhile, or that has a new device.
Task<> Domain::keep_logs(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    if (!environment_.logs) co_return;
    auto work = [pid = running->process.pid()] { return logs_of(pid); };
    auto logs = co_await environment_.files.run(Deadline::in(10s), std::move(work));
    if (running_ == running) environment_.logs->keep(log_owner(uuid_, running->id), std::move(logs));
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
    running->process.signal(SIGKILL);
    spawn(environment_.executor, watch(running), fmt::format("the process of domain '{}'", name_));
    const bool gone = co_await running->gone.wait(Deadline::in(kill_timeout));
    if (!gone)
        log::error("domain '{}': process {} of its start is still there after SIGKILL", name_, running->process.pid());
}

/// Connects to the monitor, as often as needed: a QEMU that is stopped takes no more than a few connections.
Task<> Domain::reach_monitor(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    for (bool told = false; running_ == running && !running->monitor->connected();) {
        try {
            running->monitor = qmp::Client::open(environment_.executor, connect_to(running->folder + "/monitor.sock"),
                                                 fmt::format("domain '{}'", name_));
            listen_to_monitor(running);
            co_return;
        } catch (const Error& error) {
            if (!std::exchange(told, true))
                log::error("domain '{}': {}; trying again each second", name_, error.message());
        }
        co_await sleep_until(Deadline::in(1s));
    }
}

Task<> Domain::reopen_monitor(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    const bool held = Clock::now() - running->monitor_opened > last_reopening;
    running->monitor_pause =
        held ? first_reopening : std::clamp(2 * running->monitor_pause, first_reopening, last_reopening);
    co_await sleep_until(Deadline::in(running->monitor_pause));
    if (running_ == running && !running->settled) co_await resynchronize(running);
}

/// However long QEMU is silent: until then nobody knows what the guest's memory is. What it refuses is not tried again.
Task<bool> Domain::complete_job(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    while (running_ == running && !running->settled) {
        std::optional<Error> failure;
        try {
            const bool ended = co_await finish_job(running);
            co_return ended;
        } catch (...) {
            failure = error_of(std::current_exception(), ErrorDomain::qemu);
        }
        log::error("domain '{}': completing what was cut off: {}", name_, failure->text());
        if (failure->code() == ErrorCode::operation_timeout) continue;
        if (!running->monitor->connected()) break; // reopen_monitor goes on with it
        running->unfinished.reset();
        if (running_ == running) write_record();
        break;
    }
    co_return false;
}

/// A QEMU that does not answer as one is asked again after a while.
Task<> Domain::resynchronize(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    std::exception_ptr failure;
    try {
        co_await learn_what_changed(running);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure || running_ != running || running->settled) co_return;
    log::error("domain '{}': connecting to its QEMU: {}", name_, describe(failure));
    running->monitor->close();
}

/// While no daemon listened.
Task<> Domain::learn_what_changed(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    co_await reach_monitor(running);
    if (running_ != running) co_return;
    if (!running->agent) make_agent(*running);
    std::vector<qmp::Command> questions;
    questions.push_back({"query-status", {}});
    boost::json::object devices{{"path", "/machine/peripheral"}};
    questions.push_back({"qom-list", std::move(devices)});
    questions.push_back({"query-uuid", {}});
    // A stopped QEMU answers when it is continued; when it ends, its monitor is closed.
    const auto answers = co_await running->monitor->handshake(Deadline::never(), std::move(questions));
    if (running_ != running) co_return;
    if (const auto* uuid = answers[2].as_object().if_contains("UUID");
        uuid && uuid->as_string() != std::string_view(uuid_.text())) {
        log::error("domain '{}': the monitor of process {} answers for the UUID {}: it is left alone", name_,
                   running->process.pid(), std::string(uuid->as_string()));
        co_return;
    }
    for (auto& alias : gone_devices(running->domain->devices, answers[1]))
        spawn(environment_.executor, device_gone(running, alias), fmt::format("a device that left domain '{}'", name_));
    const std::string state(answers[0].as_object().at("status").as_string());
    if (state == "prelaunch" && status_.state == State::running) {
        log::warning("domain '{}': its start was cut off before its guest ran", name_);
        co_await end_now(running, {ShutoffReason::failed, event::Stopped::failed});
        co_return;
    }
    if (state == "running") {
        if (status_.state != State::running) set_status(Status(RunningReason::unknown));
    } else if (state == "shutdown") {
        if (!std::exchange(running->guest_stopped, true))
            spawn(environment_.executor,
                  after_guest_stopped(running, std::string(format::word(running->domain->on_poweroff))),
                  fmt::format("the end of domain '{}'", name_));
    } else if (state == "guest-panicked") {
        set_status(Status(State::crashed, 1));
    } else if (state == "io-error") {
        set_status(Status(PausedReason::ioerror));
    } else if (status_.state == State::running) {
        set_status(Status(PausedReason::unknown));
    }
    const bool ended = co_await complete_job(running);
    if (running_ == running && !running->monitor->connected()) co_return;
    running->reconnecting = false;
    if (ended) co_return;
    log::info("domain '{}' is connected again: id {}, pid {}", name_, running->id, running->process.pid());
}

} // namespace domus::compute
