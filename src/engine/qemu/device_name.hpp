// What messages call a device: "disk 'vda'", "interface '52:54:00:12:34:56'", "controller 'scsi' 0", "rng (line 12)".
#pragma once

#include "model/devices.hpp"

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace domus::engine::qemu {

inline std::string device_name(std::string_view, const model::Disk& disk) {
    return fmt::format("disk '{}'", disk.target.dev);
}

inline std::string device_name(std::string_view, const model::Interface& interface) {
    return fmt::format("interface '{}'", interface.mac.value_or("without address"));
}

inline std::string device_name(std::string_view, const model::Controller& controller) {
    return fmt::format("controller '{}' {}", format::word(controller.type), controller.index.value_or(0));
}

template <class Device> std::string device_name(std::string_view element, const Device& device) {
    if (device.alias) return fmt::format("{} '{}'", element, *device.alias);
    if (device.rest.line > 0) return fmt::format("{} (line {})", element, device.rest.line);
    return std::string(element);
}

} // namespace domus::engine::qemu
