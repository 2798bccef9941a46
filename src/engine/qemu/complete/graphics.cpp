#include "engine/qemu/complete/parts.hpp"

#include <algorithm>

namespace domus::engine::qemu {

using model::GraphicsType;

namespace {

/// The attribute `listen` and the first <listen> say the same.
void complete_listens(model::Graphics& graphics) {
    const bool spice = graphics.type == GraphicsType::spice;
    auto& listens = graphics.listens;
    if (listens.empty()) {
        auto& listen = listens.emplace_back();
        if (graphics.socket) {
            listen.type = model::ListenType::socket;
            listen.socket = graphics.socket;
        } else if (graphics.listen) {
            listen.address = graphics.listen;
        } else if (spice && !graphics.port && !graphics.tls_port && !graphics.autoport.value_or(false)) {
            listen.type = model::ListenType::none; // reached only through a descriptor of the daemon
        }
        return;
    }
    auto& first = listens.front();
    if (first.type == model::ListenType::address && !first.address) first.address = graphics.listen;
    if (first.type == model::ListenType::address && !graphics.listen) graphics.listen = first.address;
    if (first.type == model::ListenType::socket && !graphics.socket && !spice) graphics.socket = first.socket;
}

void complete_ports(model::Graphics& graphics) {
    const bool vnc = graphics.type == GraphicsType::vnc;
    const auto& first = graphics.listens.front();
    if (first.type == model::ListenType::socket || first.type == model::ListenType::none) return;
    const bool chosen = graphics.autoport.value_or(false) || graphics.port.value_or(vnc ? -1 : 0) == -1;
    if (chosen) {
        graphics.autoport = true;
        graphics.port.reset();
        graphics.tls_port.reset();
        if (vnc) graphics.port = -1;
    } else {
        graphics.autoport = false;
    }
}

/// A port that a start chose stays; the definition has -1 there.
bool is_running(const model::Domain& domain) { return domain.id.has_value(); }

void complete_server(model::Graphics& graphics, bool running) {
    if (graphics.type != GraphicsType::vnc && graphics.type != GraphicsType::spice) return;
    complete_listens(graphics);
    if (!running) complete_ports(graphics);
}

void complete_video(model::Video& video) {
    auto& model = video.model;
    if (model.type.empty()) model.type = "vga";
    if (model.type == "none") return;
    const auto standard = ByteCount::mib(16);
    if (model.type == "vga" || model.type == "cirrus" || model.type == "bochs" || model.type == "vmvga") {
        if (!model.vram) model.vram = standard;
    } else if (model.type == "qxl") {
        if (!model.ram) model.ram = ByteCount::mib(64);
        if (!model.vram) model.vram = ByteCount::mib(64);
        if (!model.vgamem) model.vgamem = standard;
    }
    if (!model.heads && model.type != "ramfb") model.heads = 1;
}

void complete_videos(model::Devices& devices) {
    auto& videos = devices.videos;
    if (videos.empty() && !devices.graphics.empty()) videos.emplace_back().model.type = "vga";
    for (auto& video : videos) complete_video(video);
    const auto primary =
        std::ranges::find_if(videos, [](const auto& video) { return video.model.primary.value_or(false); });
    if (primary == videos.end()) {
        if (!videos.empty() && videos.front().model.type != "none") videos.front().model.primary = true;
    } else {
        std::rotate(videos.begin(), primary, primary + 1); // the primary one stands first
    }
}

void complete_audio(model::Devices& devices) {
    if (!devices.audios.empty()) return;
    auto& audio = devices.audios.emplace_back();
    for (const auto& graphics : devices.graphics) {
        if (graphics.type == GraphicsType::spice)
            audio.type = model::AudioType::spice;
        else if (graphics.type == GraphicsType::sdl)
            audio.type = model::AudioType::sdl;
        else
            continue;
        break;
    }
}

void complete_inputs(std::vector<model::Input>& inputs) {
    using model::InputBus;
    using model::InputType;
    for (auto& input : inputs)
        if (!input.bus && input.type != InputType::passthrough && input.type != InputType::evdev)
            input.bus = input.type == InputType::tablet ? InputBus::usb : InputBus::ps2;
    for (const auto type : {InputType::mouse, InputType::keyboard}) {
        const auto there = [&](const model::Input& input) { return input.type == type && input.bus == InputBus::ps2; };
        if (std::ranges::any_of(inputs, there)) continue;
        auto& input = inputs.emplace_back();
        input.type = type;
        input.bus = InputBus::ps2; // part of the chipset
    }
}

} // namespace

void complete_graphics(model::Domain& domain) {
    auto& devices = domain.devices;
    for (auto& graphics : devices.graphics) complete_server(graphics, is_running(domain));
    complete_videos(devices);
    complete_audio(devices);
    complete_inputs(devices.inputs);
}

} // namespace domus::engine::qemu
