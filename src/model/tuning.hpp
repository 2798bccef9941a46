// How much of the host the guest gets: memory's kind and limits, processors' pinning and shares, NUMA placement.
#pragma once

#include "model/common.hpp"

namespace domus::model {

enum class Placement { static_, auto_ };
enum class MemorySource { file, anonymous, memfd };
enum class Allocation { immediate, ondemand };
enum class NumaMode { strict, preferred, interleave, restrictive };
enum class Scheduler { batch, idle, fifo, rr };

struct HugePage {
    ByteCount size;
    std::optional<std::string> nodeset;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const HugePage&) const = default;
};

struct MemoryBacking {
    bool hugepages = false;
    std::vector<HugePage> pages; ///< of the hugepages; none: the host's default size
    bool nosharepages = false, locked = false;
    std::optional<MemorySource> source;
    std::optional<MemoryAccess> access;
    std::optional<Allocation> allocation;
    std::optional<unsigned> allocation_threads;
    bool discard = false;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const MemoryBacking&) const = default;
};

struct MemoryTune {
    std::optional<ByteCount> hard_limit, soft_limit, min_guarantee, swap_hard_limit;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const MemoryTune&) const = default;
};

struct BlockIoDevice {
    std::string path;
    std::optional<unsigned> weight;
    std::optional<std::uint64_t> read_iops_sec, write_iops_sec, read_bytes_sec, write_bytes_sec;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const BlockIoDevice&) const = default;
};

struct BlockIoTune {
    std::optional<unsigned> weight;
    std::vector<BlockIoDevice> devices;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const BlockIoTune&) const = default;
};

struct Vcpu {
    unsigned id = 0;
    bool enabled = true;
    std::optional<bool> hotpluggable;
    std::optional<unsigned> order;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Vcpu&) const = default;
};

struct IoThread {
    unsigned id = 1;
    std::optional<unsigned> thread_pool_min, thread_pool_max;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const IoThread&) const = default;
};

struct VcpuPin {
    unsigned vcpu = 0;
    std::string cpuset; ///< "0-3,^2"
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const VcpuPin&) const = default;
};

struct IoThreadPin {
    unsigned iothread = 1;
    std::string cpuset;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const IoThreadPin&) const = default;
};

/// Scheduling of some threads: `vcpus` or `iothreads` names them, the emulator's has neither.
struct ThreadSchedule {
    std::optional<std::string> vcpus, iothreads;
    Scheduler scheduler = Scheduler::batch;
    std::optional<int> priority; ///< fifo, rr
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const ThreadSchedule&) const = default;
};

/// Periods and quotas in microseconds.
struct CpuTune {
    std::optional<std::uint64_t> shares;
    std::optional<std::uint64_t> period;
    std::optional<std::int64_t> quota;
    std::optional<std::uint64_t> global_period;
    std::optional<std::int64_t> global_quota;
    std::optional<std::uint64_t> emulator_period;
    std::optional<std::int64_t> emulator_quota;
    std::optional<std::uint64_t> iothread_period;
    std::optional<std::int64_t> iothread_quota;
    std::vector<VcpuPin> vcpu_pins;
    std::optional<std::string> emulator_pin;
    std::vector<IoThreadPin> iothread_pins;
    std::vector<ThreadSchedule> vcpu_schedules, iothread_schedules;
    std::optional<ThreadSchedule> emulator_schedule;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const CpuTune&) const = default;
};

struct NumaMemoryNode {
    unsigned cellid = 0;
    NumaMode mode = NumaMode::strict;
    std::string nodeset;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const NumaMemoryNode&) const = default;
};

struct NumaTune {
    std::optional<NumaMode> mode;
    std::optional<std::string> nodeset;
    std::optional<Placement> placement;
    std::vector<NumaMemoryNode> nodes;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const NumaTune&) const = default;
};

struct PerfEvent {
    std::string name;
    bool enabled = true;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const PerfEvent&) const = default;
};

} // namespace domus::model

namespace domus::format {
template <> inline constexpr auto words<model::Placement> = word_list("static", "auto");
template <> inline constexpr auto words<model::MemorySource> = word_list("file", "anonymous", "memfd");
template <> inline constexpr auto words<model::Allocation> = word_list("immediate", "ondemand");
template <>
inline constexpr auto words<model::NumaMode> = word_list("strict", "preferred", "interleave", "restrictive");
template <> inline constexpr auto words<model::Scheduler> = word_list("batch", "idle", "fifo", "rr");
} // namespace domus::format
