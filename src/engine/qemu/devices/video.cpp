// Video cards.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::Video;

namespace {

std::uint64_t mebibytes(const std::optional<ByteCount>& amount) { return amount ? amount->mib_ceil() : 0; }

void vga(const Video& video, json::object& device) {
    if (video.model.vram) device["vgamem_mb"] = mebibytes(video.model.vram);
}
void cirrus(const Video&, json::object&) {}
void bochs(const Video& video, json::object& device) {
    if (video.model.vram) device["vgamem"] = video.model.vram->bytes;
}
void qxl(const Video& video, json::object& device) {
    const auto& model = video.model;
    if (model.heads) device["max_outputs"] = *model.heads;
    if (model.ram) device["ram_size"] = model.ram->bytes;
    if (model.vram) device["vram_size"] = model.vram->bytes;
    device["vram64_size_mb"] = mebibytes(model.vram64);
    if (model.vgamem) device["vgamem_mb"] = mebibytes(model.vgamem);
}
void virtio(const Video& video, json::object& device) {
    if (video.model.heads) device["max_outputs"] = *video.model.heads;
    if (video.model.blob) device["blob"] = on(*video.model.blob);
    set_virtio(device, video);
}

struct Kind {
    std::string_view type;
    std::string_view primary;   ///< the card that the firmware uses
    std::string_view secondary; ///< any further one; empty: there cannot be
    void (*options)(const Video&, json::object&);
};
constexpr std::array<Kind, 7> kinds{{
    {"vga", "VGA", "secondary-vga", vga},
    {"cirrus", "cirrus-vga", "", cirrus},
    {"vmvga", "vmware-svga", "", vga},
    {"bochs", "bochs-display", "bochs-display", bochs},
    {"qxl", "qxl-vga", "qxl", qxl},
    {"virtio", "virtio-vga", "virtio-gpu-pci", virtio},
    {"ramfb", "ramfb", "", cirrus},
}};

void set_resolution(const Video& video, json::object& device) {
    if (!video.model.width) return;
    device["xres"] = *video.model.width;
    device["yres"] = video.model.height.value_or(0);
}

void add_video(Build& build, const Video& video) {
    const auto& model = video.model;
    if (model.type == "none") return;
    const auto kind = std::ranges::find(kinds, model.type, &Kind::type);
    const auto line = video.rest.line;
    if (kind == kinds.end()) refuse("video", line, fmt::format("model '{}' is not known", model.type));
    const bool primary = model.primary.value_or(false);
    if (!primary && kind->secondary.empty())
        refuse("video", line, fmt::format("model '{}' can only be the first card", model.type));
    if (video.driver_name == "vhostuser") refuse("driver", line, "vhost-user video is not supported");
    if (model.rendernode)
        refuse("acceleration", line, "a render node is chosen by <graphics>", "add <gl rendernode='...'/> to it");
    if (model.accel2d.value_or(false)) refuse("acceleration", line, "2D acceleration is not supported");
    std::string driver(primary ? kind->primary : kind->secondary);
    if (model.accel3d.value_or(false)) {
        if (model.type != "virtio") refuse("acceleration", line, "only model 'virtio' has 3D acceleration");
        driver = primary ? "virtio-vga-gl" : "virtio-gpu-gl-pci";
    }
    build.need_device(driver, "video", line);
    auto device = build.device(driver, *video.alias);
    kind->options(video, device);
    set_resolution(video, device);
    build.place(device, video.address);
    build.arguments.device(device);
}

void add_all(Build& build) {
    for (const auto& video : build.domain.devices.videos) add_video(build, video);
}

bool on_pci(const Video& video) { return video.model.type != "none" && video.model.type != "ramfb"; }

PciPlug video_plug(const Video& video) {
    return video.model.type == "virtio" ? PciPlug::express : PciPlug::conventional;
}

/// The first card sits where guests know it.
void list_fixed(model::Domain& domain, PciUsers& users) {
    auto& videos = domain.devices.videos;
    if (videos.empty() || !on_pci(videos.front())) return;
    users.add("video", videos.front(), video_plug(videos.front())).wish =
        PciPlace{0, users.chipset() == Chipset::q35 ? 1u : 2u, 0};
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& video : domain.devices.videos)
        if (on_pci(video)) users.add("video", video, video_plug(video));
}

} // namespace

const DeviceKind& kind_video() {
    static const DeviceKind kind{
        .element = "video",
        .add = add_all,
        .alias = "video",
        .pci = {10, list_pci},
        .pci_fixed = list_fixed,
    };
    return kind;
}

} // namespace domus::engine::qemu
