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

/// What virtiofsd cannot do.
void check_virtiofs(const Filesystem& filesystem) {
    const auto line = filesystem.rest.line;
    const auto& binary = filesystem.binary;
    const auto no = [&](std::string what, std::string hint = {}) {
        refuse(element, line, std::move(what), std::move(hint));
    };
    if (filesystem.type != model::FilesystemType::mount)
        no(fmt::format("type '{}' is not supported by virtiofs", format::word(filesystem.type)), "take type='mount'");
    if (!filesystem.source_dir && !filesystem.source_socket)
        no("virtiofs needs the folder that it shares", "add <source dir='...'/>");
    if (filesystem.accessmode.value_or(AccessMode::passthrough) != AccessMode::passthrough)
        no("virtiofs has the accessmode 'passthrough' only");
    if (filesystem.fmode || filesystem.dmode || filesystem.multidevs || filesystem.driver.wrpolicy)
        no("fmode, dmode, multidevs and wrpolicy belong to 9p, not to virtiofs");
    if (binary.cache && *binary.cache != "none" && *binary.cache != "always")
        no(fmt::format("the cache mode '{}' is not supported", *binary.cache), "take none or always");
    if (binary.sandbox && *binary.sandbox != "namespace" && *binary.sandbox != "chroot")
        no(fmt::format("the sandbox mode '{}' is not supported", *binary.sandbox), "take namespace or chroot");
    if (filesystem.source_socket && filesystem.readonly) no("who serves the socket says whether the guest may write");
}

void add_virtiofs(Build& build, const Filesystem& filesystem) {
    check_virtiofs(filesystem);
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

void add_all(Build& build) {
    for (const auto& filesystem : build.domain.devices.filesystems) {
        if (filesystem.space_hard_limit || filesystem.space_soft_limit)
            refuse(element, filesystem.rest.line, "limits of space are not supported");
        if (filesystem.driver.type == "virtiofs")
            add_virtiofs(build, filesystem);
        else
            add_9p(build, filesystem);
    }
}

void complete(model::Domain& domain) {
    for (auto& filesystem : domain.devices.filesystems)
        if (!filesystem.accessmode) filesystem.accessmode = model::AccessMode::passthrough;
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& filesystem : domain.devices.filesystems)
        users.add("filesystem", filesystem, virtio_plug(filesystem.model.value_or("")));
}

} // namespace

const DeviceKind& kind_filesystem() {
    static const DeviceKind kind{
        .element = "filesystem",
        .add = add_all,
        .alias = "fs",
        .complete = complete,
        .pci = {1, list_pci},
    };
    return kind;
}

} // namespace domus::engine::qemu
