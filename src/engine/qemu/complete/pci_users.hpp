// The devices of a domain that need a PCI address, in the order in which they choose.
#pragma once

#include "engine/qemu/chipset.hpp"
#include "engine/qemu/complete/pci.hpp"
#include "engine/qemu/device_name.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::engine::qemu {

struct PciUser {
    std::string name;
    std::optional<model::Address>* address;
    PciPlug plug;
    std::optional<PciPlace> wish; ///< a place that the chipset fixes, taken if it is free
    const model::Controller* controller = nullptr;
};

class PciUsers {
public:
    explicit PciUsers(Chipset chipset) : chipset_(chipset) {}

    Chipset chipset() const { return chipset_; }
    template <class Device> PciUser& add(std::string_view element, Device& device, PciPlug plug) {
        if (chipset_ == Chipset::i440fx && plug == PciPlug::express) plug = PciPlug::conventional;
        return list_.emplace_back(PciUser{device_name(element, device), &device.address, plug, {}, nullptr});
    }
    std::vector<PciUser> take() { return std::move(list_); }

private:
    Chipset chipset_;
    std::vector<PciUser> list_;
};

/// A virtio device is a PCI Express one unless it must look like the legacy kind.
inline PciPlug virtio_plug(std::string_view model) {
    return model.ends_with("-transitional") && !model.ends_with("non-transitional") ? PciPlug::conventional
                                                                                    : PciPlug::express;
}

} // namespace domus::engine::qemu
