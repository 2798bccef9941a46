// Operations on the host: what it is, what it can run, how it is used.
#pragma once

#include "async/lane.hpp"
#include "compute/domain/rights.hpp"
#include "engine/engine.hpp"
#include "host/cpu_compare.hpp"
#include "host/documents.hpp"
#include "host/interfaces.hpp"
#include "host/node.hpp"
#include "service/caller.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace domus::service {

class HostOperations {
public:
    HostOperations(engine::Engine& engine, compute::Rules rules) : engine_(engine), rules_(std::move(rules)) {}

    /// virConnectGetSysinfo.
    std::string sysinfo(unsigned flags) const;
    host::Node node() const { return host::read_node(); }
    /// Version of the default emulator, as libvirt counts: major * 1000000 + minor * 1000 + micro.
    Task<unsigned> version();
    Task<std::string> capabilities();
    /// An emulator that is named is run, so that it must be one that the caller may have run.
    Task<std::string> domain_capabilities(Caller caller, std::string emulator, std::string arch, std::string machine,
                                          std::string virt_type);
    Task<std::vector<std::string>> cpu_models(std::string arch);
    Task<unsigned> max_vcpus(std::string virt_type);
    /// Its network interfaces, in the order of their names.
    Task<std::vector<netlink::Link>> interfaces();

    /// Whom a described processor is compared with: the host, or what the hypervisor can show to guests on it.
    struct Hypervisor {
        std::string emulator, architecture, machine, virt_type; ///< "" the usual one
    };
    /// virConnectCompareCPU, and with a hypervisor virConnectCompareHypervisorCPU. Flags: virConnectCompareCPUFlags.
    Task<host::Comparison> compare_cpu(Caller caller, std::string xml, unsigned flags,
                                       std::optional<Hypervisor> hypervisor);
    /// Flags: virConnectBaselineCPUFlags.
    Task<std::string> baseline_cpu(Caller caller, std::vector<std::string> xmls, unsigned flags,
                                   std::optional<Hypervisor> hypervisor);

private:
    Task<std::vector<host::DescribedCpu>> parse_cpus(std::vector<std::string> xmls);
    Task<host::FeatureSet> features_there(std::optional<Hypervisor> hypervisor,
                                          std::shared_ptr<const host::CpuTable> table);

    engine::Engine& engine_;
    compute::Rules rules_;
    std::unique_ptr<Lane> documents_;  ///< made when a large one comes
    std::unique_ptr<Lane> interfaces_; ///< made when somebody asks for them
};

} // namespace domus::service
