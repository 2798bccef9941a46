#include "engine/qemu/complete.hpp"

#include "engine/qemu/complete/parts.hpp"

namespace domus::engine::qemu {

void complete(model::Domain& domain, const Capabilities& capabilities, const Defaults& defaults) {
    complete_platform(domain, capabilities);
    complete_devices(domain, defaults);
}

void complete_devices(model::Domain& domain, const Defaults& defaults) {
    const auto chipset = chipset_of(domain.os.machine.value_or("pc"));
    complete_disks(domain, chipset);
    complete_characters(domain);
    complete_graphics(domain);
    complete_others(domain);
    complete_controllers(domain, chipset);
    assign_virtio_serial_addresses(domain);
    assign_usb_addresses(domain);
    assign_pci_addresses(domain, chipset, defaults);
    sort_controllers(domain);
}

} // namespace domus::engine::qemu
