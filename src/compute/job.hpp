// A job that clients can watch and abort while it has its turn in the domain's queue: saving, restoring. The numbers
// are libvirt's (virDomainJobType, virDomainJobOperation), the figures those of QEMU's query-migrate.
#pragma once

#include "async/task.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace domus::compute {

enum class JobType : int { none, bounded, unbounded, completed, failed, cancelled };
enum class JobOperation : int {
    unknown,
    start,
    save,
    restore,
    migration_in,
    migration_out,
    snapshot,
    snapshot_revert,
    dump,
    backup,
    snapshot_delete
};

struct JobStatistics {
    JobType type = JobType::none;
    JobOperation operation = JobOperation::unknown;
    std::chrono::milliseconds elapsed{};
    std::uint64_t total = 0, processed = 0, remaining = 0; ///< bytes of memory
    std::uint64_t bytes_per_second = 0;
    std::uint64_t constant = 0, normal = 0, normal_bytes = 0;   ///< pages of one byte repeated, others, and their size
    std::uint64_t dirty_rate = 0, iteration = 0, page_size = 0; ///< pages a second, passes over memory, bytes
    std::optional<std::uint64_t> downtime, setup_time;          ///< ms
    std::string error;                                          ///< why it failed
};

/// While it runs.
struct Job {
    explicit Job(JobOperation operation) {
        figures.type = JobType::unbounded;
        figures.operation = operation;
    }
    JobStatistics now() const {
        auto result = figures;
        result.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
        return result;
    }
    JobStatistics figures;
    Clock::time_point begin = Clock::now();
    bool abort_wanted = false;
};

} // namespace domus::compute
