// Devices of the host that are handed to the guest.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::Hostdev;
using model::HostdevType;

namespace {

constexpr std::string_view element = "hostdev";

void pci(Build& build, const Hostdev& hostdev) {
    if (hostdev.driver_name && *hostdev.driver_name != "vfio")
        refuse(element, hostdev.rest.line, fmt::format("driver '{}' is not supported", *hostdev.driver_name));
    auto device = build.device("vfio-pci", *hostdev.alias);
    device["host"] =
        fmt::format("{:04x}:{:02x}:{:02x}.{}", hostdev.source_domain.value_or(0), hostdev.source_bus.value_or(0),
                    hostdev.source_slot.value_or(0), hostdev.source_function.value_or(0));
    if (hostdev.teaming && hostdev.teaming->persistent) device["failover_pair_id"] = *hostdev.teaming->persistent;
    if (hostdev.acpi_index) device["acpi-index"] = *hostdev.acpi_index;
    set_rom(build, device, hostdev.rom);
    build.place(device, hostdev.address);
    build.arguments.device(device);
}

void usb(Build& build, const Hostdev& hostdev) {
    auto device = build.device("usb-host", *hostdev.alias);
    if (hostdev.vendor && hostdev.product) {
        device["vendorid"] = hostdev.vendor->value;
        device["productid"] = hostdev.product->value;
    }
    if (hostdev.source_device) {
        device["hostbus"] = hostdev.source_bus.value_or(0);
        device["hostaddr"] = *hostdev.source_device;
    }
    if (hostdev.guest_reset) {
        device["guest-reset"] = *hostdev.guest_reset != model::GuestReset::off;
        if (*hostdev.guest_reset == model::GuestReset::uninitialized) device["guest-resets-all"] = false;
        if (*hostdev.guest_reset == model::GuestReset::on) device["guest-resets-all"] = true;
    }
    build.place(device, hostdev.address);
    build.arguments.device(device);
}

void mdev(Build& build, const Hostdev& hostdev) {
    if (hostdev.model != "vfio-pci")
        refuse(element, hostdev.rest.line, fmt::format("model '{}' is not supported", hostdev.model.value_or("")));
    if (!hostdev.source_uuid) refuse(element, hostdev.rest.line, "the <address uuid='...'/> of the device is missing");
    auto device = build.device("vfio-pci", *hostdev.alias);
    device["sysfsdev"] = "/sys/bus/mdev/devices/" + hostdev.source_uuid->text();
    if (hostdev.display) device["display"] = format::word(*hostdev.display);
    set(device, "ramfb", hostdev.ramfb);
    build.place(device, hostdev.address);
    build.arguments.device(device);
}

/// "scsi_host0" and its numbers are looked up by the daemon, which hands over the device file.
void scsi(Build&, const Hostdev& hostdev) {
    refuse(element, hostdev.rest.line, "SCSI devices of the host are not supported");
}

void scsi_host(Build& build, const Hostdev& hostdev) {
    if (!hostdev.wwpn) refuse(element, hostdev.rest.line, "the <source wwpn='...'/> is missing");
    auto device = build.device(virtio_name("vhost-scsi-pci", hostdev.model), *hostdev.alias);
    device["wwpn"] = *hostdev.wwpn;
    if (const auto fd = Build::find(build.launch.helpers, *hostdev.alias)) device["vhostfd"] = build.pass(fd);
    build.place(device, hostdev.address);
    build.arguments.device(device);
}

struct Kind {
    HostdevType type;
    void (*add)(Build&, const Hostdev&);
};
constexpr std::array<Kind, 5> kinds{{
    {HostdevType::pci, pci},
    {HostdevType::usb, usb},
    {HostdevType::mdev, mdev},
    {HostdevType::scsi, scsi},
    {HostdevType::scsi_host, scsi_host},
}};

void add_all(Build& build) {
    for (const auto& hostdev : build.domain.devices.hostdevs) {
        if (hostdev.mode != model::HostdevMode::subsystem)
            refuse(element, hostdev.rest.line, "mode='capabilities' is only for containers");
        if (hostdev.rawio.value_or(false) || hostdev.sgio)
            refuse(element, hostdev.rest.line, "rawio and sgio are not supported");
        const auto kind = std::ranges::find(kinds, hostdev.type, &Kind::type);
        if (kind == kinds.end())
            refuse(element, hostdev.rest.line, fmt::format("type '{}' is not supported", format::word(hostdev.type)));
        kind->add(build, hostdev);
    }
}

void complete(model::Domain& domain) {
    for (auto& hostdev : domain.devices.hostdevs) {
        if (!hostdev.managed) hostdev.managed = false;
        if (hostdev.type == HostdevType::mdev && hostdev.model == "vfio-pci" && !hostdev.display)
            hostdev.display = model::OnOff::off;
    }
}

void list_pci(model::Domain& domain, PciUsers& users) {
    for (auto& hostdev : domain.devices.hostdevs)
        if (hostdev.type != HostdevType::usb && hostdev.type != HostdevType::scsi)
            users.add(element, hostdev, PciPlug::express);
}

void list_usb(model::Domain& domain, UsbUsers& users) {
    for (auto& hostdev : domain.devices.hostdevs)
        if (hostdev.type == HostdevType::usb) users.add(element, hostdev);
}

} // namespace

const DeviceKind& kind_hostdev() {
    static const DeviceKind kind{
        .element = element,
        .add = add_all,
        .pluggable = true,
        .alias = element,
        .complete = complete,
        .pci = {6, list_pci},
        .usb = {3, list_usb},
    };
    return kind;
}

} // namespace domus::engine::qemu
