// A domain: the whole definition of a virtual machine, as plain values. Read it with format::from_xml<Domain>, judge it
// with check(), write it with format::to_xml. Members that only a running domain has say "live".
#pragma once

#include "format/xml.hpp"
#include "model/clock.hpp"
#include "model/cpu.hpp"
#include "model/devices.hpp"
#include "model/features.hpp"
#include "model/os.hpp"
#include "model/tuning.hpp"

namespace domus::model {

enum class DomainType { qemu, kvm, xen, lxc, test, hvf, vmm };
enum class PowerAction { destroy, restart, preserve, rename_restart };
enum class CrashAction { destroy, restart, preserve, rename_restart, coredump_destroy, coredump_restart };
enum class LockFailureAction { poweroff, restart, pause, ignore };

struct QemuArgument {
    std::string value;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const QemuArgument&) const = default;
};

struct QemuVariable {
    std::string name;
    std::optional<std::string> value;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const QemuVariable&) const = default;
};

/// Arguments and environment that are handed to QEMU as they are.
struct QemuCommandline {
    std::vector<QemuArgument> arguments;
    std::vector<QemuVariable> environment;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const QemuCommandline&) const = default;
};

struct Domain {
    Domain(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Domain(const Domain&);
    Domain(Domain&&) noexcept;
    Domain& operator=(const Domain&);
    Domain& operator=(Domain&&) noexcept;
    ~Domain();

    DomainType type = DomainType::kvm;
    std::optional<int> id; ///< live
    std::string name;
    std::optional<Uuid> uuid; ///< always there once defined
    std::optional<Uuid> genid;
    std::optional<std::string> title, description;
    std::optional<std::string> metadata; ///< contents word for word
    std::optional<ByteCount> maximum_memory;
    std::optional<unsigned> memory_slots;
    ByteCount memory;
    std::optional<OnOff> dump_core;
    std::optional<ByteCount> current_memory;
    BlockIoTune blkiotune;
    MemoryTune memtune;
    MemoryBacking memory_backing;
    unsigned vcpu = 1; ///< at most
    std::optional<Placement> vcpu_placement;
    std::optional<std::string> vcpu_cpuset;
    std::optional<unsigned> vcpu_current;
    std::vector<Vcpu> vcpus;
    std::optional<unsigned> iothreads;
    std::vector<IoThread> iothread_ids;
    CpuTune cputune;
    NumaTune numatune;
    std::optional<std::string> partition; ///< cgroup: live unless the user chose it
    std::vector<Sysinfo> sysinfo;
    Os os;
    Features features;
    Cpu cpu;
    Clock clock;
    PowerAction on_poweroff = PowerAction::destroy;
    PowerAction on_reboot = PowerAction::restart;
    CrashAction on_crash = CrashAction::destroy;
    std::optional<LockFailureAction> on_lockfailure;
    std::optional<bool> suspend_to_mem, suspend_to_disk;
    std::vector<PerfEvent> perf;
    Devices devices;
    std::vector<Seclabel> seclabels;
    QemuCommandline qemu;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Domain&) const;
};

/// Rules over several fields (limits, duplicates, addresses, names); adds each breach with its line and what to do.
void check(const Domain& domain, format::Findings& findings);

/// Takes away what a start added and a definition does not have: id, aliases (but the user's own, "ua-..."), chosen
/// ports and device names, paths of terminals and sockets. What it leaves, write with WriteOptions{.live = false}.
void strip_live(Domain& domain);

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::DomainType> = word_list("qemu", "kvm", "xen", "lxc", "test", "hvf", "vmm");
template <>
inline constexpr auto words<model::PowerAction> = word_list("destroy", "restart", "preserve", "rename-restart");
template <>
inline constexpr auto words<model::CrashAction> =
    word_list("destroy", "restart", "preserve", "rename-restart", "coredump-destroy", "coredump-restart");
template <> inline constexpr auto words<model::LockFailureAction> = word_list("poweroff", "restart", "pause", "ignore");
} // namespace domus::format
