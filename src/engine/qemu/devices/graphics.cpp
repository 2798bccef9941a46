// Graphics servers: VNC, SPICE and those without a server.
#include "base/host_address.hpp"
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::Graphics;
using model::GraphicsType;
using model::ListenType;

namespace {

constexpr std::string_view element = "graphics";
constexpr int first_vnc_port = 5900;

const model::Listen* listen_of(const Graphics& graphics) {
    return graphics.listens.empty() ? nullptr : &graphics.listens.front();
}

std::string address_of(const Graphics& graphics) {
    const auto* listen = listen_of(graphics);
    if (listen && listen->address) return *listen->address;
    return graphics.listen.value_or("127.0.0.1");
}

/// An id for the password's secret; the sequence number tells several servers apart.
std::optional<std::string> password(Build& build, const Graphics& graphics, std::size_t number) {
    if (graphics.passwd_valid_to) refuse(element, graphics.rest.line, "passwordValidTo is not supported");
    if (!graphics.passwd) return std::nullopt;
    const Sensitive value(std::string_view(*graphics.passwd));
    return build.secret(fmt::format("graphics{}-password", number), &value);
}

std::string socket_path(const Build& build, const Graphics& graphics, std::size_t number) {
    const auto* listen = listen_of(graphics);
    const auto named = listen && listen->socket ? listen->socket : graphics.socket;
    if (!named) return fmt::format("{}/{}{}.sock", build.launch.folder, format::word(graphics.type), number);
    const auto own = build.launch.display_sockets.find(*named);
    return own == build.launch.display_sockets.end() ? *named : own->second;
}

std::optional<std::string> audio_of(const Build& build, const Graphics& graphics) {
    const auto& audios = build.domain.devices.audios;
    const auto wanted = graphics.audio_id.value_or(audios.empty() ? 0 : audios.front().id);
    if (std::ranges::find(audios, wanted, &model::Audio::id) == audios.end()) return std::nullopt;
    return fmt::format("audio{}", wanted);
}

void vnc(Build& build, const Graphics& graphics, std::size_t number) {
    const auto* listen = listen_of(graphics);
    Options options;
    if (listen && listen->type == ListenType::socket) {
        options.flag("unix:" + socket_path(build, graphics, number));
    } else if (listen && listen->type == ListenType::none) {
        options.flag("none");
    } else {
        const int port = graphics.port.value_or(-1);
        if (port >= 0 && port < first_vnc_port)
            refuse(element, graphics.rest.line, fmt::format("port {} is below {}, VNC's first", port, first_vnc_port));
        options.flag(fmt::format("{}:{}", bracketed(address_of(graphics)), port < 0 ? 0 : port - first_vnc_port));
        if (graphics.websocket) {
            if (*graphics.websocket == -1)
                options.set("websocket", true);
            else
                options.set("websocket", *graphics.websocket);
        }
    }
    if (const auto secret = password(build, graphics, number)) options.set("password-secret", *secret);
    if (graphics.share_policy) options.set("share", format::word(*graphics.share_policy));
    if (graphics.power_control) options.set("power-control", *graphics.power_control);
    if (const auto audio = audio_of(build, graphics)) options.set("audiodev", *audio);
    if (graphics.keymap) build.arguments.add("-k", *graphics.keymap);
    build.arguments.add("-vnc", options);
}

void spice_channels(const Graphics& graphics, Options& options) {
    const auto mode = [&](model::SpiceMode value, const std::string& name) {
        if (value == model::SpiceMode::secure) options.set("tls-channel", name);
        if (value == model::SpiceMode::insecure) options.set("plaintext-channel", name);
    };
    if (graphics.default_mode) mode(*graphics.default_mode, "default");
    for (const auto& channel : graphics.channels) mode(channel.mode, channel.name);
}

void spice(Build& build, const Graphics& graphics, std::size_t number) {
    if (graphics.tls_port.value_or(0) > 0) refuse(element, graphics.rest.line, "TLS for SPICE is not supported");
    const auto* listen = listen_of(graphics);
    Options options;
    if (listen && listen->type == ListenType::socket)
        options.set("unix", true).set("addr", socket_path(build, graphics, number));
    else if (listen && listen->type == ListenType::none)
        options.set("port", 0);
    else
        options.set("port", graphics.port.value_or(first_vnc_port)).set("addr", address_of(graphics));
    if (const auto secret = password(build, graphics, number))
        options.set("password-secret", *secret);
    else
        options.set("disable-ticketing", true);
    spice_channels(graphics, options);
    if (graphics.image_compression) options.set("image-compression", format::word(*graphics.image_compression));
    if (graphics.jpeg_compression) options.set("jpeg-wan-compression", format::word(*graphics.jpeg_compression));
    if (graphics.zlib_compression) options.set("zlib-glz-wan-compression", format::word(*graphics.zlib_compression));
    if (graphics.playback_compression) options.set("playback-compression", on(*graphics.playback_compression));
    if (graphics.streaming) options.set("streaming-video", format::word(*graphics.streaming));
    if (graphics.mouse_mode == model::MouseMode::server) options.set("agent-mouse", false);
    if (graphics.clipboard_copypaste == false) options.set("disable-copy-paste", true);
    if (graphics.file_transfer == false) options.set("disable-agent-file-xfer", true);
    if (graphics.gl.value_or(false)) {
        options.set("gl", true);
        if (graphics.gl_rendernode) options.set("rendernode", *graphics.gl_rendernode);
    }
    options.set("seamless-migration", true);
    if (graphics.keymap) build.arguments.add("-k", *graphics.keymap);
    build.arguments.add("-spice", options);
}

void egl_headless(Build& build, const Graphics& graphics, std::size_t) {
    Options options("egl-headless");
    if (graphics.gl_rendernode) options.set("rendernode", *graphics.gl_rendernode);
    build.arguments.add("-display", options);
}

void unsupported(Build&, const Graphics& graphics, std::size_t) {
    refuse(element, graphics.rest.line, fmt::format("type '{}' is not supported", format::word(graphics.type)),
           "take type='vnc'");
}

struct Kind {
    GraphicsType type;
    void (*add)(Build&, const Graphics&, std::size_t);
};
constexpr std::array<Kind, 7> kinds{{
    {GraphicsType::vnc, vnc},
    {GraphicsType::spice, spice},
    {GraphicsType::egl_headless, egl_headless},
    {GraphicsType::sdl, unsupported},
    {GraphicsType::rdp, unsupported},
    {GraphicsType::desktop, unsupported},
    {GraphicsType::dbus, unsupported},
}};

void check(const Graphics& graphics) {
    const auto line = graphics.rest.line;
    if (graphics.listens.size() > 1) refuse("listen", line, "more than one <listen> is not supported");
    if (graphics.connected && *graphics.connected != model::ConnectedAction::keep)
        refuse(element, line, "connected='...' is not supported");
    if (graphics.gl.value_or(false) && graphics.type == GraphicsType::vnc)
        refuse("gl", line, "VNC has no GL of its own", "add <graphics type='egl-headless'/>");
}

/// QEMU has one SPICE server: further SPICE displays are further names for it.
bool is_served_already(const std::vector<Graphics>& all, std::size_t number) {
    const auto first = std::ranges::find(all, GraphicsType::spice, &Graphics::type);
    const auto& graphics = all[number];
    if (graphics.type != GraphicsType::spice || &*first == &graphics) return false;
    if (graphics.port == first->port && address_of(graphics) == address_of(*first) && graphics.passwd == first->passwd)
        return true;
    refuse(element, graphics.rest.line,
           "only 1 graphics device of each type (sdl, vnc, spice, headless, dbus) is supported",
           "remove one of the SPICE displays, or give both the same address, port and password");
}

void add_graphics_server(Build& build, const Graphics& graphics, std::size_t number) {
    check(graphics);
    if (is_served_already(build.domain.devices.graphics, number)) return;
    std::ranges::find(kinds, graphics.type, &Kind::type)->add(build, graphics, number);
}

void add_all(Build& build) {
    const auto& all = build.domain.devices.graphics;
    if (std::ranges::find(all, GraphicsType::egl_headless, &Graphics::type) == all.end())
        build.arguments.add("-display", "none");
    for (std::size_t i = 0; i < all.size(); ++i) add_graphics_server(build, all[i], i);
}

} // namespace

const DeviceKind& kind_graphics() {
    static const DeviceKind kind{
        .element = element,
        .add = add_all,
    };
    return kind;
}

} // namespace domus::engine::qemu
