// USB devices of the viewer.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

/// Of usb-redir: rules joined by '|', each class:vendor:product:version:allow, -1 for any.
std::string filter_text(const model::RedirectFilter& filter) {
    std::string text;
    const auto part = [](const std::optional<std::string>& value) { return value.value_or("-1"); };
    for (const auto& rule : filter.devices) {
        auto version = part(rule.version);
        if (const auto dot = version.find('.'); dot != version.npos) { // "2.56" is written in hexadecimal: 0x0256
            auto minor = version.substr(dot + 1);
            if (minor.size() < 2) minor.insert(0, 2 - minor.size(), '0');
            version = fmt::format("0x{}{}", version.substr(0, dot), minor);
        }
        text += fmt::format("{}{}:{}:{}:{}:{}", text.empty() ? "" : "|", part(rule.usb_class), part(rule.vendor),
                            part(rule.product), version, rule.allow ? 1 : 0);
    }
    return text;
}

void add_all(Build& build) {
    const auto& devices = build.domain.devices;
    for (const auto& redirected : devices.redirdevs) {
        if (redirected.bus != "usb") refuse("redirdev", redirected.rest.line, "only USB devices can be redirected");
        const auto host = add_character(build, "redirdev", redirected.rest.line, *redirected.alias, redirected.type,
                                        redirected.sources, redirected.protocol, {}, *redirected.alias + ".sock");
        build.need_device("usb-redir", "redirdev", redirected.rest.line);
        auto device = build.device("usb-redir", *redirected.alias);
        device["chardev"] = host;
        if (devices.redirfilter && !devices.redirfilter->devices.empty())
            device["filter"] = filter_text(*devices.redirfilter);
        build.place(device, redirected.address);
        build.arguments.device(device);
    }
}

void complete(model::Domain& domain) {
    for (auto& redirected : domain.devices.redirdevs)
        if (redirected.type == model::CharacterType::tcp && !redirected.protocol)
            redirected.protocol = model::CharacterProtocol::raw;
}

void list_usb(model::Domain& domain, UsbUsers& users) {
    for (auto& redirected : domain.devices.redirdevs) users.add("redirdev", redirected);
}

} // namespace

const DeviceKind& kind_redirdev() {
    static const DeviceKind kind{
        .element = "redirdev",
        .add = add_all,
        .pluggable = true,
        .alias = "redir",
        .complete = complete,
        .usb = {9, list_usb},
    };
    return kind;
}

} // namespace domus::engine::qemu
