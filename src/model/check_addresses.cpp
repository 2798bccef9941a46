#include "model/checks.hpp"

#include <map>

namespace domus::model::checks {

namespace {

void pci(const Address& address, const format::Rest& where, std::string_view name, Report& report) {
    if (address.domain <= 0xffff && address.bus <= 0xff && address.slot <= 0x1f && address.function <= 7) return;
    report.add(
        where,
        "the PCI address {} of a <{}> is out of range: domain to 0xffff, bus to 0xff, slot to 0x1f, function to 7",
        address.text(), name);
}

/// The text by which two devices at one place are found; empty for addresses that several may have.
std::string place(const Address& address, std::string_view bus) {
    switch (address.type) {
    case AddressType::pci:
        return address.is_open() ? std::string{} : "pci " + address.text();
    case AddressType::drive:
        return fmt::format("{} {}", bus, address.text());
    case AddressType::usb:
        return address.usb_port.empty() ? std::string{} : address.text();
    case AddressType::virtio_serial:
    case AddressType::ccid:
    case AddressType::dimm:
        return address.text();
    default:
        return {};
    }
}

template <class Device> std::string describe(std::string_view element, const Device& device) {
    if constexpr (requires { device.target.dev; })
        return fmt::format("disk '{}'", device.target.dev);
    else
        return fmt::format("<{}>", element);
}

template <class Device> std::string_view drive_bus(const Device& device) {
    if constexpr (std::is_same_v<Device, Disk>)
        return device.target.bus ? format::word(*device.target.bus) : "";
    else
        return "scsi"; // a SCSI device of the host
}

class BootOrder {
public:
    explicit BootOrder(Report& report) : report_(report) {}

    template <class Device> void add(std::string_view element, const Device& device) {
        if (!device.boot_order) return;
        if (!first_) first_ = &device.rest;
        if (*device.boot_order == 0)
            report_.add(device.rest, "<boot order='0'/> of a <{}>: the order counts from 1", element);
        if (!orders_.emplace(*device.boot_order, element).second)
            report_.add(device.rest, "the <boot order='{}'/> stands twice; give one device another place",
                        *device.boot_order);
    }

    const format::Rest* first() const { return first_; }

private:
    Report& report_;
    const format::Rest* first_ = nullptr;
    std::map<unsigned, std::string> orders_;
};

} // namespace

void addresses(const Domain& domain, Report& report) {
    std::map<std::string, std::string> taken;
    for_each_device(domain.devices, [&](std::string_view element, const auto& device) {
        if (!device.address) return;
        if (device.address->type == AddressType::pci) pci(*device.address, device.rest, element, report);
        // The first console is the first serial port under another name.
        if (element == "console") return;
        const auto where = place(*device.address, drive_bus(device));
        if (where.empty()) return;
        const auto [other, fresh] = taken.emplace(where, describe(element, device));
        if (!fresh)
            report.add(device.rest, "{} and {} have the same address, {}; change one or leave it out", other->second,
                       describe(element, device), device.address->text());
    });
}

void boot_order(const Domain& domain, Report& report) {
    BootOrder order(report);
    const auto& devices = domain.devices;
    for (const auto& device : devices.disks) order.add("disk", device);
    for (const auto& device : devices.filesystems) order.add("filesystem", device);
    for (const auto& device : devices.interfaces) order.add("interface", device);
    for (const auto& device : devices.hostdevs) order.add("hostdev", device);
    for (const auto& device : devices.redirdevs) order.add("redirdev", device);
    if (order.first() && !domain.os.boot.empty())
        report.add(*order.first(),
                   "a device has <boot order='...'/> and <os> has <boot dev='...'/>; use one of the two ways");
}

} // namespace domus::model::checks
