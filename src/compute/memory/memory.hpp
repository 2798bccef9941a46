// Saving a domain's memory into a file and going on from it; the jobs that clients can watch. One job each.
#pragma once

#include "compute/domain/domain.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace domus::compute {

enum class StateAfterRestore { as_it_was, running, paused };

struct SaveRequest {
    std::filesystem::path file; ///< empty: where the daemon keeps it for the next start
    std::optional<std::string> xml;
    StateAfterRestore state = StateAfterRestore::as_it_was;
    bool bypass_cache = false;
    Credentials caller;
    bool managed() const { return file.empty(); }
};

/// Writes its memory into a file and ends it. On failure it goes on as before.
Task<> save(DomainPtr domain, SaveRequest request);
/// Forgets the memory that the next start would go on from. Throws system_error (ENOENT) if there is none.
Task<> remove_managed_save(DomainPtr domain);
/// Where it is kept, or would be.
std::filesystem::path managed_save_file(const Domain& domain);

/// Throws operation_invalid if no job is under way, or one that cannot be left.
Task<> abort_job(DomainPtr domain);
/// Of the job that runs: type none if none does. Throws operation_invalid while the domain does not run.
JobStatistics job_statistics(const Domain& domain);
/// Whether abort_job() ends it.
inline bool can_be_aborted(const JobStatistics& job) {
    return job.type == JobType::unbounded && job.operation == JobOperation::save;
}
/// Of the last one that has ended; forgotten by that unless `keep`.
JobStatistics completed_job(Domain& domain, bool keep);

} // namespace domus::compute
