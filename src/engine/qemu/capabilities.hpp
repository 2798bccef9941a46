// What a QEMU binary on this host can do: asked of it once, kept on disk, asked again when the binary changed.
//
//     Qemu qemu(executor, "/var/cache/domus");
//     auto capabilities = co_await qemu.capabilities("");    // the host's own architecture
#pragma once

#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "async/task.hpp"
#include "engine/qemu/cpu_table.hpp"
#include "engine/qemu/kvm.hpp"
#include "format/schema.hpp"
#include "os/process.hpp"
#include "qmp/client.hpp"

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace domus::engine::qemu {

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

class Qemu {
public:
    Qemu(Executor executor, std::filesystem::path cache_folder);

    /// Of a binary by path; "" is that of the host's architecture. Probes it if that was not done yet (some 300 ms).
    /// Throws no_support naming the package if there is none.
    Task<CapabilitiesPtr> capabilities(std::string binary);
    /// As known so far, without waiting; null if it was not asked yet.
    CapabilitiesPtr known(const std::string& binary) const;
    Task<KvmVerdict> kvm();
    /// Features of all models; asked once, of a QEMU that is run for it (some 250 ms).
    Task<std::shared_ptr<const CpuTable>> cpu_table(std::string binary);

    static std::string default_binary();

private:
    Task<Capabilities> probe(std::string binary);
    struct Probe;
    Task<Probe> begin_probe(std::string binary, std::vector<qmp::Command> questions);
    Mailbox& probes_of(const std::string& binary);

    Executor executor_;
    std::filesystem::path cache_folder_;
    Lane lane_;
    std::map<std::string, Mailbox> probing_; ///< by binary: one that says nothing holds up only those who want it
    std::map<std::string, CapabilitiesPtr> known_;
    std::map<std::string, std::shared_ptr<const CpuTable>> cpu_tables_;
    std::optional<KvmVerdict> kvm_;
};

} // namespace domus::engine::qemu
