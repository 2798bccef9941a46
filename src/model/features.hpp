// What the machine offers the guest's kernel: ACPI, APIC, Hyper-V's and KVM's interfaces, SMM and so on.
#pragma once

#include "model/common.hpp"

namespace domus::model {

enum class HypervMode { custom, passthrough };
enum class IoapicDriver { qemu, kvm };
enum class GicVersion { v2, v3, host };
enum class MsrsUnknown { ignore, fault };

/// An interface of Hyper-V is on, off, or left to the mode.
struct Hyperv {
    std::optional<HypervMode> mode;
    std::optional<OnOff> relaxed, vapic, spinlocks;
    std::optional<unsigned> spinlocks_retries;
    std::optional<OnOff> vpindex, runtime, synic, stimer, stimer_direct, reset, vendor_id;
    std::optional<std::string> vendor_id_value;
    std::optional<OnOff> frequencies, reenlightenment, tlbflush, ipi, evmcs, avic;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Hyperv&) const = default;
};

struct KvmFeatures {
    std::optional<OnOff> hidden, hint_dedicated, poll_control, pv_ipi, dirty_ring;
    std::optional<unsigned> dirty_ring_size;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const KvmFeatures&) const = default;
};

struct Features {
    bool pae = false, acpi = false, apic = false;
    std::optional<OnOff> apic_eoi;
    std::optional<OnOff> hap;
    bool viridian = false, privnet = false;
    Hyperv hyperv;
    KvmFeatures kvm;
    std::optional<OnOff> pvspinlock, pmu, vmport;
    std::optional<IoapicDriver> ioapic;
    std::optional<OnOff> smm;
    std::optional<ByteCount> smm_tseg;
    bool gic = false;
    std::optional<GicVersion> gic_version;
    std::optional<OnOff> vmcoreinfo;
    std::optional<MsrsUnknown> msrs_unknown;
    std::optional<ByteCount> tcg_tb_cache;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Features&) const = default;
};

} // namespace domus::model

namespace domus::format {
template <> inline constexpr auto words<model::HypervMode> = word_list("custom", "passthrough");
template <> inline constexpr auto words<model::IoapicDriver> = word_list("qemu", "kvm");
template <> inline constexpr auto words<model::GicVersion> = word_list("2", "3", "host");
template <> inline constexpr auto words<model::MsrsUnknown> = word_list("ignore", "fault");
} // namespace domus::format
