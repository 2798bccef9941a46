#include "service/jobs.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "base/number.hpp"
#include "compute/memory/memory.hpp"
#include "format/json.hpp"
#include "os/files.hpp"
#include "os/stored_files.hpp"
#include "service/audit.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace domus::service {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

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
constexpr std::uint64_t ids_at_once = 100; ///< that are reserved on disk
constexpr auto write_delay = 100ms;        ///< in which a short job has ended
constexpr auto file_timeout = 30s, end_timeout = 2s;
constexpr std::size_t largest_file = 1u << 20;
constexpr mode_t file_mode = 0600;

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

fs::path next_file(const fs::path& folder) { return folder / "next"; }
fs::path file_of(const fs::path& folder, std::uint64_t id) { return folder / fmt::format("{}.json", id); }

/// What is to be on disk.
struct Change {
    std::map<std::uint64_t, std::string> files; ///< by id; an empty text: none
    std::optional<std::uint64_t> next;          ///< from which id on none was given, where that has changed
};

/// Records are not synced one by one: a power cut may cost those of the last moments, as it may what they record.
void write(const fs::path& folder, const Change& change) {
    if (change.next) write_file_durably(next_file(folder), std::to_string(*change.next), file_mode);
    std::error_code ignored;
    for (const auto& [id, text] : change.files)
        if (text.empty())
            fs::remove(file_of(folder, id), ignored);
        else
            replace_file(file_of(folder, id), text, file_mode);
}

} // namespace

const format::Schema& JobView::schema() {
    static const format::Schema table =
        format::Describe<JobView>("job", "An operation that may take long.")
            .field("@id", &JobView::id, "never that of another job", format::required)
            .field("@operation", &JobView::operation, "what is done", format::required)
            .field("@objects", &JobView::objects, "with what")
            .field("@principal", &JobView::principal, "who asked for it")
            .field("@state", &JobView::state, "whether it runs, or how it ended", format::required)
            .field("@begun", &JobView::begun, "milliseconds since 1970 UTC")
            .field("@ended", &JobView::ended, "milliseconds since 1970 UTC")
            .field("@done", &JobView::done, "bytes")
            .field("@total", &JobView::total, "bytes; 0 where nobody knows")
            .field("@rate", &JobView::rate, "bytes per second")
            .field("@cancellable", &JobView::cancellable, "whether it can be cancelled now")
            .field("@code", &JobView::code, "libvirt's code of the error with which it ended")
            .field("@error", &JobView::error, "why it failed or was cancelled")
            .field("@hint", &JobView::hint, "what to do about that");
    return table;
}

JobRef ref_of(const Job& job) { return {job.view.id}; }
const ProgressPtr& progress_of(const Job& job) { return job.progress; }

Jobs::Jobs(Executor executor, fs::path folder, const compute::Domains* domains)
    : executor_(executor), folder_(std::move(folder)), domains_(domains), files_(executor, "the records of jobs", 1),
      ended_(executor), written_(executor) {}

// ---- over restarts ------------------------------------------------------------------------------------------------

Jobs::Loaded Jobs::read(const fs::path& folder) {
    ensure_directory_durably(folder, 0700);
    StoredFolder stored(folder, largest_file, ".json");
    boost::json::parse_options any_name;
    any_name.allow_invalid_utf8 = true; // objects are named as their owners like
    auto found = stored.load([any_name](const std::string&, const std::string& text) {
        return format::from_json<JobView>(boost::json::parse(text, {}, any_name));
    });
    Loaded loaded;
    for (const auto& complaint : stored.complaints()) loaded.complaints.push_back(complaint.text);
    for (auto& [name, view] : found) {
        loaded.next = std::max(loaded.next, view.id + 1);
        loaded.jobs.push_back(std::move(view));
    }
    if (fs::exists(next_file(folder))) {
        const auto next = parse_number<std::uint64_t>(read_file(next_file(folder), 32));
        loaded.next = std::max(loaded.next, next.value_or(0));
    }
    return loaded;
}

void Jobs::take(Loaded loaded) {
    for (const auto& complaint : loaded.complaints) log::warning("{}", complaint);
    next_ = loaded.next;
    for (auto& view : loaded.jobs) {
        const auto job = std::make_shared<Job>();
        job->view = std::move(view);
        jobs_[job->view.id] = job;
        if (!job->running()) continue;
        job->view.ended = now_ms();
        note_failure(job->view,
                     Error(ErrorCode::operation_failed, ErrorDomain::none, "the daemon ended before it did"));
        write_soon(job->view.id);
    }
    forget_old();
}

Task<> Jobs::load() {
    std::exception_ptr failure;
    try {
        auto work = [folder = folder_] { return read(folder); };
        auto loaded = co_await files_.run(Deadline::in(file_timeout), std::move(work));
        take(std::move(loaded));
        reserved_ = next_ + ids_at_once;
        co_await write_now(Deadline::in(file_timeout));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::warning("jobs of former daemons are not known: {}", describe(failure));
}

Task<> Jobs::finish() {
    const auto by = Deadline::in(end_timeout);
    while (writing_ && !by.expired()) (void)co_await written_.wait(by);
    reserved_ = next_;
    co_await try_to_write(by);
}

void Jobs::write_soon(std::uint64_t id) {
    unwritten_.insert(id);
    if (std::exchange(writing_, true)) return;
    spawn(executor_, write_changes(), "the records of jobs");
}

Task<> Jobs::write_changes() {
    while (!unwritten_.empty()) {
        co_await sleep_until(Deadline::in(write_delay));
        if (reserved_ < next_ + ids_at_once / 2) reserved_ = next_ + ids_at_once;
        co_await try_to_write(Deadline::in(file_timeout));
    }
    writing_ = false;
    written_.notify_all();
}

Task<> Jobs::try_to_write(Deadline by) {
    std::exception_ptr failure;
    try {
        co_await write_now(by);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::warning("records of jobs are not written: {}", describe(failure));
}

Task<> Jobs::write_now(Deadline by) {
    Change change;
    for (const auto id : std::exchange(unwritten_, {})) {
        const auto known = jobs_.find(id);
        change.files[id] =
            known == jobs_.end() ? std::string() : boost::json::serialize(format::to_json(known->second->view));
    }
    if (reserved_ != reserved_on_disk_) change.next = reserved_;
    const auto next = reserved_;
    auto work = [folder = folder_, change = std::move(change)] { write(folder, change); };
    co_await files_.run(by, std::move(work));
    reserved_on_disk_ = next;
}

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
        write_soon(view.id);
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
    write_soon(view.id);
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
    write_soon(job->view.id);
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
