// Sound cards, and what the host does with their sound.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::Audio;
using model::AudioDirection;
using model::AudioType;
using model::Sound;

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

std::string audio_of(const Build& build, const Sound& sound) {
    const auto& audios = build.domain.devices.audios;
    const auto wanted = sound.audio_id.value_or(audios.empty() ? 1 : audios.front().id);
    if (std::ranges::find(audios, wanted, &Audio::id) == audios.end())
        refuse("sound", sound.rest.line, fmt::format("there is no <audio id='{}'/>", wanted));
    return fmt::format("audio{}", wanted);
}

struct Card {
    std::string_view model, driver;
    bool codecs; ///< an HDA controller, whose codecs make the sound
};
constexpr std::array<Card, 7> cards{{
    {"ich6", "intel-hda", true},
    {"ich7", "intel-hda", true},
    {"ich9", "ich9-intel-hda", true},
    {"ac97", "AC97", false},
    {"es1370", "ES1370", false},
    {"sb16", "sb16", false},
    {"usb", "usb-audio", false},
}};

void add_codec(Build& build, const Sound& sound, model::CodecType type, unsigned number) {
    constexpr std::array<std::string_view, 3> drivers{"hda-duplex", "hda-micro", "hda-output"};
    auto device =
        build.device(drivers[static_cast<std::size_t>(type)], fmt::format("{}-codec{}", *sound.alias, number));
    device["bus"] = *sound.alias + ".0";
    device["cad"] = number;
    device["audiodev"] = audio_of(build, sound);
    build.arguments.device(device);
}

void add_sound(Build& build, const Sound& sound) {
    if (sound.model == "pcspk") refuse("sound", sound.rest.line, "model 'pcspk' is not supported");
    const auto card = std::ranges::find(cards, sound.model, &Card::model);
    if (card == cards.end()) refuse("sound", sound.rest.line, fmt::format("model '{}' is not known", sound.model));
    build.need_device(card->driver, "sound", sound.rest.line);
    auto device = build.device(card->driver, *sound.alias);
    if (!card->codecs) device["audiodev"] = audio_of(build, sound);
    build.place(device, sound.address);
    build.arguments.device(device);
    if (!card->codecs) return;
    unsigned number = 0;
    for (const auto& codec : sound.codecs) add_codec(build, sound, codec.type, number++);
    if (sound.codecs.empty()) add_codec(build, sound, model::CodecType::duplex, 0);
}

} // namespace

void add_audios(Build& build) {
    for (const auto& audio : build.domain.devices.audios) add_audio(build, audio);
}

void add_sounds(Build& build) {
    for (const auto& sound : build.domain.devices.sounds) add_sound(build, sound);
}

} // namespace domus::engine::qemu
