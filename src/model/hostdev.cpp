#include "model/hostdev.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::never_empty;
using format::required;
using format::Schema;

Hostdev::Hostdev() = default;
Hostdev::Hostdev(const Hostdev&) = default;
Hostdev::Hostdev(Hostdev&&) noexcept = default;
Hostdev& Hostdev::operator=(const Hostdev&) = default;
Hostdev& Hostdev::operator=(Hostdev&&) noexcept = default;
Hostdev::~Hostdev() = default;
bool Hostdev::operator==(const Hostdev&) const = default;

const Schema& Hostdev::schema() {
    using enum HostdevType;
    static const Schema table =
        Describe<Hostdev>("hostdev", "A device of the host that the guest gets.")
            .field("@mode", &Hostdev::mode, "a device for virtual machines, or for containers")
            .field("@type", &Hostdev::type, "kind of device", required)
            .selects()
            .field("@managed", &Hostdev::managed,
                   "whether the daemon takes it from the host's driver and gives it back", empty_is_absent)
            .field("@sgio", &Hostdev::sgio, "scsi: whether the kernel filters commands")
            .field("@rawio", &Hostdev::rawio, "scsi: whether raw commands need privileges")
            .field("@model", &Hostdev::model, "mdev: vfio-pci, ...; scsi_host: virtio", never_empty)
            .field("@display", &Hostdev::display, "mdev: whether it shows a screen")
            .field("@ramfb", &Hostdev::ramfb, "mdev: whether it has a screen while booting")
            .field("driver@name", &Hostdev::driver_name, "pci: vfio", never_empty)
            .field("source@startupPolicy", &Hostdev::startup_policy, "usb: what happens at start when it is missing")
            .field("source@guestReset", &Hostdev::guest_reset, "usb: whether the guest may reset it")
            .field("source@writeFiltering", &Hostdev::write_filtering,
                   "pci: whether writes to its configuration are filtered")
            .field("source@protocol", &Hostdev::protocol, "scsi: adapter, iscsi; scsi_host: vhost")
            .field("source@name", &Hostdev::name, "scsi over iscsi: name of the unit")
            .field("source@wwpn", &Hostdev::wwpn, "scsi_host: name of the port")
            .field("source/vendor@id", &Hostdev::vendor, "usb: number of the maker")
            .field("source/product@id", &Hostdev::product, "usb: number of the product")
            .field("source/adapter@name", &Hostdev::adapter, "scsi: adapter of the host")
            .field("source/host", &Hostdev::hosts)
            .field("source/auth", &Hostdev::auth)
            .field("source/initiator/iqn@name", &Hostdev::initiator, "scsi over iscsi: our own name")
            .hex<4>("source/address@domain", &Hostdev::source_domain, "PCI domain on the host")
            .only(pci)
            .hex<2>("source/address@bus", &Hostdev::source_bus, "PCI bus on the host")
            .only(pci)
            .field("source/address@bus", &Hostdev::source_bus, "bus on the host")
            .only(usb, scsi)
            .hex<2>("source/address@slot", &Hostdev::source_slot, "PCI slot on the host")
            .only(pci)
            .hex<1>("source/address@function", &Hostdev::source_function, "PCI function on the host")
            .only(pci)
            .field("source/address@device", &Hostdev::source_device, "number on the host's bus")
            .only(usb)
            .field("source/address@target", &Hostdev::source_target, "SCSI target on the host")
            .only(scsi)
            .field("source/address@unit", &Hostdev::source_unit, "SCSI unit on the host")
            .only(scsi)
            .field("source/address@uuid", &Hostdev::source_uuid, "the mediated device")
            .only(mdev)
            .field("teaming", &Hostdev::teaming)
            .flag("readonly", &Hostdev::readonly, "scsi: the guest cannot write")
            .flag("shareable", &Hostdev::shareable, "scsi: several domains may use it")
            .field("boot@order", &Hostdev::boot_order, "place in the order of booting, from 1")
            .field("alias@name", &Hostdev::alias, "name of the device; the user's own begin with ua-")
            .field("rom", &Hostdev::rom)
            .field("acpi@index", &Hostdev::acpi_index, "number from which the guest makes a stable name")
            .field("address", &Hostdev::address);
    return table;
}

const Schema& RedirectedDevice::schema() {
    static const Schema table =
        Describe<RedirectedDevice>("redirdev", "A USB port for devices of the viewer's machine.")
            .keep(".")
            .field("@bus", &RedirectedDevice::bus, "usb", required)
            .field("@type", &RedirectedDevice::type, "what the host's end is", required)
            .field("source", &RedirectedDevice::sources)
            .field("protocol@type", &RedirectedDevice::protocol, "tcp: what is spoken over the connection")
            .field("boot@order", &RedirectedDevice::boot_order, "place in the order of booting, from 1")
            .field("alias@name", &RedirectedDevice::alias, "name of the device; the user's own begin with ua-")
            .field("address", &RedirectedDevice::address);
    return table;
}

const Schema& UsbFilter::schema() {
    static const Schema table =
        Describe<UsbFilter>("usbdev", "A rule for USB devices; the first that fits decides.")
            .field("@class", &UsbFilter::usb_class, "class, or -1", never_empty)
            .field("@vendor", &UsbFilter::vendor, "number of the maker, or -1", never_empty)
            .field("@product", &UsbFilter::product, "number of the product, or -1", never_empty)
            .field("@version", &UsbFilter::version, "version, or -1", never_empty)
            .field("@allow", &UsbFilter::allow, "whether such a device may be redirected", required);
    return table;
}

const Schema& RedirectFilter::schema() {
    static const Schema table = Describe<RedirectFilter>("redirfilter", "Which USB devices may be redirected.")
                                    .field("usbdev", &RedirectFilter::devices);
    return table;
}

} // namespace domus::model
