// The paths of the host in a definition. A new element that names one is added here.
#include "compute/domain/rights.hpp"

namespace domus::compute {

namespace {

using model::CharacterType;

class Paths {
public:
    void add(const std::optional<std::string>& path, Use use, std::string_view element) {
        if (path && !path->empty()) found_.push_back({*path, use, "<" + std::string(element) + ">"});
    }
    std::vector<NamedPath> take() { return std::move(found_); }

private:
    std::vector<NamedPath> found_;
};

void add_hosts(Paths& paths, const std::vector<model::SourceHost>& hosts, std::string_view element) {
    for (const auto& host : hosts) paths.add(host.socket, Use::connect, element);
}

void add_image(Paths& paths, const model::DiskSource& source, Use use) {
    paths.add(source.file, use, "disk");
    paths.add(source.dev, use, "disk");
    paths.add(source.dir, use == Use::write ? Use::tree : Use::folder, "disk");
    paths.add(source.path, Use::connect, "disk"); // vhost-user
    paths.add(source.config_file, Use::read, "disk");
    if (source.reservations) paths.add(source.reservations->path, Use::connect, "reservations");
    add_hosts(paths, source.hosts, "disk");
}

void add_chain(Paths& paths, const std::vector<model::BackingStore>& stores) {
    for (const auto& store : stores) {
        add_image(paths, store.source, Use::read);
        add_chain(paths, store.backing_store);
    }
}

void add_disks(Paths& paths, const std::vector<model::Disk>& disks) {
    for (const auto& disk : disks) {
        const bool read_only = disk.readonly || disk.transient || disk.device == model::DiskDevice::cdrom;
        add_image(paths, disk.source, read_only ? Use::read : Use::write);
        add_chain(paths, disk.backing_store);
        if (disk.mirror) {
            paths.add(disk.mirror->file, Use::create, "mirror");
            add_image(paths, disk.mirror->source, Use::write);
            add_chain(paths, disk.mirror->backing_store);
        }
    }
}

void add_stream(Paths& paths, std::optional<CharacterType> type, const std::vector<model::CharacterSource>& sources,
                std::string_view element) {
    for (const auto& source : sources) {
        const bool connects = source.mode && *source.mode == "connect";
        switch (type.value_or(CharacterType::null)) {
        case CharacterType::file:
            paths.add(source.path, Use::create, element);
            break;
        case CharacterType::unix_socket:
            paths.add(source.path, connects ? Use::connect : Use::listen, element);
            break;
        case CharacterType::pty:
            break; // the host chooses it
        case CharacterType::pipe:
            if (!source.path) break;
            for (const auto* end : {"", ".in", ".out"}) paths.add(*source.path + end, Use::write, element);
            break;
        default:
            paths.add(source.path, Use::write, element);
            break;
        }
        paths.add(source.master, Use::write, element);
        paths.add(source.slave, Use::write, element);
    }
}

void add_characters(Paths& paths, const model::Devices& devices) {
    const auto add = [&](const auto& list, std::string_view element) {
        for (const auto& device : list) {
            add_stream(paths, device.type, device.sources, element);
            if (device.log) paths.add(device.log->file, Use::create, "log");
        }
    };
    add(devices.serials, "serial");
    add(devices.parallels, "parallel");
    add(devices.consoles, "console");
    add(devices.channels, "channel");
    for (const auto& device : devices.redirdevs) add_stream(paths, device.type, device.sources, "redirdev");
    for (const auto& device : devices.smartcards) {
        add_stream(paths, device.type, device.sources, "smartcard");
        paths.add(device.database, Use::folder, "smartcard");
    }
    for (const auto& rng : devices.rngs) {
        paths.add(rng.backend.path, Use::read, "rng");
        add_stream(paths, rng.backend.type, rng.backend.sources, "rng");
    }
    for (const auto& tpm : devices.tpms) {
        paths.add(tpm.backend.device, Use::write, "tpm");
        for (const auto& source : tpm.backend.sources) paths.add(source.path, Use::connect, "tpm");
    }
}

void add_interfaces(Paths& paths, const std::vector<model::Interface>& interfaces) {
    for (const auto& interface : interfaces) {
        const bool serves = interface.source.mode && *interface.source.mode == "server";
        paths.add(interface.source.path, serves ? Use::listen : Use::connect, "interface");
        if (interface.type == model::InterfaceType::vdpa) paths.add(interface.source.dev, Use::write, "interface");
        paths.add(interface.script, Use::helper, "script");
        paths.add(interface.downscript, Use::helper, "downscript");
        paths.add(interface.backend.tap, Use::write, "backend");
        paths.add(interface.backend.vhost, Use::write, "backend");
        paths.add(interface.backend.log_file, Use::create, "backend");
        paths.add(interface.rom.file, Use::read, "rom");
    }
}

/// The socket in the name of a PulseAudio server: "/run/pulse", "unix:/run/pulse", "{host}unix:/run/pulse".
void add_pulse_server(Paths& paths, const std::optional<std::string>& name) {
    const auto begin = name ? name->find('/') : std::string::npos;
    if (begin != std::string::npos) paths.add(name->substr(begin), Use::connect, "audio");
}

void add_graphics(Paths& paths, const model::Devices& devices) {
    for (const auto& graphics : devices.graphics) {
        paths.add(graphics.socket, Use::listen, "graphics");
        for (const auto& listen : graphics.listens) paths.add(listen.socket, Use::listen, "listen");
        paths.add(graphics.gl_rendernode, Use::write, "gl");
        // A name among QEMU's own, unless it leads elsewhere.
        if (graphics.keymap && graphics.keymap->find('/') != std::string::npos)
            paths.add(graphics.keymap, Use::read, "graphics");
    }
    for (const auto& video : devices.videos) paths.add(video.model.rendernode, Use::write, "video");
    for (const auto& audio : devices.audios) {
        paths.add(audio.path, Use::create, "audio");
        add_pulse_server(paths, audio.server_name);
        for (const auto* direction : {&audio.input, &audio.output})
            if (*direction && (*direction)->dev && (*direction)->dev->starts_with('/'))
                paths.add((*direction)->dev, Use::write, "audio");
    }
}

void add_others(Paths& paths, const model::Devices& devices) {
    for (const auto& filesystem : devices.filesystems) {
        paths.add(filesystem.source_dir, filesystem.readonly ? Use::folder : Use::tree, "filesystem");
        paths.add(filesystem.source_file, filesystem.readonly ? Use::read : Use::write, "filesystem");
        paths.add(filesystem.source_dev, filesystem.readonly ? Use::read : Use::write, "filesystem");
        paths.add(filesystem.source_socket, Use::connect, "filesystem");
        paths.add(filesystem.binary.path, Use::helper, "binary");
    }
    for (const auto& input : devices.inputs) {
        paths.add(input.evdev, Use::write, "input");
        paths.add(input.dev, Use::write, "input");
    }
    for (const auto& shmem : devices.shmems) {
        paths.add(shmem.server, Use::connect, "shmem");
        if (!shmem.server) paths.add("/dev/shm/" + shmem.name, Use::create, "shmem");
    }
    for (const auto& memory : devices.memories)
        paths.add(memory.source_path, memory.readonly ? Use::read : Use::write, "memory");
    for (const auto& hostdev : devices.hostdevs) paths.add(hostdev.rom.file, Use::read, "rom");
    for (const auto& lease : devices.leases) paths.add(lease.path, Use::write, "lease");
}

void add_boot(Paths& paths, const model::Domain& domain) {
    const auto& os = domain.os;
    paths.add(os.loader.path, Use::read, "loader");
    paths.add(os.nvram.path, Use::create, "nvram");
    paths.add(os.nvram.template_path, Use::read, "nvram");
    add_image(paths, os.nvram.source, Use::write);
    paths.add(os.kernel, Use::read, "kernel");
    paths.add(os.initrd, Use::read, "initrd");
    paths.add(os.dtb, Use::read, "dtb");
    for (const auto& table : os.acpi_tables) paths.add(table.path, Use::read, "acpi");
    for (const auto& sysinfo : domain.sysinfo)
        for (const auto& entry : sysinfo.entries) paths.add(entry.file, Use::read, "sysinfo");
}

} // namespace

std::vector<NamedPath> named_paths(const model::Domain& domain) {
    Paths paths;
    add_boot(paths, domain);
    add_disks(paths, domain.devices.disks);
    add_characters(paths, domain.devices);
    add_interfaces(paths, domain.devices.interfaces);
    add_graphics(paths, domain.devices);
    add_others(paths, domain.devices);
    return paths.take();
}

} // namespace domus::compute
