#include "model/address.hpp"

#include <fmt/format.h>

namespace domus::model {

using format::Describe;
using format::never_empty;
using format::Schema;

Address Address::pci(unsigned bus, unsigned slot, unsigned function, unsigned domain) {
    Address address;
    address.domain = domain;
    address.bus = bus;
    address.slot = slot;
    address.function = function;
    return address;
}

Address Address::drive(unsigned controller, unsigned bus, unsigned target, unsigned unit) {
    Address address;
    address.type = AddressType::drive;
    address.controller = controller;
    address.bus = bus;
    address.target = target;
    address.unit = unit;
    return address;
}

Address Address::virtio_serial(unsigned controller, unsigned bus, unsigned port) {
    Address address;
    address.type = AddressType::virtio_serial;
    address.controller = controller;
    address.bus = bus;
    address.port = port;
    return address;
}

Address Address::usb(unsigned bus, std::string port) {
    Address address;
    address.type = AddressType::usb;
    address.bus = bus;
    address.usb_port = std::move(port);
    return address;
}

bool Address::is_open() const {
    return type == AddressType::pci && domain == 0 && bus == 0 && slot == 0 && function == 0;
}

std::string Address::text() const {
    switch (type) {
    case AddressType::pci:
        return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", domain, bus, slot, function);
    case AddressType::drive:
        return fmt::format("drive {}:{}:{}:{}", controller, bus, target, unit);
    case AddressType::virtio_serial:
        return fmt::format("virtio-serial {}:{}:{}", controller, bus, port);
    case AddressType::usb:
        return fmt::format("usb {}:{}", bus, usb_port);
    case AddressType::ccid:
        return fmt::format("ccid {}:{}", controller, slot);
    case AddressType::isa:
        return fmt::format("isa 0x{:x}", iobase ? iobase->value : 0);
    case AddressType::dimm:
        return fmt::format("dimm {}", slot);
    default:
        return std::string(format::word(type));
    }
}

std::string PciAddress::text() const { return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", domain, bus, slot, function); }

const Schema& PciAddress::schema() {
    static const Schema table = Describe<PciAddress>("address", "A PCI device of the host.")
                                    .hex<4>("@domain", &PciAddress::domain, "PCI domain")
                                    .hex<2>("@bus", &PciAddress::bus, "PCI bus")
                                    .hex<2>("@slot", &PciAddress::slot, "PCI slot")
                                    .hex<1>("@function", &PciAddress::function, "PCI function");
    return table;
}

const Schema& Address::schema() {
    using enum AddressType;
    static const Schema table =
        Describe<Address>("address", "Where the device is plugged in, as the guest sees it.")
            .field("@type", &Address::type, "kind of bus", format::required)
            .selects()
            .hex<4>("@domain", &Address::domain, "PCI domain")
            .only(pci)
            .field("@controller", &Address::controller, "index of the controller")
            .only(drive, virtio_serial, ccid)
            .hex<2>("@bus", &Address::bus, "PCI bus: index of the PCI controller")
            .only(pci)
            .field("@bus", &Address::bus, "bus of the controller; for USB, the controller's index")
            .only(drive, virtio_serial, usb)
            .field("@target", &Address::target, "SCSI target")
            .only(drive)
            .field("@unit", &Address::unit, "unit on the bus")
            .only(drive)
            .hex<2>("@slot", &Address::slot, "PCI slot")
            .only(pci)
            .field("@slot", &Address::slot, "slot")
            .only(ccid, dimm)
            .hex<1>("@function", &Address::function, "PCI function")
            .only(pci)
            .field("@multifunction", &Address::multifunction, "whether further functions share the slot")
            .only(pci)
            .field("@port", &Address::port, "port of the controller")
            .only(virtio_serial)
            .field("@port", &Address::usb_port, "port, behind hubs one for each: 1.2", never_empty)
            .only(usb)
            .field("@iobase", &Address::iobase, "first I/O port")
            .only(isa)
            .field("@irq", &Address::irq, "interrupt line")
            .only(isa)
            .field("@base", &Address::base, "address in the guest's memory")
            .only(dimm);
    return table;
}

} // namespace domus::model
