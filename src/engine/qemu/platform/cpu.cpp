// -cpu and -smp, and the threads for input and output.
#include "engine/qemu/devices/devices.hpp"

#include "engine/qemu/capabilities.hpp"
#include "engine/qemu/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace domus::engine::qemu {

using model::CpuMode;
using model::FeaturePolicy;
using model::OnOff;

namespace {

std::string base_model(const Build& build) {
    const auto& cpu = build.domain.cpu;
    const bool kvm = build.domain.type == model::DomainType::kvm;
    switch (cpu.mode.value_or(CpuMode::custom)) {
    case CpuMode::custom:
        return cpu.model.value_or("qemu64");
    case CpuMode::host_passthrough:
        if (!kvm)
            refuse("cpu", cpu.rest.line, "mode='host-passthrough' needs type='kvm'",
                   "take mode='maximum', which is all that emulation can do");
        return "host";
    case CpuMode::host_model:
        return kvm ? "host" : "max";
    case CpuMode::maximum:
        return "max";
    }
    return "qemu64";
}

/// Names that differ between libvirt's CPU map and QEMU.
std::string feature_name(const std::string& name) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 1> renamed{{{"pclmuldq", "pclmulqdq"}}};
    const auto found = std::ranges::find(renamed, name, &std::pair<std::string_view, std::string_view>::first);
    return found == renamed.end() ? name : std::string(found->second);
}

void add_features(const model::Cpu& cpu, Options& options) {
    for (const auto& feature : cpu.features) {
        const auto policy = feature.policy.value_or(FeaturePolicy::require);
        const bool off = policy == FeaturePolicy::disable || policy == FeaturePolicy::forbid;
        options.set(feature_name(feature.name), !off);
    }
}

void add_hyperv(const model::Features& features, Options& options) {
    const auto& hyperv = features.hyperv;
    if (hyperv.mode == model::HypervMode::passthrough) options.flag("hv-passthrough");
    using Flag = std::pair<const std::optional<OnOff>&, std::string_view>;
    const auto flag = [&](const Flag& each) {
        if (each.first == OnOff::on) options.set(each.second, true);
    };
    flag({hyperv.relaxed, "hv-relaxed"});
    flag({hyperv.vapic, "hv-vapic"});
    if (hyperv.spinlocks == OnOff::on)
        options.set("hv-spinlocks", fmt::format("{:#x}", hyperv.spinlocks_retries.value_or(0xfff)));
    flag({hyperv.vpindex, "hv-vpindex"});
    flag({hyperv.runtime, "hv-runtime"});
    flag({hyperv.synic, "hv-synic"});
    flag({hyperv.stimer, "hv-stimer"});
    flag({hyperv.stimer_direct, "hv-stimer-direct"});
    flag({hyperv.reset, "hv-reset"});
    if (hyperv.vendor_id == OnOff::on) options.set("hv-vendor-id", hyperv.vendor_id_value.value_or(""));
    flag({hyperv.frequencies, "hv-frequencies"});
    flag({hyperv.reenlightenment, "hv-reenlightenment"});
    flag({hyperv.tlbflush, "hv-tlbflush"});
    flag({hyperv.ipi, "hv-ipi"});
    flag({hyperv.evmcs, "hv-evmcs"});
    flag({hyperv.avic, "hv-avic"});
}

void add_kvm(const model::Features& features, Options& options) {
    const auto& kvm = features.kvm;
    if (kvm.hidden == OnOff::on) options.set("kvm", false);
    if (kvm.hint_dedicated == OnOff::on) options.set("kvm-hint-dedicated", true);
    if (kvm.poll_control == OnOff::on) options.set("kvm-poll-control", true);
    if (kvm.pv_ipi) options.set("kvm-pv-ipi", on(*kvm.pv_ipi));
    if (features.pvspinlock) options.set("kvm-pv-unhalt", on(*features.pvspinlock));
    if (features.apic_eoi) options.set("kvm-pv-eoi", on(*features.apic_eoi));
    if (features.pmu) options.set("pmu", on(*features.pmu));
}

/// Clocks that the guest finds through CPUID.
void add_clocks(const model::Clock& clock, Options& options) {
    if (const auto* timer = clock.timer("kvmclock"); timer && timer->present) options.set("kvmclock", *timer->present);
    if (const auto* timer = clock.timer("hypervclock"); timer && timer->present.value_or(false))
        options.set("hv-time", true);
    if (const auto* timer = clock.timer("tsc"); timer && timer->frequency)
        options.set("tsc-frequency", *timer->frequency);
}

void add_cache(const model::Cpu& cpu, Options& options) {
    if (!cpu.cache_mode) return;
    switch (*cpu.cache_mode) {
    case model::CacheMode::emulate:
        options.set("l3-cache", true).set("host-cache-info", false);
        break;
    case model::CacheMode::passthrough:
        options.set("host-cache-info", true).set("l3-cache", false);
        break;
    case model::CacheMode::disable:
        options.set("host-cache-info", false).set("l3-cache", false);
        break;
    }
}

void check_model(const Build& build, const std::string& model) {
    const auto& known = build.capabilities.cpus;
    if (known.empty() || model == "host" || model == "max") return;
    if (std::ranges::find(known, model, &CpuModel::name) != known.end()) return;
    refuse("cpu", build.domain.cpu.rest.line,
           fmt::format("'{}' has no CPU model '{}'", build.capabilities.binary, model),
           "list them with 'domus cpu-models x86_64'");
}

/// Those that are on are the first ones, as -smp counts them; those that can be unplugged come after the others.
void check_order(const model::Domain& domain) {
    bool off = false, pluggable = false;
    for (const auto& vcpu : domain.vcpus) {
        if (vcpu.enabled && off)
            refuse("vcpus", vcpu.rest.line,
                   fmt::format("vCPU {} is on while one before it is off, which is not supported", vcpu.id));
        if (vcpu.enabled && pluggable && !vcpu.hotpluggable.value_or(false))
            refuse("vcpus", vcpu.rest.line,
                   fmt::format("vCPU {} cannot be unplugged while one before it can, which is not supported", vcpu.id));
        off = off || !vcpu.enabled;
        pluggable = pluggable || vcpu.hotpluggable.value_or(false);
    }
}

void add_topology(Build& build) {
    const auto& domain = build.domain;
    check_order(domain);
    const auto present = booted_vcpus(domain);
    Options options;
    options.flag(std::to_string(present));
    if (present != domain.vcpu) options.set("maxcpus", domain.vcpu);
    if (const auto& topology = domain.cpu.topology) {
        if (topology->clusters.value_or(1) > 1)
            refuse("topology", topology->rest.line, "clusters are for ARM machines");
        options.set("sockets", topology->sockets);
        if (topology->dies) options.set("dies", *topology->dies);
        options.set("cores", topology->cores).set("threads", topology->threads);
    } else {
        options.set("sockets", domain.vcpu).set("cores", 1).set("threads", 1);
    }
    build.arguments.add("-smp", options);
}

void add_iothreads(Build& build) {
    const auto& domain = build.domain;
    constexpr unsigned most_iothreads = 1024;
    if (domain.iothreads.value_or(0) > most_iothreads)
        refuse("iothreads", domain.rest.line,
               fmt::format("{} threads are more than {}", *domain.iothreads, most_iothreads));
    const auto add = [&](unsigned id, const model::IoThread* described) {
        json::object object{{"qom-type", "iothread"}, {"id", fmt::format("iothread{}", id)}};
        if (described) {
            set(object, "thread-pool-min", described->thread_pool_min);
            set(object, "thread-pool-max", described->thread_pool_max);
        }
        build.arguments.object(object);
    };
    std::vector<unsigned> used;
    for (const auto& thread : domain.iothread_ids) {
        add(thread.id, &thread);
        used.push_back(thread.id);
    }
    for (unsigned id = 1; used.size() < domain.iothreads.value_or(0); ++id) {
        if (std::ranges::find(used, id) != used.end()) continue;
        add(id, nullptr);
        used.push_back(id);
    }
}

} // namespace

void add_cpu(Build& build) {
    const auto& domain = build.domain;
    const auto& cpu = domain.cpu;
    const auto model = base_model(build);
    check_model(build, model);
    Options options(model);
    if (cpu.vendor_id) options.set("vendor", *cpu.vendor_id);
    if (model == "host" && cpu.migratable) options.set("migratable", on(*cpu.migratable));
    add_features(cpu, options);
    add_hyperv(domain.features, options);
    for (const auto* kind : all_kinds())
        if (kind->cpu) kind->cpu(domain, options);
    add_kvm(domain.features, options);
    add_clocks(domain.clock, options);
    add_cache(cpu, options);
    if (cpu.maxphysaddr_mode == model::MaxPhysAddrMode::passthrough)
        options.set("host-phys-bits", true);
    else if (cpu.maxphysaddr_bits)
        options.set("phys-bits", *cpu.maxphysaddr_bits);
    build.arguments.add("-cpu", options);
    add_topology(build);
    add_iothreads(build);
}

unsigned booted_vcpus(const model::Domain& domain) {
    const auto present = domain.vcpu_current.value_or(domain.vcpu);
    const auto booted = std::ranges::count_if(domain.vcpus, [](const auto& vcpu) {
        return vcpu.enabled && (vcpu.id == 0 || !vcpu.hotpluggable.value_or(false));
    });
    return domain.vcpus.empty() ? present : std::clamp(static_cast<unsigned>(booted), 1u, present);
}

} // namespace domus::engine::qemu
