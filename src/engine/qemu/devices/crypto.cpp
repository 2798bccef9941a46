// Devices that encrypt for the guest.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

void add_all(Build& build) {
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

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& crypto : domain.devices.cryptos) users.add("crypto", crypto, virtio_plug(crypto.model));
}

} // namespace

const DeviceKind& kind_crypto() {
    static const DeviceKind kind{
        .element = "crypto",
        .add = add_all,
        .pluggable = true,
        .alias = "crypto",
        .pci = {17, list_pci},
    };
    return kind;
}

} // namespace domus::engine::qemu
