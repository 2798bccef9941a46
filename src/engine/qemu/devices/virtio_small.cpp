// Virtio devices that are little more than a name: balloon, random numbers, crypto, vsock.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

void add_memballoon(Build& build) {
    const auto& balloon = build.domain.devices.memballoon;
    if (!balloon || balloon->model == "none") return;
    if (!balloon->model.starts_with("virtio"))
        refuse("memballoon", balloon->rest.line, fmt::format("model '{}' is not supported", balloon->model));
    auto device = build.device(virtio_name("virtio-balloon-pci", balloon->model), *balloon->alias);
    set(device, "deflate-on-oom", balloon->autodeflate);
    set(device, "free-page-reporting", balloon->free_page_reporting);
    set_virtio(device, balloon->driver);
    build.place(device, balloon->address);
    build.arguments.device(device);
}

namespace {

std::string rng_backend(Build& build, const model::Rng& rng) {
    const auto id = "obj" + *rng.alias;
    const auto& backend = rng.backend;
    switch (backend.model) {
    case model::RngBackendModel::random: {
        const auto fd = Build::find(build.launch.characters, *rng.alias);
        const auto file = fd ? build.path(Launch::Image{{fd}}, {}, *rng.alias) : backend.path.value_or("/dev/urandom");
        build.arguments.object({{"qom-type", "rng-random"}, {"id", id}, {"filename", file}});
        break;
    }
    case model::RngBackendModel::builtin:
        build.arguments.object({{"qom-type", "rng-builtin"}, {"id", id}});
        break;
    case model::RngBackendModel::egd: {
        const auto host =
            add_character(build, "rng", rng.rest.line, *rng.alias, backend.type.value_or(model::CharacterType::udp),
                          backend.sources, backend.protocol, {}, *rng.alias + ".sock");
        build.arguments.object({{"qom-type", "rng-egd"}, {"id", id}, {"chardev", host}});
        break;
    }
    }
    return id;
}

} // namespace

void add_rngs(Build& build) {
    for (const auto& rng : build.domain.devices.rngs) {
        if (!rng.model.starts_with("virtio"))
            refuse("rng", rng.rest.line, fmt::format("model '{}' is not supported", rng.model));
        const auto backend = rng_backend(build, rng);
        auto device = build.device(virtio_name("virtio-rng-pci", rng.model), *rng.alias);
        device["rng"] = backend;
        if (rng.rate_bytes) {
            device["max-bytes"] = *rng.rate_bytes;
            device["period"] = rng.rate_period.value_or(1000);
        }
        set_virtio(device, rng.driver);
        build.place(device, rng.address);
        build.arguments.device(device);
    }
}

void add_cryptos(Build& build) {
    for (const auto& crypto : build.domain.devices.cryptos) {
        if (crypto.backend != "builtin" && crypto.backend != "lkcf")
            refuse("crypto", crypto.rest.line, fmt::format("backend '{}' is not known", crypto.backend));
        const auto id = "obj" + *crypto.alias;
        json::object backend{{"qom-type", "cryptodev-backend-" + crypto.backend}, {"id", id}};
        set(backend, "queues", crypto.queues);
        build.arguments.object(backend);
        auto device = build.device("virtio-crypto-pci", *crypto.alias);
        device["cryptodev"] = id;
        set_virtio(device, crypto.driver);
        build.place(device, crypto.address);
        build.arguments.device(device);
    }
}

void add_vsock(Build& build) {
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

} // namespace domus::engine::qemu
