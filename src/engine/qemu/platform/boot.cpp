// What is booted: order, menu, kernel; and what SMBIOS says.
#include "engine/qemu/devices/devices.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::engine::qemu {

using model::BootDevice;
using model::DiskDevice;

namespace {

void add_kernel(Build& build) {
    const auto& os = build.domain.os;
    if (os.kernel) build.arguments.add("-kernel", build.path(build.launch.kernel, *os.kernel));
    if (os.initrd) build.arguments.add("-initrd", build.path(build.launch.initrd, *os.initrd));
    if (os.cmdline) build.arguments.add("-append", *os.cmdline);
    if (os.dtb) build.arguments.add("-dtb", build.path(build.launch.dtb, *os.dtb));
    if ((os.initrd || os.cmdline) && !os.kernel)
        refuse("os", os.rest.line, "<initrd> and <cmdline> mean nothing without a <kernel>");
}

void add_rom(Build& build) {
    const auto& loader = build.domain.os.loader;
    if (loader.path && loader.type.value_or(model::LoaderType::rom) == model::LoaderType::rom
        && build.launch.flash.empty())
        build.arguments.add("-bios", build.file(*loader.path));
}

void add_tables(Build& build) {
    for (const auto& table : build.domain.os.acpi_tables) {
        if (table.type != "slic")
            refuse("table", table.rest.line, fmt::format("ACPI tables of type '{}' are not supported", table.type));
        build.arguments.add("-acpitable", Options().set("sig", "SLIC").set("file", build.file(table.path)));
    }
}

bool is_first_of(BootDevice kind, const model::Disk& disk) {
    switch (kind) {
    case BootDevice::hd:
        return disk.device == DiskDevice::disk || disk.device == DiskDevice::lun;
    case BootDevice::cdrom:
        return disk.device == DiskDevice::cdrom;
    case BootDevice::fd:
        return disk.device == DiskDevice::floppy;
    case BootDevice::network:
        return false;
    }
    return false;
}

/// The device that <boot dev> means: the first of its kind.
std::optional<std::string> boot_device(const model::Devices& devices, BootDevice kind) {
    if (kind == BootDevice::network) {
        for (const auto& interface : devices.interfaces)
            if (interface.alias) return interface.alias;
        return std::nullopt;
    }
    for (const auto& disk : devices.disks)
        if (is_first_of(kind, disk)) return disk.alias;
    return std::nullopt;
}

void add_block(Build& build, int type, const std::vector<model::SysinfoEntry>& entries) {
    if (entries.empty()) return;
    Options options;
    options.set("type", type);
    for (const auto& entry : entries)
        if (entry.value) options.set(entry.name.value_or(""), *entry.value);
    build.arguments.add("-smbios", options);
}

void add_smbios_tables(Build& build, const model::Sysinfo& info) {
    add_block(build, 0, info.bios);
    add_block(build, 1, info.system);
    for (const auto& board : info.base_boards) add_block(build, 2, board.entries);
    add_block(build, 3, info.chassis);
    if (info.oem_strings.empty()) return;
    Options options;
    options.set("type", 11);
    for (const auto& entry : info.oem_strings) options.set("value", entry.value.value_or(""));
    build.arguments.add("-smbios", options);
}

void add_fw_cfg(Build& build, const model::Sysinfo& info) {
    for (const auto& entry : info.entries) {
        Options options;
        options.set("name", entry.name.value_or(""));
        if (entry.file)
            options.set("file", build.file(*entry.file));
        else
            options.set("string", entry.value.value_or(""));
        build.arguments.add("-fw_cfg", options);
    }
}

} // namespace

std::map<std::string, unsigned> boot_indexes(const model::Domain& domain) {
    std::map<std::string, unsigned> indexes;
    const auto given = [&](const auto& devices) {
        for (const auto& device : devices)
            if (device.boot_order && device.alias) indexes[*device.alias] = *device.boot_order;
    };
    given(domain.devices.disks);
    given(domain.devices.interfaces);
    given(domain.devices.hostdevs);
    given(domain.devices.redirdevs);
    given(domain.devices.filesystems);
    if (!indexes.empty()) return indexes;
    unsigned next = 1;
    for (const auto& boot : domain.os.boot)
        if (const auto alias = boot_device(domain.devices, boot.dev); alias && !indexes.contains(*alias))
            indexes[*alias] = next++;
    return indexes;
}

void add_boot(Build& build) {
    const auto& os = build.domain.os;
    Options options;
    if (os.bootmenu) options.set("menu", *os.bootmenu);
    if (os.bootmenu_timeout) options.set("splash-time", *os.bootmenu_timeout);
    if (os.bios_reboot_timeout) options.set("reboot-timeout", *os.bios_reboot_timeout);
    options.set("strict", true);
    build.arguments.add("-boot", options);
    add_rom(build);
    add_kernel(build);
    add_tables(build);
}

void add_smbios(Build& build) {
    const auto& os = build.domain.os;
    if (os.smbios == model::SmbiosMode::host)
        refuse("smbios", os.rest.line, "mode='host' is not supported", "take mode='sysinfo' with a <sysinfo>");
    for (const auto& info : build.domain.sysinfo) {
        if (info.type == model::SysinfoType::fwcfg)
            add_fw_cfg(build, info);
        else if (os.smbios == model::SmbiosMode::sysinfo)
            add_smbios_tables(build, info);
    }
}

} // namespace domus::engine::qemu
