// Sound cards.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::Audio;
using model::Sound;

namespace {

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

void add_all(Build& build) {
    for (const auto& device : build.domain.devices.sounds) add_sound(build, device);
}

bool is_on_pci(const Sound& sound) {
    constexpr std::array<std::string_view, 3> others{"usb", "sb16", "pcspk"};
    return std::ranges::none_of(others, [&](std::string_view word) { return sound.model.starts_with(word); });
}

/// Where guests know the chipset's own card.
void list_fixed(model::Domain& domain, PciUsers& users) {
    if (users.chipset() != Chipset::q35) return;
    auto& sounds = domain.devices.sounds;
    const auto ich9 = std::ranges::find(sounds, "ich9", &Sound::model);
    if (ich9 != sounds.end()) users.add("sound", *ich9, PciPlug::conventional).wish = PciPlace{0, 0x1b, 0};
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& sound : domain.devices.sounds)
        if (is_on_pci(sound)) users.add("sound", sound, PciPlug::conventional);
}

void list_usb(model::Domain& domain, UsbUsers& users) {
    for (auto& sound : domain.devices.sounds)
        if (sound.model == "usb") users.add("sound", sound);
}

} // namespace

const DeviceKind& kind_sound() {
    static const DeviceKind kind{
        .element = "sound",
        .add = add_all,
        .alias = "sound",
        .pci = {3, list_pci},
        .usb = {7, list_usb},
        .pci_fixed = list_fixed,
    };
    return kind;
}

} // namespace domus::engine::qemu
