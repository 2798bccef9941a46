#include "compute/life/guest_view.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace domus::compute {

namespace fs = std::filesystem;

namespace {

using model::CharacterSource;
using model::CharacterType;

/// Where programs and libraries are, beside /usr: links into it on most hosts, folders on others.
constexpr const char* program_folders[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};

/// What libraries read: of names and addresses, of certificates, of the clients of storage, of the time zone.
constexpr const char* settings[] = {"/etc/ld.so.cache",
                                    "/etc/resolv.conf",
                                    "/etc/hosts",
                                    "/etc/host.conf",
                                    "/etc/nsswitch.conf",
                                    "/etc/gai.conf",
                                    "/etc/services",
                                    "/etc/protocols",
                                    "/etc/ssl",
                                    "/etc/pki",
                                    "/etc/ca-certificates",
                                    "/etc/crypto-policies",
                                    "/etc/gnutls",
                                    "/etc/localtime",
                                    "/etc/ceph",
                                    "/etc/glusterfs",
                                    "/etc/qemu",
                                    "/etc/sasl2",
                                    "/etc/alternatives",
                                    "/etc/glvnd"};

constexpr const char* devices_for_all[] = {"/dev/null",    "/dev/zero", "/dev/full", "/dev/random",
                                           "/dev/urandom", "/dev/tty",  "/dev/ptmx"};

std::string read_line(const fs::path& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

void show_system(FileView& view) {
    view.show("/usr", FileView::Use::programs);
    for (const char* folder : program_folders) {
        std::error_code failure;
        const auto target = fs::read_symlink(folder, failure);
        if (!failure)
            view.link(folder, target);
        else
            view.show(folder, FileView::Use::programs);
    }
    for (const char* path : settings) view.show(path);
    view.show("/sys", FileView::Use::read, false);
}

void show_common_devices(FileView& view) {
    for (const char* path : devices_for_all) view.show_device(path);
    view.link("/dev/fd", "/proc/self/fd");
}

void show_devices(FileView& view, const GuestUser& user, const std::vector<std::string>& nodes) {
    show_common_devices(view);
    // Beside ptmx, which looks for it there; of the host, since the daemon opens the other ends of terminals.
    view.show("/dev/pts", FileView::Use::devices);
    constexpr mode_t own_mode = 0600;
    for (const auto& path : nodes) view.show_device(path, own_mode, user.uid, user.gid);
}

/// A program elsewhere, and what lies around it when it was installed to a place of its own, as /opt/qemu.
void show_emulator(FileView& view, const std::string& path) {
    const fs::path program(path);
    if (path.starts_with("/usr/")) return;
    const auto folder = program.parent_path();
    if (folder.filename() == "bin" && folder.has_relative_path())
        for (const char* beside : {"share", "lib", "lib64", "libexec"})
            view.show(folder.parent_path() / beside, FileView::Use::programs);
    view.show(path, FileView::Use::programs);
}

/// A file or socket that somebody makes anew is seen only through its folder.
void show_folder_of(FileView& view, const std::optional<std::string>& path) {
    const auto folder = fs::path(path.value_or("")).parent_path();
    if (folder.has_relative_path()) view.show(folder, FileView::Use::write);
}

void show_stream(FileView& view, CharacterType type, const std::vector<CharacterSource>& sources) {
    if (sources.empty() || !sources.front().path) return;
    const auto& source = sources.front();
    if (type == CharacterType::unix_socket && source.mode == "connect" && source.reconnect.enabled.value_or(false))
        show_folder_of(view, source.path);
    if (type != CharacterType::pipe) return;
    for (const char* end : {".in", ".out"}) view.show(*source.path + end, FileView::Use::write);
}

void show_streams(FileView& view, const model::Devices& devices) {
    for (const auto* list : {&devices.serials, &devices.parallels, &devices.channels, &devices.consoles})
        for (const auto& device : *list) show_stream(view, device.type, device.sources);
    for (const auto& device : devices.redirdevs) show_stream(view, device.type, device.sources);
    for (const auto& interface : devices.interfaces)
        if (interface.type == model::InterfaceType::vhostuser) show_folder_of(view, interface.source.path);
}

void show_disk_source(FileView& view, const model::DiskSource& source) {
    if (source.config_file) view.show(*source.config_file);
    for (const auto& host : source.hosts) show_folder_of(view, host.socket);
}

void show_disks(FileView& view, const std::vector<model::Disk>& disks) {
    for (const auto& disk : disks) {
        show_disk_source(view, disk.source);
        for (const auto* below = &disk.backing_store; !below->empty(); below = &below->front().backing_store)
            show_disk_source(view, below->front().source);
    }
}

void show_memory(FileView& view, const model::Domain& live) {
    for (const auto& memory : live.devices.memories)
        if (memory.source_path) view.show(*memory.source_path, FileView::Use::write);
    for (const auto& shmem : live.devices.shmems) show_folder_of(view, shmem.server);
}

/// Paths among options that are handed to QEMU as they are: whoever wrote them means these files.
void show_own_arguments(FileView& view, const model::QemuCommandline& commandline) {
    for (const auto& argument : commandline.arguments) {
        const auto& text = argument.value;
        for (std::size_t at = text.find('/'); at < text.size(); at = text.find('/', at)) {
            const bool begins = at == 0 || std::string_view("=:,\"").contains(text[at - 1]);
            const auto end = std::min(text.find_first_of(",\"", at), text.size());
            if (begins) view.show(text.substr(at, end - at), FileView::Use::write);
            at = end;
        }
    }
}

// ---- devices of the host ------------------------------------------------------------------------------------------

/// "/dev/vfio/7" of a device in sysfs.
void add_vfio_group(std::vector<std::string>& nodes, const fs::path& device) {
    std::error_code failure;
    const auto group = fs::read_symlink(device / "iommu_group", failure);
    if (!failure) nodes.push_back("/dev/vfio/" + group.filename().string());
}

void add_usb(std::vector<std::string>& nodes, const model::Hostdev& hostdev) {
    const auto node = [](unsigned bus, unsigned device) {
        return fmt::format("/dev/bus/usb/{:03}/{:03}", bus, device);
    };
    if (hostdev.source_device) return nodes.push_back(node(hostdev.source_bus.value_or(0), *hostdev.source_device));
    if (!hostdev.vendor || !hostdev.product) return;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator("/sys/bus/usb/devices", none)) {
        const bool same = read_line(entry.path() / "idVendor") == fmt::format("{:04x}", hostdev.vendor->value)
                          && read_line(entry.path() / "idProduct") == fmt::format("{:04x}", hostdev.product->value);
        const auto bus = read_line(entry.path() / "busnum"), device = read_line(entry.path() / "devnum");
        if (same && !bus.empty() && !device.empty())
            nodes.push_back(node(static_cast<unsigned>(std::stoul(bus)), static_cast<unsigned>(std::stoul(device))));
    }
}

void add_hostdev(std::vector<std::string>& nodes, const model::Hostdev& hostdev) {
    using model::HostdevType;
    if (hostdev.type == HostdevType::usb) add_usb(nodes, hostdev);
    if (hostdev.type == HostdevType::scsi_host) nodes.emplace_back("/dev/vhost-scsi");
    if (hostdev.type == HostdevType::mdev && hostdev.source_uuid)
        add_vfio_group(nodes, "/sys/bus/mdev/devices/" + hostdev.source_uuid->text());
    if (hostdev.type == HostdevType::pci)
        add_vfio_group(nodes, fmt::format("/sys/bus/pci/devices/{:04x}:{:02x}:{:02x}.{}",
                                          hostdev.source_domain.value_or(0), hostdev.source_bus.value_or(0),
                                          hostdev.source_slot.value_or(0), hostdev.source_function.value_or(0)));
}

void add_display(std::vector<std::string>& nodes, const model::Graphics& graphics) {
    if (graphics.gl_rendernode) return nodes.push_back(*graphics.gl_rendernode);
    if (!graphics.gl.value_or(false) && graphics.type != model::GraphicsType::egl_headless) return;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator("/dev/dri", none))
        if (entry.path().filename().string().starts_with("renderD")) nodes.push_back(entry.path());
}

} // namespace

std::vector<std::string> device_nodes(const model::Domain& live) {
    std::vector<std::string> nodes;
    const auto& devices = live.devices;
    if (live.type == model::DomainType::kvm) nodes.emplace_back("/dev/kvm");
    if (devices.vsock) nodes.emplace_back("/dev/vhost-vsock");
    for (const auto& hostdev : devices.hostdevs) add_hostdev(nodes, hostdev);
    for (const auto& interface : devices.interfaces) {
        if (interface.source.host_address)
            add_vfio_group(nodes, "/sys/bus/pci/devices/" + interface.source.host_address->text());
        if (interface.type == model::InterfaceType::vdpa && interface.source.dev)
            nodes.push_back(*interface.source.dev);
    }
    for (const auto& graphics : devices.graphics) add_display(nodes, graphics);
    for (const auto& input : devices.inputs)
        for (const auto& path : {input.evdev, input.dev})
            if (path) nodes.push_back(*path);
    if (std::ranges::any_of(nodes, [](const auto& node) { return node.starts_with("/dev/vfio/"); }))
        nodes.emplace_back("/dev/vfio/vfio");
    return nodes;
}

FileView helper_view(const std::string& staging, const std::string& program) {
    FileView view;
    view.staging = staging;
    view.folder("/tmp", 01777);
    show_system(view);
    show_common_devices(view);
    show_emulator(view, program);
    return view;
}

FileView guest_view(const model::Domain& live, const GuestUser& user, const GuestPlaces& places) {
    FileView view;
    view.staging = places.staging;
    view.folder("/tmp", 01777); // in memory: Gluster's library writes the description of a volume there
    show_system(view);
    show_devices(view, user, device_nodes(live));
    show_emulator(view, places.emulator);
    view.show(places.own, FileView::Use::write);
    show_streams(view, live.devices);
    show_disks(view, live.devices.disks);
    show_memory(view, live);
    for (const auto& filesystem : live.devices.filesystems)
        if (filesystem.source_dir && filesystem.driver.type != "virtiofs")
            view.show(*filesystem.source_dir, filesystem.readonly ? FileView::Use::read : FileView::Use::write);
    for (const auto& audio : live.devices.audios) show_folder_of(view, audio.path);
    show_own_arguments(view, live.qemu);
    return view;
}

} // namespace domus::compute
