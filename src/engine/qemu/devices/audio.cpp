// What the host does with the sound of the guest.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::Audio;
using model::AudioDirection;
using model::AudioType;

namespace {

void set_direction(json::object& audio, std::string_view key, const std::optional<AudioDirection>& direction) {
    if (!direction) return;
    json::object options;
    set(options, "mixing-engine", direction->mixing_engine);
    set(options, "fixed-settings", direction->fixed_settings);
    set(options, "voices", direction->voices);
    set(options, "buffer-length", direction->buffer_length);
    set(options, "buffer-count", direction->buffer_count);
    set(options, "dev", direction->dev);
    set(options, "try-poll", direction->try_poll);
    set(options, "name", direction->name);
    set(options, "stream-name", direction->stream_name);
    set(options, "latency", direction->latency);
    set(options, "server-name", direction->server_name);
    set(options, "client-name", direction->client_name);
    set(options, "connect-ports", direction->connect_ports);
    set(options, "exact-name", direction->exact_name);
    set(options, "frequency", direction->frequency);
    set(options, "channels", direction->channels);
    if (direction->format) options["format"] = format::word(*direction->format);
    audio[key] = std::move(options);
}

struct Backend {
    AudioType type;
    std::string_view driver; ///< QEMU's; empty: not supported
};
constexpr std::array<Backend, 10> backends{{
    {AudioType::none, "none"},
    {AudioType::alsa, "alsa"},
    {AudioType::coreaudio, ""},
    {AudioType::dbus, ""},
    {AudioType::jack, "jack"},
    {AudioType::oss, "oss"},
    {AudioType::pulseaudio, "pa"},
    {AudioType::sdl, "sdl"},
    {AudioType::spice, "spice"},
    {AudioType::file, "wav"},
}};

void add_audio(Build& build, const Audio& audio) {
    const auto backend = std::ranges::find(backends, audio.type, &Backend::type);
    if (backend->driver.empty())
        refuse("audio", audio.rest.line, fmt::format("type '{}' is not supported", format::word(audio.type)));
    if (audio.driver) refuse("audio", audio.rest.line, "driver='...' is not supported");
    json::object options{{"id", fmt::format("audio{}", audio.id)}, {"driver", backend->driver}};
    set(options, "timer-period", audio.timer_period);
    if (audio.type == AudioType::pulseaudio) set(options, "server", audio.server_name);
    if (audio.type == AudioType::file) set(options, "path", audio.path);
    if (audio.type == AudioType::oss) {
        set(options, "try-mmap", audio.try_mmap);
        set(options, "exclusive", audio.exclusive);
        set(options, "dsp-policy", audio.dsp_policy);
    }
    set_direction(options, "in", audio.input);
    set_direction(options, "out", audio.output);
    build.arguments.add("-audiodev", options);
}

void add_all(Build& build) {
    for (const auto& device : build.domain.devices.audios) add_audio(build, device);
}

} // namespace

const DeviceKind& kind_audio() {
    static const DeviceKind kind{
        .element = "audio",
        .add = add_all,
    };
    return kind;
}

} // namespace domus::engine::qemu
