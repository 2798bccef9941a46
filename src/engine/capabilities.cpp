#include "engine/capabilities.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace domus::engine {

const format::Schema& MachineType::schema() {
    static const format::Schema table = format::Describe<MachineType>("machine", "A machine type of the emulator.")
                                            .field("@name", &MachineType::name)
                                            .field("@alias", &MachineType::alias)
                                            .field("@default", &MachineType::is_default)
                                            .field("@deprecated", &MachineType::deprecated)
                                            .field("@maxCpus", &MachineType::max_cpus)
                                            .field("@cpu", &MachineType::default_cpu)
                                            .field("@hotplugCpus", &MachineType::hotpluggable_cpus);
    return table;
}

const format::Schema& CpuModel::schema() {
    static const format::Schema table = format::Describe<CpuModel>("cpu", "A CPU model of the emulator.")
                                            .field("@name", &CpuModel::name)
                                            .field("@usable", &CpuModel::usable)
                                            .field("@deprecated", &CpuModel::deprecated)
                                            .field("missing", &CpuModel::missing);
    return table;
}

const format::Schema& Capabilities::schema() {
    static const format::Schema table = format::Describe<Capabilities>("qemuCapabilities", "What a QEMU binary can do.")
                                            .field("@binary", &Capabilities::binary)
                                            .field("@modified", &Capabilities::modified)
                                            .field("@size", &Capabilities::size)
                                            .field("@probedBy", &Capabilities::probed_by)
                                            .field("@version", &Capabilities::version)
                                            .field("@package", &Capabilities::package)
                                            .field("@arch", &Capabilities::architecture)
                                            .field("machine", &Capabilities::machines)
                                            .field("cpu", &Capabilities::cpus)
                                            .field("device", &Capabilities::devices)
                                            .field("command", &Capabilities::commands)
                                            .field("tpm", &Capabilities::tpm_models);
    return table;
}

bool Capabilities::has_device(std::string_view name) const { return std::ranges::binary_search(devices, name); }

const MachineType* Capabilities::find_machine(std::string_view name) const {
    for (const auto& machine : machines)
        if (machine.name == name || machine.alias == name) return &machine;
    return nullptr;
}

std::string Capabilities::canonical_machine(const std::string& name) const {
    if (name.empty()) {
        for (const auto& machine : machines)
            if (machine.is_default) return machine.name;
    }
    if (const auto* machine = find_machine(name)) return machine->name;
    std::vector<std::string_view> aliases;
    for (const auto& machine : machines)
        if (machine.alias) aliases.push_back(*machine.alias);
    throw Error(
        ErrorCode::config_unsupported, ErrorDomain::qemu,
        fmt::format("unsupported configuration: Emulator '{}' does not support machine type '{}'", binary, name))
        .hint(fmt::format("it has {}, and their numbered versions", fmt::join(aliases, ", ")));
}

} // namespace domus::engine
