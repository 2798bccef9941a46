// Statistics that only the machine has.
#pragma once

#include "async/task.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace domus::engine {

/// Of one disk since the machine was made.
struct DiskStatistics {
    std::uint64_t reads = 0, read_bytes = 0, read_ns = 0;
    std::uint64_t writes = 0, written_bytes = 0, write_ns = 0;
    std::uint64_t flushes = 0, flush_ns = 0;
    std::optional<std::uint64_t> highest_offset; ///< up to which its file or device was written; none: nowhere yet

    bool operator==(const DiskStatistics&) const = default;
};

/// What the guest's driver of the balloon last said; bytes but for the faults and huge pages.
struct GuestMemoryStatistics {
    std::optional<std::uint64_t> swap_in, swap_out, major_faults, minor_faults, unused, available, usable, disk_caches,
        hugetlb_pgalloc, hugetlb_pgfail;
    std::uint64_t last_update = 0; ///< seconds since 1970; 0: never

    bool operator==(const GuestMemoryStatistics&) const = default;
};

struct MachineStatistics {
    Clock::time_point at;                        ///< when it was asked
    std::map<std::string, DiskStatistics> disks; ///< by alias
    std::optional<std::uint64_t> balloon;        ///< bytes that the balloon leaves the guest
    std::optional<GuestMemoryStatistics> memory; ///< none: it has no balloon
};

/// Of a transfer of the machine's state.
struct TransferStatistics {
    std::uint64_t total = 0, processed = 0, remaining = 0; ///< bytes of memory
    std::uint64_t bytes_per_second = 0;
    std::uint64_t constant = 0, normal = 0, normal_bytes = 0;   ///< pages of one byte repeated, others, and their size
    std::uint64_t dirty_rate = 0, iteration = 0, page_size = 0; ///< pages a second, passes over memory, bytes
    std::optional<std::uint64_t> downtime, setup_time;          ///< ms
};

} // namespace domus::engine
