// Serial ports.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::CharacterDevice;

namespace {

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
    const auto host = add_character(build, "serial", serial);
    const auto driver = serial.target.model_name.value_or(type);
    build.need_device(driver, "serial", serial.rest.line);
    auto device = build.device(driver, *serial.alias);
    device["chardev"] = host;
    kind->options(serial, device);
    build.place(device, serial.address);
    build.arguments.device(device);
}

void add_all(Build& build) {
    for (const auto& serial : build.domain.devices.serials) add_serial(build, serial);
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& serial : domain.devices.serials)
        if (serial.target.type == "pci-serial") users.add("serial", serial, PciPlug::conventional);
}

void list_usb(model::Domain& domain, UsbUsers& users) {
    for (auto& serial : domain.devices.serials)
        if (serial.target.type == "usb-serial") users.add("serial", serial);
}

} // namespace

const DeviceKind& kind_serial() {
    static const DeviceKind kind{
        .element = "serial",
        .add = add_all,
        .alias = "serial",
        .pci = {13, list_pci},
        .usb = {6, list_usb},
    };
    return kind;
}

} // namespace domus::engine::qemu
