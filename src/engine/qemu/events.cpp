#include "engine/qemu/events.hpp"

#include "engine/qemu/answer.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace domus::engine::qemu {

namespace json = boost::json;
using namespace machine_event;

namespace {

/// The alias in "/machine/peripheral/virtio-disk0" or in the backend's name.
std::string alias_of(const json::object& data) {
    auto device = text_at(data, "device");
    if (!device.empty()) return device;
    const auto path = text_at(data, "qom-path");
    return path.substr(path.rfind('/') + 1);
}

MachineEvent shut_down(const json::object& data) {
    const auto reason = text_at(data, "reason");
    if (reason == "host-signal" || reason == "host-qmp-quit") return ShutDown{ShutdownCause::host};
    return ShutDown{reason == "guest-reset" ? ShutdownCause::guest_reset : ShutdownCause::guest};
}

MachineEvent watchdog(const json::object& data) {
    constexpr std::array<std::string_view, 7> names{"none",     "pause", "reset",     "poweroff",
                                                    "shutdown", "debug", "inject-nmi"};
    const auto found = std::ranges::find(names, text_at(data, "action"));
    return Watchdog{static_cast<WatchdogAction>(found == names.end() ? 0 : found - names.begin())};
}

MachineEvent io_error(const json::object& data) {
    const auto action = text_at(data, "action");
    IoError event{alias_of(data), IoErrorAction::none, truth_at(data, "nospace")};
    if (action == "stop") event.action = IoErrorAction::pause;
    if (action == "report") event.action = IoErrorAction::report;
    return event;
}

MachineEvent clock_changed(const json::object& data) { return ClockChanged{integer_at(data, "offset")}; }

MachineEvent balloon_changed(const json::object& data) {
    return BalloonChanged{static_cast<std::uint64_t>(std::max<std::int64_t>(integer_at(data, "actual"), 0))};
}

MachineEvent channel_changed(const json::object& data) {
    return ChannelChanged{text_at(data, "id"), truth_at(data, "open")};
}

MachineEvent tray_moved(const json::object& data) { return TrayMoved{alias_of(data), truth_at(data, "tray-open")}; }

MachineEvent device_gone(const json::object& data) { return DeviceGone{text_at(data, "device")}; }

MachineEvent unplug_refused(const json::object& data) { return UnplugRefused{text_at(data, "device")}; }

DisplayEnd display_end(const json::object& data, std::string_view side) {
    DisplayEnd end;
    const auto* object = object_at(data, side);
    if (!object) return end;
    const auto family = text_at(*object, "family");
    end.family = family == "ipv4" ? 0 : family == "ipv6" ? 1 : 2;
    end.node = text_at(*object, "host");
    end.service = text_at(*object, "service");
    return end;
}

template <DisplayPhase phase> MachineEvent display_client(const json::object& data) {
    DisplayClient event{phase, display_end(data, "server"), display_end(data, "client"), {}};
    if (const auto* server = object_at(data, "server")) event.auth_scheme = text_at(*server, "auth");
    return event;
}

template <class Event> MachineEvent plain(const json::object&) { return Event{}; }

struct EventTranslation {
    std::string_view name;
    MachineEvent (*translate)(const json::object& data);
};
constexpr std::array<EventTranslation, 19> event_translations{{
    {"SHUTDOWN", shut_down},
    {"STOP", plain<Stopped>},
    {"RESUME", plain<Resumed>},
    {"RESET", plain<Reset>},
    {"GUEST_PANICKED", plain<Crashed>},
    {"WATCHDOG", watchdog},
    {"BLOCK_IO_ERROR", io_error},
    {"VSERPORT_CHANGE", channel_changed},
    {"RTC_CHANGE", clock_changed},
    {"BALLOON_CHANGE", balloon_changed},
    {"DEVICE_TRAY_MOVED", tray_moved},
    {"DEVICE_DELETED", device_gone},
    {"DEVICE_UNPLUG_GUEST_ERROR", unplug_refused},
    {"SUSPEND", plain<Suspended>},
    {"SUSPEND_DISK", plain<SuspendedToDisk>},
    {"WAKEUP", plain<Woken>},
    {"VNC_CONNECTED", display_client<DisplayPhase::connect>},
    {"VNC_INITIALIZED", display_client<DisplayPhase::initialize>},
    {"VNC_DISCONNECTED", display_client<DisplayPhase::disconnect>},
}};

} // namespace

std::optional<MachineEvent> machine_event_of(std::string_view name, const json::object& data) {
    const auto found = std::ranges::find(event_translations, name, &EventTranslation::name);
    if (found == event_translations.end()) return std::nullopt;
    return found->translate(data);
}

GuestState guest_state(const json::value& status) {
    struct Known {
        std::string_view name;
        GuestState state;
    };
    constexpr std::array<Known, 6> known{{
        {"running", GuestState::running},
        {"prelaunch", GuestState::prelaunch},
        {"shutdown", GuestState::shut_down},
        {"guest-panicked", GuestState::crashed},
        {"io-error", GuestState::io_error},
        {"paused", GuestState::paused},
    }};
    const auto name = text_at(status.as_object(), "status");
    const auto found = std::ranges::find(known, name, &Known::name);
    return found == known.end() ? GuestState::paused : found->state;
}

} // namespace domus::engine::qemu
