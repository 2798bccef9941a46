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

} // namespace

void add_inputs(Build& build) {
    for (const auto& input : build.domain.devices.inputs) add_input(build, input);
}

} // namespace domus::engine::qemu
