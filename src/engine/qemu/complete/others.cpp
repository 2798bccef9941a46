#include "engine/qemu/complete/parts.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <sys/random.h>

#include <algorithm>
#include <set>

namespace domus::engine::qemu {

namespace {

/// In the range that libvirt and QEMU use for guests; the last three bytes are random.
std::string random_mac() {
    std::uint8_t bytes[3];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) throw system_error(errno, "cannot make a MAC address");
    return fmt::format("52:54:00:{:02x}:{:02x}:{:02x}", bytes[0], bytes[1], bytes[2]);
}

void complete_interface(model::Interface& interface) {
    if (!interface.mac) interface.mac = random_mac();
    if (!interface.model && interface.type != model::InterfaceType::hostdev) interface.model = "rtl8139";
}

void complete_hostdev(model::Hostdev& hostdev) {
    if (!hostdev.managed) hostdev.managed = false;
    if (hostdev.type == model::HostdevType::mdev && hostdev.model == "vfio-pci" && !hostdev.display)
        hostdev.display = model::OnOff::off;
}

void complete_tpm(model::Tpm& tpm) {
    using model::TpmBackendType;
    if (!tpm.model) tpm.model = "tpm-tis";
    if (tpm.backend.type == TpmBackendType::passthrough && !tpm.backend.device) tpm.backend.device = "/dev/tpm0";
    if (tpm.backend.type == TpmBackendType::emulator && !tpm.backend.version)
        tpm.backend.version = model::TpmVersion::v2_0;
}

void complete_memory_balloon(model::Devices& devices) {
    if (!devices.memballoon) devices.memballoon.emplace();
}

/// Memory modules stand in the slots that <maxMemory> counts.
void complete_modules(std::vector<model::MemoryDevice>& memories) {
    std::set<unsigned> taken;
    for (const auto& memory : memories)
        if (memory.address && memory.address->type == model::AddressType::dimm) taken.insert(memory.address->slot);
    unsigned slot = 0; ///< no lower one is free
    for (auto& memory : memories) {
        const bool module = memory.model == model::MemoryModel::dimm || memory.model == model::MemoryModel::nvdimm;
        if (module && memory.address && memory.address->type != model::AddressType::dimm)
            throw Error(ErrorCode::xml_error, ErrorDomain::domain,
                        fmt::format("memory of model '{}' (line {}) cannot have an address of type '{}'",
                                    format::word(memory.model), memory.rest.line, format::word(memory.address->type)));
        if (!module || memory.address) continue;
        while (!taken.insert(slot).second) ++slot;
        memory.address.emplace().type = model::AddressType::dimm;
        memory.address->slot = slot;
    }
}

} // namespace

void complete_others(model::Domain& domain) {
    auto& devices = domain.devices;
    for (auto& interface : devices.interfaces) complete_interface(interface);
    for (auto& hostdev : devices.hostdevs) complete_hostdev(hostdev);
    for (auto& tpm : devices.tpms) complete_tpm(tpm);
    for (auto& rng : devices.rngs)
        if (rng.backend.model == model::RngBackendModel::random && !rng.backend.path) rng.backend.path = "/dev/random";
    for (auto& panic : devices.panics)
        if (!panic.model) panic.model = "isa";
    for (auto& filesystem : devices.filesystems)
        if (!filesystem.accessmode) filesystem.accessmode = model::AccessMode::passthrough;
    if (devices.vsock && !devices.vsock->cid && !devices.vsock->auto_cid) devices.vsock->auto_cid = true;
    for (auto& redirected : devices.redirdevs)
        if (redirected.type == model::CharacterType::tcp && !redirected.protocol)
            redirected.protocol = model::CharacterProtocol::raw;
    complete_modules(devices.memories);
    complete_memory_balloon(devices);
}

} // namespace domus::engine::qemu
