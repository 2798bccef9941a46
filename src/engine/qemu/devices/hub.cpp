// USB hubs.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

void add_all(Build& build) {
    for (const auto& hub : build.domain.devices.hubs) {
        if (hub.type != "usb") refuse("hub", hub.rest.line, fmt::format("type '{}' is not known", hub.type));
        auto device = build.device("usb-hub", *hub.alias);
        build.place(device, hub.address);
        build.arguments.device(device);
    }
}

void list_usb(model::Domain& domain, UsbUsers& users) {
    for (auto& hub : domain.devices.hubs) users.add("hub", hub, true);
}

} // namespace

const DeviceKind& kind_hub() {
    static const DeviceKind kind{
        .element = "hub",
        .add = add_all,
        .alias = "hub",
        .usb = {1, list_usb},
    };
    return kind;
}

} // namespace domus::engine::qemu
