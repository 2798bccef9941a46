// Channels: byte streams between host and guest, by name.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

using model::CharacterDevice;

namespace {

void add_channel(Build& build, const CharacterDevice& channel) {
    const auto type = channel.target.type.value_or("virtio");
    if (type != "virtio")
        refuse("channel", channel.rest.line, fmt::format("channels of type '{}' are not supported", type),
               "take <target type='virtio' name='...'/>");
    const auto host = add_character(build, "channel", channel);
    auto device = build.device("virtserialport", *channel.alias);
    device["chardev"] = host;
    device["bus"] = build.bus_of(model::ControllerType::virtio_serial, channel.address->controller);
    device["nr"] = channel.address->port;
    set(device, "name", channel.target.name);
    build.arguments.device(device);
}

void add_all(Build& build) {
    for (const auto& device : build.domain.devices.channels) add_channel(build, device);
}

} // namespace

const DeviceKind& kind_channel() {
    static const DeviceKind kind{
        .element = "channel",
        .add = add_all,
        .pluggable = true,
        .alias = "channel",
    };
    return kind;
}

} // namespace domus::engine::qemu
