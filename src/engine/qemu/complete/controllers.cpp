#include "engine/qemu/complete/parts.hpp"
#include "engine/qemu/device_name.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace domus::engine::qemu {

using model::AddressType;
using model::Controller;
using model::ControllerType;

namespace {

constexpr unsigned highest_index = 255;

void check_index(const Controller& controller) {
    if (controller.index.value_or(0) <= highest_index) return;
    throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                fmt::format("{} (line {}): {} is the highest index", device_name("controller", controller),
                            controller.rest.line, highest_index));
}

/// The root of the PCI buses is what the chipset has.
void check_root(const Controller& root, Chipset chipset, const std::string& machine) {
    const auto model = chipset == Chipset::q35 ? "pcie-root" : "pci-root";
    if (root.model == model) return;
    throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                fmt::format("PCI controller 0 (line {}) of machine '{}' is a '{}', not a '{}'", root.rest.line, machine,
                            model, root.model.value_or("")));
}

bool is_companion(const Controller& controller) {
    return controller.type == ControllerType::usb && controller.model && controller.model->starts_with("ich9-");
}

/// The parts of one ICH9 USB controller share its index; every other controller has one of its own.
void number(std::vector<Controller>& controllers) {
    for (auto& controller : controllers) {
        if (controller.index) continue;
        std::set<unsigned> used;
        std::optional<unsigned> shared;
        for (const auto& other : controllers) {
            if (other.type != controller.type || !other.index) continue;
            used.insert(*other.index);
            if (is_companion(controller) && is_companion(other) && other.model != controller.model)
                shared = other.index;
        }
        unsigned index = 0;
        while (used.contains(index)) ++index;
        controller.index = shared.value_or(index);
    }
}

void sort(std::vector<Controller>& controllers) {
    std::vector<Controller> sorted;
    for (auto& controller : controllers) {
        const auto before = [&](const Controller& other) {
            return other.type == controller.type && *other.index <= *controller.index;
        };
        const auto after = std::find_if(sorted.rbegin(), sorted.rend(), before);
        auto position = after.base();
        if (after == sorted.rend()) position = std::ranges::find(sorted, controller.type, &Controller::type);
        sorted.insert(position, std::move(controller));
    }
    controllers = std::move(sorted);
}

bool usb_refused(const std::vector<Controller>& controllers) {
    return std::ranges::any_of(controllers, [](const Controller& controller) {
        return controller.type == ControllerType::usb && controller.model == "none";
    });
}

void complete_usb(model::Domain& domain, Chipset chipset) {
    const auto model = chipset == Chipset::q35 ? "qemu-xhci" : "piix3-uhci";
    auto& controllers = domain.devices.controllers;
    if (std::ranges::find(controllers, ControllerType::usb, &Controller::type) == controllers.end())
        add_controller(domain, ControllerType::usb, 0);
    for (auto& controller : controllers)
        if (controller.type == ControllerType::usb && !controller.model) controller.model = model;
}

void ensure(model::Domain& domain, ControllerType type, unsigned highest) {
    if (highest > highest_index)
        throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                    fmt::format("an address names controller {} of type '{}'; {} is the highest", highest,
                                format::word(type), highest_index));
    for (unsigned index = 0; index <= highest; ++index)
        if (!find_controller(domain, type, index)) add_controller(domain, type, index);
}

/// Controllers that disks on that bus name in their addresses.
void complete_for_disks(model::Domain& domain, model::DiskBus bus, ControllerType type) {
    for (const auto& disk : domain.devices.disks)
        if (disk.target.bus == bus && disk.address && disk.address->type == AddressType::drive)
            ensure(domain, type, disk.address->controller);
}

/// SCSI devices of the host take the units that disks left.
void place_scsi_hostdevs(model::Domain& domain) {
    for (auto& hostdev : domain.devices.hostdevs) {
        if (hostdev.type != model::HostdevType::scsi) continue;
        for (unsigned unit = 0; !hostdev.address; ++unit) {
            const auto place = model::Address::drive(unit / 7, 0, 0, unit % 7);
            const auto taken = [&](const auto& device) { return device.address == place; };
            const bool by_disk = std::ranges::any_of(domain.devices.disks, [&](const auto& disk) {
                return disk.target.bus == model::DiskBus::scsi && taken(disk);
            });
            if (!by_disk && std::ranges::none_of(domain.devices.hostdevs, taken)) hostdev.address = place;
        }
        ensure(domain, ControllerType::scsi, hostdev.address->controller);
    }
}

void complete_virtio_serial(model::Domain& domain) {
    bool wanted = false;
    const auto& devices = domain.devices;
    for (const auto& channel : devices.channels) {
        if (channel.target.type != "virtio") continue;
        wanted = true;
        if (channel.address && channel.address->type == AddressType::virtio_serial)
            ensure(domain, ControllerType::virtio_serial, channel.address->controller);
    }
    for (const auto& console : devices.consoles) wanted = wanted || console.target.type == "virtio";
    if (wanted) ensure(domain, ControllerType::virtio_serial, 0);
}

void complete_smartcards(model::Domain& domain) {
    unsigned next = 0;
    for (auto& smartcard : domain.devices.smartcards) {
        if (!smartcard.address) {
            smartcard.address.emplace().type = AddressType::ccid;
            smartcard.address->controller = next;
        }
        next = std::max(next, smartcard.address->controller + 1);
        ensure(domain, ControllerType::ccid, smartcard.address->controller);
    }
}

void complete_scsi_models(model::Domain& domain) {
    for (auto& controller : domain.devices.controllers)
        if (controller.type == ControllerType::scsi && (!controller.model || *controller.model == "auto"))
            controller.model = "lsilogic";
}

} // namespace

void sort_controllers(model::Domain& domain) {
    sort(domain.devices.controllers);
}

Controller* find_controller(model::Domain& domain, ControllerType type, unsigned index) {
    for (auto& controller : domain.devices.controllers)
        if (controller.type == type && controller.index == index) return &controller;
    return nullptr;
}

Controller& add_controller(model::Domain& domain, ControllerType type, unsigned index) {
    auto& controller = domain.devices.controllers.emplace_back();
    controller.type = type;
    controller.index = index;
    return controller;
}

void complete_controllers(model::Domain& domain, Chipset chipset) {
    auto& controllers = domain.devices.controllers;
    for (const auto& controller : controllers)
        if (controller.type == ControllerType::ide && chipset == Chipset::q35)
            throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                        fmt::format("an IDE controller (line {}) cannot be had on machine '{}'", controller.rest.line,
                                    domain.os.machine.value_or("q35")))
                .hint("take <controller type='sata'/>, or machine='pc'");
    for (const auto& controller : controllers) check_index(controller);
    number(controllers);
    sort(controllers);
    if (!usb_refused(controllers)) complete_usb(domain, chipset);
    if (chipset == Chipset::q35) ensure(domain, ControllerType::sata, 0);
    if (!find_controller(domain, ControllerType::pci, 0)) add_controller(domain, ControllerType::pci, 0);
    auto& root = *find_controller(domain, ControllerType::pci, 0);
    if (!root.model) root.model = chipset == Chipset::q35 ? "pcie-root" : "pci-root";
    check_root(root, chipset, domain.os.machine.value_or(""));
    complete_for_disks(domain, model::DiskBus::scsi, ControllerType::scsi);
    place_scsi_hostdevs(domain);
    complete_for_disks(domain, model::DiskBus::fdc, ControllerType::fdc);
    complete_for_disks(domain, model::DiskBus::ide, ControllerType::ide);
    complete_for_disks(domain, model::DiskBus::sata, ControllerType::sata);
    complete_virtio_serial(domain);
    complete_smartcards(domain);
    complete_scsi_models(domain);
}

} // namespace domus::engine::qemu
