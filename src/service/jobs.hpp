// Jobs: operations that may take long, each with an id under which it can be watched, waited for and cancelled, whoever
// started it. The door makes one for each call of a row with Effect::job. Those that have ended are kept for a week, and
// at most 1,000, also over restarts of the daemon: a JSON file each, which follows what happens within moments. What
// cannot be written is a line in the log; no operation fails because of it.
#pragma once

#include "async/lane.hpp"
#include "async/progress.hpp"
#include "async/signal.hpp"
#include "compute/domain/domains.hpp"
#include "service/caller.hpp"
#include "service/flags.hpp"
#include "service/objects.hpp"
#include "service/operation.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace domus::service {

enum class JobState { running, completed, failed, cancelled };
/// Which jobs are listed; none of them: all.
enum class JobListFlag { running, ended };

/// A job as readers see it. Times are milliseconds since 1970 UTC.
struct JobView {
    std::uint64_t id = 0;
    std::string operation; ///< "volume.clone"
    std::string objects;   ///< "pool 'default', volume 'default/a.qcow2'", as in the audit
    std::string principal; ///< who asked for it, as in the audit
    JobState state = JobState::running;
    std::uint64_t begun = 0;
    std::optional<std::uint64_t> ended;
    std::uint64_t done = 0, total = 0; ///< bytes; total 0: nobody knows
    std::uint64_t rate = 0;            ///< bytes per second since it began; of a domain's job, now
    bool cancellable = false;
    std::optional<int> code; ///< libvirt's, of a job that failed or was cancelled
    std::optional<std::string> error, hint;

    static const format::Schema& schema();
    bool operator==(const JobView&) const = default;
};
inline Object object_of(const JobView& view) { return object_of(JobRef{view.id}); }

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
    struct Loaded {
        std::vector<JobView> jobs;
        std::uint64_t next = 1;
        std::vector<std::string> complaints;
    };
    static Loaded read(const std::filesystem::path& folder);
    void take(Loaded loaded);
    JobPtr find(JobRef ref) const;
    bool has_turn(const Job& job) const;
    compute::JobStatistics domain_job(const Job& job) const;
    JobView view(const Job& job) const;
    void forget_old();
    void write_soon(std::uint64_t id);
    Task<> write_changes();
    Task<> write_now(Deadline by);
    /// A failure is a line in the log.
    Task<> try_to_write(Deadline by);

    Executor executor_;
    std::filesystem::path folder_;
    const compute::Domains* domains_;
    Lane files_;
    std::map<std::uint64_t, JobPtr> jobs_;
    std::uint64_t next_ = 1;     ///< id of the next job
    std::uint64_t reserved_ = 1; ///< a later daemon begins here
    std::uint64_t reserved_on_disk_ = 0;
    std::set<std::uint64_t> unwritten_;
    bool writing_ = false;
    Notice ended_, written_;
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

namespace domus::format {

template <> inline constexpr auto words<service::JobState> = word_list("running", "completed", "failed", "cancelled");
template <> inline constexpr auto words<service::JobListFlag> = word_list("running", "ended");

} // namespace domus::format
