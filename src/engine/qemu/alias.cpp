#include "engine/qemu/alias.hpp"

#include "engine/qemu/chipset.hpp"
#include "engine/qemu/complete/parts.hpp"
#include "engine/qemu/devices/device_kind.hpp"

#include <fmt/format.h>

#include <map>
#include <set>

namespace domus::engine::qemu {

using model::ControllerType;
using model::DiskBus;

namespace {

/// prefix0, prefix1, ... behind the highest that is taken.
template <class Device> void count_up(std::vector<Device>& devices, std::string_view prefix) {
    unsigned next = 0;
    for (const auto& device : devices) {
        if (!device.alias || !device.alias->starts_with(prefix)) continue;
        const auto number = device.alias->substr(prefix.size());
        if (number.empty() || number.find_first_not_of("0123456789") != number.npos || number.size() > 6) continue;
        next = std::max(next, static_cast<unsigned>(std::stoul(number)) + 1);
    }
    for (auto& device : devices)
        if (!device.alias) device.alias = fmt::format("{}{}", prefix, next++);
}

template <class Device> void count_up(std::optional<Device>& device, std::string_view prefix) {
    if (device && !device->alias) device->alias = fmt::format("{}0", prefix);
}

bool narrow_scsi(const model::Domain& domain, unsigned index) {
    for (const auto& controller : domain.devices.controllers)
        if (controller.type == ControllerType::scsi && controller.index == index) return controller.model == "lsilogic";
    return false;
}

std::string disk_alias(const model::Domain& domain, const model::Disk& disk) {
    const auto bus = disk.target.bus.value_or(DiskBus::virtio);
    if (!disk.address || disk.address->type != model::AddressType::drive)
        return fmt::format("{}-disk{}", format::word(bus), disk_index(disk.target.dev));
    const auto& at = *disk.address;
    if (bus == DiskBus::scsi && !narrow_scsi(domain, at.controller))
        return fmt::format("scsi{}-{}-{}-{}", at.controller, at.bus, at.target, at.unit);
    if (bus == DiskBus::scsi) return fmt::format("scsi{}-{}-{}", at.controller, at.bus, at.unit);
    return fmt::format("{}{}-{}-{}", format::word(bus), at.controller, at.bus, at.unit);
}

std::string controller_alias(const model::Controller& controller, Chipset chipset) {
    const auto index = controller.index.value_or(0);
    switch (controller.type) {
    case ControllerType::pci:
        return index == 0 && chipset == Chipset::q35 ? std::string("pcie.0") : fmt::format("pci.{}", index);
    case ControllerType::usb:
        return index == 0 ? std::string("usb") : fmt::format("usb{}", index);
    case ControllerType::ide:
        if (index == 0) return "ide"; // part of the PIIX
        break;
    case ControllerType::sata:
        if (index == 0 && chipset == Chipset::q35) return "ide"; // part of the ICH9; its buses are ide.0 to ide.5
        break;
    default:
        break;
    }
    return fmt::format("{}{}", format::word(controller.type), index);
}

/// A console on a serial port is that port.
void alias_consoles(model::Devices& devices) {
    for (std::size_t i = 0; i < devices.consoles.size(); ++i) {
        auto& console = devices.consoles[i];
        if (console.target.type == "serial" && !devices.serials.empty())
            console.alias = devices.serials.front().alias;
        else if (!console.alias)
            console.alias = fmt::format("console{}", i);
    }
}

std::string memory_prefix(model::MemoryModel kind) {
    switch (kind) {
    case model::MemoryModel::dimm:
        return "dimm";
    case model::MemoryModel::nvdimm:
        return "nvdimm";
    case model::MemoryModel::virtio_pmem:
        return "virtiopmem";
    case model::MemoryModel::virtio_mem:
        return "virtiomem";
    case model::MemoryModel::sgx_epc:
        return "epc";
    }
    return "dimm";
}

void alias_memories(std::vector<model::MemoryDevice>& memories) {
    std::set<std::string> used;
    for (const auto& memory : memories)
        if (memory.alias) used.insert(*memory.alias);
    // By the slot: saved memory knows a module by this name, also when those before it have gone.
    for (auto& memory : memories)
        if (!memory.alias && memory.address && memory.address->type == model::AddressType::dimm)
            if (auto name = fmt::format("{}{}", memory_prefix(memory.model), memory.address->slot);
                used.insert(name).second)
                memory.alias = name;
    std::map<model::MemoryModel, unsigned> next;
    for (auto& memory : memories)
        while (!memory.alias)
            if (auto name = fmt::format("{}{}", memory_prefix(memory.model), next[memory.model]++);
                used.insert(name).second)
                memory.alias = name;
}

} // namespace

void assign_aliases(model::Domain& live) {
    const auto chipset = chipset_of(live.os.machine.value_or("pc"));
    auto& devices = live.devices;
    for (auto& disk : devices.disks)
        if (!disk.alias) disk.alias = disk_alias(live, disk);
    for (auto& controller : devices.controllers)
        if (!controller.alias) controller.alias = controller_alias(controller, chipset);
    model::for_each_kind([&](std::string_view element, auto member) {
        const auto* kind = find_kind(element);
        if (kind && !kind->alias.empty()) count_up(devices.*member, kind->alias);
    });
    alias_consoles(devices);
    alias_memories(devices.memories);
}

} // namespace domus::engine::qemu
