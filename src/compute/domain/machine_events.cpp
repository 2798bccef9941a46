#include "compute/domain/machine_events.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "compute/devices/device_list.hpp"
#include "compute/devices/devices.hpp"
#include "compute/life/guest.hpp"
#include "compute/life/reconnect.hpp"
#include "compute/memory/restore.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::compute {

namespace machine_event = engine::machine_event;

void MachineEvents::handle(const DomainPtr& domain, const std::shared_ptr<Running>& running,
                           const engine::MachineEvent& event) {
    std::visit(MachineEvents(domain, running), event);
}

void MachineEvents::operator()(const machine_event::Reached& event) const {
    resynchronize(domain_, running_, event.state);
}

// ---- its life -----------------------------------------------------------------------------------------------------

void MachineEvents::end_guest(std::string action) const {
    running_->guest_stopped = true;
    spawn(domain_->environment().executor, after_guest_stopped(domain_, running_, std::move(action)),
          fmt::format("end of domain '{}'", domain_->name()));
}

void MachineEvents::operator()(const machine_event::ShutDown& event) const {
    if (running_->ending) return;        // we ended it; the process goes by itself
    if (running_->guest_stopped) return; // it is dealt with
    if (event.cause == machine_event::ShutdownCause::host) {
        running_->ending = {ShutoffReason::destroyed, event::Stopped::destroyed};
        domain_->emit(event::Lifecycle(event::Shutdown::host));
        return;
    }
    const auto& live = *running_->domain;
    const bool reset = event.cause == machine_event::ShutdownCause::guest_reset;
    if (running_->reboot_wanted)
        end_guest("restart");
    else
        end_guest(std::string(reset ? format::word(live.on_reboot) : format::word(live.on_poweroff)));
}

void MachineEvents::operator()(const machine_event::Stopped&) const {
    if (running_->guest_stopped || running_->starting || domain_->status().state != State::running) return;
    domain_->set_status(Status(running_->stopping.value_or(PausedReason::unknown)));
    domain_->emit(event::Lifecycle(event::Suspended::paused));
}

void MachineEvents::operator()(const machine_event::Resumed&) const {
    if (std::exchange(running_->keeps_save, false))
        spawn(domain_->environment().executor, drop_save_left(domain_, running_),
              fmt::format("the loaded memory of domain '{}'", domain_->name()));
    if (running_->guest_stopped || running_->starting || domain_->status().state != State::paused) return;
    domain_->set_status(Status(running_->resuming.value_or(RunningReason::unpaused)));
    domain_->emit(event::Lifecycle(event::Resumed::unpaused));
}

void MachineEvents::operator()(const machine_event::Reset&) const {
    if (!running_->guest_stopped) domain_->emit(event::Reboot{});
}

void MachineEvents::operator()(const machine_event::Crashed&) const {
    if (running_->guest_stopped || domain_->status().state == State::crashed) return; // it is dealt with
    const auto action = std::string(format::word(running_->domain->on_crash));
    log::warning("domain '{}': the guest has crashed, doing '{}'", domain_->name(), action);
    domain_->set_status(Status(State::crashed, 1));
    domain_->emit(event::Lifecycle(event::Kind::crashed));
    if (action != "preserve") end_guest("crash-" + action);
}

void MachineEvents::operator()(const machine_event::Suspended&) const {
    domain_->set_status(Status(State::pmsuspended));
    domain_->emit(event::Lifecycle(event::Kind::pmsuspended));
    domain_->emit(event::PmSuspend{});
}

void MachineEvents::operator()(const machine_event::SuspendedToDisk&) const { domain_->emit(event::PmSuspendDisk{}); }

void MachineEvents::operator()(const machine_event::Woken&) const {
    domain_->set_status(Status(RunningReason::wakeup));
    domain_->emit(event::Lifecycle(event::Started::wakeup));
    domain_->emit(event::PmWakeup{});
}

void MachineEvents::operator()(const machine_event::Watchdog& event) const {
    domain_->emit(event::Watchdog{static_cast<int>(event.action)});
    if (event.action != engine::WatchdogAction::pause) return;
    domain_->set_status(Status(PausedReason::watchdog));
    domain_->emit(event::Lifecycle(event::Suspended::watchdog));
}

void MachineEvents::operator()(const machine_event::IoError& event) const {
    std::string source;
    for (const auto& disk : running_->domain->devices.disks)
        if (disk.alias == event.device && disk.source.file) source = *disk.source.file;
    domain_->emit(event::IoError{source, event.device, static_cast<int>(event.action), event.no_space ? "enospc" : ""});
    if (event.action != machine_event::IoErrorAction::pause) return;
    domain_->set_status(Status(PausedReason::ioerror));
    domain_->emit(event::Lifecycle(event::Suspended::ioerror));
}

// ---- its devices --------------------------------------------------------------------------------------------------

void MachineEvents::operator()(const machine_event::ClockChanged& event) const {
    domain_->emit(event::RtcChange{event.offset});
}

void MachineEvents::operator()(const machine_event::BalloonChanged& event) const {
    running_->note_balloon(event.bytes);
    const ByteCount left{*running_->balloon_kib << 10};
    domain_->change_live([&](model::Domain& live) { live.current_memory = left; }, Recorded::soon);
    domain_->emit(event::BalloonChange{*running_->balloon_kib});
}

void MachineEvents::operator()(const machine_event::ChannelChanged& event) const {
    const std::string state = event.open ? "connected" : "disconnected";
    const auto& channels = running_->domain->devices.channels;
    const auto found = std::ranges::find(channels, std::optional(event.device), &model::CharacterDevice::alias);
    if (found == channels.end() || found->target.state == state) return;
    const bool is_agent = found->target.name == "org.qemu.guest_agent.0";
    const auto which = static_cast<std::size_t>(found - channels.begin());
    domain_->change_live([&](model::Domain& live) { live.devices.channels[which].target.state = state; },
                         Recorded::soon);
    if (!is_agent) return;
    if (running_->agent) running_->agent->set_guest_side_open(event.open);
    domain_->emit(event::AgentLifecycle{event.open ? 1 : 2, 2});
}

/// By us or by the guest.
void MachineEvents::operator()(const machine_event::TrayMoved& event) const {
    const auto note = [&](model::Domain& live) {
        for (auto& disk : live.devices.disks)
            if (disk.alias == event.device)
                disk.target.tray = event.open ? std::optional(model::Tray::open) : std::nullopt;
    };
    domain_->change_live(note, Recorded::soon);
    domain_->emit(event::TrayChange{event.device, event.open ? 0 : 1});
}

void MachineEvents::operator()(const machine_event::DeviceGone& event) const {
    if (event.device.empty()) return;                     // a part of a device, which is reported with its own event
    if (running_->leaving.contains(event.device)) return; // said again
    spawn(domain_->environment().executor, device_gone(domain_, running_, event.device),
          fmt::format("taking device '{}' of domain '{}' away", event.device, domain_->name()));
}

void MachineEvents::operator()(const machine_event::UnplugRefused& event) const {
    if (!element_of(running_->domain->devices, event.device)) return; // a part of a device, or none
    if (running_->refused != event.device)                            // else said again
        log::warning("domain '{}': the guest does not let go of device '{}'", domain_->name(), event.device);
    running_->refused = event.device;
    running_->unplugged.notify_all();
    domain_->emit(event::DeviceRemovalFailed{running_->refused});
}

void MachineEvents::operator()(const machine_event::DisplayClient& event) const {
    const auto end = [](const machine_event::DisplayEnd& side) {
        return event::GraphicsEnd{side.family, side.node, side.service};
    };
    domain_->emit(
        event::Graphics{static_cast<int>(event.phase), end(event.local), end(event.remote), event.auth_scheme});
}

} // namespace domus::compute
