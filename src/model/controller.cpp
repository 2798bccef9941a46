#include "model/controller.hpp"

namespace domus::model {

using format::Describe;
using format::never_empty;
using format::Schema;

const Schema& ControllerDriver::schema() {
    static const Schema table =
        Describe<ControllerDriver>("driver", "How the host serves the controller.")
            .field("@queues", &ControllerDriver::queues, "virtio-scsi: number of queues")
            .field("@cmd_per_lun", &ControllerDriver::cmd_per_lun, "virtio-scsi: commands in flight a unit")
            .field("@max_sectors", &ControllerDriver::max_sectors, "virtio-scsi: most sectors in one command")
            .field("@ioeventfd", &ControllerDriver::ioeventfd, "whether the guest's doorbell avoids the main loop")
            .field("@iothread", &ControllerDriver::iothread, "number of the I/O thread that serves it")
            .field("@iommu", &ControllerDriver::iommu, "whether the device goes through the guest's IOMMU")
            .field("@ats", &ControllerDriver::ats, "whether it offers address translation services")
            .field("@packed", &ControllerDriver::packed, "whether it offers packed queues")
            .field("@page_per_vq", &ControllerDriver::page_per_vq,
                   "whether each queue's doorbell has a page of its own");
    return table;
}

const Schema& ControllerTarget::schema() {
    static const Schema table =
        Describe<ControllerTarget>("target", "How a PCI controller looks to the guest.")
            .field("@chassisNr", &ControllerTarget::chassis_nr, "pci-bridge: number of the chassis")
            .field("@chassis", &ControllerTarget::chassis, "root and downstream ports: number of the chassis")
            .field("@port", &ControllerTarget::port, "root and downstream ports: number of the port")
            .field("@busNr", &ControllerTarget::bus_nr, "expander buses: number of the bus")
            .field("@index", &ControllerTarget::index, "pSeries: number of the host bridge")
            .field("@hotplug", &ControllerTarget::hotplug, "whether devices can be plugged while it runs")
            .field("node", &ControllerTarget::node, "expander buses: NUMA cell that they belong to");
    return table;
}

Controller::Controller() = default;
Controller::Controller(const Controller&) = default;
Controller::Controller(Controller&&) noexcept = default;
Controller& Controller::operator=(const Controller&) = default;
Controller& Controller::operator=(Controller&&) noexcept = default;
Controller::~Controller() = default;
bool Controller::operator==(const Controller&) const = default;

const Schema& Controller::schema() {
    static const Schema table =
        Describe<Controller>("controller", "A bus controller.")
            .field("@type", &Controller::type, "kind of bus", format::required)
            .field("@index", &Controller::index, "number among those of its type")
            .field("@model", &Controller::model, "which one: qemu-xhci, pcie-root-port, virtio-scsi, ...", never_empty)
            .field("@ports", &Controller::ports, "virtio-serial, USB: number of ports")
            .field("@vectors", &Controller::vectors, "virtio-serial: number of interrupts")
            .field("@maxGrantFrames", &Controller::max_grant_frames, "xenbus")
            .field("@maxEventChannels", &Controller::max_event_channels, "xenbus")
            .field("model@name", &Controller::model_name, "PCI: device of QEMU", never_empty)
            .field("target", &Controller::target)
            .field("driver", &Controller::driver)
            .scaled("pcihole64", &Controller::pcihole64, "KiB", "KiB", "PCI roots: room for large BARs")
            .field("alias@name", &Controller::alias, "name of the device; the user's own begin with ua-")
            .refuse("acpi", acpi_index_unsupported)
            .field("master@startport", &Controller::master_startport, "USB companions: first port of the master")
            .field("address", &Controller::address);
    return table;
}

} // namespace domus::model
