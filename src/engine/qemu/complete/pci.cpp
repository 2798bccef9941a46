#include "engine/qemu/complete/pci.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

struct KindInfo {
    std::string_view model;
    unsigned first, last; ///< slots
    PciPlug plug;         ///< what it is plugged as
};

// In the order of PciBusKind. The root buses are not plugged anywhere; theirs is not asked for.
constexpr std::array<KindInfo, 10> kinds{{
    {"pci-root", 1, 31, PciPlug::root_complex},
    {"pcie-root", 1, 31, PciPlug::root_complex},
    {"pci-bridge", 1, 31, PciPlug::bridge},
    {"dmi-to-pci-bridge", 0, 31, PciPlug::dmi_bridge},
    {"pcie-to-pci-bridge", 1, 31, PciPlug::express},
    {"pcie-root-port", 0, 0, PciPlug::root_port},
    {"pcie-switch-upstream-port", 0, 31, PciPlug::upstream},
    {"pcie-switch-downstream-port", 0, 0, PciPlug::downstream},
    {"pci-expander-bus", 0, 31, PciPlug::expander},
    {"pcie-expander-bus", 0, 31, PciPlug::expander},
}};

const KindInfo& info(PciBusKind kind) { return kinds[static_cast<std::size_t>(kind)]; }

bool takes(PciBusKind bus, PciPlug plug) {
    using enum PciBusKind;
    switch (plug) {
    case PciPlug::conventional:
        return bus == pci_root || bus == pci_bridge || bus == pcie_to_pci_bridge || bus == pci_expander;
    case PciPlug::bridge:
        return bus == dmi_to_pci_bridge || takes(bus, PciPlug::conventional);
    case PciPlug::express:
        return bus == root_port || bus == switch_downstream;
    case PciPlug::root_complex:
        return bus == pci_root || bus == pcie_root;
    case PciPlug::root_port:
        return bus == pcie_root || bus == pcie_expander;
    case PciPlug::upstream:
        return bus == root_port || bus == switch_downstream;
    case PciPlug::downstream:
        return bus == switch_upstream;
    case PciPlug::dmi_bridge:
        return bus == pcie_root;
    case PciPlug::expander:
        return bus == pci_root || bus == pcie_root;
    }
    return false;
}

std::string text(PciPlace place) { return fmt::format("0000:{:02x}:{:02x}.{}", place.bus, place.slot, place.function); }

} // namespace

std::optional<PciBusKind> bus_kind_from_model(std::string_view model) {
    for (std::size_t i = 0; i < kinds.size(); ++i)
        if (kinds[i].model == model) return static_cast<PciBusKind>(i);
    return std::nullopt;
}

std::string_view model_of(PciBusKind kind) { return info(kind).model; }
PciPlug plug_of(PciBusKind kind) { return info(kind).plug; }

void PciBuses::add(unsigned index, PciBusKind kind) {
    buses_.insert_or_assign(index, Bus{kind, info(kind).first, info(kind).last, {}});
}

bool PciBuses::express() const {
    const auto root = buses_.find(0);
    return root != buses_.end() && root->second.kind == PciBusKind::pcie_root;
}

void PciBuses::reserve(PciPlace place, const std::string& owner) {
    const auto bus = buses_.find(place.bus);
    if (bus == buses_.end())
        throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                    fmt::format("{} is to sit at PCI address {}, but no controller makes bus {}", owner, text(place),
                                place.bus));
    if (place.slot < bus->second.first || place.slot > bus->second.last || place.function > 7)
        throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                    fmt::format("{} cannot sit at PCI address {}", owner, text(place)))
            .because(fmt::format("a {} has slots {} to {}, each with functions 0 to 7", info(bus->second.kind).model,
                                 bus->second.first, bus->second.last));
    auto& slot = bus->second.slots[place.slot];
    if (slot.used >> place.function & 1)
        throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                    fmt::format("{} and {} both want PCI address {}", slot.owners[place.function], owner, text(place)))
            .hint("leave the <address> out of one of them, and a free one is chosen");
    slot.used = static_cast<std::uint8_t>(slot.used | 1u << place.function);
    slot.owners[place.function] = owner;
}

void PciBuses::share(PciPlace place) { buses_.at(place.bus).slots[place.slot].shared = true; }

unsigned PciBuses::functions(unsigned bus, unsigned slot) const {
    const auto found = buses_.find(bus);
    if (found == buses_.end()) return 0;
    const auto at = found->second.slots.find(slot);
    return at == found->second.slots.end() ? 0 : at->second.used;
}

bool PciBuses::free(PciPlace place) const {
    const auto bus = buses_.find(place.bus);
    return bus != buses_.end() && place.slot >= bus->second.first && place.slot <= bus->second.last
           && (functions(place.bus, place.slot) >> place.function & 1) == 0;
}

std::optional<PciPlace> PciBuses::find_on(unsigned index, const Bus& bus, PciPlug plug) const {
    for (unsigned slot = bus.first; slot <= bus.last; ++slot) {
        const auto at = bus.slots.find(slot);
        if (at == bus.slots.end() || at->second.used == 0) return PciPlace{index, slot, 0};
        if (plug != PciPlug::root_port || !at->second.shared) continue;
        for (unsigned function = 0; function < 8; ++function)
            if ((at->second.used >> function & 1) == 0) return PciPlace{index, slot, function};
    }
    return std::nullopt;
}

std::optional<PciPlace> PciBuses::find(PciPlug plug) const {
    for (const auto& [index, bus] : buses_) {
        if (!takes(bus.kind, plug) || (bus.full() && plug != PciPlug::root_port)) continue;
        if (const auto place = find_on(index, bus, plug)) return place;
    }
    return std::nullopt;
}

} // namespace domus::engine::qemu
