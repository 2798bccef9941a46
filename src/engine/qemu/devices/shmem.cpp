// Memory that guests of a host share.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

void add_plain_shmem(Build& build, const model::SharedMemory& shmem, json::object& device) {
    const auto id = "mem" + *shmem.alias;
    build.arguments.object({{"qom-type", "memory-backend-file"},
                            {"id", id},
                            {"mem-path", build.file("/dev/shm/" + shmem.name)},
                            {"size", shmem.size.value_or(ByteCount::mib(4)).bytes},
                            {"share", true}});
    device["memdev"] = id;
}

void add_shmem_server(Build& build, const model::SharedMemory& shmem, json::object& device) {
    const auto id = "char" + *shmem.alias;
    build.arguments.add("-chardev",
                        Options("socket").set("id", id).set(
                            "path", shmem.server.value_or("/var/lib/libvirt/shmem-" + shmem.name + "-sock")));
    device["chardev"] = id;
    set(device, "vectors", shmem.msi_vectors);
    set(device, "ioeventfd", shmem.msi_ioeventfd);
}

void add_all(Build& build) {
    for (const auto& shmem : build.domain.devices.shmems) {
        const auto model = shmem.model.value_or("ivshmem-plain");
        build.need_device(model, "shmem", shmem.rest.line);
        auto device = build.device(model, *shmem.alias);
        if (model == "ivshmem-plain")
            add_plain_shmem(build, shmem, device);
        else
            add_shmem_server(build, shmem, device);
        if (shmem.role) device["master"] = *shmem.role == model::ShmemRole::master;
        build.place(device, shmem.address);
        build.arguments.device(device);
    }
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& shmem : domain.devices.shmems) users.add("shmem", shmem, PciPlug::conventional);
}

} // namespace

const DeviceKind& kind_shmem() {
    static const DeviceKind kind{
        .element = "shmem",
        .add = add_all,
        .pluggable = true,
        .alias = "shmem",
        .pci = {11, list_pci},
    };
    return kind;
}

} // namespace domus::engine::qemu
