// Folders of the host: virtiofs through a daemon of its own, 9p through QEMU.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

using model::AccessMode;
using model::Filesystem;

namespace {

constexpr std::string_view element = "filesystem";

void need_shared_memory(const Build& build, const Filesystem& filesystem) {
    if (build.domain.memory_backing.access == model::MemoryAccess::shared) return;
    for (const auto& cell : build.domain.cpu.numa_cells)
        if (cell.mem_access == model::MemoryAccess::shared) return;
    refuse(element, filesystem.rest.line, "virtiofs needs memory that it can share",
           "add <memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>");
}

void add_virtiofs(Build& build, const Filesystem& filesystem) {
    need_shared_memory(build, filesystem);
    const auto id = "char" + *filesystem.alias;
    Options options("socket");
    options.set("id", id);
    if (const auto fd = Build::find(build.launch.helpers, *filesystem.alias))
        options.set("fd", build.pass(fd));
    else
        options.set("path", filesystem.source_socket.value_or(
                                fmt::format("{}/{}-fs.sock", build.launch.folder, *filesystem.alias)));
    build.arguments.add("-chardev", options);
    auto device = build.device("vhost-user-fs-pci", *filesystem.alias);
    device["chardev"] = id;
    set(device, "queue-size", filesystem.driver.queue);
    device["tag"] = filesystem.target;
    set_virtio(device, filesystem.driver);
    build.place(device, filesystem.address);
    build.arguments.device(device);
}

std::string_view security_model(AccessMode mode) {
    switch (mode) {
    case AccessMode::passthrough:
        return "passthrough";
    case AccessMode::mapped:
        return "mapped";
    case AccessMode::squash:
        return "none";
    }
    return "none";
}

void add_9p(Build& build, const Filesystem& filesystem) {
    if (filesystem.type != model::FilesystemType::mount || !filesystem.source_dir)
        refuse(element, filesystem.rest.line, fmt::format("type '{}' is not supported", format::word(filesystem.type)),
               "take type='mount' with <source dir='...'/>");
    if (filesystem.driver.type && *filesystem.driver.type != "path")
        refuse("driver", filesystem.driver.rest.line,
               fmt::format("type '{}' is not supported", *filesystem.driver.type));
    const auto id = "fsdev-" + *filesystem.alias;
    Options options("local");
    options.set("security_model", security_model(filesystem.accessmode.value_or(AccessMode::passthrough)));
    if (filesystem.driver.wrpolicy) options.set("writeout", *filesystem.driver.wrpolicy);
    if (filesystem.multidevs && *filesystem.multidevs != model::MultiDevs::default_)
        options.set("multidevs", format::word(*filesystem.multidevs));
    if (filesystem.fmode) options.set("fmode", *filesystem.fmode);
    if (filesystem.dmode) options.set("dmode", *filesystem.dmode);
    options.set("id", id).set("path", *filesystem.source_dir);
    if (filesystem.readonly) options.set("readonly", true);
    build.arguments.add("-fsdev", options);
    auto device = build.device(virtio_name("virtio-9p-pci", filesystem.model), *filesystem.alias);
    device["fsdev"] = id;
    device["mount_tag"] = filesystem.target;
    set_virtio(device, filesystem.driver);
    build.place(device, filesystem.address);
    build.arguments.device(device);
}

} // namespace

void add_filesystems(Build& build) {
    for (const auto& filesystem : build.domain.devices.filesystems) {
        if (filesystem.space_hard_limit || filesystem.space_soft_limit)
            refuse(element, filesystem.rest.line, "limits of space are not supported");
        if (filesystem.driver.type == "virtiofs")
            add_virtiofs(build, filesystem);
        else
            add_9p(build, filesystem);
    }
}

} // namespace domus::engine::qemu
