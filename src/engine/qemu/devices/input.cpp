// Keyboards, mice and tablets.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::Input;
using model::InputBus;
using model::InputType;

namespace {

struct Kind {
    InputBus bus;
    InputType type;
    std::string_view driver; ///< empty: part of the chipset
};
constexpr std::array<Kind, 8> kinds{{
    {InputBus::ps2, InputType::mouse, ""},
    {InputBus::ps2, InputType::keyboard, ""},
    {InputBus::usb, InputType::mouse, "usb-mouse"},
    {InputBus::usb, InputType::tablet, "usb-tablet"},
    {InputBus::usb, InputType::keyboard, "usb-kbd"},
    {InputBus::virtio, InputType::mouse, "virtio-mouse-pci"},
    {InputBus::virtio, InputType::tablet, "virtio-tablet-pci"},
    {InputBus::virtio, InputType::keyboard, "virtio-keyboard-pci"},
}};

void add_passthrough(Build& build, const Input& input) {
    auto device = build.device("virtio-input-host-pci", *input.alias);
    device["evdev"] = input.evdev.value_or("");
    set_virtio(device, input.driver);
    build.place(device, input.address);
    build.arguments.device(device);
}

/// A device of the host whose events QEMU reads itself.
void add_evdev(Build& build, const Input& input) {
    json::object object{{"qom-type", "input-linux"}, {"id", *input.alias}, {"evdev", input.dev.value_or("")}};
    if (input.repeat) object["repeat"] = on(*input.repeat);
    if (input.grab) object["grab_all"] = *input.grab == "all";
    set(object, "grab-toggle", input.grab_toggle);
    build.arguments.object(object);
}

void add_input(Build& build, const Input& input) {
    if (input.type == InputType::passthrough) return add_passthrough(build, input);
    if (input.type == InputType::evdev) return add_evdev(build, input);
    const auto kind =
        std::ranges::find_if(kinds, [&](const Kind& each) { return each.bus == input.bus && each.type == input.type; });
    if (kind == kinds.end())
        refuse("input", input.rest.line,
               fmt::format("there is no {} on bus '{}'", format::word(input.type),
                           format::word(input.bus.value_or(InputBus::none))));
    if (kind->driver.empty()) return;
    build.need_device(kind->driver, "input", input.rest.line);
    auto device = build.device(kind->driver, *input.alias);
    if (input.bus == InputBus::virtio) set_virtio(device, input.driver);
    build.place(device, input.address);
    build.arguments.device(device);
}

void add_all(Build& build) {
    for (const auto& input : build.domain.devices.inputs) add_input(build, input);
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& input : domain.devices.inputs)
        if (input.bus == InputBus::virtio || input.type == InputType::passthrough)
            users.add("input", input, virtio_plug(input.model.value_or("")));
}

void list_usb(model::Domain& domain, UsbUsers& users) {
    for (auto& input : domain.devices.inputs)
        if (input.bus == InputBus::usb) users.add("input", input);
}

} // namespace

const DeviceKind& kind_input() {
    static const DeviceKind kind{
        .element = "input",
        .add = add_all,
        .pluggable = true,
        .alias = "input",
        .pci = {12, list_pci},
        .usb = {5, list_usb},
    };
    return kind;
}

} // namespace domus::engine::qemu
