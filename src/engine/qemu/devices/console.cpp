// Consoles. One on a serial port is that port, listed again.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

using model::CharacterDevice;

namespace {

void add_console(Build& build, const CharacterDevice& console) {
    const auto type = console.target.type.value_or("serial");
    if (type == "serial") return; // the serial port, listed again
    if (type != "virtio")
        refuse("console", console.rest.line, fmt::format("consoles of type '{}' are not supported", type));
    const auto host = add_character(build, "console", console);
    auto device = build.device("virtconsole", *console.alias);
    device["chardev"] = host;
    build.arguments.device(device);
}

void add_all(Build& build) {
    for (const auto& device : build.domain.devices.consoles) add_console(build, device);
}

} // namespace

const DeviceKind& kind_console() {
    static const DeviceKind kind{
        .element = "console",
        .add = add_all,
    };
    return kind;
}

} // namespace domus::engine::qemu
