#include "engine/qemu/complete/parts.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <tuple>

namespace domus::engine::qemu {

using model::DiskBus;
using model::DiskDevice;

namespace {

struct Prefix {
    std::string_view text;
    DiskBus bus;
};
constexpr std::array<Prefix, 6> prefixes{{
    {"hd", DiskBus::ide},
    {"sd", DiskBus::scsi},
    {"vd", DiskBus::virtio},
    {"xvd", DiskBus::xen},
    {"fd", DiskBus::fdc},
    {"ubd", DiskBus::uml},
}};

/// How many disks one controller takes when their places follow from their names.
struct Layout {
    DiskBus bus;
    unsigned units; ///< on each of a controller's buses
    unsigned buses;
};
constexpr std::array<Layout, 4> layouts{{
    {DiskBus::ide, 2, 2},
    {DiskBus::scsi, 7, 1},
    {DiskBus::sata, 6, 1},
    {DiskBus::fdc, 2, 1},
}};

const Layout* layout_of(const model::Disk& disk) {
    const auto found = std::ranges::find(layouts, disk.target.bus.value_or(DiskBus::virtio), &Layout::bus);
    return found == layouts.end() ? nullptr : &*found;
}

DiskBus default_bus(const model::Disk& disk) {
    if (disk.device == DiskDevice::floppy) return DiskBus::fdc;
    for (const auto& prefix : prefixes)
        if (disk.target.dev.starts_with(prefix.text)) return prefix.bus;
    throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                fmt::format("no bus follows from the name of disk '{}' (line {})", disk.target.dev, disk.rest.line))
        .hint("name it vda, sda, hda or fda, or add bus='...' to its <target>");
}

void complete_driver(model::Disk& disk) {
    if (disk.type == model::DiskType::vhostuser || disk.type == model::DiskType::vhostvdpa) return;
    auto& driver = disk.driver;
    if (!driver.name) driver.name = "qemu";
    if (!driver.type && disk.type != model::DiskType::volume) driver.type = "raw";
    if (disk.device == DiskDevice::cdrom) disk.readonly = true;
}

/// Disks of one bus stand together, in the order of their names; else the order is that of the definition.
void sort(std::vector<model::Disk>& disks) {
    std::map<DiskBus, std::size_t> buses; // in the order in which they come up
    for (const auto& disk : disks) buses.try_emplace(*disk.target.bus, buses.size());
    std::ranges::stable_sort(disks, {}, [&](const model::Disk& disk) {
        return std::pair(buses.at(*disk.target.bus), disk_index(disk.target.dev));
    });
}

using Place = std::tuple<DiskBus, unsigned, unsigned, unsigned>; ///< bus, controller, bus of it, unit

/// Places taken by target name, so that clashes can name both.
std::map<Place, std::string> taken_places(const std::vector<model::Disk>& disks) {
    std::map<Place, std::string> taken;
    for (const auto& disk : disks) {
        if (!layout_of(disk) || !disk.address) continue;
        const auto& at = *disk.address;
        if (at.type != model::AddressType::drive)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("disk '{}' is on bus '{}' and cannot have an address of type '{}'", disk.target.dev,
                                    format::word(*disk.target.bus), format::word(at.type)));
        const auto unit = *disk.target.bus == DiskBus::scsi ? at.target * 16384 + at.unit : at.unit;
        const auto [other, fresh] = taken.try_emplace({*disk.target.bus, at.controller, at.bus, unit}, disk.target.dev);
        if (!fresh)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("disks '{}' and '{}' both want {}", other->second, disk.target.dev, at.text()))
                .hint("leave the <address> out of one of them, and a free one is chosen");
    }
    return taken;
}

void assign(std::vector<model::Disk>& disks) {
    auto taken = taken_places(disks);
    for (auto& disk : disks) {
        const auto* layout = layout_of(disk);
        if (!layout || disk.address) continue;
        for (unsigned index = disk_index(disk.target.dev);; ++index) {
            const unsigned per_controller = layout->units * layout->buses;
            const auto controller = index / per_controller;
            const auto bus = index % per_controller / layout->units;
            const auto unit = index % layout->units;
            if (!taken.try_emplace({*disk.target.bus, controller, bus, unit}, disk.target.dev).second) continue;
            disk.address = model::Address::drive(controller, bus, 0, unit);
            break;
        }
    }
}

} // namespace

unsigned disk_index(std::string_view target) {
    constexpr std::size_t longest_letters = 3; // 18,278 disks
    std::string_view letters = target;
    for (const auto& prefix : prefixes)
        if (target.starts_with(prefix.text)) letters = target.substr(prefix.text.size());
    unsigned index = 0;
    std::size_t used = 0;
    for (; used < letters.size() && letters[used] >= 'a' && letters[used] <= 'z' && used < longest_letters; ++used)
        index = index * 26 + static_cast<unsigned>(letters[used] - 'a') + 1;
    const bool more = used < letters.size() && letters[used] >= 'a' && letters[used] <= 'z';
    if (used == 0 || more || letters.size() == target.size())
        throw Error(ErrorCode::xml_error, ErrorDomain::domain, fmt::format("'{}' is no name for a disk", target))
            .hint(
                "names are vda, vdb, ... on virtio, sda, ... on SATA, SCSI and USB, hda, ... on IDE, fda for floppies");
    return index - 1;
}

void complete_disks(model::Domain& domain, Chipset chipset) {
    auto& disks = domain.devices.disks;
    for (auto& disk : disks) {
        if (!disk.target.bus) disk.target.bus = default_bus(disk);
        if (*disk.target.bus == DiskBus::ide && chipset == Chipset::q35)
            throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                        fmt::format("disk '{}' (line {}) wants IDE, which machine '{}' does not have", disk.target.dev,
                                    disk.rest.line, domain.os.machine.value_or("q35")))
                .hint("name it sda and give its <target> bus='sata', or take machine='pc'");
        complete_driver(disk);
    }
    sort(disks);
    assign(disks);
}

} // namespace domus::engine::qemu
