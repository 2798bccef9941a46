// The record of a running domain, and taking a domain over from it after the daemon was started anew.
#include "compute/domain.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/domains.hpp"
#include "compute/monitor_events.hpp"
#include "compute/sockets.hpp"
#include "compute/start.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"
#include "os/proc.hpp"

#include <fmt/format.h>

#include <sys/socket.h>

#include <csignal>
#include <filesystem>
#include <set>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

/// A process that was started by a daemon which ended before it could write down the pid: its monitor's socket is on
/// its command line, or in its folder.
std::optional<Process> find_unrecorded(const std::string& folder) {
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", failure)) {
        const auto name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        try {
            if (read_file(entry.path() / "cmdline", 1u << 20).find(folder) == std::string::npos) continue;
        } catch (const Error&) {
            continue; // it has just ended
        }
        const int pid = std::stoi(name);
        if (const auto figures = read_process(pid)) return Process::adopt(pid, figures->start_time);
    }
    return std::nullopt;
}

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
    auto monitor = qmp::Client::open(executor, UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)), std::move(who));
    monitor->close();
    return monitor;
}

} // namespace

const format::Schema& UnfinishedJob::schema() {
    static const format::Schema table = format::Describe<UnfinishedJob>("job", "What was under way.")
                                            .field("@kind", &UnfinishedJob::kind)
                                            .field("@file", &UnfinishedJob::file)
                                            .field("@resume", &UnfinishedJob::resume);
    return table;
}

const format::Schema& RunRecord::schema() {
    static const format::Schema table = format::Describe<RunRecord>("domstatus", "A running domain, for the next daemon.")
                                            .field("@state", &RunRecord::state)
                                            .field("@reason", &RunRecord::reason)
                                            .field("@pid", &RunRecord::pid)
                                            .field("@started", &RunRecord::start_time)
                                            .field("@persistent", &RunRecord::persistent)
                                            .field("@folder", &RunRecord::folder)
                                            .field("vcpu", &RunRecord::vcpu_threads)
                                            .field("job", &RunRecord::job)
                                            .field("domain", &RunRecord::domain);
    return table;
}

void Domain::write_record() {
    if (!running_ || running_->settled) return; // it ended while the caller waited: a record would name what is gone
    RunRecord record;
    record.state = static_cast<int>(status_.state);
    record.reason = status_.reason;
    record.pid = running_->process.pid();
    record.start_time = running_->process.start_time();
    record.folder = running_->folder;
    record.vcpu_threads = running_->vcpu_threads;
    record.persistent = definition_ != nullptr;
    record.job = running_->unfinished;
    record.domain = *running_->domain;
    try {
        // The state folder is in memory: this does not wait for a disk.
        environment_.store.save_record(name_, format::to_xml(record, {.live = true, .secrets = true}));
    } catch (const Error& error) {
        log::error("domain '{}': a restarted daemon will not find it: {}", name_, error.message());
    }
}

void Domain::listen_to_monitor(const std::shared_ptr<Running>& running) {
    running->monitor->on_event([weak = weak_from_this(), watched = std::weak_ptr(running)](std::string_view name, const boost::json::object& data) {
        const auto self = weak.lock();
        const auto still = watched.lock();
        if (self && still && self->running_ == still) MonitorEvents::handle(*self, still, name, data);
    });
}

Task<> Domain::reconnect(std::shared_ptr<const RunRecord> record) {
    const auto self = shared_from_this();
    auto running = std::make_shared<Running>(environment_.executor);
    running->id = record->domain.id.value_or(-1);
    running->domain = std::shared_ptr<const model::Domain>(record, &record->domain);
    running->folder = record->folder;
    running->vcpu_threads = record->vcpu_threads;
    running->unfinished = record->job;
    running->starting = false;
    running->monitor = unreachable_monitor(environment_.executor, fmt::format("domain '{}'", name_));
    running_ = running;
    status_ = Status(static_cast<State>(record->state), record->reason);
    auto process = Process::adopt(record->pid, record->start_time);
    const bool unfinished = record->pid == 0 || status_ == Status(PausedReason::starting_up);
    if (!process && record->pid == 0) process = find_unrecorded(record->folder);
    if (process) running->process = std::move(*process);
    if (!process || unfinished) {
        // It ended while nobody looked, or its start was never finished: half a guest is none.
        if (process) running->process.signal(SIGKILL);
        log::warning("domain '{}': {} while the daemon was away", name_, unfinished ? "its start was cut off" : "its process ended");
        running->ending = unfinished ? Running::Ending{ShutoffReason::failed, event::Stopped::failed}
                                     : Running::Ending{ShutoffReason::crashed, event::Stopped::failed};
        publish();
        co_await settle(running);
        co_return;
    }
    if (environment_.networks)
        for (const auto& interface : running->domain->devices.interfaces) environment_.networks->adopt(interface);
    publish();
    spawn(environment_.executor, watch(running), fmt::format("the process of domain '{}'", name_));
    spawn(environment_.executor, resynchronize(running), fmt::format("reconnecting to domain '{}'", name_));
}

/// Connects to the monitor, as often as needed: a QEMU that is stopped takes no more than a few connections.
Task<> Domain::reach_monitor(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    for (bool told = false; running_ == running && !running->monitor->connected();) {
        try {
            running->monitor =
                qmp::Client::open(environment_.executor, connect_to(running->folder + "/monitor.sock"), fmt::format("domain '{}'", name_));
            listen_to_monitor(running);
            co_return;
        } catch (const Error& error) {
            if (!std::exchange(told, true)) log::error("domain '{}': {}; trying again each second", name_, error.message());
        }
        co_await sleep_until(Deadline::in(1s));
    }
}

/// Learns what has changed while no daemon listened.
Task<> Domain::resynchronize(std::shared_ptr<Running> running) {
    const auto self = shared_from_this();
    co_await reach_monitor(running);
    if (running_ != running) co_return;
    for (const auto& channel : running->domain->devices.channels)
        if (channel.target.name == "org.qemu.guest_agent.0" && channel.source().path) {
            running->agent = std::make_shared<qmp::Agent>(environment_.executor, *channel.source().path, fmt::format("domain '{}'", name_));
            running->agent->set_guest_side_open(channel.target.state == "connected");
        }
    std::vector<qmp::Command> questions;
    questions.push_back({"query-status", {}});
    boost::json::object devices{{"path", "/machine/peripheral"}};
    questions.push_back({"qom-list", std::move(devices)});
    // A stopped QEMU answers when it is continued; when it ends, its monitor is closed.
    const auto answers = co_await running->monitor->handshake(Deadline::never(), std::move(questions));
    if (running_ != running) co_return;
    for (auto& alias : gone_devices(running->domain->devices, answers[1]))
        spawn(environment_.executor, device_gone(running, alias), fmt::format("a device that left domain '{}'", name_));
    const std::string state(answers[0].as_object().at("status").as_string());
    if (state == "running") {
        if (status_.state != State::running) set_status(Status(RunningReason::unknown));
    } else if (state == "shutdown") {
        running->guest_stopped = true;
        spawn(environment_.executor, after_guest_stopped(running, std::string(format::word(running->domain->on_poweroff))),
              fmt::format("the end of domain '{}'", name_));
    } else if (state == "guest-panicked") {
        set_status(Status(State::crashed, 1));
    } else if (state == "io-error") {
        set_status(Status(PausedReason::ioerror));
    } else if (status_.state == State::running) {
        set_status(Status(PausedReason::unknown));
    }
    const bool ended = co_await finish_job(running);
    if (ended) co_return;
    log::info("domain '{}' was found again: id {}, pid {}", name_, running->id, running->process.pid());
}

} // namespace domus::compute
