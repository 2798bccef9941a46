// Watching and leaving jobs.
#include "compute/memory/memory.hpp"

#include "compute/domain/errors.hpp"

#include <fmt/format.h>

namespace domus::compute {

JobStatistics job_statistics(const Domain& domain) {
    if (!domain.running()) domain.not_running();
    return domain.jobs().current ? domain.jobs().current->now() : JobStatistics{};
}

JobStatistics completed_job(Domain& domain, bool keep) {
    const auto result = domain.jobs().completed.value_or(JobStatistics{});
    if (!keep) domain.jobs().completed.reset();
    return result;
}

Task<> abort_job(DomainPtr domain) {
    const auto running = domain->require_running();
    const auto job = domain->jobs().current;
    if (!job) throw invalid_operation("no job is active on the domain");
    if (!can_be_aborted(job->now()))
        throw invalid_operation(job->operation == JobOperation::restore
                                    ? "cannot abort VM start; use virDomainDestroy instead"
                                    : "cannot abort a snapshot job")
            .hint(fmt::format("'domus destroy {}' ends it", domain->name()));
    job->transfer->cancel_wanted = true;
    co_await running->guest().cancel_transfer();
}

} // namespace domus::compute
