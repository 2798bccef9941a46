// A job that clients can watch and abort while it has its turn in the domain's queue: saving, restoring. The numbers
// are libvirt's (virDomainJobType, virDomainJobOperation), the statistics those of the transfer of its memory.
#pragma once

#include "async/task.hpp"
#include "engine/machine.hpp"

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

struct JobStatistics : engine::TransferStatistics {
    JobType type = JobType::none;
    JobOperation operation = JobOperation::unknown;
    std::chrono::milliseconds elapsed{};
    std::string error; ///< why it failed
};

/// While it runs.
struct Job {
    explicit Job(JobOperation which) : operation(which) {}
    JobStatistics now() const {
        JobStatistics result;
        static_cast<engine::TransferStatistics&>(result) = transfer->statistics;
        result.type = JobType::unbounded;
        result.operation = operation;
        result.elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
        return result;
    }
    JobOperation operation;
    std::shared_ptr<engine::Transfer> transfer = std::make_shared<engine::Transfer>();
    Clock::time_point begin = Clock::now();
};

} // namespace domus::compute
