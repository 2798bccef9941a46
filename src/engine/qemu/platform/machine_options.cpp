// -machine and -accel; and how the machine ends (-no-reboot, power states).
#include "engine/qemu/devices/devices.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

namespace {

std::string flash_node(Build& build, std::string_view name, const Launch::Image& image, const std::string& path,
                       const std::string& format, bool readonly) {
    const auto file = fmt::format("{}-file", name);
    build.arguments.blockdev({{"driver", "file"},
                              {"node-name", file},
                              {"filename", build.path(image, path, std::string(name))},
                              {"read-only", readonly},
                              {"discard", "unmap"}});
    build.arguments.blockdev({{"driver", format}, {"node-name", name}, {"read-only", readonly}, {"file", file}});
    return std::string(name);
}

/// Firmware in flash: what the start chose, or what the definition names.
void add_flash(Build& build, Options& machine) {
    const auto& os = build.domain.os;
    auto flash = build.launch.flash;
    if (flash.empty() && os.loader.path
        && os.loader.type.value_or(model::LoaderType::rom) == model::LoaderType::pflash) {
        flash.code = *os.loader.path;
        flash.code_format = os.loader.format.value_or("raw");
        flash.variables = os.nvram.path.value_or("");
        flash.variables_format = os.nvram.format.value_or("raw");
        flash.secure = os.loader.secure.value_or(false);
    }
    if (os.nvram.type)
        refuse("nvram", os.nvram.rest.line, "a source for <nvram> is not supported", "write the path between its tags");
    if (flash.empty()) {
        if (os.firmware == model::Firmware::efi)
            refuse("os", os.rest.line, "no firmware was chosen for firmware='efi'");
        return;
    }
    const bool readonly = os.loader.readonly.value_or(true);
    machine.set("pflash0", flash_node(build, "pflash0", flash.code_image, flash.code, flash.code_format, readonly));
    if (!flash.variables.empty())
        machine.set("pflash1", flash_node(build, "pflash1", flash.variables_image, flash.variables,
                                          flash.variables_format, false));
    if (flash.secure) build.arguments.add("-global", "driver=cfi.pflash01,property=secure,value=on");
}

void refuse_features(const model::Features& features) {
    const auto line = features.rest.line;
    if (features.gic) refuse("gic", line, "a GIC is for ARM machines");
    if (features.viridian || features.privnet) refuse("features", line, "<viridian> and <privnet> are not for QEMU");
    if (features.msrs_unknown) refuse("msrs", line, "unknown='...' is not supported");
    if (features.hap == model::OnOff::off) refuse("hap", line, "hardware assisted paging is the host's choice");
}

void set_irqchip(const Build& build, Options& machine) {
    const auto& ioapic = build.domain.features.ioapic;
    if (!ioapic) return;
    if (build.domain.type != model::DomainType::kvm) return; // emulation has it in any case
    machine.set("kernel_irqchip", *ioapic == model::IoapicDriver::qemu ? "split" : "on");
}

bool has_nvdimm(const model::Domain& domain) {
    for (const auto& memory : domain.devices.memories)
        if (memory.model == model::MemoryModel::nvdimm) return true;
    return false;
}

void add_accelerator(Build& build) {
    const auto& features = build.domain.features;
    if (build.domain.type == model::DomainType::kvm) {
        Options options("kvm");
        if (features.kvm.dirty_ring == model::OnOff::on)
            options.set("dirty-ring-size", features.kvm.dirty_ring_size.value_or(4096));
        build.arguments.add("-accel", options);
        return;
    }
    Options options("tcg");
    if (features.tcg_tb_cache) options.set("tb-size", features.tcg_tb_cache->mib_ceil());
    build.arguments.add("-accel", options);
}

/// Sleep states that the guest may use.
void add_sleep(Build& build, std::string_view state, const std::optional<bool>& enabled) {
    if (!enabled) return;
    const auto chip = build.chipset == Chipset::q35 ? "ICH9-LPC" : "PIIX4_PM";
    build.arguments.add("-global", fmt::format("{}.disable_{}={}", chip, state, *enabled ? 0 : 1));
}

} // namespace

void add_machine(Build& build) {
    const auto& domain = build.domain;
    const auto& features = domain.features;
    refuse_features(features);
    Options machine(*domain.os.machine);
    machine.set("usb", false);
    if (features.vmport) machine.set("vmport", on(*features.vmport));
    if (features.smm || build.launch.flash.secure) machine.set("smm", build.launch.flash.secure || on(*features.smm));
    set_irqchip(build, machine);
    machine.set("dump-guest-core", domain.dump_core == model::OnOff::on);
    if (domain.memory_backing.nosharepages) machine.set("mem-merge", false);
    if (!features.acpi) machine.set("acpi", false);
    if (has_nvdimm(domain)) machine.set("nvdimm", true);
    if (const auto* hpet = domain.clock.timer("hpet"); hpet && hpet->present) machine.set("hpet", *hpet->present);
    if (const auto* pit = domain.clock.timer("pit"); pit && pit->present) machine.set("pit", *pit->present);
    if (domain.os.bios_useserial.value_or(false)) machine.set("graphics", false);
    if (domain.cpu.numa_cells.empty()) machine.set("memory-backend", "pc.ram");
    add_flash(build, machine);
    build.arguments.add("-machine", machine);
    add_accelerator(build);
    if (features.smm_tseg) {
        if (build.chipset != Chipset::q35) refuse("smm", features.rest.line, "<tseg> needs machine 'q35'");
        build.arguments.add("-global", fmt::format("mch.extended-tseg-mbytes={}", features.smm_tseg->mib_ceil()));
    }
}

void add_power(Build& build) {
    const auto& domain = build.domain;
    build.arguments.add("-no-shutdown"); // the daemon ends the process, when it has said why
    if (domain.on_reboot == model::PowerAction::destroy) build.arguments.add("-no-reboot");
    add_sleep(build, "s3", domain.suspend_to_mem);
    add_sleep(build, "s4", domain.suspend_to_disk);
    if (domain.features.vmcoreinfo == model::OnOff::on) build.arguments.device({{"driver", "vmcoreinfo"}});
    if (domain.genid)
        build.arguments.device({{"driver", "vmgenid"}, {"id", "vmgenid0"}, {"guid", domain.genid->text()}});
}

} // namespace domus::engine::qemu
