#include "model/graphics.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::keep_empty;
using format::never_empty;
using format::required;
using format::Schema;

const Schema& Listen::schema() {
    static const Schema table = Describe<Listen>("listen", "Where the server listens.")
                                    .field("@type", &Listen::type, "kind of place", required)
                                    .field("@address", &Listen::address, "address: name or number")
                                    .field("@network", &Listen::network, "network: its address is used")
                                    .field("@socket", &Listen::socket, "socket: its path");
    return table;
}

const Schema& SpiceChannel::schema() {
    static const Schema table =
        Describe<SpiceChannel>("channel", "Whether one channel of SPICE is encrypted.")
            .field("@name", &SpiceChannel::name, "main, display, inputs, cursor, playback, record, smartcard, usbredir",
                   required)
            .field("@mode", &SpiceChannel::mode, "which connections are taken", required);
    return table;
}

Graphics::Graphics() = default;
Graphics::Graphics(const Graphics&) = default;
Graphics::Graphics(Graphics&&) noexcept = default;
Graphics& Graphics::operator=(const Graphics&) = default;
Graphics& Graphics::operator=(Graphics&&) noexcept = default;
Graphics::~Graphics() = default;
bool Graphics::operator==(const Graphics&) const = default;

const Schema& Graphics::schema() {
    static const Schema table =
        Describe<Graphics>("graphics", "A server or window that shows the guest's screen.")
            .field("@type", &Graphics::type, "its protocol", required)
            .field("@port", &Graphics::port, "TCP port; -1 is chosen at start")
            .field("@tlsPort", &Graphics::tls_port, "spice: encrypted port")
            .field("@autoport", &Graphics::autoport, "whether ports are chosen at start", empty_is_absent)
            .field("@websocket", &Graphics::websocket, "vnc: port for WebSockets; -1 is chosen at start")
            .field("@socket", &Graphics::socket, "vnc: socket, in place of a port")
            .field("@listen", &Graphics::listen, "first address, as old clients read it")
            .field("@keymap", &Graphics::keymap, "layout of the keyboard: de, en-us")
            .field("@defaultMode", &Graphics::default_mode, "spice: whether channels are encrypted")
            .field("@sharePolicy", &Graphics::share_policy, "vnc: whether several may look")
            .field("@powerControl", &Graphics::power_control, "vnc: whether the viewer may reset and power off")
            .field("@passwd", &Graphics::passwd, "password", format::secret | keep_empty)
            .field("@passwdValidTo", &Graphics::passwd_valid_to, "when the password ends: 2026-01-31T12:00:00",
                   format::secret | never_empty)
            .field("@connected", &Graphics::connected, "what a change of the password does to those who are connected",
                   format::secret)
            .field("@display", &Graphics::display, "sdl, desktop: X display")
            .field("@xauth", &Graphics::xauth, "sdl: file of X authorities")
            .field("@fullscreen", &Graphics::fullscreen, "sdl, desktop: whether it fills the screen")
            .field("@replaceUser", &Graphics::replace_user, "rdp: whether a newcomer replaces the one connected")
            .field("@multiUser", &Graphics::multi_user, "rdp: whether several may connect", empty_is_absent)
            .field("@p2p", &Graphics::p2p, "dbus: whether no bus is used")
            .field("@address", &Graphics::address, "dbus: address of the bus")
            .field("listen", &Graphics::listens)
            .field("channel", &Graphics::channels)
            .field("image@compression", &Graphics::image_compression, "spice: of images")
            .field("jpeg@compression", &Graphics::jpeg_compression, "spice: of images with loss")
            .field("zlib@compression", &Graphics::zlib_compression, "spice: over slow links")
            .field("playback@compression", &Graphics::playback_compression, "spice: of sound")
            .field("streaming@mode", &Graphics::streaming, "spice: what is sent as a video")
            .field("mouse@mode", &Graphics::mouse_mode, "spice: who moves the pointer")
            .field("clipboard@copypaste", &Graphics::clipboard_copypaste, "spice: whether the clipboard is shared")
            .field("filetransfer@enable", &Graphics::file_transfer, "spice: whether files may be dropped")
            .field("gl@enable", &Graphics::gl, "whether OpenGL is used")
            .field("gl@rendernode", &Graphics::gl_rendernode, "device of the host that draws")
            .field("audio@id", &Graphics::audio_id, "which audio the viewer hears");
    return table;
}

const Schema& VideoModel::schema() {
    static const Schema table =
        Describe<VideoModel>("model", "The video card.")
            .field("@type", &VideoModel::type, "virtio, vga, qxl, bochs, cirrus, ramfb, none; vga if missing")
            .amount("@ram", &VideoModel::ram, "KiB", "qxl: memory of the primary bar, in KiB", empty_is_absent)
            .amount("@vram", &VideoModel::vram, "KiB", "video memory, in KiB", empty_is_absent)
            .amount("@vram64", &VideoModel::vram64, "KiB", "qxl: 64-bit memory, in KiB", empty_is_absent)
            .amount("@vgamem", &VideoModel::vgamem, "KiB", "qxl: memory of the VGA part, in KiB", empty_is_absent)
            .field("@heads", &VideoModel::heads, "number of screens", empty_is_absent)
            .field("@primary", &VideoModel::primary, "whether it is the first card", empty_is_absent)
            .field("@blob", &VideoModel::blob, "virtio: whether memory is shared with the host")
            .field("acceleration@accel3d", &VideoModel::accel3d, "whether 3D is drawn by the host")
            .field("acceleration@accel2d", &VideoModel::accel2d, "whether 2D is drawn by the host")
            .field("acceleration@rendernode", &VideoModel::rendernode, "vhost-user: device of the host that draws",
                   never_empty)
            .field("resolution@x", &VideoModel::width, "width at first")
            .field("resolution@y", &VideoModel::height, "height at first");
    return table;
}

const Schema& Video::schema() {
    static const Schema table =
        Describe<Video>("video", "A video card.")
            .field("driver@iommu", &Video::iommu, "whether the device goes through the guest's IOMMU")
            .field("driver@ats", &Video::ats, "whether it offers address translation services")
            .field("driver@packed", &Video::packed, "whether it offers packed queues")
            .field("driver@page_per_vq", &Video::page_per_vq, "whether each queue's doorbell has a page of its own")
            .field("driver@name", &Video::driver_name, "who draws: qemu, vhostuser", never_empty)
            .field("driver@vgaconf", &Video::vgaconf, "bhyve: VGA registers")
            .field("model", &Video::model)
            .field("alias@name", &Video::alias, "name of the device; the user's own begin with ua-")
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &Video::address);
    return table;
}

const Schema& AudioDirection::schema() {
    static const Schema table =
        Describe<AudioDirection>("input", "Recording or playing.")
            .field("@mixingEngine", &AudioDirection::mixing_engine, "whether QEMU mixes")
            .field("@fixedSettings", &AudioDirection::fixed_settings, "whether the settings below are used always")
            .field("@voices", &AudioDirection::voices, "number of streams")
            .field("@bufferLength", &AudioDirection::buffer_length, "microseconds of buffer")
            .field("@dev", &AudioDirection::dev, "alsa, oss: device")
            .field("@bufferCount", &AudioDirection::buffer_count, "number of buffers")
            .field("@tryPoll", &AudioDirection::try_poll, "oss: whether polling is tried")
            .field("@name", &AudioDirection::name, "pulseaudio: sink or source")
            .field("@streamName", &AudioDirection::stream_name, "pulseaudio: name of the stream")
            .field("@latency", &AudioDirection::latency, "pulseaudio: microseconds")
            .field("@serverName", &AudioDirection::server_name, "jack: server")
            .field("@clientName", &AudioDirection::client_name, "jack: our name")
            .field("@connectPorts", &AudioDirection::connect_ports, "jack: ports to connect")
            .field("@exactName", &AudioDirection::exact_name, "jack: whether the name must be free")
            .field("settings@frequency", &AudioDirection::frequency, "samples a second")
            .field("settings@channels", &AudioDirection::channels, "number of channels")
            .field("settings@format", &AudioDirection::format, "kind of sample");
    return table;
}

const Schema& Audio::schema() {
    static const Schema table = Describe<Audio>("audio", "What the host does with the guest's sound.")
                                    .field("@id", &Audio::id, "number, from 1", required)
                                    .field("@type", &Audio::type, "system of the host", required)
                                    .field("@timerPeriod", &Audio::timer_period, "microseconds between looks")
                                    .field("@serverName", &Audio::server_name, "pulseaudio: server")
                                    .field("@path", &Audio::path, "file: its path")
                                    .field("@driver", &Audio::driver, "sdl: driver")
                                    .field("@tryMMap", &Audio::try_mmap, "oss: whether memory is mapped")
                                    .field("@exclusive", &Audio::exclusive, "oss: whether others are kept out")
                                    .field("@dspPolicy", &Audio::dsp_policy, "oss: timing policy")
                                    .field("input", &Audio::input)
                                    .field("output", &Audio::output);
    return table;
}

} // namespace domus::model
