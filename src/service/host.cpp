#include "service/host.hpp"

#include "async/read_document.hpp"
#include "engine/firmware_descriptors.hpp"
#include "engine/virtiofsd.hpp"
#include "format/xml.hpp"
#include "host/sysinfo.hpp"
#include "os/host_name.hpp"
#include "os/process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace domus::service {

std::string HostOperations::sysinfo() const { return host::sysinfo_xml(); }
std::string HostOperations::name() const { return host_name(); }

Task<std::vector<host::Check>> HostOperations::doctor() {
    const auto executor = co_await asio::this_coro::executor;
    Lane lane(executor, "the examination of the host", 1); // of its own: it is long, and seldom
    auto work = [root = root_] { return host::examine_host(root); };
    auto checks = co_await lane.run(Deadline::in(std::chrono::seconds(30)), std::move(work));
    co_return checks;
}

Task<unsigned> HostOperations::version() {
    const auto emulator = co_await engine_.capabilities("");
    co_return emulator->version;
}

Task<std::string> HostOperations::capabilities() {
    std::vector<engine::CapabilitiesPtr> emulators;
    try {
        auto emulator = co_await engine_.capabilities("");
        emulators.push_back(std::move(emulator));
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_support) throw; // a host without QEMU has capabilities too
    }
    const auto node = host::read_node();
    std::optional<model::Cpu> described;
    if (!emulators.empty()) {
        const auto table = co_await engine_.cpu_table("");
        try {
            described = host::describe(host::host_features(node.flags, *table), *table);
        } catch (const Error&) {
            // no model fits this processor: then its features alone cannot be said either
        }
    }
    co_return host::capabilities_xml(node, host::host_uuid(), emulators, described);
}

namespace {

host::DomainCapabilitiesFacts firmware_facts(const engine::Capabilities& emulator, const std::string& machine) {
    host::DomainCapabilitiesFacts facts;
    for (const auto& firmware : engine::read_firmware_descriptors(engine::default_firmware_folders())) {
        if (!firmware.uefi || !firmware.runs_on(emulator.architecture, machine)) continue;
        facts.secure_boot |= firmware.has("secure-boot") && firmware.has("requires-smm");
        if (std::ranges::find(facts.firmware_images, firmware.code) == facts.firmware_images.end())
            facts.firmware_images.push_back(firmware.code);
    }
    return facts;
}

} // namespace

Task<std::string> HostOperations::domain_capabilities(Caller caller, std::string emulator, std::string arch,
                                                      std::string machine, std::string virt_type) {
    if (emulator.empty() && !arch.empty())
        emulator = fmt::format("/usr/bin/qemu-system-{}", arch == "i686" ? "i386" : arch);
    compute::require_emulator(rules_, caller.who, emulator);
    const auto found = co_await engine_.capabilities(emulator);
    if (!arch.empty() && arch != found->architecture)
        throw Error(
            ErrorCode::invalid_arg, ErrorDomain::qemu,
            fmt::format("invalid argument: architecture from emulator '{}' doesn't match given architecture '{}'",
                        found->architecture, arch));
    auto facts = firmware_facts(*found, found->canonical_machine(machine));
    facts.host_tpm = std::filesystem::exists("/dev/tpm0");
    facts.swtpm = !find_program("swtpm").empty() && !find_program("swtpm_setup").empty();
    facts.virtiofsd = !engine::find_virtiofsd().empty();
    const auto table = co_await engine_.cpu_table(emulator);
    try {
        const bool kvm = found->kvm && virt_type != "qemu";
        facts.host_model =
            host::describe(kvm ? host::host_features(host::read_node().flags, *table) : table->most(), *table);
    } catch (const Error&) {
        // no model fits this processor
    }
    co_return host::domain_capabilities_xml(*found, {machine, virt_type}, facts);
}

Task<std::vector<std::string>> HostOperations::cpu_models(std::string arch) {
    const auto emulator = co_await engine_.capabilities("");
    std::vector<std::string> names;
    if (!arch.empty() && arch != emulator->architecture) co_return names;
    for (const auto& cpu : emulator->cpus)
        if (cpu.name != "host" && cpu.name != "base" && cpu.name != "max") names.push_back(cpu.name);
    co_return names;
}

Task<unsigned> HostOperations::max_vcpus(std::string virt_type) {
    const auto emulator = co_await engine_.capabilities("");
    (void)virt_type;
    const auto* machine = emulator->find_machine(emulator->canonical_machine(""));
    co_return machine ? machine->max_cpus : 1;
}

/// Clients that may only read give them too, and as large as they like: one thread for all is what they get.
Task<std::vector<host::DescribedCpu>> HostOperations::parse_cpus(std::vector<std::string> xmls) {
    const auto executor = co_await asio::this_coro::executor;
    if (!documents_) documents_ = std::make_unique<Lane>(executor, "the descriptions of processors", 1);
    std::size_t size = 0;
    for (const auto& xml : xmls) size += xml.size();
    auto work = [xmls = std::move(xmls)] {
        std::vector<host::DescribedCpu> cpus;
        for (const auto& xml : xmls) cpus.push_back(host::parse_cpu(xml));
        return cpus;
    };
    auto cpus = co_await read_document(*documents_, size, Deadline::in(std::chrono::seconds(30)), std::move(work));
    co_return cpus;
}

Task<host::FeatureSet> HostOperations::features_there(std::optional<Hypervisor> hypervisor,
                                                      std::shared_ptr<const host::CpuTable> table) {
    if (!hypervisor) co_return host::host_features(host::read_node().flags, *table);
    const auto emulator = co_await engine_.capabilities(hypervisor->emulator);
    if (!hypervisor->architecture.empty() && hypervisor->architecture != emulator->architecture)
        throw Error(
            ErrorCode::invalid_arg, ErrorDomain::qemu,
            fmt::format("invalid argument: architecture from emulator '{}' doesn't match given architecture '{}'",
                        emulator->architecture, hypervisor->architecture));
    (void)emulator->canonical_machine(hypervisor->machine);
    const auto& type = hypervisor->virt_type;
    if (!type.empty() && type != "qemu" && type != "kvm")
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: unknown virttype: {}", type));
    if (type == "kvm" && !emulator->kvm)
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu, "invalid argument: KVM is not supported by this host")
            .because(emulator->kvm_reason)
            .hint(emulator->kvm_hint);
    if (type == "kvm" || (type.empty() && emulator->kvm))
        co_return host::host_features(host::read_node().flags, *table);
    co_return table->most();
}

Task<host::Comparison> HostOperations::compare(std::string xml, Flags<CompareCpuFlag> flags,
                                               std::optional<Hypervisor> hypervisor) {
    std::vector<std::string> xmls;
    xmls.push_back(std::move(xml));
    const auto parsed = co_await parse_cpus(std::move(xmls));
    const auto& wanted = parsed.front();
    const std::string emulator = hypervisor ? hypervisor->emulator : "";
    const auto table = co_await engine_.cpu_table(emulator);
    const auto there = co_await features_there(hypervisor, table);
    const auto judgement = host::compare(wanted, there, host::read_node().architecture, *table);
    if (judgement.result == host::Comparison::incompatible && flags.has(CompareCpuFlag::fail_incompatible))
        throw Error(ErrorCode::cpu_incompatible, ErrorDomain::cpu,
                    fmt::format("the CPU is incompatible with host CPU: {}", judgement.why));
    co_return judgement.result;
}

Task<host::Comparison> HostOperations::compare_cpu(std::string xml, Flags<CompareCpuFlag> flags) {
    return compare(std::move(xml), flags, std::nullopt);
}

Task<host::Comparison> HostOperations::compare_hypervisor_cpu(Caller caller, std::string xml, Hypervisor hypervisor,
                                                              Flags<CompareCpuFlag> flags) {
    compute::require_emulator(rules_, caller.who, hypervisor.emulator);
    return compare(std::move(xml), flags, std::move(hypervisor));
}

Task<std::string> HostOperations::baseline(std::vector<std::string> xmls, Flags<BaselineCpuFlag> flags,
                                           std::optional<Hypervisor> hypervisor) {
    const auto cpus = co_await parse_cpus(std::move(xmls));
    const std::string emulator = hypervisor ? hypervisor->emulator : "";
    const auto table = co_await engine_.cpu_table(emulator);
    host::FeatureSet limit;
    if (hypervisor) limit = co_await features_there(hypervisor, table);
    const auto cpu = host::baseline(cpus, hypervisor ? &limit : nullptr, flags.has(BaselineCpuFlag::expand_features),
                                    flags.has(BaselineCpuFlag::migratable), *table);
    co_return format::to_xml(cpu);
}

Task<std::string> HostOperations::baseline_cpu(std::vector<std::string> xmls, Flags<BaselineCpuFlag> flags) {
    return baseline(std::move(xmls), flags, std::nullopt);
}

Task<std::string> HostOperations::baseline_hypervisor_cpu(Caller caller, std::vector<std::string> xmls,
                                                          Hypervisor hypervisor, Flags<BaselineCpuFlag> flags) {
    compute::require_emulator(rules_, caller.who, hypervisor.emulator);
    return baseline(std::move(xmls), flags, std::move(hypervisor));
}

} // namespace domus::service
