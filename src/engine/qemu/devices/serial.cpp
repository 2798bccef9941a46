// Serial and parallel ports, channels and consoles: the guest's end of byte streams.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::CharacterDevice;

namespace {

std::string stream(Build& build, std::string_view element, const CharacterDevice& device) {
    const auto name = device.target.name.value_or(*device.alias + ".sock");
    return add_character(build, element, device.rest.line, *device.alias, device.type, device.sources, device.protocol,
                         device.log, name);
}

void isa_serial(const CharacterDevice& serial, json::object& device) {
    device["index"] = *serial.target.port;
    if (serial.address && serial.address->iobase) device["iobase"] = serial.address->iobase->value;
    if (serial.address && serial.address->irq) device["irq"] = serial.address->irq->value;
}
void isa_debug(const CharacterDevice& serial, json::object& device) {
    if (serial.address && serial.address->iobase) device["iobase"] = serial.address->iobase->value;
}
void plugged(const CharacterDevice&, json::object&) {}

struct SerialKind {
    std::string_view type;
    void (*options)(const CharacterDevice&, json::object&);
};
constexpr std::array<SerialKind, 4> serial_kinds{{
    {"isa-serial", isa_serial},
    {"isa-debug", isa_debug},
    {"pci-serial", plugged},
    {"usb-serial", plugged},
}};

void add_serial(Build& build, const CharacterDevice& serial) {
    const auto type = serial.target.type.value_or("isa-serial");
    const auto kind = std::ranges::find(serial_kinds, type, &SerialKind::type);
    if (kind == serial_kinds.end())
        refuse("target", serial.target.rest.line, fmt::format("serial ports of type '{}' are not supported", type));
    const auto host = stream(build, "serial", serial);
    const auto driver = serial.target.model_name.value_or(type);
    build.need_device(driver, "serial", serial.rest.line);
    auto device = build.device(driver, *serial.alias);
    device["chardev"] = host;
    kind->options(serial, device);
    build.place(device, serial.address);
    build.arguments.device(device);
}

void add_channel(Build& build, const CharacterDevice& channel) {
    const auto type = channel.target.type.value_or("virtio");
    if (type != "virtio")
        refuse("channel", channel.rest.line, fmt::format("channels of type '{}' are not supported", type),
               "take <target type='virtio' name='...'/>");
    const auto host = stream(build, "channel", channel);
    auto device = build.device("virtserialport", *channel.alias);
    device["chardev"] = host;
    device["bus"] = build.bus_of(model::ControllerType::virtio_serial, channel.address->controller);
    device["nr"] = channel.address->port;
    set(device, "name", channel.target.name);
    build.arguments.device(device);
}

void add_console(Build& build, const CharacterDevice& console) {
    const auto type = console.target.type.value_or("serial");
    if (type == "serial") return; // the serial port, listed again
    if (type != "virtio")
        refuse("console", console.rest.line, fmt::format("consoles of type '{}' are not supported", type));
    const auto host = stream(build, "console", console);
    auto device = build.device("virtconsole", *console.alias);
    device["chardev"] = host;
    build.arguments.device(device);
}

} // namespace

void add_serials(Build& build) {
    for (const auto& serial : build.domain.devices.serials) add_serial(build, serial);
}

void add_parallels(Build& build) {
    for (const auto& parallel : build.domain.devices.parallels) {
        const auto host = stream(build, "parallel", parallel);
        auto device = build.device("isa-parallel", *parallel.alias);
        device["chardev"] = host;
        device["index"] = parallel.target.port.value_or(0);
        build.arguments.device(device);
    }
}

void add_channels(Build& build) {
    for (const auto& channel : build.domain.devices.channels) add_channel(build, channel);
}

void add_consoles(Build& build) {
    for (const auto& console : build.domain.devices.consoles) add_console(build, console);
}

} // namespace domus::engine::qemu
