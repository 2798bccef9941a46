#include "engine/qemu/complete/parts.hpp"
#include "engine/qemu/device_name.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
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
    std::map<ControllerType, std::set<unsigned>> used;
    std::map<ControllerType, unsigned> next; ///< no lower index is free
    for (const auto& controller : controllers)
        if (controller.index) used[controller.type].insert(*controller.index);
    // PCI 0 is the root's, which is made where the definition leaves it out.
    const auto wants_root = [](const Controller& controller) {
        return controller.type == ControllerType::pci && !controller.index
               && (!controller.model || controller.model->ends_with("-root"));
    };
    if (std::ranges::none_of(controllers, wants_root)) used[ControllerType::pci].insert(0);
    std::map<std::string, const Controller*> companions; ///< the last numbered one of each model
    const auto note = [&](const Controller& controller) {
        auto& last = companions[*controller.model];
        last = std::max(last, &controller); // they stand in a vector
    };
    for (const auto& controller : controllers)
        if (controller.index && is_companion(controller)) note(controller);
    for (auto& controller : controllers) {
        if (controller.index) continue;
        std::optional<unsigned> shared;
        const Controller* last = nullptr;
        if (is_companion(controller))
            for (const auto& [model, other] : companions)
                if (model != *controller.model) last = std::max(last, other);
        if (last) shared = last->index;
        auto& free = next[controller.type];
        while (!shared && used[controller.type].contains(free)) ++free;
        controller.index = shared.value_or(free);
        used[controller.type].insert(*controller.index);
        if (is_companion(controller)) note(controller);
    }
}

void sort(std::vector<Controller>& controllers) {
    std::map<ControllerType, std::size_t> types; // in the order in which they come up
    for (const auto& controller : controllers) types.try_emplace(controller.type, types.size());
    std::ranges::stable_sort(controllers, {}, [&](const Controller& controller) {
        return std::pair(types.at(controller.type), *controller.index);
    });
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
    std::vector<bool> there(highest + 1);
    for (const auto& controller : domain.devices.controllers)
        if (controller.type == type && controller.index && *controller.index <= highest)
            there[*controller.index] = true;
    for (unsigned index = 0; index <= highest; ++index)
        if (!there[index]) add_controller(domain, type, index);
}

/// Controllers that disks on that bus name in their addresses.
void complete_for_disks(model::Domain& domain, model::DiskBus bus, ControllerType type) {
    std::optional<unsigned> highest;
    for (const auto& disk : domain.devices.disks)
        if (disk.target.bus == bus && disk.address && disk.address->type == AddressType::drive)
            highest = std::max(highest.value_or(0), disk.address->controller);
    if (highest) ensure(domain, type, *highest);
}

/// SCSI devices of the host take the units that disks left.
void place_scsi_hostdevs(model::Domain& domain) {
    std::set<std::string> taken;
    for (const auto& disk : domain.devices.disks)
        if (disk.target.bus == model::DiskBus::scsi && disk.address) taken.insert(disk.address->text());
    for (const auto& hostdev : domain.devices.hostdevs)
        if (hostdev.address) taken.insert(hostdev.address->text());
    unsigned unit = 0;
    std::optional<unsigned> highest;
    for (auto& hostdev : domain.devices.hostdevs) {
        if (hostdev.type != model::HostdevType::scsi) continue;
        for (; !hostdev.address; ++unit) {
            const auto place = model::Address::drive(unit / 7, 0, 0, unit % 7);
            if (taken.insert(place.text()).second) hostdev.address = place;
        }
        highest = std::max(highest.value_or(0), hostdev.address->controller);
    }
    if (highest) ensure(domain, ControllerType::scsi, *highest);
}

void complete_virtio_serial(model::Domain& domain) {
    bool wanted = false;
    unsigned highest = 0;
    const auto& devices = domain.devices;
    for (const auto& channel : devices.channels) {
        if (channel.target.type != "virtio") continue;
        wanted = true;
        if (channel.address && channel.address->type == AddressType::virtio_serial)
            highest = std::max(highest, channel.address->controller);
    }
    for (const auto& console : devices.consoles) wanted = wanted || console.target.type == "virtio";
    if (wanted) ensure(domain, ControllerType::virtio_serial, highest);
}

void complete_smartcards(model::Domain& domain) {
    unsigned next = 0;
    for (auto& smartcard : domain.devices.smartcards) {
        if (!smartcard.address) {
            smartcard.address.emplace().type = AddressType::ccid;
            smartcard.address->controller = next;
        }
        next = std::max(next, smartcard.address->controller + 1);
    }
    if (next > 0) ensure(domain, ControllerType::ccid, next - 1);
}

void complete_scsi_models(model::Domain& domain) {
    for (auto& controller : domain.devices.controllers)
        if (controller.type == ControllerType::scsi && (!controller.model || *controller.model == "auto"))
            controller.model = "lsilogic";
}

} // namespace

void sort_controllers(model::Domain& domain) { sort(domain.devices.controllers); }

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
    for (const auto& controller : controllers) check_index(controller);
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
