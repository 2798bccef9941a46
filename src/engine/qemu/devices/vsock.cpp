// Sockets between host and guest.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

void add(Build& build) {
    const auto& vsock = build.domain.devices.vsock;
    if (!vsock) return;
    if (!vsock->cid)
        refuse("vsock", vsock->rest.line, "no address was chosen for it", "write <cid auto='no' address='...'/>");
    auto device = build.device(virtio_name("vhost-vsock-pci", vsock->model), *vsock->alias);
    device["guest-cid"] = *vsock->cid;
    if (const auto fd = Build::find(build.launch.helpers, *vsock->alias)) device["vhostfd"] = build.pass(fd);
    set_virtio(device, vsock->driver);
    build.place(device, vsock->address);
    build.arguments.device(device);
}

void complete(model::Domain& domain) {
    auto& vsock = domain.devices.vsock;
    if (vsock && !vsock->cid && !vsock->auto_cid) vsock->auto_cid = true;
}

void list_pci(model::Domain& domain, PciUsers& users) {
    if (auto& vsock = domain.devices.vsock) users.add("vsock", *vsock, virtio_plug(vsock->model));
}

void choose(model::Domain& domain) {
    constexpr std::uint32_t first_cid = 3; // 0 to 2 mean the host
    auto& vsock = domain.devices.vsock;
    if (vsock && !vsock->cid) vsock->cid = first_cid;
}

} // namespace

const DeviceKind& kind_vsock() {
    static const DeviceKind kind{
        .element = "vsock",
        .add = add,
        .pluggable = true,
        .alias = "vsock",
        .complete = complete,
        .pci = {15, list_pci},
        .choose = choose,
    };
    return kind;
}

} // namespace domus::engine::qemu
