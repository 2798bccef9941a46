// Random numbers of the host.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

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

void add_all(Build& build) {
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

void complete(model::Domain& domain) {
    for (auto& rng : domain.devices.rngs)
        if (rng.backend.model == model::RngBackendModel::random && !rng.backend.path) rng.backend.path = "/dev/random";
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& rng : domain.devices.rngs) users.add("rng", rng, virtio_plug(rng.model));
}

} // namespace

const DeviceKind& kind_rng() {
    static const DeviceKind kind{
        .element = "rng",
        .add = add_all,
        .pluggable = true,
        .alias = "rng",
        .complete = complete,
        .pci = {8, list_pci},
    };
    return kind;
}

} // namespace domus::engine::qemu
