// Jobs: operations that may take long, each with an id under which it can be watched, waited for and cancelled, whoever
// started it. The door makes one for each call of a row with Effect::job. Those that have ended are kept for a week, and
// at most 1,000, also over restarts of the daemon (job_records.hpp); no operation fails because that cannot be written.
#pragma once

#include "async/progress.hpp"
#include "async/signal.hpp"
#include "compute/domain/domains.hpp"
#include "service/caller.hpp"
#include "service/flags.hpp"
#include "service/job_records.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace domus::service {

struct Job;
using JobPtr = std::shared_ptr<Job>;
JobRef ref_of(const Job& job);
const ProgressPtr& progress_of(const Job& job);

class Jobs {
public:
    /// `domains`: whose jobs are shown as they are; null: there are none.
    Jobs(Executor executor, std::filesystem::path folder, const compute::Domains* domains);
    Jobs(const Jobs&) = delete;
    Jobs& operator=(const Jobs&) = delete;

    /// Reads what former daemons kept. Jobs that ran when one ended have failed. Does not throw.
    Task<> load();
    /// Writes what is not written yet, for at most 2 s.
    Task<> finish();

    // ---- for the door ---------------------------------------------------------------------------------------------
    /// `object`: what it is about first. `cancellable`: it checks its progress.
    JobPtr begin(const Row& row, const Caller& caller, std::string objects, const std::optional<Object>& object,
                 bool cancellable);
    /// `failure`: null if it is completed.
    void end(const JobPtr& job, std::string objects, const std::exception_ptr& failure);
    const Executor& executor() const { return executor_; }

    // ---- for clients ----------------------------------------------------------------------------------------------
    /// By id.
    std::vector<JobView> list(Flags<JobListFlag> flags);
    /// Throws invalid_arg if there is none.
    JobView get(JobRef ref) const;
    /// Asks it to end; returns before it has. Throws operation_invalid for one that has ended or cannot be cancelled.
    Task<> cancel(JobRef ref);
    /// As it is when it has ended, or at the deadline.
    Task<JobView> wait(JobRef ref, Deadline by);

private:
    void take(std::vector<JobView> views);
    JobPtr find(JobRef ref) const;
    bool has_turn(const Job& job) const;
    compute::JobStatistics domain_job(const Job& job) const;
    JobView view(const Job& job) const;
    void forget_old();
    void record(const JobView& view) { records_->put(view, next_); }

    Executor executor_;
    const compute::Domains* domains_;
    std::shared_ptr<JobRecords> records_;
    std::map<std::uint64_t, JobPtr> jobs_;
    std::uint64_t next_ = 1; ///< id of the next job
    Notice ended_;
};

class JobOperations {
public:
    explicit JobOperations(Jobs& jobs) : jobs_(jobs) {}

    std::vector<JobView> list(Flags<JobListFlag> flags) { return jobs_.list(flags); }
    JobView get(const JobRef& ref) const { return jobs_.get(ref); }
    Task<> cancel(JobRef ref) { return jobs_.cancel(ref); }
    /// Returns when it has ended, and after so many seconds as it is then.
    Task<JobView> wait(JobRef ref, unsigned timeout) {
        return jobs_.wait(ref, Deadline::in(std::chrono::seconds(timeout)));
    }

private:
    Jobs& jobs_;
};

} // namespace domus::service
