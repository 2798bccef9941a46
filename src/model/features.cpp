#include "model/features.hpp"

namespace domus::model {

using format::Describe;
using format::implied;
using format::Schema;

const Schema& Hyperv::schema() {
    static const Schema table =
        Describe<Hyperv>("hyperv", "Interfaces of Hyper-V for Windows guests.")
            .field("@mode", &Hyperv::mode, "these, or all that the host has")
            .field("relaxed@state", &Hyperv::relaxed, "no panic when time was lost", implied)
            .field("vapic@state", &Hyperv::vapic, "virtual APIC", implied)
            .field("spinlocks@state", &Hyperv::spinlocks, "the guest tells when it spins", implied)
            .field("spinlocks@retries", &Hyperv::spinlocks_retries, "tries before it tells, at least 4095")
            .field("vpindex@state", &Hyperv::vpindex, "number of the virtual processor", implied)
            .field("runtime@state", &Hyperv::runtime, "time that the processor ran", implied)
            .field("synic@state", &Hyperv::synic, "synthetic interrupt controller", implied)
            .field("stimer@state", &Hyperv::stimer, "synthetic timers", implied)
            .field("stimer/direct@state", &Hyperv::stimer_direct, "timers that interrupt directly", implied)
            .field("reset@state", &Hyperv::reset, "reset by the hypervisor", implied)
            .field("vendor_id@state", &Hyperv::vendor_id, "own name of the hypervisor", implied)
            .field("vendor_id@value", &Hyperv::vendor_id_value, "that name, up to 12 characters")
            .field("frequencies@state", &Hyperv::frequencies, "frequencies of TSC and APIC", implied)
            .field("reenlightenment@state", &Hyperv::reenlightenment, "notice of a changed TSC", implied)
            .field("tlbflush@state", &Hyperv::tlbflush, "TLB flushed by the hypervisor", implied)
            .field("ipi@state", &Hyperv::ipi, "interrupts between processors by the hypervisor", implied)
            .field("evmcs@state", &Hyperv::evmcs, "faster nested virtualization on Intel", implied)
            .field("avic@state", &Hyperv::avic, "use of the APIC's acceleration", implied);
    return table;
}

const Schema& KvmFeatures::schema() {
    static const Schema table =
        Describe<KvmFeatures>("kvm", "How KVM shows itself to the guest.")
            .field("hidden@state", &KvmFeatures::hidden, "whether it hides", implied)
            .field("hint-dedicated@state", &KvmFeatures::hint_dedicated, "processors are not shared", implied)
            .field("poll-control@state", &KvmFeatures::poll_control, "the guest may wait by itself before it halts",
                   implied)
            .field("pv-ipi@state", &KvmFeatures::pv_ipi, "interrupts between processors by the hypervisor", implied)
            .field("dirty-ring@state", &KvmFeatures::dirty_ring, "changed pages are told through a ring", implied)
            .field("dirty-ring@size", &KvmFeatures::dirty_ring_size, "entries of the ring, a power of two");
    return table;
}

const Schema& Features::schema() {
    static const Schema table =
        Describe<Features>("features", "What the machine offers the guest's kernel.")
            .flag("acpi", &Features::acpi, "ACPI: power button, hotplug")
            .flag("apic", &Features::apic, "APIC")
            .field("apic@eoi", &Features::apic_eoi, "whether end of interrupt is told through memory")
            .flag("pae", &Features::pae, "32-bit guests may address more than 4 GiB")
            .field("hap@state", &Features::hap, "paging by the hardware", implied)
            .flag("viridian", &Features::viridian, "Xen: interfaces of Hyper-V")
            .flag("privnet", &Features::privnet, "containers: network of its own")
            .field("hyperv", &Features::hyperv)
            .field("kvm", &Features::kvm)
            .field("pvspinlock@state", &Features::pvspinlock, "the guest tells when it spins", implied)
            .field("pmu@state", &Features::pmu, "performance counters", implied)
            .field("vmport@state", &Features::vmport, "VMware's I/O port, for its mouse", implied)
            .field("gic@version", &Features::gic_version, "interrupt controller of ARM machines")
            .flag("gic", &Features::gic, "interrupt controller of ARM machines")
            .field("smm@state", &Features::smm, "system management mode, which secure boot needs", implied)
            .scaled("smm/tseg", &Features::smm_tseg, "MiB", "MiB", "memory of the system management mode")
            .field("ioapic@driver", &Features::ioapic, "who emulates the I/O APIC")
            .field("vmcoreinfo@state", &Features::vmcoreinfo, "place for the guest to describe itself to a dump",
                   implied)
            .field("msrs@unknown", &Features::msrs_unknown, "what the guest gets for a register that is unknown")
            .scaled("tcg/tb-cache", &Features::tcg_tb_cache, "KiB", "KiB",
                    "cache of translated code when there is no KVM")
            .refuse("xen", "it belongs to Xen")
            .refuse("capabilities", "they belong to containers")
            .refuse("hpt", "it belongs to pSeries machines")
            .refuse("htm", "it belongs to pSeries machines")
            .refuse("nested-hv", "it belongs to pSeries machines")
            .refuse("ccf-assist", "it belongs to pSeries machines")
            .refuse("cfpc", "it belongs to pSeries machines")
            .refuse("sbbc", "it belongs to pSeries machines")
            .refuse("ibs", "it belongs to pSeries machines");
    return table;
}

} // namespace domus::model
