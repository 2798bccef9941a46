// What the guest shows and plays: graphics servers, video cards, sound cards and the host's audio behind them.
#pragma once

#include "model/address.hpp"
#include "model/character_device.hpp"

namespace domus::model {

enum class GraphicsType { sdl, vnc, rdp, desktop, spice, egl_headless, dbus };
enum class ListenType { none, address, network, socket };
enum class SharePolicy { allow_exclusive, force_shared, ignore };
enum class ConnectedAction { keep, disconnect, fail };
enum class SpiceMode { any, secure, insecure };
enum class SpiceImage { auto_glz, auto_lz, quic, glz, lz, off };
enum class SpiceCompression { auto_, never, always };
enum class SpiceStreaming { filter, all, off };

struct Listen {
    ListenType type = ListenType::address;
    std::optional<std::string> address, network, socket;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Listen&) const = default;
};

struct SpiceChannel {
    std::string name;
    SpiceMode mode = SpiceMode::any;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const SpiceChannel&) const = default;
};

struct Graphics {
    Graphics(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Graphics(const Graphics&);
    Graphics(Graphics&&) noexcept;
    Graphics& operator=(const Graphics&);
    Graphics& operator=(Graphics&&) noexcept;
    ~Graphics();

    GraphicsType type = GraphicsType::vnc;
    std::optional<int> port;     ///< -1 is chosen at start
    std::optional<int> tls_port; ///< spice
    std::optional<bool> autoport;
    std::optional<int> websocket;
    std::optional<std::string> listen; ///< the first address of `listens`, for old clients
    std::optional<std::string> socket; ///< vnc: old form of a listen of type socket
    std::optional<std::string> keymap;
    std::optional<SpiceMode> default_mode;
    std::optional<std::string> passwd;          ///< secret
    std::optional<std::string> passwd_valid_to; ///< "2026-01-01T00:00:00", secret
    std::optional<ConnectedAction> connected;
    std::optional<SharePolicy> share_policy;
    std::optional<bool> power_control;
    std::optional<std::string> display, xauth; ///< sdl, desktop
    std::optional<bool> fullscreen;
    std::optional<bool> replace_user, multi_user; ///< rdp
    std::optional<bool> p2p;                      ///< dbus
    std::optional<std::string> address;           ///< dbus
    std::vector<Listen> listens;
    std::vector<SpiceChannel> channels;
    std::optional<SpiceImage> image_compression;
    std::optional<SpiceCompression> jpeg_compression, zlib_compression;
    std::optional<OnOff> playback_compression;
    std::optional<SpiceStreaming> streaming;
    std::optional<bool> clipboard_copypaste;
    std::optional<MouseMode> mouse_mode;
    std::optional<bool> file_transfer;
    std::optional<bool> gl;
    std::optional<std::string> gl_rendernode;
    std::optional<unsigned> audio_id;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Graphics&) const;
};

struct VideoModel {
    std::string type; ///< "virtio", "vga", "qxl", "bochs", "cirrus", "ramfb", "none"
    std::optional<ByteCount> ram, vram, vram64, vgamem;
    std::optional<unsigned> heads;
    std::optional<bool> primary;
    std::optional<OnOff> blob;
    std::optional<bool> accel3d, accel2d;
    std::optional<std::string> rendernode;
    std::optional<unsigned> width, height; ///< <resolution x= y=>
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const VideoModel&) const = default;
};

enum class VgaConf { io, on, off };

struct Video {
    std::optional<std::string> driver_name; ///< "qemu", "vhostuser"
    std::optional<VgaConf> vgaconf;
    std::optional<OnOff> iommu, ats, packed, page_per_vq;
    VideoModel model;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Video&) const = default;
};

enum class AudioType { none, alsa, coreaudio, dbus, jack, oss, pulseaudio, sdl, spice, file };
enum class SampleFormat { s8, u8, s16, u16, s32, u32, f32 };

struct AudioDirection {
    std::optional<bool> mixing_engine, fixed_settings;
    std::optional<unsigned> voices, buffer_length, buffer_count;
    std::optional<std::string> dev;                                     ///< alsa, oss
    std::optional<bool> try_poll;                                       ///< oss
    std::optional<std::string> name, stream_name;                       ///< pulseaudio
    std::optional<unsigned> latency;                                    ///< pulseaudio: microseconds
    std::optional<std::string> server_name, client_name, connect_ports; ///< jack
    std::optional<bool> exact_name;                                     ///< jack
    std::optional<unsigned> frequency, channels;
    std::optional<SampleFormat> format;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const AudioDirection&) const = default;
};

/// What the host does with the sound.
struct Audio {
    unsigned id = 1;
    AudioType type = AudioType::none;
    std::optional<unsigned> timer_period;    ///< microseconds
    std::optional<std::string> server_name;  ///< pulseaudio
    std::optional<std::string> path;         ///< file
    std::optional<std::string> driver;       ///< sdl
    std::optional<bool> try_mmap, exclusive; ///< oss
    std::optional<int> dsp_policy;           ///< oss
    std::optional<AudioDirection> input, output;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Audio&) const = default;
};

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::GraphicsType> =
    word_list("sdl", "vnc", "rdp", "desktop", "spice", "egl-headless", "dbus");
template <> inline constexpr auto words<model::ListenType> = word_list("none", "address", "network", "socket");
template <> inline constexpr auto words<model::SharePolicy> = word_list("allow-exclusive", "force-shared", "ignore");
template <> inline constexpr auto words<model::ConnectedAction> = word_list("keep", "disconnect", "fail");
template <> inline constexpr auto words<model::SpiceMode> = word_list("any", "secure", "insecure");
template <>
inline constexpr auto words<model::SpiceImage> = word_list("auto_glz", "auto_lz", "quic", "glz", "lz", "off");
template <> inline constexpr auto words<model::SpiceCompression> = word_list("auto", "never", "always");
template <> inline constexpr auto words<model::SpiceStreaming> = word_list("filter", "all", "off");
template <> inline constexpr auto words<model::VgaConf> = word_list("io", "on", "off");
template <>
inline constexpr auto words<model::AudioType> =
    word_list("none", "alsa", "coreaudio", "dbus", "jack", "oss", "pulseaudio", "sdl", "spice", "file");
template <> inline constexpr auto words<model::SampleFormat> = word_list("s8", "u8", "s16", "u16", "s32", "u32", "f32");
} // namespace domus::format
