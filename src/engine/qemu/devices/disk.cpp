// Disks: a chain of block nodes for the images, and the device that the guest sees.
#include "engine/qemu/command.hpp"
#include "engine/qemu/devices/devices.hpp"
#include "engine/qemu/devices/disk_limits.hpp"
#include "engine/qemu/devices/disk_secrets.hpp"

#include "base/error.hpp"
#include "base/host_address.hpp"
#include "image/formats.hpp"
#include "model/network_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::BackingStore;
using model::Disk;
using model::DiskBus;
using model::DiskCache;
using model::DiskDevice;
using model::DiskSource;
using model::DiskType;

namespace {

constexpr std::string_view element = "disk";

/// Cache modes as QEMU's three switches (qemu(1), -drive cache).
struct CacheMode {
    bool writeback, direct, no_flush;
};
std::optional<CacheMode> cache_of(const Disk& disk) {
    switch (disk.driver.cache.value_or(DiskCache::default_)) {
    case DiskCache::default_:
        return std::nullopt;
    case DiskCache::none:
        return CacheMode{true, true, false};
    case DiskCache::writeback:
        return CacheMode{true, false, false};
    case DiskCache::writethrough:
        return CacheMode{false, false, false};
    case DiskCache::directsync:
        return CacheMode{false, true, false};
    case DiskCache::unsafe:
        return CacheMode{true, false, true};
    }
    return std::nullopt;
}

void set_cache(json::object& node, const Disk& disk) {
    if (const auto cache = cache_of(disk))
        node["cache"] = json::object{{"direct", cache->direct}, {"no-flush", cache->no_flush}};
}

/// An image of the chain: the disk's own at depth 0, or one below.
struct Layer {
    unsigned depth;
    DiskType type;
    const DiskSource& source;
    std::string format;
    std::optional<ByteCount> metadata_cache;
    bool last;       ///< of those that the definition names
    bool ends_chain; ///< on purpose: <backingStore/> without a type
    int line;
};

// ---- protocol nodes: where the bytes are --------------------------------------------------------------------------

std::string port_text(const model::SourceHost& host, unsigned otherwise) {
    return std::to_string(host.port.value_or(otherwise));
}

json::object socket_address(const model::SourceHost& host, unsigned default_port, int line) {
    switch (host.transport.value_or(model::HostTransport::tcp)) {
    case model::HostTransport::tcp:
        return {{"type", "inet"}, {"host", host.name.value_or("")}, {"port", port_text(host, default_port)}};
    case model::HostTransport::unix_socket:
        return {{"type", "unix"}, {"path", host.socket.value_or("")}};
    case model::HostTransport::rdma:
        break;
    }
    refuse("host", line, "transport 'rdma' is not supported");
}

const model::SourceHost& only_host(const Layer& layer) {
    if (layer.source.hosts.size() != 1)
        refuse("source", layer.line, fmt::format("protocol '{}' wants one <host>", layer.source.protocol.value_or("")));
    return layer.source.hosts.front();
}

json::object nbd_node(Build& build, const Disk& disk, const Layer& layer) {
    constexpr unsigned nbd_port = 10809;
    const auto& host = only_host(layer);
    const auto connected =
        Build::find(build.launch.helpers, fmt::format("{}:{}", *disk.alias, host.socket.value_or("")));
    json::object server;
    if (connected)
        server = {{"type", "fd"}, {"str", build.pass(connected)}};
    else
        server = socket_address(host, nbd_port, layer.line);
    json::object node{{"driver", "nbd"}, {"server", std::move(server)}};
    set(node, "export", layer.source.name);
    set(node, "reconnect-delay", layer.source.reconnect.timeout);
    return node;
}

json::object url_node(Build&, const Disk&, const Layer& layer) {
    const auto& source = layer.source;
    const auto& protocol = *source.protocol;
    const auto& host = only_host(layer);
    auto url = fmt::format("{}://{}", protocol, host.name.value_or(""));
    if (host.port) url += fmt::format(":{}", *host.port);
    url += '/' + source.name.value_or("");
    if (source.query) url += '?' + *source.query;
    json::object node{{"driver", protocol}, {"url", url}};
    if (source.ssl_verify && protocol.ends_with('s')) node["sslverify"] = *source.ssl_verify;
    set(node, "readahead", source.readahead);
    set(node, "timeout", source.timeout);
    if (!source.cookies.empty()) refuse("cookie", layer.line, "cookies for images are not supported");
    return node;
}

json::object iscsi_node(Build& build, const Disk& disk, const Layer& layer) {
    constexpr unsigned iscsi_port = 3260;
    const auto& host = only_host(layer);
    const auto& name = layer.source.name.value_or("");
    const auto slash = name.rfind('/');
    const auto lun = slash == name.npos ? std::string("0") : name.substr(slash + 1);
    if (lun.empty() || lun.find_first_not_of("0123456789") != lun.npos || lun.size() > 5)
        refuse("source", layer.line, fmt::format("'{}' does not end in a unit's number", name),
               "write name='iqn...:target/0'");
    json::object node{
        {"driver", "iscsi"},
        {"portal", fmt::format("{}:{}", bracketed(host.name.value_or("")), host.port.value_or(iscsi_port))},
        {"target", name.substr(0, slash)},
        {"lun", std::stoi(lun)},
        {"transport", "tcp"}};
    set(node, "initiator-name", layer.source.initiator);
    set_auth(build, disk, auth_of(disk, layer.source, layer.depth), layer.depth, "password-secret", node);
    return node;
}

json::object rbd_node(Build& build, const Disk& disk, const Layer& layer) {
    const auto& source = layer.source;
    const auto& name = source.name.value_or("");
    const auto slash = name.find('/');
    if (slash == name.npos)
        refuse("source", layer.line, fmt::format("'{}' is no Ceph image", name), "write name='pool/image'");
    json::object node{{"driver", "rbd"}, {"pool", name.substr(0, slash)}, {"image", name.substr(slash + 1)}};
    set(node, "snapshot", source.snapshot);
    set(node, "conf", source.config_file);
    if (const auto* auth = auth_of(disk, source, layer.depth)) {
        set_auth(build, disk, auth, layer.depth, "key-secret", node);
        node["auth-client-required"] = json::array{"cephx", "none"};
    }
    if (source.hosts.empty()) return node;
    json::array servers;
    constexpr unsigned ceph_port = 6789;
    for (const auto& host : source.hosts)
        servers.push_back(json::object{{"host", host.name.value_or("")}, {"port", port_text(host, ceph_port)}});
    node["server"] = std::move(servers);
    return node;
}

json::object gluster_node(Build&, const Disk&, const Layer& layer) {
    const auto& name = layer.source.name.value_or("");
    const auto slash = name.find('/');
    if (slash == name.npos || slash == 0 || slash + 1 == name.size())
        refuse("source", layer.line, fmt::format("'{}' is no image of Gluster", name), "write name='volume/image'");
    if (layer.source.hosts.empty()) refuse("source", layer.line, "protocol 'gluster' wants a <host>");
    constexpr unsigned gluster_port = 24007;
    json::array servers;
    for (const auto& host : layer.source.hosts) servers.push_back(socket_address(host, gluster_port, layer.line));
    return {{"driver", "gluster"},
            {"volume", name.substr(0, slash)},
            {"path", name.substr(slash + 1)},
            {"server", std::move(servers)}};
}

struct Protocol {
    std::string_view name;
    json::object (*node)(Build&, const Disk&, const Layer&);
};
constexpr std::array<Protocol, 8> protocols{{
    {"nbd", nbd_node},
    {"http", url_node},
    {"https", url_node},
    {"ftp", url_node},
    {"ftps", url_node},
    {"iscsi", iscsi_node},
    {"rbd", rbd_node},
    {"gluster", gluster_node},
}};

json::object network_node(Build& build, const Disk& disk, const Layer& layer) {
    const auto name = layer.source.protocol.value_or("");
    const auto found = std::ranges::find(protocols, name, &Protocol::name);
    if (found == protocols.end()) refuse("source", layer.line, fmt::format("protocol '{}' is not supported", name));
    if (layer.source.tls.value_or(false)) refuse("source", layer.line, "TLS to storage servers is not supported");
    const bool logs_in = found->node == iscsi_node || found->node == rbd_node;
    if (const auto* auth = auth_of(disk, layer.source, layer.depth); auth && !logs_in)
        refuse("auth", auth->rest.line, fmt::format("there is no login for protocol '{}'", name));
    return found->node(build, disk, layer);
}

void set_file_options(json::object& node, const Disk& disk) {
    if (disk.driver.io) node["aio"] = format::word(*disk.driver.io);
    if (disk.driver.io == model::DiskIo::native && !cache_of(disk).value_or(CacheMode{}).direct)
        refuse(element, disk.rest.line,
               fmt::format("io='native' of disk '{}' needs a cache mode without the host's cache", disk.target.dev),
               "add cache='none' to <driver>, or take io='io_uring'");
}

json::object file_node(Build& build, const Disk& disk, const Layer& layer, std::string_view driver,
                       const std::string& path) {
    Launch::Image image;
    if (const auto images = build.launch.disks.find(*disk.alias); images != build.launch.disks.end())
        if (layer.depth < images->second.size()) image = images->second[layer.depth];
    json::object node{{"driver", driver}, {"filename", build.path(image, path, *disk.alias)}};
    set_file_options(node, disk);
    return node;
}

/// What is left over of one that was placed before it came to QEMU: its names alone count.
json::object volume_node(Build& build, const Disk& disk, const Layer& layer) {
    if (!build.plugging)
        refuse("source", layer.line, fmt::format("volume '{}' was not resolved to a file", layer.source.text()));
    json::object node{{"driver", "null-co"}};
    set_auth(build, disk, auth_of(disk, layer.source, layer.depth), layer.depth, "password-secret", node);
    return node;
}

json::object protocol_node(Build& build, const Disk& disk, const Layer& layer) {
    const auto& source = layer.source;
    switch (layer.type) {
    case DiskType::file:
        return file_node(build, disk, layer, "file", source.file.value_or(""));
    case DiskType::block: {
        const bool drive = disk.device == DiskDevice::cdrom && source.dev.value_or("").starts_with("/dev/sr");
        return file_node(build, disk, layer, drive ? "host_cdrom" : "host_device", source.dev.value_or(""));
    }
    case DiskType::dir: {
        if (!disk.readonly && disk.device != DiskDevice::floppy)
            refuse("source", layer.line, "a folder can be shown to the guest read-only", "add <readonly/>");
        return {{"driver", "vvfat"},
                {"dir", source.dir.value_or("")},
                {"floppy", disk.device == DiskDevice::floppy},
                {"rw", false}};
    }
    case DiskType::network:
        return network_node(build, disk, layer);
    case DiskType::nvme: {
        if (!source.address) refuse("source", layer.line, "an NVMe disk wants the <address> of its controller");
        return {
            {"driver", "nvme"}, {"device", source.address->text()}, {"namespace", source.nvme_namespace.value_or(1)}};
    }
    case DiskType::volume:
        return volume_node(build, disk, layer);
    case DiskType::vhostuser:
    case DiskType::vhostvdpa:
        break;
    }
    refuse("source", layer.line, fmt::format("type '{}' has no image", format::word(layer.type)));
}

// ---- format nodes: what the bytes mean ----------------------------------------------------------------------------

/// QEMU reads them, we do not.
constexpr std::array<std::string_view, 5> further_formats{"parallels", "bochs", "cloop", "dmg", "fat"};

bool is_driver(std::string_view format) {
    const auto* known = image::find_format(format);
    return known ? known->driver.empty() : std::ranges::find(further_formats, format) != further_formats.end();
}

void add_slice(Build& build, const Layer& layer, json::object& node, const std::string& file) {
    const auto& slice = layer.source.slices.front();
    const auto name = file.substr(0, file.size() - 5) + "-slice"; // "-file" taken off
    build.arguments.blockdev(
        {{"driver", "raw"}, {"node-name", name}, {"offset", slice.offset}, {"size", slice.size.bytes}, {"file", file}});
    node["file"] = name;
}

json::object format_node(Build& build, const Disk& disk, const Layer& layer, bool readonly) {
    const auto name = node_of(disk, layer.depth);
    if (!is_driver(layer.format))
        refuse("driver", layer.line,
               fmt::format("image format '{}' of disk '{}' is not known", layer.format, disk.target.dev));
    json::object node{
        {"driver", layer.format == "fat" ? "raw" : layer.format}, {"node-name", name}, {"read-only", readonly}};
    set_encryption(build, disk, encryption_of(disk, layer.source, layer.depth), layer.depth, node);
    if (layer.depth == 0) {
        if (disk.driver.discard) node["discard"] = format::word(*disk.driver.discard);
        if (disk.driver.detect_zeroes) {
            // "unmap" only makes sense where discard is on; QEMU refuses it otherwise.
            const bool unmap = *disk.driver.detect_zeroes == model::DetectZeroes::unmap
                               && disk.driver.discard != model::DiskDiscard::unmap;
            node["detect-zeroes"] = unmap ? "on" : format::word(*disk.driver.detect_zeroes);
        }
    }
    set_cache(node, disk);
    if (layer.metadata_cache && layer.format == "qcow2") node["cache-size"] = layer.metadata_cache->bytes;
    node["file"] = name + "-file";
    return node;
}

void add_layer(Build& build, const Disk& disk, const Layer& layer) {
    const auto file = node_of(disk, layer.depth) + "-file";
    auto protocol = protocol_node(build, disk, layer);
    protocol["node-name"] = file;
    set_cache(protocol, disk);
    const bool readonly = layer.depth > 0 || (disk.readonly && !disk.transient);
    // What the guest writes to is opened for writing at once and so stays with one descriptor: QEMU's locks belong to
    // descriptors, and a second one of the same file in the fdset would be locked out by the first.
    if (readonly) protocol["auto-read-only"] = true;
    protocol["discard"] = "unmap";
    build.arguments.blockdev(protocol);
    auto node = format_node(build, disk, layer, readonly);
    if (!layer.source.slices.empty()) add_slice(build, layer, node, file);
    const auto* format = image::find_format(layer.format);
    const bool has_backing = format && format->layered;
    if (!layer.last)
        node["backing"] = node_of(disk, layer.depth + 1);
    else if (has_backing && layer.ends_chain)
        node["backing"] = nullptr; // whatever the image says
    build.arguments.blockdev(node);
}

/// What is on a server is held by a file of ours (image/network_lock.hpp). While a disk is unplugged, it is not known where a volume was: then its lease may be none.
void add_lease(Build& build, const Disk& disk) {
    const bool on_server = model::network_source(disk.type, disk.source).has_value();
    const auto passed = build.launch.disks.find(*disk.alias);
    const bool held = on_server && passed != build.launch.disks.end() && !passed->second.empty();
    const bool goes =
        build.plugging && passed == build.launch.disks.end() && (on_server || disk.type == DiskType::volume);
    if (!held && !goes) return;
    const auto file = held ? build.path(passed->second.front(), {}, *disk.alias) : std::string();
    build.arguments.blockdev({{"driver", "file"},
                              {"filename", file},
                              {"node-name", disk.target.dev + "-lease"},
                              {"read-only", true},
                              {"locking", "off"}});
}

/// Takes what is written to a transient disk. It has no name: whoever starts QEMU hands over a descriptor.
const DiskSource& throwaway() {
    static const DiskSource source = [] {
        DiskSource made;
        made.file = "/var/tmp/transient";
        return made;
    }();
    return source;
}

/// The images from the disk's own to the last one that the definition names; a transient disk's changes come first.
std::vector<Layer> layers_of(const Disk& disk) {
    std::vector<Layer> layers;
    if (disk.transient) layers.push_back({0, DiskType::file, throwaway(), "qcow2", {}, false, false, disk.rest.line});
    const auto add = [&](DiskType type, const DiskSource& source, const std::optional<std::string>& format,
                         std::optional<ByteCount> cache, const std::vector<BackingStore>& below, int line) {
        const auto depth = static_cast<unsigned>(layers.size());
        const bool more = !below.empty() && below.front().type;
        layers.push_back({depth, type, source, format.value_or("raw"), cache, !more, !below.empty() && !more, line});
        return more ? &below.front() : nullptr;
    };
    const auto* below = add(disk.type, disk.source, disk.driver.type, disk.driver.metadata_cache, disk.backing_store,
                            disk.source.rest.line);
    while (below)
        below = add(*below->type, below->source, below->format, below->metadata_cache, below->backing_store,
                    below->rest.line);
    return layers;
}

void add_chain(Build& build, const Disk& disk) {
    add_lease(build, disk);
    const auto layers = layers_of(disk);
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) add_layer(build, disk, *layer);
    if (disk.driver.copy_on_read == model::OnOff::on)
        build.arguments.blockdev({{"driver", "copy-on-read"},
                                  {"node-name", node_of(disk)},
                                  {"file", node_of(disk, 0)},
                                  {"discard", "unmap"}});
}

// ---- devices: what the guest sees ---------------------------------------------------------------------------------

void virtio_device(Build& build, const Disk& disk, json::object& device) {
    device["driver"] = virtio_name("virtio-blk-pci", disk.model);
    const auto& driver = disk.driver;
    if (driver.iothread) device["iothread"] = fmt::format("iothread{}", *driver.iothread);
    set(device, "ioeventfd", driver.ioeventfd);
    set(device, "event_idx", driver.event_idx);
    set(device, "num-queues", driver.queues);
    set(device, "queue-size", driver.queue_size);
    set_virtio(device, driver);
    build.place(device, disk.address);
}

void scsi_device(Build& build, const Disk& disk, json::object& device) {
    const auto& at = *disk.address;
    const auto* controller = build.controller(model::ControllerType::scsi, at.controller);
    const bool narrow = controller && controller->model == "lsilogic";
    device["driver"] = disk.device == DiskDevice::cdrom ? "scsi-cd"
                       : disk.device == DiskDevice::lun ? "scsi-block"
                                                        : "scsi-hd";
    device["bus"] = build.bus_of(model::ControllerType::scsi, at.controller);
    if (narrow) {
        device["scsi-id"] = at.unit;
    } else {
        device["channel"] = at.bus;
        device["scsi-id"] = at.target;
        device["lun"] = at.unit;
    }
    if (disk.device != DiskDevice::lun) device["device_id"] = "drive-" + *disk.alias;
}

void ide_device(Build& build, const Disk& disk, json::object& device) {
    const auto& at = *disk.address;
    device["driver"] = disk.device == DiskDevice::cdrom ? "ide-cd" : "ide-hd";
    if (disk.target.bus == DiskBus::ide) {
        device["bus"] = fmt::format("ide.{}", at.bus);
        device["unit"] = at.unit;
        return;
    }
    const auto* controller = build.controller(model::ControllerType::sata, at.controller);
    device["bus"] = fmt::format("{}.{}", controller && controller->alias ? *controller->alias : "ide", at.unit);
}

void usb_device(Build& build, const Disk& disk, json::object& device) {
    device["driver"] = "usb-storage";
    build.place(device, disk.address);
    if (disk.target.removable) device["removable"] = on(*disk.target.removable);
}

void floppy_device(Build&, const Disk& disk, json::object& device) {
    device["driver"] = "floppy";
    device["unit"] = disk.address->unit;
}

struct Bus {
    DiskBus bus;
    void (*device)(Build&, const Disk&, json::object&);
    bool drives;   ///< it can have CD-ROMs
    bool rotates;  ///< has world wide names and rotation rates
    bool inquires; ///< tells vendor and product
};
constexpr std::array<Bus, 6> buses{{
    {DiskBus::virtio, virtio_device, false, false, false},
    {DiskBus::scsi, scsi_device, true, true, true},
    {DiskBus::sata, ide_device, true, true, false},
    {DiskBus::ide, ide_device, true, true, false},
    {DiskBus::usb, usb_device, false, false, false},
    {DiskBus::fdc, floppy_device, false, false, false},
}};

std::uint64_t world_wide_name(const Disk& disk) {
    std::uint64_t number = 0;
    const auto& text = *disk.wwn;
    const auto digits = text.starts_with("0x") ? text.substr(2) : text;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
    if (failure != std::errc{} || end != digits.data() + digits.size())
        refuse("wwn", disk.rest.line, fmt::format("'{}' is not a number of 16 hexadecimal digits", text));
    return number;
}

void set_identity(const Disk& disk, const Bus& bus, json::object& device) {
    const auto only = [&](bool able, bool wanted, std::string_view what) {
        if (wanted && !able)
            refuse(element, disk.rest.line,
                   fmt::format("a disk on bus '{}' has no {} ('{}')", format::word(bus.bus), what, disk.target.dev));
    };
    only(bus.rotates, disk.wwn.has_value(), "<wwn>");
    only(bus.rotates, disk.target.rotation_rate.has_value(), "rotation_rate");
    only(bus.inquires, disk.vendor || disk.product, "<vendor> and <product>");
    only(bus.bus == DiskBus::usb, disk.target.removable.has_value(), "removable='...'");
    set(device, "serial", disk.serial);
    if (disk.wwn) device["wwn"] = world_wide_name(disk);
    set(device, "vendor", disk.vendor);
    set(device, "product", disk.product);
    if (disk.target.rotation_rate) device["rotation_rate"] = *disk.target.rotation_rate;
}

void set_geometry(const Disk& disk, json::object& device) {
    set(device, "logical_block_size", disk.logical_block_size);
    set(device, "physical_block_size", disk.physical_block_size);
    set(device, "discard_granularity", disk.discard_granularity);
    if (!disk.cylinders) return;
    device["cyls"] = *disk.cylinders;
    device["heads"] = disk.heads.value_or(0);
    device["secs"] = disk.sectors.value_or(0);
    if (disk.translation) device["bios-chs-trans"] = format::word(*disk.translation);
}

/// QEMU's words for what happens on an error.
void set_error_policy(const Disk& disk, json::object& device) {
    const auto policy = [](model::ErrorPolicy value) -> std::string_view {
        return value == model::ErrorPolicy::enospace ? "enospc" : format::word(value);
    };
    if (disk.driver.error_policy) {
        device["werror"] = policy(*disk.driver.error_policy);
        if (!disk.driver.rerror_policy && *disk.driver.error_policy != model::ErrorPolicy::enospace)
            device["rerror"] = policy(*disk.driver.error_policy);
    }
    if (disk.driver.rerror_policy) device["rerror"] = policy(*disk.driver.rerror_policy);
}

void add_device(Build& build, const Disk& disk) {
    const auto bus = std::ranges::find(buses, disk.target.bus.value_or(DiskBus::virtio), &Bus::bus);
    if (bus == buses.end())
        refuse("target", disk.target.rest.line,
               fmt::format("bus '{}' is not supported", format::word(*disk.target.bus)));
    if (disk.device == DiskDevice::cdrom && !bus->drives)
        refuse("target", disk.target.rest.line,
               fmt::format("there are no CD-ROM drives on bus '{}'", format::word(bus->bus)),
               "take bus='sata' or bus='scsi'");
    auto device = build.device("", *disk.alias);
    bus->device(build, disk, device);
    build.need_device(std::string(device["driver"].as_string()), element, disk.rest.line);
    if (!disk.source.empty()) device["drive"] = node_of(disk);
    if (const auto cache = cache_of(disk); cache && bus->bus != DiskBus::fdc && disk.device != DiskDevice::lun)
        device["write-cache"] = cache->writeback ? "on" : "off";
    if (disk.shareable) device["share-rw"] = true;
    set_identity(disk, *bus, device);
    set_geometry(disk, device);
    set_error_policy(disk, device);
    build.arguments.device(device);
}

void refuse_unsupported(const Disk& disk) {
    const auto line = disk.rest.line;
    if (disk.transient) {
        if (disk.device != DiskDevice::disk || (disk.type != DiskType::file && disk.type != DiskType::block))
            refuse("transient", line,
                   fmt::format("disk '{}' cannot be transient: only disks on files and block devices are",
                               disk.target.dev));
        if (disk.encryption || disk.source.encryption)
            refuse("transient", line,
                   fmt::format("disk '{}' is encrypted, and its changes would not be", disk.target.dev),
                   "make an image on top of it, encrypted too, and delete that afterwards");
    }
    if (disk.source.reservations) refuse("reservations", line, "persistent reservations are not supported");
    if (disk.sgio == model::SgIo::unfiltered) refuse(element, line, "sgio='unfiltered' is not supported");
    if (disk.rawio.value_or(false)) refuse(element, line, "rawio='yes' is not supported");
    if (disk.type == DiskType::vhostuser || disk.type == DiskType::vhostvdpa)
        refuse(element, line, fmt::format("disks of type '{}' are not supported", format::word(disk.type)));
    if (disk.shareable && !disk.readonly
        && (disk.driver.type.value_or("raw") != "raw" || disk.encryption || disk.source.encryption))
        refuse("shareable", line, fmt::format("disk '{}' can be shared only as a raw image", disk.target.dev),
               "several writers would damage the metadata of its format");
    if (disk.source.fdgroup) refuse("source", line, "fdgroup is not supported");
    const auto& driver = disk.driver;
    const bool virtio_options = driver.iothread || driver.ioeventfd || driver.event_idx || driver.queues
                                || driver.queue_size || driver.iommu || driver.ats || driver.packed
                                || driver.page_per_vq;
    if (virtio_options && disk.target.bus != DiskBus::virtio)
        refuse(
            "driver", driver.rest.line,
            fmt::format("disk '{}' is not on virtio, and so has no queues or I/O thread of its own", disk.target.dev),
            "give them to its controller");
    if (driver.name && *driver.name != "qemu")
        refuse("driver", driver.rest.line, fmt::format("driver '{}' is not supported", *driver.name));
    if (disk.driver.discard_no_unref) refuse("driver", line, "discard_no_unref is not supported by this QEMU");
    if (disk.source.empty() && disk.device != DiskDevice::cdrom && disk.device != DiskDevice::floppy)
        refuse(element, line, fmt::format("disk '{}' has no source", disk.target.dev));
}

void add_disk(Build& build, const Disk& disk) {
    refuse_unsupported(disk);
    if (!disk.source.empty()) add_chain(build, disk);
    add_device(build, disk);
}

void add_all(Build& build) {
    for (const auto& disk : build.domain.devices.disks) add_disk(build, disk);
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& disk : domain.devices.disks)
        if (disk.target.bus == model::DiskBus::virtio) users.add(element, disk, virtio_plug(disk.model.value_or("")));
}

void list_usb(model::Domain& domain, UsbUsers& users) {
    for (auto& disk : domain.devices.disks)
        if (disk.target.bus == model::DiskBus::usb) users.add(element, disk);
}

void prepare(const model::Domain& live, std::vector<Preparation>& list) {
    const auto& disks = live.devices.disks;
    for (const auto& disk : disks)
        if (disk.iotune != model::IoTune{}) list.push_back({"block_set_io_throttle", limits_of(disk)});
    for (const auto& disk : disks)
        if (disk.device == model::DiskDevice::cdrom && disk.target.tray == model::Tray::open)
            list.push_back({"blockdev-open-tray", {{"id", *disk.alias}, {"force", true}}});
}

} // namespace

std::string node_of(const Disk& disk) {
    return disk.driver.copy_on_read == model::OnOff::on ? disk.target.dev + "-cor" : disk.target.dev;
}

std::string node_of(const Disk& disk, unsigned depth) {
    return depth == 0 ? disk.target.dev : fmt::format("{}-{}", disk.target.dev, depth);
}

std::string block_device_of(const Disk& disk) {
    // A virtio card is a PCI device with the disk inside.
    return disk.target.bus == DiskBus::virtio ? fmt::format("/machine/peripheral/{}/virtio-backend", *disk.alias)
                                              : *disk.alias;
}

const DeviceKind& kind_disk() {
    static const DeviceKind kind{
        .element = element,
        .add = add_all,
        .pluggable = true,
        .pci = {5, list_pci},
        .usb = {4, list_usb},
        .prepare = prepare,
    };
    return kind;
}

} // namespace domus::engine::qemu
