// Operations on the host: what it is, what it can run, how it is used.
#pragma once

#include "async/lane.hpp"
#include "compute/domain/rights.hpp"
#include "engine/engine.hpp"
#include "host/cpu_compare.hpp"
#include "host/doctor.hpp"
#include "host/documents.hpp"
#include "host/node.hpp"
#include "service/caller.hpp"
#include "service/host_flags.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace domus::service {

/// How guests are kept apart; libvirt's names for none of SELinux, AppArmor.
struct SecurityModel {
    std::string model = "none", domain_of_interpretation = "0";
};

class HostOperations {
public:
    /// `root`: below which the paths of the daemon lie.
    HostOperations(engine::Engine& engine, compute::Rules rules, std::filesystem::path root)
        : engine_(engine), rules_(std::move(rules)), root_(std::move(root)) {}

    /// virConnectGetSysinfo.
    std::string sysinfo() const;
    std::string name() const;
    host::Node node() const { return host::read_node(); }
    /// Of one cell of memory, or of all of them.
    host::MemoryUsage memory(std::optional<unsigned> cell) const { return host::read_memory(cell); }
    /// Of one processor, or of all of them.
    host::CpuTimes cpu_times(std::optional<unsigned> cpu) const { return host::read_cpu_times(cpu); }
    SecurityModel security_model() const { return {}; }
    /// What the host needs to run virtual machines, and what is missing.
    Task<std::vector<host::Check>> doctor();
    /// Version of the default emulator, as libvirt counts: major * 1000000 + minor * 1000 + micro.
    Task<unsigned> version();
    Task<std::string> capabilities();
    /// An emulator that is named is run, so that it must be one that the caller may have run.
    Task<std::string> domain_capabilities(Caller caller, std::string emulator, std::string arch, std::string machine,
                                          std::string virt_type);
    Task<std::vector<std::string>> cpu_models(std::string arch);
    Task<unsigned> max_vcpus(std::string virt_type);

    /// Whom a described processor is compared with: the host, or what the hypervisor can show to guests on it.
    struct Hypervisor {
        std::string emulator, architecture, machine, virt_type; ///< "" the usual one
    };
    Task<host::Comparison> compare_cpu(std::string xml, Flags<CompareCpuFlag> flags);
    /// A hypervisor that is named is run, so that it must be one that the caller may have run.
    Task<host::Comparison> compare_hypervisor_cpu(Caller caller, std::string xml, Hypervisor hypervisor,
                                                  Flags<CompareCpuFlag> flags);
    /// What runs on all of them.
    Task<std::string> baseline_cpu(std::vector<std::string> xmls, Flags<BaselineCpuFlag> flags);
    Task<std::string> baseline_hypervisor_cpu(Caller caller, std::vector<std::string> xmls, Hypervisor hypervisor,
                                              Flags<BaselineCpuFlag> flags);

private:
    Task<host::Comparison> compare(std::string xml, Flags<CompareCpuFlag> flags, std::optional<Hypervisor> hypervisor);
    Task<std::string> baseline(std::vector<std::string> xmls, Flags<BaselineCpuFlag> flags,
                               std::optional<Hypervisor> hypervisor);
    Task<std::vector<host::DescribedCpu>> parse_cpus(std::vector<std::string> xmls);
    Task<host::FeatureSet> features_there(std::optional<Hypervisor> hypervisor,
                                          std::shared_ptr<const host::CpuTable> table);

    engine::Engine& engine_;
    compute::Rules rules_;
    std::filesystem::path root_;
    std::unique_ptr<Lane> documents_; ///< made when a large one comes
};

} // namespace domus::service
