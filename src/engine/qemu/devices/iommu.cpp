// IOMMUs of the guest.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

void add_all(Build& build) {
    for (const auto& iommu : build.domain.devices.iommus) {
        const bool intel = iommu.model == "intel";
        if (!intel && iommu.model != "virtio")
            refuse("iommu", iommu.rest.line, fmt::format("model '{}' is not supported", iommu.model));
        if (intel && build.chipset != Chipset::q35)
            refuse("iommu", iommu.rest.line, "Intel's IOMMU needs machine 'q35'");
        auto device = build.device(intel ? "intel-iommu" : "virtio-iommu-pci", *iommu.alias);
        if (iommu.intremap) device["intremap"] = format::word(*iommu.intremap); // on, off or auto
        set(device, "caching-mode", iommu.caching_mode);
        if (iommu.eim) device["eim"] = format::word(*iommu.eim);
        set(device, "device-iotlb", iommu.iotlb);
        set(device, "aw-bits", iommu.aw_bits);
        build.place(device, iommu.address);
        build.arguments.device(device);
    }
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& iommu : domain.devices.iommus)
        if (iommu.model == "virtio") users.add("iommu", iommu, PciPlug::root_complex);
}

} // namespace

const DeviceKind& kind_iommu() {
    static const DeviceKind kind{
        .element = "iommu",
        .add = add_all,
        .alias = "iommu",
        .pci = {14, list_pci},
    };
    return kind;
}

} // namespace domus::engine::qemu
