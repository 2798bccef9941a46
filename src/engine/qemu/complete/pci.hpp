// Where PCI devices may sit: the buses that a domain's controllers make, which functions of them are taken and by whom,
// and the search for a free place. It knows nothing of domains; complete/pci_addresses.cpp applies it to one.
//
// Rules, as the guest's firmware and QEMU have them: a PCI Express port holds one device, in slot 0; slot 0 of a bus
// behind a conventional bridge belongs to the bridge's hot-plug controller; slot 0 of a root bus is the host bridge.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace domus::engine::qemu {

/// A function of a PCI device; `bus` is the index of the controller that makes the bus.
struct PciPlace {
    unsigned bus = 0;
    unsigned slot = 0;
    unsigned function = 0;
    auto operator<=>(const PciPlace&) const = default;
};

/// What a controller's bus is. The order is that of the model names in bus_kind_from_model().
enum class PciBusKind : std::uint8_t {
    pci_root,
    pcie_root,
    pci_bridge,
    dmi_to_pci_bridge,
    pcie_to_pci_bridge,
    root_port,
    switch_upstream,
    switch_downstream,
    pci_expander,
    pcie_expander,
};
std::optional<PciBusKind> bus_kind_from_model(std::string_view model);
std::string_view model_of(PciBusKind kind);

/// What a device wants to be plugged into.
enum class PciPlug : std::uint8_t {
    conventional, ///< PCI bus that devices can be plugged into
    bridge,       ///< PCI bus of any kind
    express,      ///< PCI Express port
    root_complex, ///< root bus of either kind, as part of the chipset
    root_port,    ///< pcie-root or an expander; eight of them share a slot
    upstream,     ///< a root port (or downstream port) only
    downstream,   ///< an upstream port only
    dmi_bridge,   ///< pcie-root only
    expander,     ///< pci-root or pcie-root only
};

/// What must be plugged to make a bus of that kind.
PciPlug plug_of(PciBusKind kind);

class PciBuses {
public:
    void add(unsigned index, PciBusKind kind);
    bool has(unsigned index) const { return buses_.contains(index); }
    unsigned next_index() const { return buses_.empty() ? 0 : buses_.rbegin()->first + 1; }
    bool express() const;

    /// Takes a place that was asked for by the user or is fixed. Throws Error (xml_error) where there is no such place,
    /// or naming both devices where it is taken.
    void reserve(PciPlace place, const std::string& owner);
    bool free(PciPlace place) const;
    /// The first free place for such a plug; nothing when there is none.
    std::optional<PciPlace> find(PciPlug plug) const;
    /// Functions taken in a slot, as a bit mask.
    unsigned functions(unsigned bus, unsigned slot) const;
    /// Is the slot shared by functions that were placed one by one (root ports)?
    void share(PciPlace place);

private:
    struct Slot {
        std::array<std::string, 8> owners;
        std::uint8_t used = 0;
        bool shared = false; ///< open for further root ports
    };
    struct Bus {
        PciBusKind kind;
        unsigned first = 0, last = 31;
        std::map<unsigned, Slot> slots;
        bool full() const { return slots.size() > last - first; } ///< a part of each slot is taken
    };
    std::optional<PciPlace> find_on(unsigned index, const Bus& bus, PciPlug plug) const;

    std::map<unsigned, Bus> buses_;
};

} // namespace domus::engine::qemu
