// Where a device is plugged in: the place on its bus that the guest sees. Which members count depends on the type.
#pragma once

#include "format/schema.hpp"

namespace domus::model {

enum class AddressType {
    pci,
    drive,
    virtio_serial,
    ccid,
    usb,
    spapr_vio,
    ccw,
    virtio_mmio,
    isa,
    dimm,
    unassigned,
};

struct Address {
    AddressType type = AddressType::pci;
    unsigned domain = 0, bus = 0, slot = 0, function = 0; ///< pci; bus also drive, virtio-serial, usb; slot ccid, dimm
    std::optional<format::OnOff> multifunction;           ///< pci
    unsigned controller = 0;                              ///< drive, virtio-serial, ccid
    unsigned target = 0, unit = 0;                        ///< drive
    unsigned port = 0;                                    ///< virtio-serial
    std::string usb_port;                                 ///< "1" or, behind hubs, "1.2"
    std::optional<format::Hex<1>> iobase, irq;            ///< isa
    std::optional<format::Hex<1>> base;                   ///< dimm: address in the guest's memory
    format::Rest rest;

    static Address pci(unsigned bus, unsigned slot, unsigned function = 0, unsigned domain = 0);
    static Address drive(unsigned controller, unsigned bus, unsigned target, unsigned unit);
    static Address virtio_serial(unsigned controller, unsigned bus, unsigned port);
    static Address usb(unsigned bus, std::string port);

    /// A PCI address of zeros stands for "any place on the PCI bus".
    bool is_open() const;
    /// "0000:02:00.0" for pci, "drive 0:0:0:1" and so on for others; for messages.
    std::string text() const;

    static const format::Schema& schema();
    bool operator==(const Address&) const = default;
};

/// A PCI device of the host, where nothing else can stand.
struct PciAddress {
    unsigned domain = 0, bus = 0, slot = 0, function = 0;
    format::Rest rest;

    std::string text() const;

    static const format::Schema& schema();
    bool operator==(const PciAddress&) const = default;
};

} // namespace domus::model

template <>
inline constexpr auto domus::format::words<domus::model::AddressType> = domus::format::word_list(
    "pci", "drive", "virtio-serial", "ccid", "usb", "spapr-vio", "ccw", "virtio-mmio", "isa", "dimm", "unassigned");
