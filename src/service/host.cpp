#include "service/host.hpp"

#include "engine/qemu/firmware_descriptors.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::service {

Task<unsigned> HostOperations::version() {
    const auto emulator = co_await qemu_.capabilities("");
    co_return emulator->version;
}

Task<std::string> HostOperations::capabilities() {
    std::vector<engine::qemu::CapabilitiesPtr> emulators;
    try {
        auto emulator = co_await qemu_.capabilities("");
        emulators.push_back(std::move(emulator));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_support) throw; // a host without QEMU has capabilities too
    }
    co_return host::capabilities_xml(host::read_node(), host::host_uuid(), emulators);
}

Task<std::string> HostOperations::domain_capabilities(std::string emulator, std::string arch, std::string machine, std::string virt_type) {
    if (emulator.empty() && !arch.empty()) emulator = fmt::format("/usr/bin/qemu-system-{}", arch == "i686" ? "i386" : arch);
    const auto found = co_await qemu_.capabilities(emulator);
    if (!arch.empty() && arch != found->architecture)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: architecture from emulator '{}' doesn't match given architecture '{}'", found->architecture, arch));
    const auto canonical = found->canonical_machine(machine);
    std::vector<std::string> images;
    for (const auto& firmware : engine::qemu::read_firmware_descriptors(engine::qemu::default_firmware_folders()))
        if (firmware.uefi && firmware.runs_on(found->architecture, canonical) && std::ranges::find(images, firmware.code) == images.end())
            images.push_back(firmware.code);
    co_return host::domain_capabilities_xml(*found, {machine, virt_type}, images);
}

Task<std::vector<std::string>> HostOperations::cpu_models(std::string arch) {
    const auto emulator = co_await qemu_.capabilities("");
    std::vector<std::string> names;
    if (!arch.empty() && arch != emulator->architecture) co_return names;
    for (const auto& cpu : emulator->cpus)
        if (cpu.name != "host" && cpu.name != "base" && cpu.name != "max") names.push_back(cpu.name);
    co_return names;
}

Task<unsigned> HostOperations::max_vcpus(std::string virt_type) {
    const auto emulator = co_await qemu_.capabilities("");
    (void)virt_type;
    const auto* machine = emulator->find_machine(emulator->canonical_machine(""));
    co_return machine ? machine->max_cpus : 1;
}

} // namespace domus::service
