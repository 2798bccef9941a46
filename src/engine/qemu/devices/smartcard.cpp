// Smart cards of the viewer, passed through to the guest.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

void add_smartcard(Build& build, const model::Smartcard& smartcard) {
    const auto line = smartcard.rest.line;
    if (smartcard.mode != model::SmartcardMode::passthrough)
        refuse("smartcard", line, fmt::format("mode '{}' is not supported", format::word(smartcard.mode)));
    const auto host = add_character(build, "smartcard", line, *smartcard.alias,
                                    smartcard.type.value_or(model::CharacterType::spicevmc), smartcard.sources,
                                    smartcard.protocol, {}, *smartcard.alias + ".sock");
    build.need_device("ccid-card-passthru", "smartcard", line);
    auto device = build.device("ccid-card-passthru", *smartcard.alias);
    device["chardev"] = host;
    device["bus"] = build.bus_of(model::ControllerType::ccid, smartcard.address->controller);
    build.arguments.device(device);
}

void add_all(Build& build) {
    for (const auto& device : build.domain.devices.smartcards) add_smartcard(build, device);
}

} // namespace

const DeviceKind& kind_smartcard() {
    static const DeviceKind kind{
        .element = "smartcard",
        .add = add_all,
        .alias = "smartcard",
    };
    return kind;
}

} // namespace domus::engine::qemu
