// What an emulator on this host can do.
#pragma once

#include "format/schema.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::engine {

struct MachineType {
    std::string name;                 ///< pc-q35-7.2
    std::optional<std::string> alias; ///< q35
    bool is_default = false;
    bool deprecated = false;
    unsigned max_cpus = 1;
    std::optional<std::string> default_cpu;
    bool hotpluggable_cpus = false;

    static const format::Schema& schema();
    bool operator==(const MachineType&) const = default;
};

struct CpuModel {
    std::string name;
    bool usable = true; ///< with the accelerator that was asked
    bool deprecated = false;
    std::vector<std::string> missing; ///< features that keep it from being usable

    static const format::Schema& schema();
    bool operator==(const CpuModel&) const = default;
};

struct Capabilities {
    std::string binary;
    std::uint64_t modified = 0; ///< of the binary: seconds and size tell whether it was replaced
    std::uint64_t size = 0;
    std::string probed_by; ///< version of Domus
    unsigned version = 0;  ///< major * 1000000 + minor * 1000 + micro
    std::string package;
    std::string architecture; ///< x86_64
    std::vector<MachineType> machines;
    std::vector<CpuModel> cpus;
    std::vector<std::string> devices; ///< sorted
    std::vector<std::string> commands;
    std::vector<std::string> tpm_models;

    bool kvm = false; ///< truly works, see kvm.hpp; of now, not from disk
    std::string kvm_reason;
    std::string kvm_hint;

    static const format::Schema& schema();

    bool has_device(std::string_view name) const;
    /// Canonical name of a machine or alias; "" is the default machine. Throws config_unsupported naming what exists.
    std::string canonical_machine(const std::string& name) const;
    const MachineType* find_machine(std::string_view name) const;
};
using CapabilitiesPtr = std::shared_ptr<const Capabilities>;

} // namespace domus::engine
