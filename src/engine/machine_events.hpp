// What a machine reports by itself. Devices are named by their aliases.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace domus::engine {

/// What the guest does, as the machine knows it.
enum class GuestState {
    prelaunch, ///< it has not run yet
    running,
    paused,
    shut_down, ///< it has shut down; its process waits
    crashed,
    io_error, ///< it stands still until a disk works again
};

/// As libvirt's virDomainEventWatchdogAction numbers them.
enum class WatchdogAction : int { none, pause, reset, poweroff, shutdown, debug, inject_nmi };

namespace machine_event {

/// The machine can be controlled again: after a restart of the daemon, or after its control connection was lost.
struct Reached {
    GuestState state = GuestState::paused;
};

enum class ShutdownCause { guest, guest_reset, host };
struct ShutDown {
    ShutdownCause cause = ShutdownCause::guest;
};
struct Stopped {};
struct Resumed {};
struct Reset {};
struct Crashed {};
struct Suspended {};       // to RAM, by the guest
struct SuspendedToDisk {}; // by the guest
struct Woken {};

struct Watchdog {
    WatchdogAction action = WatchdogAction::none;
};
enum class IoErrorAction { none, pause, report };
struct IoError {
    std::string device;
    IoErrorAction action = IoErrorAction::none;
    bool no_space = false;
};
struct ClockChanged {
    std::int64_t offset = 0; ///< seconds
};
struct BalloonChanged {
    std::uint64_t bytes = 0; ///< that the guest has
};
struct ChannelChanged {
    std::string device;
    bool open = false; ///< by the guest
};
struct TrayMoved {
    std::string device;
    bool open = false;
};
/// The guest has let it go; what the host has for it can be given back (Machine::release_device).
struct DeviceGone {
    std::string device;
};
struct UnplugRefused {
    std::string device;
};

struct DisplayEnd {
    int family = 2; ///< 0 IPv4, 1 IPv6, 2 Unix (virDomainEventGraphicsAddressType)
    std::string node, service;
};
enum class DisplayPhase : int { connect, initialize, disconnect };
struct DisplayClient {
    DisplayPhase phase = DisplayPhase::connect;
    DisplayEnd local, remote;
    std::string auth_scheme;
};

} // namespace machine_event

using MachineEvent =
    std::variant<machine_event::Reached, machine_event::ShutDown, machine_event::Stopped, machine_event::Resumed,
                 machine_event::Reset, machine_event::Crashed, machine_event::Suspended, machine_event::SuspendedToDisk,
                 machine_event::Woken, machine_event::Watchdog, machine_event::IoError, machine_event::ClockChanged,
                 machine_event::BalloonChanged, machine_event::ChannelChanged, machine_event::TrayMoved,
                 machine_event::DeviceGone, machine_event::UnplugRefused, machine_event::DisplayClient>;

} // namespace domus::engine
