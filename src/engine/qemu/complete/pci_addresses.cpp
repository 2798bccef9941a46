// Places for PCI devices, and the bridges and ports that they need. The order in which devices choose is fixed, so that
// a definition gets the same addresses as under libvirt:
// what the chipset fixes, the bridges, then by kind (DeviceKind::pci).
#include "engine/qemu/complete/parts.hpp"
#include "engine/qemu/complete/pci.hpp"
#include "engine/qemu/device_name.hpp"
#include "engine/qemu/devices/device_kind.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace domus::engine::qemu {

using model::AddressType;
using model::Controller;
using model::ControllerType;

namespace {

/// Controllers that make PCI buses, in the order of their indexes.
void list_bridges(model::Domain& domain, PciUsers& users) {
    std::vector<Controller*> found;
    for (auto& controller : domain.devices.controllers)
        if (controller.type == ControllerType::pci && controller.index != 0u) found.push_back(&controller);
    std::ranges::sort(found, {},
                      [](const Controller* controller) { return std::pair(*controller->index, controller); });
    for (auto* controller : found) {
        const auto kind = bus_kind_from_model(controller->model.value_or(""));
        if (!kind)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("a PCI controller (line {}) has no model that is known", controller->rest.line))
                .hint("models are pcie-root-port, pcie-to-pci-bridge, pci-bridge and others");
        auto& user = users.add("controller", *controller, plug_of(*kind));
        user.controller = controller;
        if (*kind == PciBusKind::dmi_to_pci_bridge) user.wish = PciPlace{0, 0x1e, 0}; // where the ICH9 has it
    }
}

/// All devices that need a PCI address, in the order in which they choose.
std::vector<PciUser> users_of(model::Domain& domain, Chipset chipset) {
    PciUsers users(chipset);
    for (const auto* kind : all_kinds())
        if (kind->pci_fixed) kind->pci_fixed(domain, users);
    list_bridges(domain, users);
    list_all(domain, users);
    return users.take();
}

/// One attempt to place everything; `grow` adds buses (to this attempt only) when there is no room.
class Placement {
public:
    Placement(model::Domain& domain, Chipset chipset)
        : domain_(domain), chipset_(chipset), users_(users_of(domain, chipset)) {
        // A device that is listed twice (as part of the chipset, and by its kind) is placed at its first turn.
        std::set<const void*> listed;
        std::erase_if(users_, [&](const PciUser& user) { return !listed.insert(user.address).second; });
        refuse_others(listed);
        for (const auto& controller : domain.devices.controllers)
            if (controller.type == ControllerType::pci)
                buses_.add(*controller.index, *bus_kind_from_model(*controller.model));
        integrated();
        // Buses that only addresses name are made behind all places that are given on others.
        const PciBuses made_by_controllers = buses_;
        for (const bool made : {true, false})
            for (auto& user : users_)
                if (!open_address(*user.address) && made_by_controllers.has((**user.address).bus) == made)
                    take_given(user);
    }

    /// Returns the buses that were missing.
    std::vector<PciBusKind> try_all() {
        for (auto& user : users_) {
            if (!open_address(*user.address)) continue;
            place(user);
        }
        return std::move(grown_);
    }
    bool express_left() const { return buses_.find(PciPlug::express).has_value(); }

    /// Writes the places into the domain.
    void apply() {
        for (auto& user : users_) {
            if (!open_address(*user.address)) continue;
            const auto found = place(user);
            *user.address = model::Address::pci(found.bus, found.slot, found.function);
        }
        for (auto& user : users_) mark_multifunction(**user.address);
    }

private:
    void refuse_others(const std::set<const void*>& listed) {
        model::for_each_device(domain_.devices, [&](std::string_view element, auto& device) {
            if (!device.address || device.address->type != AddressType::pci || device.address->is_open()) return;
            if (listed.contains(&device.address)) return;
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("{} is no PCI device and cannot have an address of type 'pci'",
                                    device_name(element, device)));
        });
    }

    /// What QEMU's chipset has in any case.
    void integrated() {
        if (!buses_.has(0)) return;
        if (chipset_ == Chipset::i440fx) {
            buses_.reserve({0, 1, 0}, "the ISA bridge");
            buses_.reserve({0, 1, 3}, "the power management");
        } else {
            buses_.reserve({0, 0x1f, 0}, "the LPC bridge");
            buses_.reserve({0, 0x1f, 3}, "the SMBus");
        }
    }

    void take_given(const PciUser& user) {
        const auto& address = **user.address;
        if (address.type != AddressType::pci)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("{} is a PCI device and cannot have an address of type '{}'", user.name,
                                    format::word(address.type)));
        grow_to(address.bus);
        const PciPlace place{address.bus, address.slot, address.function};
        buses_.reserve(place, user.name);
        if (user.plug == PciPlug::root_port) buses_.share(place);
    }

    /// Buses that addresses name although no controller makes them.
    void grow_to(unsigned bus) {
        while (!buses_.has(bus) && buses_.next_index() <= bus)
            add_bus(chipset_ == Chipset::q35 ? PciBusKind::root_port : PciBusKind::pci_bridge);
    }

    void add_bus(PciBusKind kind) {
        constexpr unsigned most_buses = 256; // PCI numbers them with 8 bits
        if (buses_.next_index() >= most_buses)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("no place on the PCI buses is left: the domain has all {} of them", most_buses))
                .hint("put disks on a SCSI controller, which takes many on one place");
        if (kind == PciBusKind::root_port) need(PciPlug::root_port, "a PCI Express port");
        if (kind == PciBusKind::pcie_to_pci_bridge) need(PciPlug::express, "a PCI bridge");
        buses_.add(buses_.next_index(), kind);
        grown_.push_back(kind);
    }

    /// Takes a place for a bus of our own, growing further where need be.
    void need(PciPlug plug, const std::string& name) {
        const auto found = find(plug, name);
        buses_.reserve(found, name);
        if (plug == PciPlug::root_port) buses_.share(found);
    }

    PciPlace find(PciPlug plug, const std::string& name) {
        for (int attempt = 0; attempt < 2; ++attempt) {
            if (const auto found = buses_.find(plug)) return *found;
            if (plug == PciPlug::express)
                add_bus(PciBusKind::root_port);
            else if (plug == PciPlug::conventional || plug == PciPlug::bridge)
                add_bus(chipset_ == Chipset::q35 ? PciBusKind::pcie_to_pci_bridge : PciBusKind::pci_bridge);
            else
                break;
        }
        throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                    fmt::format("no place on the PCI buses is left for {}", name));
    }

    PciPlace place(PciUser& user) {
        const auto found = place_for(user);
        buses_.reserve(found, user.name);
        if (user.plug == PciPlug::root_port) buses_.share(found);
        return found;
    }
    PciPlace place_for(const PciUser& user) {
        if (user.wish && buses_.free(*user.wish)) return *user.wish;
        if (user.controller)
            if (const auto place = beside_companion(*user.controller)) return *place;
        return find(user.plug, user.name);
    }

    /// The functions of one ICH9 USB controller share a slot.
    std::optional<PciPlace> beside_companion(const Controller& controller) {
        constexpr std::array<std::pair<std::string_view, unsigned>, 4> functions{
            {{"ich9-ehci1", 7}, {"ich9-uhci1", 0}, {"ich9-uhci2", 1}, {"ich9-uhci3", 2}}};
        const auto found =
            std::ranges::find(functions, controller.model.value_or(""), &std::pair<std::string_view, unsigned>::first);
        if (controller.type != ControllerType::usb || found == functions.end()) return std::nullopt;
        for (const auto& [index, slot] : companions_)
            if (index == *controller.index) {
                const PciPlace place{slot.bus, slot.slot, found->second};
                if (buses_.free(place)) return place;
            }
        for (const auto& other : domain_.devices.controllers)
            if (other.type == ControllerType::usb && other.index == controller.index && !open_address(other.address)) {
                const PciPlace place{other.address->bus, other.address->slot, found->second};
                if (buses_.free(place)) return place;
            }
        auto place = find(PciPlug::conventional, "the USB controller");
        place.function = found->second;
        companions_.emplace_back(*controller.index, place);
        return place;
    }

    /// Function 0 must tell the guest to look for the others.
    void mark_multifunction(model::Address& address) const {
        if (address.type != AddressType::pci || address.function != 0 || address.multifunction) return;
        if (buses_.functions(address.bus, address.slot) > 1) address.multifunction = model::OnOff::on;
    }

    model::Domain& domain_;
    Chipset chipset_;
    PciBuses buses_;
    std::vector<PciUser> users_;
    std::vector<PciBusKind> grown_;
    std::vector<std::pair<unsigned, PciPlace>> companions_; ///< controller index and slot
};

void add_pci_controller(model::Domain& domain, PciBusKind kind) {
    unsigned index = 0;
    for (const auto& controller : domain.devices.controllers)
        if (controller.type == ControllerType::pci) index = std::max(index, *controller.index + 1);
    add_controller(domain, ControllerType::pci, index).model = std::string(model_of(kind));
}

/// QEMU's device and what the guest reads from it.
void complete_pci_controller(Controller& controller, std::optional<unsigned>& last_bus_number) {
    const auto kind = bus_kind_from_model(controller.model.value_or(""));
    if (!kind) return;
    constexpr std::array<std::string_view, 10> names{"",
                                                     "",
                                                     "pci-bridge",
                                                     "i82801b11-bridge",
                                                     "pcie-pci-bridge",
                                                     "pcie-root-port",
                                                     "x3130-upstream",
                                                     "xio3130-downstream",
                                                     "pxb",
                                                     "pxb-pcie"};
    const auto name = names[static_cast<std::size_t>(*kind)];
    if (!controller.model_name && !name.empty()) controller.model_name = std::string(name);
    auto& target = controller.target;
    if (*kind == PciBusKind::root_port || *kind == PciBusKind::switch_downstream) {
        if (!target.chassis) target.chassis = controller.index;
        if (!target.port && controller.address)
            target.port.emplace().value = *kind == PciBusKind::root_port
                                              ? controller.address->slot << 3 | controller.address->function
                                              : controller.address->slot;
    } else if (*kind == PciBusKind::pci_bridge) {
        if (!target.chassis_nr) target.chassis_nr = controller.index;
    } else if (*kind == PciBusKind::pci_expander || *kind == PciBusKind::pcie_expander) {
        if (!target.bus_nr) target.bus_nr = last_bus_number.value_or(256) - 2;
        last_bus_number = target.bus_nr;
    }
}

bool brings_own_ports(const model::Domain& domain) {
    return std::ranges::any_of(domain.devices.controllers, [](const Controller& controller) {
        return controller.type == ControllerType::pci && controller.index.value_or(0) > 0;
    });
}

/// Adds buses until everything finds a place; a bridge on i440FX takes a slot itself, so that one round may not do.
void grow(model::Domain& domain, Chipset chipset, const Defaults& defaults) {
    const bool own_ports = brings_own_ports(domain);
    constexpr int rounds = 8;
    for (int round = 0; round < rounds; ++round) {
        Placement trial(domain, chipset);
        const auto missing = trial.try_all();
        for (const auto kind : missing) add_pci_controller(domain, kind);
        if (missing.empty()) break;
        if (round == 0 && !own_ports && chipset == Chipset::q35)
            for (unsigned i = 0; i < defaults.spare_ports; ++i)
                if (!trial.express_left() || i > 0) add_pci_controller(domain, PciBusKind::root_port);
    }
}

} // namespace

void assign_pci_addresses(model::Domain& domain, Chipset chipset, const Defaults& defaults) {
    grow(domain, chipset, defaults);
    Placement(domain, chipset).apply();
    std::optional<unsigned> bus_number;
    for (auto& controller : domain.devices.controllers)
        if (controller.type == ControllerType::pci) complete_pci_controller(controller, bus_number);
}

} // namespace domus::engine::qemu
