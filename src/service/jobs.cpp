#include "service/jobs.hpp"

#include "base/log.hpp"
#include "compute/memory/memory.hpp"
#include "service/audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace domus::service {

/// What is known of a job: its view without what changes while it runs, and where that is.
struct Job {
    JobView view;
    ProgressPtr progress = std::make_shared<Progress>();
    Clock::time_point since = Clock::now();
    std::optional<compute::DomainRef> domain{}; ///< of which it is a job, as libvirt's clients see it

    bool running() const { return view.state == JobState::running; }
};

namespace {

constexpr std::size_t most_ended = 1000;
constexpr auto kept = std::chrono::milliseconds(std::chrono::days(7));

std::uint64_t now_ms() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

std::uint64_t rate_of(std::uint64_t bytes, std::uint64_t milliseconds) {
    return bytes / std::max<std::uint64_t>(milliseconds, 1) * 1000;
}

void note_failure(JobView& view, const Error& error) {
    view.state = error.code() == ErrorCode::operation_aborted ? JobState::cancelled : JobState::failed;
    view.code = static_cast<int>(error.code());
    view.error = error.message();
    for (const auto& cause : error.causes()) *view.error += ": " + cause;
    if (!error.hint().empty()) view.hint = error.hint();
}

} // namespace

JobRef ref_of(const Job& job) { return {job.view.id}; }
const ProgressPtr& progress_of(const Job& job) { return job.progress; }

Jobs::Jobs(Executor executor, std::filesystem::path folder, const compute::Domains* domains)
    : executor_(executor), domains_(domains), records_(std::make_shared<JobRecords>(executor, std::move(folder))),
      ended_(executor) {}

// ---- over restarts ------------------------------------------------------------------------------------------------

void Jobs::take(std::vector<JobView> views) {
    for (auto& view : views) {
        const auto job = std::make_shared<Job>();
        job->view = std::move(view);
        jobs_[job->view.id] = job;
        if (!job->running()) continue;
        job->view.ended = now_ms();
        note_failure(job->view,
                     Error(ErrorCode::operation_failed, ErrorDomain::none, "the daemon ended before it did"));
        record(job->view);
    }
    forget_old();
}

Task<> Jobs::load() {
    std::exception_ptr failure;
    try {
        auto loaded = co_await records_->load();
        for (const auto& complaint : loaded.complaints) log::warning("{}", complaint);
        next_ = loaded.next;
        take(std::move(loaded.jobs));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::warning("jobs of former daemons are not known: {}", describe(failure));
}

Task<> Jobs::finish() { co_await records_->finish(next_); }

void Jobs::forget_old() {
    const auto now = now_ms();
    const auto oldest = now - std::min<std::uint64_t>(now, kept.count());
    auto ended = static_cast<std::size_t>(
        std::ranges::count_if(jobs_ | std::views::values, [](const JobPtr& job) { return !job->running(); }));
    for (auto entry = jobs_.begin(); entry != jobs_.end();) {
        const auto& view = entry->second->view;
        if (!view.ended || (*view.ended >= oldest && ended <= most_ended)) {
            ++entry;
            continue;
        }
        --ended;
        records_->remove(view.id, next_);
        entry = jobs_.erase(entry);
    }
}

// ---- the door's ---------------------------------------------------------------------------------------------------

JobPtr Jobs::begin(const Row& row, const Caller& caller, std::string objects, const std::optional<Object>& object,
                   bool cancellable) {
    const auto job = std::make_shared<Job>();
    auto& view = job->view;
    view.id = next_++;
    view.operation = row.name;
    view.objects = std::move(objects);
    view.principal = principal_of(caller);
    view.begun = now_ms();
    view.cancellable = cancellable;
    if (object && object->kind == "domain") job->domain = compute::DomainRef{object->name, object->uuid, -1};
    jobs_[view.id] = job;
    record(view);
    return job;
}

void Jobs::end(const JobPtr& job, std::string objects, const std::exception_ptr& failure) {
    auto last = view(*job);
    last.objects = std::move(objects);
    last.state = JobState::completed;
    last.ended = now_ms();
    last.done = job->progress->done();
    last.total = job->progress->total();
    last.rate = rate_of(last.done, *last.ended - std::min(last.begun, *last.ended));
    last.cancellable = false;
    if (failure) note_failure(last, error_of(failure));
    job->view = std::move(last);
    forget_old();
    record(job->view);
    ended_.notify_all();
}

// ---- clients' -----------------------------------------------------------------------------------------------------

JobPtr Jobs::find(JobRef ref) const {
    const auto known = jobs_.find(ref.id);
    if (known != jobs_.end()) return known->second;
    throw Error(ErrorCode::invalid_arg, ErrorDomain::none, fmt::format("invalid argument: there is no job {}", ref.id))
        .hint("'domus job-list --all' lists the jobs of the last 7 days");
}

/// A domain has one job at a time, in the order in which they came.
bool Jobs::has_turn(const Job& job) const {
    for (const auto& other : jobs_ | std::views::values)
        if (other->running() && other->domain && other->domain->uuid == job.domain->uuid) return other.get() == &job;
    return false;
}

/// As virDomainGetJobStats reports it; type none if its turn has not come, or if the domain has gone.
compute::JobStatistics Jobs::domain_job(const Job& job) const {
    try {
        if (domains_ && has_turn(job))
            return compute::job_statistics(*domains_->get(job.domain->uuid, job.domain->name));
    } catch (const Error&) {
        // it does not run any more
    }
    return {};
}

JobView Jobs::view(const Job& job) const {
    auto view = job.view;
    if (!job.running()) return view;
    if (job.domain) {
        const auto statistics = domain_job(job);
        view.done = statistics.processed;
        view.total = statistics.total;
        view.rate = statistics.bytes_per_second;
        view.cancellable = compute::can_be_aborted(statistics);
        return view;
    }
    view.cancellable = view.cancellable && job.progress->can_be_cancelled();
    view.done = job.progress->done();
    view.total = job.progress->total();
    const auto taken = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - job.since);
    view.rate = rate_of(view.done, static_cast<std::uint64_t>(taken.count()));
    return view;
}

std::vector<JobView> Jobs::list(Flags<JobListFlag> flags) {
    forget_old();
    const bool all = flags.bits() == 0;
    std::vector<JobView> views;
    for (const auto& job : jobs_ | std::views::values)
        if (all || flags.has(job->running() ? JobListFlag::running : JobListFlag::ended)) views.push_back(view(*job));
    return views;
}

JobView Jobs::get(JobRef ref) const { return view(*find(ref)); }

Task<> Jobs::cancel(JobRef ref) {
    const auto job = find(ref);
    const auto invalid = [&](std::string_view what) {
        return Error(
            ErrorCode::operation_invalid, ErrorDomain::none,
            fmt::format("Requested operation is not valid: job {} ({}) {}", ref.id, job->view.operation, what));
    };
    if (!job->running()) throw invalid(fmt::format("has ended: it is {}", format::word(job->view.state)));
    const bool waits = job->domain && !has_turn(*job);
    if (waits) throw invalid("waits for another job of its domain").hint("cancel that one: 'domus job-list' lists it");
    if (job->domain && domains_) {
        const auto domain = domains_->get(job->domain->uuid, job->domain->name);
        co_await compute::abort_job(domain);
        co_return;
    }
    if (!job->view.cancellable)
        throw invalid("cannot be cancelled")
            .hint(fmt::format("it ends by itself: 'domus job-wait {}' waits for that", ref.id));
    if (!job->progress->can_be_cancelled())
        throw invalid("runs a program that must not be interrupted")
            .hint(fmt::format("try again, or wait for its end with 'domus job-wait {}'", ref.id));
    job->progress->cancel();
}

Task<JobView> Jobs::wait(JobRef ref, Deadline by) {
    const auto job = find(ref);
    while (job->running() && !by.expired()) (void)co_await ended_.wait(by);
    co_return view(*job);
}

} // namespace domus::service
