// Parallel ports.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

void add_all(Build& build) {
    for (const auto& parallel : build.domain.devices.parallels) {
        const auto host = add_character(build, "parallel", parallel);
        auto device = build.device("isa-parallel", *parallel.alias);
        device["chardev"] = host;
        device["index"] = parallel.target.port.value_or(0);
        build.arguments.device(device);
    }
}

} // namespace

const DeviceKind& kind_parallel() {
    static const DeviceKind kind{
        .element = "parallel",
        .add = add_all,
        .alias = "parallel",
    };
    return kind;
}

} // namespace domus::engine::qemu
