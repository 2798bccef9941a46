// A bus controller of the guest: PCI bridges and ports, USB, SATA, IDE, SCSI, floppy and virtio-serial.
#pragma once

#include "model/address.hpp"
#include "model/common.hpp"

namespace domus::model {

enum class ControllerType { usb, sata, ide, scsi, pci, virtio_serial, fdc, ccid, xenbus, isa };

struct ControllerDriver {
    std::optional<unsigned> queues, cmd_per_lun, max_sectors;
    std::optional<OnOff> ioeventfd;
    std::optional<unsigned> iothread;
    std::optional<OnOff> iommu, ats, packed, page_per_vq;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const ControllerDriver&) const = default;
};

/// Of a PCI controller: how it looks to the guest.
struct ControllerTarget {
    std::optional<unsigned> chassis_nr, chassis;
    std::optional<format::Hex<1>> port;
    std::optional<unsigned> bus_nr, index;
    std::optional<OnOff> hotplug;
    std::optional<unsigned> node; ///< NUMA cell
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const ControllerTarget&) const = default;
};

struct Controller {
    Controller(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Controller(const Controller&);
    Controller(Controller&&) noexcept;
    Controller& operator=(const Controller&);
    Controller& operator=(Controller&&) noexcept;
    ~Controller();

    ControllerType type = ControllerType::usb;
    std::optional<unsigned> index;
    std::optional<std::string> model; ///< "qemu-xhci", "pcie-root-port", "virtio-scsi", ...
    std::optional<unsigned> ports, vectors;
    std::optional<unsigned> max_grant_frames, max_event_channels;
    std::optional<std::string> model_name;    ///< pci: QEMU's device
    ControllerTarget target;                  ///< pci
    std::optional<ByteCount> pcihole64;       ///< pci roots
    std::optional<unsigned> master_startport; ///< usb companions
    ControllerDriver driver;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Controller&) const;
};

} // namespace domus::model

template <>
inline constexpr auto domus::format::words<domus::model::ControllerType> =
    domus::format::word_list("usb", "sata", "ide", "scsi", "pci", "virtio-serial", "fdc", "ccid", "xenbus", "isa");
