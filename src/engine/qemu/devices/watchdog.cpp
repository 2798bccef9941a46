// Watchdogs, and what happens when the guest no longer feeds them.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

void add_all(Build& build) {
    const auto& watchdogs = build.domain.devices.watchdogs;
    for (const auto& watchdog : watchdogs) {
        if (watchdog.model != "i6300esb" && watchdog.model != "ib700")
            refuse("watchdog", watchdog.rest.line, fmt::format("model '{}' is not supported", watchdog.model),
                   "take model='i6300esb'");
        if (watchdog.action != watchdogs.front().action)
            refuse("watchdog", watchdog.rest.line, "all watchdogs of a domain have the same action");
        auto device = build.device(watchdog.model, *watchdog.alias);
        build.place(device, watchdog.address);
        build.arguments.device(device);
    }
    if (watchdogs.empty()) return;
    // A dump is made by the daemon, from a guest that stands still meanwhile.
    const auto action = watchdogs.front().action;
    build.arguments.add(
        "-action", Options().set("watchdog", action == model::WatchdogAction::dump ? "pause" : format::word(action)));
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& watchdog : domain.devices.watchdogs)
        if (watchdog.model == "i6300esb") users.add("watchdog", watchdog, PciPlug::conventional);
}

} // namespace

const DeviceKind& kind_watchdog() {
    static const DeviceKind kind{
        .element = "watchdog",
        .add = add_all,
        .alias = "watchdog",
        .pci = {9, list_pci},
    };
    return kind;
}

} // namespace domus::engine::qemu
