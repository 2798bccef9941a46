// Fields that have their effect beside some value of another field only. Where it is another, libvirt 9.0 refuses the field
// (the definition, or what its schema makes of it, and then no dump of libvirt's has the field); so do we. What libvirt
// takes there and leaves without effect is in people's dumps, and is taken: unsupported_context_test.cpp has that list.
#include "model/storage.hpp"
#include "model/unsupported.hpp"

#include <algorithm>
#include <array>

namespace domus::model {

namespace {

using format::Refusal;
using format::where;

bool is_virtio(const std::optional<std::string>& model) { return model && model->starts_with("virtio"); }

// ---- disks ------------------------------------------------------------------------------------------------------

bool is_virtio_disk(const Disk& disk) {
    return disk.target.bus ? disk.target.bus == DiskBus::virtio : disk.target.dev.starts_with("vd");
}

bool has_tray(const Disk& disk) { return disk.device == DiskDevice::cdrom || disk.device == DiskDevice::floppy; }

/// Of a volume the pool knows the format.
bool may_be_qcow2(const Disk& disk) {
    return disk.driver.type.value_or(disk.type == DiskType::volume ? "qcow2" : "raw") == "qcow2";
}

bool is_qcow2_below(const BackingStore& image) { return image.format == "qcow2"; }

// ---- controllers ------------------------------------------------------------------------------------------------

bool is_pci(const Controller& controller) { return controller.type == ControllerType::pci; }

bool is_pci_root(const Controller& controller) {
    return is_pci(controller) && (!controller.model || controller.model->ends_with("-root"));
}

bool is_virtio_scsi(const Controller& controller) {
    return controller.type == ControllerType::scsi && (!controller.model || is_virtio(controller.model));
}

bool is_virtio_serial(const Controller& controller) { return controller.type == ControllerType::virtio_serial; }

bool has_ports(const Controller& controller) {
    return is_virtio_serial(controller) || controller.type == ControllerType::usb;
}

// ---- interfaces -------------------------------------------------------------------------------------------------

bool is_virtio_card(const Interface& interface) { return !interface.model || is_virtio(interface.model); }

bool may_team(const Interface& interface) {
    return is_virtio_card(interface) || !interface.teaming || interface.teaming->type != TeamingType::persistent;
}

/// The card tells the guest, or the host's device has it.
bool has_mtu(const Interface& interface) {
    constexpr std::array devices{InterfaceType::network, InterfaceType::bridge, InterfaceType::ethernet,
                                 InterfaceType::direct, InterfaceType::vhostuser};
    return is_virtio_card(interface) || std::ranges::find(devices, interface.type) != devices.end();
}

/// It is a port of a bridge.
bool is_bridged(const Interface& interface) {
    return interface.type == InterfaceType::network || interface.type == InterfaceType::bridge;
}

bool has_tap(const Interface& interface) { return is_bridged(interface) || interface.type == InterfaceType::ethernet; }

// ---- character devices ------------------------------------------------------------------------------------------

/// Without a mode it is who has a place to connect to.
bool connects_from(const CharacterSource& source) {
    return source.mode ? source.mode == "connect" : source.path || source.host;
}

/// A <reconnect> elsewhere than on a stream socket has no effect in libvirt either.
template <class Device> bool connects(const Device& device) {
    const std::optional<CharacterType> type = device.type;
    if (type != CharacterType::tcp && type != CharacterType::unix_socket) return true;
    return std::ranges::all_of(device.sources, connects_from);
}

// ---- graphics and video -----------------------------------------------------------------------------------------

template <GraphicsType... type> bool is_graphics(const Graphics& graphics) { return ((graphics.type == type) || ...); }

constexpr auto is_spice = is_graphics<GraphicsType::spice>;
constexpr auto is_vnc = is_graphics<GraphicsType::vnc>;
constexpr auto is_window = is_graphics<GraphicsType::sdl, GraphicsType::desktop>;
constexpr auto is_rdp = is_graphics<GraphicsType::rdp>;
constexpr auto is_dbus = is_graphics<GraphicsType::dbus>;

bool is_qxl(const VideoModel& model) { return model.type == "qxl"; }

bool has_heads(const VideoModel& model) { return is_qxl(model) || model.type == "virtio" || model.type == "none"; }

bool has_blobs(const VideoModel& model) { return model.type == "virtio"; }

/// Whatever stands beside 'none' has no effect in libvirt either.
bool is_virtio_video(const Video& video) { return video.model.type == "virtio" || video.model.type == "none"; }

// ---- other devices ----------------------------------------------------------------------------------------------

template <InputType type> bool is_input(const Input& input) { return input.type == type; }

/// Without a bus a pointer or keyboard is on another one.
bool is_virtio_input(const Input& input) {
    return input.bus ? input.bus == InputBus::virtio : is_input<InputType::passthrough>(input);
}

bool is_virtiofs(const Filesystem& filesystem) { return filesystem.driver.type == "virtiofs"; }

// ---- domains ----------------------------------------------------------------------------------------------------

bool has_migratable(const Cpu& cpu) { return cpu.mode == CpuMode::host_passthrough || cpu.mode == CpuMode::maximum; }

bool may_hinder_migration(const Cpu& cpu) { return cpu.mode != CpuMode::maximum; }

bool is_rtc(const Timer& timer) { return timer.name == "rtc"; }

bool is_tsc(const Timer& timer) { return timer.name == "tsc"; }

bool has_ticks(const Timer& timer) { return timer.name != "kvmclock" && timer.name != "hypervclock"; }

// ---- networks and volumes ---------------------------------------------------------------------------------------

bool has_own_bridge(const Network& network) { return network.has_own_bridge(); }

bool translates(const Forward& forward) { return forward.mode.value_or(ForwardMode::nat) == ForwardMode::nat; }

bool has_device(const Forward& forward) { return forward.mode != ForwardMode::open; }

bool serves_names(const Dns& dns) { return dns.enable.value_or(true); }

/// Of raw volumes libvirt takes them without effect.
bool has_qcow2_options(const VolumeTarget& target) {
    const auto format = target.format.value_or("raw");
    return format == "qcow2" || format == "raw";
}

// ---- the table --------------------------------------------------------------------------------------------------

constexpr std::string_view virtio_disks = "for bus='virtio'; leave it out";
constexpr std::string_view cache = "for images of format 'qcow2'; leave <metadata_cache> out";
constexpr std::string_view pci = "for <controller type='pci'>; leave it out";
constexpr std::string_view virtio_scsi = "for <controller type='scsi' model='virtio-scsi'>; leave it out";
constexpr std::string_view virtio_card = "for virtio devices; take <model type='virtio'/> or leave it out";
constexpr std::string_view bridged = "for type='network' and 'bridge'; leave it out";
constexpr std::string_view tap = "for type='network', 'bridge' and 'ethernet'; leave it out";
constexpr std::string_view connecting = "for mode='connect': who listens does not connect again; leave it out";
constexpr std::string_view spice = "for type='spice'; leave it out";
constexpr std::string_view vnc = "for type='vnc'; leave it out";
constexpr std::string_view window = "for type='sdl'; leave it out";
constexpr std::string_view rdp = "for type='rdp'; leave it out";
constexpr std::string_view dbus = "for type='dbus'; leave it out";
constexpr std::string_view qxl = "for type='qxl'; leave it out";
constexpr std::string_view virtio_video = "for virtio devices; take type='virtio' or leave it out";
constexpr std::string_view virtio_input = "for bus='virtio'; leave it out";
constexpr std::string_view evdev = "for type='evdev'; leave it out";
constexpr std::string_view migratable = "for mode='host-passthrough'; leave it out";
constexpr std::string_view own_bridge =
    "for networks whose bridge is made here: mode='nat', 'route' and 'open', or without <forward>; leave it out";
constexpr std::string_view nat = "for <forward mode='nat'>; leave <nat> out";
constexpr std::string_view not_open =
    "for mode='nat' and 'route': in mode 'open' the host's own rules forward; leave it out";
constexpr std::string_view names = "where <dns> serves names; leave enable='no' out";
constexpr std::string_view qcow2 = "for format 'qcow2'; leave it out";

constexpr auto rows = std::to_array<Refusal>({
    {Disk::schema, "@model", virtio_disks, {}, where<is_virtio_disk>},
    {Disk::schema, "target@tray", "for device='cdrom' and 'floppy'; leave it out", "closed", where<has_tray>},
    {Disk::schema, "driver/metadata_cache/max_size", cache, "0", where<may_be_qcow2>},
    {BackingStore::schema, "format/metadata_cache/max_size", cache, "0", where<is_qcow2_below>},
    {Controller::schema, "target", pci, {}, where<is_pci>},
    {Controller::schema, "model@name", pci, {}, where<is_pci>},
    {Controller::schema,
     "pcihole64",
     "for <controller type='pci' model='pcie-root'>; leave it out",
     {},
     where<is_pci_root>},
    {Controller::schema,
     "@ports",
     "for <controller type='virtio-serial'> and xHCI; leave it out",
     {},
     where<has_ports>},
    {Controller::schema,
     "@vectors",
     "for <controller type='virtio-serial'>; leave it out",
     {},
     where<is_virtio_serial>},
    {Controller::schema, "driver@queues", virtio_scsi, {}, where<is_virtio_scsi>},
    {Controller::schema, "driver@cmd_per_lun", virtio_scsi, {}, where<is_virtio_scsi>},
    {Controller::schema, "driver@max_sectors", virtio_scsi, {}, where<is_virtio_scsi>},
    {Controller::schema, "driver@ioeventfd", virtio_scsi, {}, where<is_virtio_scsi>},
    {Controller::schema, "driver@iothread", virtio_scsi, {}, where<is_virtio_scsi>},
    {Interface::schema, "driver@iommu", virtio_card, {}, where<is_virtio_card>},
    {Interface::schema, "driver@ats", virtio_card, {}, where<is_virtio_card>},
    {Interface::schema, "driver@packed", virtio_card, {}, where<is_virtio_card>},
    {Interface::schema, "driver@page_per_vq", virtio_card, {}, where<is_virtio_card>},
    {Interface::schema, "teaming", virtio_card, {}, where<may_team>},
    {Interface::schema,
     "mtu@size",
     "for virtio devices, and for type='network' and 'bridge'; leave it out",
     {},
     where<has_mtu>},
    {Interface::schema, "vlan", bridged, {}, where<is_bridged>},
    {Interface::schema, "port@isolated", bridged, "no", where<is_bridged>},
    {Interface::schema, "filterref", bridged, {}, where<is_bridged>},
    {Interface::schema, "bandwidth/inbound", tap, {}, where<has_tap>},
    {Interface::schema, "bandwidth/outbound", tap, {}, where<has_tap>},
    {CharacterDevice::schema, "source/reconnect", connecting, {}, where<connects<CharacterDevice>>},
    {RedirectedDevice::schema, "source/reconnect", connecting, {}, where<connects<RedirectedDevice>>},
    {Smartcard::schema, "source/reconnect", connecting, {}, where<connects<Smartcard>>},
    {RngBackend::schema, "source/reconnect", connecting, {}, where<connects<RngBackend>>},
    {Graphics::schema, "@tlsPort", spice, "-1", where<is_spice>},
    {Graphics::schema, "@defaultMode", spice, "any", where<is_spice>},
    {Graphics::schema, "channel", spice, {}, where<is_spice>},
    {Graphics::schema, "image@compression", spice, {}, where<is_spice>},
    {Graphics::schema, "jpeg@compression", spice, {}, where<is_spice>},
    {Graphics::schema, "zlib@compression", spice, {}, where<is_spice>},
    {Graphics::schema, "playback@compression", spice, {}, where<is_spice>},
    {Graphics::schema, "streaming@mode", spice, {}, where<is_spice>},
    {Graphics::schema, "mouse@mode", spice, {}, where<is_spice>},
    {Graphics::schema, "clipboard@copypaste", spice, "yes", where<is_spice>},
    {Graphics::schema, "filetransfer@enable", spice, "yes", where<is_spice>},
    {Graphics::schema, "@websocket", vnc, {}, where<is_vnc>},
    {Graphics::schema, "@sharePolicy", vnc, "allow-exclusive", where<is_vnc>},
    {Graphics::schema, "@powerControl", vnc, "no", where<is_vnc>},
    {Graphics::schema, "@display", window, {}, where<is_window>},
    {Graphics::schema, "@xauth", window, {}, where<is_window>},
    {Graphics::schema, "@fullscreen", window, "no", where<is_window>},
    {Graphics::schema, "@replaceUser", rdp, "no", where<is_rdp>},
    {Graphics::schema, "@multiUser", rdp, "no", where<is_rdp>},
    {Graphics::schema, "@p2p", dbus, "no", where<is_dbus>},
    {Graphics::schema, "@address", dbus, {}, where<is_dbus>},
    {VideoModel::schema, "@ram", qxl, "0", where<is_qxl>},
    {VideoModel::schema, "@vgamem", qxl, "0", where<is_qxl>},
    {VideoModel::schema, "@vram64", qxl, "0", where<is_qxl>},
    {VideoModel::schema, "@heads", "for type='qxl' and 'virtio'; leave it out", "0 1", where<has_heads>},
    {VideoModel::schema, "@blob", virtio_video, "off", where<has_blobs>},
    {Video::schema, "driver@iommu", virtio_video, {}, where<is_virtio_video>},
    {Video::schema, "driver@ats", virtio_video, {}, where<is_virtio_video>},
    {Video::schema, "driver@packed", virtio_video, {}, where<is_virtio_video>},
    {Video::schema, "driver@page_per_vq", virtio_video, {}, where<is_virtio_video>},
    {Input::schema, "@model", virtio_input, {}, where<is_virtio_input>},
    {Input::schema,
     "source@evdev",
     "for type='passthrough'; leave it out",
     {},
     where<is_input<InputType::passthrough>>},
    {Input::schema, "source@dev", evdev, {}, where<is_input<InputType::evdev>>},
    {Input::schema, "source@grab", evdev, {}, where<is_input<InputType::evdev>>},
    {Input::schema, "source@grabToggle", evdev, {}, where<is_input<InputType::evdev>>},
    {Input::schema, "source@repeat", evdev, {}, where<is_input<InputType::evdev>>},
    {Filesystem::schema, "driver@queue", "for <driver type='virtiofs'>; leave it out", {}, where<is_virtiofs>},
    {Cpu::schema, "@migratable", migratable, {}, where<has_migratable>},
    {Cpu::schema, "@migratable", migratable, "on", where<may_hinder_migration>},
    {Timer::schema, "@track", "for the timer 'rtc'; leave it out", {}, where<is_rtc>},
    {Timer::schema, "@frequency", "for the timer 'tsc'; leave it out", {}, where<is_tsc>},
    {Timer::schema,
     "@tickpolicy",
     "for timers that tick, not for paravirtual clocks; leave it out",
     {},
     where<has_ticks>},
    {Network::schema, "mac@address", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "mtu@size", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "domain@name", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "dns/txt", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "dns/host", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "dns/srv", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "route", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "bandwidth/inbound", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "bandwidth/outbound", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "bridge@stp", own_bridge, {}, where<has_own_bridge>},
    {Network::schema, "bridge@delay", own_bridge, "0", where<has_own_bridge>},
    {Forward::schema, "nat/address", nat, {}, where<translates>},
    {Forward::schema, "nat/port", nat, {}, where<translates>},
    {Forward::schema, "nat@ipv6", nat, "no", where<translates>},
    {Forward::schema, "@dev", not_open, {}, where<has_device>},
    {Forward::schema, "interface", not_open, {}, where<has_device>},
    {Dns::schema, "forwarder", names, {}, where<serves_names>},
    {Dns::schema, "txt", names, {}, where<serves_names>},
    {Dns::schema, "srv", names, {}, where<serves_names>},
    {Dns::schema, "host", names, {}, where<serves_names>},
    {VolumeTarget::schema, "compat", qcow2, {}, where<has_qcow2_options>},
    {VolumeTarget::schema, "clusterSize", qcow2, {}, where<has_qcow2_options>},
    {VolumeTarget::schema, "features/lazy_refcounts", qcow2, {}, where<has_qcow2_options>},
    {VolumeTarget::schema, "features/extended_l2", qcow2, {}, where<has_qcow2_options>},
});

} // namespace

std::span<const format::Refusal> context_refusals() { return rows; }

} // namespace domus::model
