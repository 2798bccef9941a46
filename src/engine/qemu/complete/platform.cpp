#include "engine/qemu/complete/parts.hpp"

#include "base/error.hpp"
#include "engine/qemu/architecture.hpp"
#include "engine/qemu/capabilities.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::engine::qemu {

using model::CpuMode;

namespace {

void complete_memory(model::Domain& domain) {
    if (!domain.cpu.numa_cells.empty()) {
        ByteCount total;
        unsigned id = 0;
        for (auto& cell : domain.cpu.numa_cells) {
            if (!cell.id) cell.id = id;
            id = *cell.id + 1;
            total.bytes += cell.memory.bytes;
        }
        domain.memory = total;
        for (const auto& device : domain.devices.memories) domain.memory.bytes += device.size.bytes;
    }
    if (!domain.current_memory || domain.current_memory->bytes == 0) domain.current_memory = domain.memory;
}

void complete_vcpus(model::Domain& domain) {
    if (domain.vcpu == 0) domain.vcpu = 1;
    if (!domain.vcpu_placement) domain.vcpu_placement = model::Placement::static_;
    if (domain.vcpu_current == domain.vcpu) domain.vcpu_current.reset();
}

void complete_os(model::Domain& domain, const Capabilities& capabilities) {
    auto& os = domain.os;
    if (os.type != "hvm")
        throw Error(ErrorCode::os_type, ErrorDomain::domain,
                    fmt::format("a domain of os type '{}' cannot be run", os.type))
            .hint("take <type>hvm</type> in <os>");
    if (!os.arch) os.arch = architecture_of(capabilities.architecture);
    require_architecture(capabilities.binary, capabilities.architecture, *os.arch);
    os.machine = capabilities.canonical_machine(os.machine.value_or(""));
    if (const auto* machine = capabilities.find_machine(*os.machine); machine && domain.vcpu > machine->max_cpus)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("{} vCPUs are more than machine '{}' takes, which is {}", domain.vcpu, *os.machine,
                                machine->max_cpus));
    const auto own_order = [](const auto& devices) {
        return std::ranges::any_of(devices, [](const auto& device) { return device.boot_order.has_value(); });
    };
    const auto& devices = domain.devices;
    const bool by_device = own_order(devices.disks) || own_order(devices.interfaces) || own_order(devices.hostdevs)
                           || own_order(devices.redirdevs);
    if (os.boot.empty() && !by_device) os.boot.emplace_back();
    if (os.firmware == model::Firmware::efi && !domain.features.acpi)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu, "UEFI firmware needs ACPI")
            .hint("add <features><acpi/></features>");
}

/// What an interface of Hyper-V needs the CPU's description to say stays with the command line; here only the model.
void complete_cpu(model::Cpu& cpu, std::string_view architecture) {
    using model::CpuCheck;
    if (!cpu.mode) cpu.mode = CpuMode::custom;
    switch (*cpu.mode) {
    case CpuMode::custom:
        if (!cpu.match) cpu.match = model::CpuMatch::exact;
        if (!cpu.model) {
            cpu.model = architecture == "i686" ? "qemu32" : "qemu64";
            if (!cpu.fallback) cpu.fallback = model::CpuFallback::forbid;
            if (!cpu.check) cpu.check = CpuCheck::none;
        }
        if (!cpu.fallback) cpu.fallback = model::CpuFallback::allow;
        if (!cpu.check) cpu.check = CpuCheck::partial;
        break;
    case CpuMode::host_model:
        if (!cpu.check) cpu.check = CpuCheck::partial;
        break;
    case CpuMode::host_passthrough:
    case CpuMode::maximum:
        if (!cpu.check) cpu.check = CpuCheck::none;
        if (!cpu.migratable) cpu.migratable = model::OnOff::on;
        break;
    }
}

void complete_policies(model::Domain& domain) {
    if (!domain.clock.offset) domain.clock.offset = model::ClockOffset::utc;
}

void complete_accelerator(const model::Domain& domain, const Capabilities& capabilities) {
    if (domain.type == model::DomainType::qemu) return;
    if (domain.type != model::DomainType::kvm)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("domains of type '{}' are not run by QEMU", format::word(domain.type)))
            .hint("take <domain type='kvm'>, or type='qemu' for emulation");
    if (capabilities.kvm) return;
    throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu, "this host cannot run a domain of type 'kvm'")
        .because(capabilities.kvm_reason)
        .hint("take <domain type='qemu'> for emulation, or see 'domus doctor'");
}

} // namespace

void complete_platform(model::Domain& domain, const Capabilities& capabilities) {
    complete_accelerator(domain, capabilities);
    if (!domain.uuid) domain.uuid = Uuid::random();
    complete_memory(domain);
    complete_vcpus(domain);
    complete_os(domain, capabilities);
    if (!domain.devices.emulator) domain.devices.emulator = capabilities.binary;
    complete_cpu(domain.cpu, *domain.os.arch);
    complete_policies(domain);
}

} // namespace domus::engine::qemu
