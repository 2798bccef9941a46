#include "compute/monitor_events.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/device_list.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace {

std::string text(const boost::json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

std::int64_t number(const boost::json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    if (!value) return 0;
    if (value->is_int64()) return value->as_int64();
    if (value->is_uint64()) return static_cast<std::int64_t>(value->as_uint64());
    return 0;
}

bool truth(const boost::json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_bool() && value->as_bool();
}

/// The alias in "/machine/peripheral/virtio-disk0" or in the backend's name.
std::string alias_of(const boost::json::object& data) {
    const auto device = text(data, "device");
    if (!device.empty()) return device;
    const auto path = text(data, "qom-path");
    return path.substr(path.rfind('/') + 1);
}

/// virDomainEventWatchdogAction.
int watchdog_action(std::string_view name) {
    constexpr std::string_view names[] = {"none", "pause", "reset", "poweroff", "shutdown", "debug", "inject-nmi"};
    for (int i = 0; i < 7; ++i)
        if (names[i] == name) return i;
    return 0;
}

} // namespace

void MonitorEvents::handle(Domain& domain, const std::shared_ptr<Running>& running, std::string_view name,
                           const boost::json::object& data) {
    if (name == "SHUTDOWN")
        shut_down(domain, running, data);
    else if (name == "STOP")
        stopped(domain, *running);
    else if (name == "RESUME")
        resumed(domain, running);
    else if (name == "MIGRATION" || name == "JOB_STATUS_CHANGE")
        running->stream_news.notify_all();
    else if (name == "RESET")
        reset(domain, running, data);
    else if (name == "GUEST_PANICKED")
        panicked(domain, running, data);
    else if (name == "WATCHDOG")
        watchdog(domain, data);
    else if (name == "BLOCK_IO_ERROR")
        io_error(domain, *running, data);
    else if (name == "VSERPORT_CHANGE")
        port_changed(domain, running, data);
    else if (name == "RTC_CHANGE")
        domain.emit(event::RtcChange{number(data, "offset")});
    else if (name == "BALLOON_CHANGE") {
        running->note_balloon(static_cast<std::uint64_t>(std::max<std::int64_t>(number(data, "actual"), 0)));
        const ByteCount left{*running->balloon_kib << 10};
        domain.change_live([&](model::Domain& live) { live.current_memory = left; }, Domain::Recorded::soon);
        domain.emit(event::BalloonChange{*running->balloon_kib});
    } else if (name == "DEVICE_TRAY_MOVED")
        tray_moved(domain, data);
    else if (name == "DEVICE_DELETED")
        device_deleted(domain, running, text(data, "device"));
    else if (name == "DEVICE_UNPLUG_GUEST_ERROR")
        unplug_refused(domain, *running, text(data, "device"));
    else if (name == "SUSPEND") {
        domain.set_status(Status(State::pmsuspended));
        domain.emit(event::Lifecycle(event::Kind::pmsuspended));
        domain.emit(event::PmSuspend{});
    } else if (name == "SUSPEND_DISK")
        domain.emit(event::PmSuspendDisk{});
    else if (name == "WAKEUP") {
        domain.set_status(Status(RunningReason::wakeup));
        domain.emit(event::Lifecycle(event::Started::wakeup));
        domain.emit(event::PmWakeup{});
    } else if (name == "VNC_CONNECTED")
        graphics(domain, 0, data);
    else if (name == "VNC_INITIALIZED")
        graphics(domain, 1, data);
    else if (name == "VNC_DISCONNECTED")
        graphics(domain, 2, data);
}

void MonitorEvents::shut_down(Domain& domain, const std::shared_ptr<Running>& running,
                              const boost::json::object& data) {
    if (running->ending) return;        // we ended it; the process goes by itself
    if (running->guest_stopped) return; // it is dealt with
    const auto reason = text(data, "reason");
    if (reason == "host-signal" || reason == "host-qmp-quit") {
        running->ending = {ShutoffReason::destroyed, event::Stopped::destroyed};
        domain.emit(event::Lifecycle(event::Shutdown::host));
        return;
    }
    running->guest_stopped = true;
    spawn(domain.environment_.executor,
          domain.after_guest_stopped(running, running->reboot_wanted ? "restart"
                                              : reason == "guest-reset"
                                                  ? std::string(format::word(running->domain->on_reboot))
                                                  : std::string(format::word(running->domain->on_poweroff))),
          fmt::format("end of domain '{}'", domain.name()));
}

void MonitorEvents::stopped(Domain& domain, Running& running) {
    if (running.guest_stopped || running.starting || domain.status_.state != State::running) return;
    domain.set_status(Status(running.stopping.value_or(PausedReason::unknown)));
    domain.emit(event::Lifecycle(event::Suspended::paused));
}

void MonitorEvents::resumed(Domain& domain, const std::shared_ptr<Running>& running) {
    if (std::exchange(running->keeps_save, false))
        spawn(domain.environment_.executor, domain.drop_loaded_save(running),
              fmt::format("the loaded memory of domain '{}'", domain.name()));
    if (running->guest_stopped || running->starting || domain.status_.state != State::paused) return;
    domain.set_status(Status(running->resuming.value_or(RunningReason::unpaused)));
    domain.emit(event::Lifecycle(event::Resumed::unpaused));
}

void MonitorEvents::reset(Domain& domain, const std::shared_ptr<Running>& running, const boost::json::object&) {
    if (!running->guest_stopped) domain.emit(event::Reboot{});
}

void MonitorEvents::panicked(Domain& domain, const std::shared_ptr<Running>& running, const boost::json::object&) {
    if (running->guest_stopped || domain.status_.state == State::crashed) return; // it is dealt with
    const auto action = std::string(format::word(running->domain->on_crash));
    log::warning("domain '{}': the guest has crashed, doing '{}'", domain.name(), action);
    domain.set_status(Status(State::crashed, 1));
    domain.emit(event::Lifecycle(event::Kind::crashed));
    if (action == "preserve") return;
    running->guest_stopped = true;
    spawn(domain.environment_.executor, domain.after_guest_stopped(running, "crash-" + action),
          fmt::format("end of domain '{}'", domain.name()));
}

/// By us or by the guest.
void MonitorEvents::tray_moved(Domain& domain, const boost::json::object& data) {
    const auto alias = alias_of(data);
    const bool open = truth(data, "tray-open");
    const auto note = [&](model::Domain& live) {
        for (auto& disk : live.devices.disks)
            if (disk.alias == alias) disk.target.tray = open ? std::optional(model::Tray::open) : std::nullopt;
    };
    domain.change_live(note, Domain::Recorded::soon);
    domain.emit(event::TrayChange{alias, open ? 0 : 1});
}

void MonitorEvents::watchdog(Domain& domain, const boost::json::object& data) {
    const auto action = watchdog_action(text(data, "action"));
    domain.emit(event::Watchdog{action});
    if (action != 1) return;
    domain.set_status(Status(PausedReason::watchdog));
    domain.emit(event::Lifecycle(event::Suspended::watchdog));
}

void MonitorEvents::io_error(Domain& domain, Running& running, const boost::json::object& data) {
    constexpr int none = 0, pause = 1, report = 2; // virDomainEventIOErrorAction
    const auto action = text(data, "action");
    const auto alias = alias_of(data);
    std::string source;
    for (const auto& disk : running.domain->devices.disks)
        if (disk.alias == alias && disk.source.file) source = *disk.source.file;
    const int number = action == "stop" ? pause : action == "report" ? report : none;
    domain.emit(event::IoError{source, alias, number, truth(data, "nospace") ? "enospc" : ""});
    if (number != pause) return;
    domain.set_status(Status(PausedReason::ioerror));
    domain.emit(event::Lifecycle(event::Suspended::ioerror));
}

void MonitorEvents::port_changed(Domain& domain, const std::shared_ptr<Running>& running,
                                 const boost::json::object& data) {
    const auto alias = text(data, "id");
    const bool open = truth(data, "open");
    const std::string state = open ? "connected" : "disconnected";
    const auto& channels = running->domain->devices.channels;
    const auto found =
        std::ranges::find(channels, alias, [](const auto& channel) { return channel.alias.value_or(""); });
    if (found == channels.end() || found->target.state == state) return;
    const bool is_agent = found->target.name == "org.qemu.guest_agent.0";
    const auto which = found - channels.begin();
    domain.change_live(
        [&](model::Domain& live) { live.devices.channels[static_cast<std::size_t>(which)].target.state = state; },
        Domain::Recorded::soon);
    if (!is_agent) return;
    if (running->agent) running->agent->set_guest_side_open(open);
    domain.emit(event::AgentLifecycle{open ? 1 : 2, 2});
}

void MonitorEvents::device_deleted(Domain& domain, const std::shared_ptr<Running>& running, std::string alias) {
    if (alias.empty()) return;                    // a part of a device, which is told of with its own event
    if (running->leaving.contains(alias)) return; // said again
    spawn(domain.environment_.executor, domain.device_gone(running, alias),
          fmt::format("taking device '{}' of domain '{}' away", alias, domain.name()));
}

void MonitorEvents::unplug_refused(Domain& domain, Running& running, std::string alias) {
    if (!element_of(running.domain->devices, alias)) return; // a part of a device, or none
    if (running.refused != alias)
        log::warning("domain '{}': the guest does not let go of device '{}'", domain.name(), alias); // else said again
    running.refused = std::move(alias);
    running.unplugged.notify_all();
    domain.emit(event::DeviceRemovalFailed{running.refused});
}

void MonitorEvents::graphics(Domain& domain, int phase, const boost::json::object& data) {
    const auto end = [&](std::string_view side) {
        event::GraphicsEnd it{2, "", ""};
        if (const auto* value = data.if_contains(side); value && value->is_object()) {
            const auto& object = value->as_object();
            const auto family = text(object, "family");
            it.family = family == "ipv4" ? 0 : family == "ipv6" ? 1 : 2;
            it.node = text(object, "host");
            it.service = text(object, "service");
        }
        return it;
    };
    std::string scheme;
    if (const auto* server = data.if_contains("server"); server && server->is_object())
        scheme = text(server->as_object(), "auth");
    domain.emit(event::Graphics{phase, end("server"), end("client"), scheme});
}

} // namespace domus::compute
