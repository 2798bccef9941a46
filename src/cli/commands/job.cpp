// Jobs of the daemon: those that run and those that have ended.
#include "cli/commands/commands.hpp"
#include "cli/objects.hpp"
#include "cli/progress.hpp"
#include "cli/sizes.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <limits>

namespace domus::cli {

namespace {

using wire::DomusJob;
using wire::DomusProcedure;

enum State : int { running, completed };
constexpr std::string_view state_words[]{"running", "completed", "failed", "cancelled"};

/// What a call of the program for jobs throws is told behind `line`, and that a daemon has no such program.
template <class Ask> decltype(auto) asking(std::string line, Ask&& ask) {
    try {
        return std::forward<Ask>(ask)();
    } catch (const Error& error) {
        Failure failure(std::move(line), error);
        if (error.code() != ErrorCode::rpc || !error.message().starts_with("Cannot find program")) throw failure;
        throw std::move(failure).hint("this daemon is libvirtd or an older domusd, which have no list of jobs; "
                                      "'domus domjobinfo DOMAIN' shows the job of a domain");
    }
}

std::uint64_t job_id(Call& call) { return call.args.natural("job").value_or(0); }

DomusJob get(Call& call, std::uint64_t id) {
    return asking(fmt::format("Failed to get job {}", id),
                  [&] { return call.server().call<DomusProcedure::job_get>({.id = id}).job; });
}

/// Of all the work, from 0 to 1; nothing where nobody knows.
std::optional<double> part_done(const DomusJob& job) {
    if (job.total == 0) return std::nullopt;
    return static_cast<double>(std::min(job.done, job.total)) / static_cast<double>(job.total);
}

std::string progress_text(const DomusJob& job) {
    if (const auto part = part_done(job)) return fmt::format("{:.0f} %", *part * 100);
    return job.done > 0 ? pretty_size(job.done) : "-";
}

std::string rate_text(const DomusJob& job) { return job.rate > 0 ? pretty_size(job.rate) + "/s" : "-"; }

std::string time_text(std::uint64_t milliseconds) {
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(static_cast<std::time_t>(milliseconds / 1000)));
}

boost::json::object to_json(const DomusJob& job) {
    boost::json::object object{{"id", job.id},
                               {"operation", job.operation},
                               {"objects", job.objects},
                               {"principal", job.principal},
                               {"state", word_of(state_words, job.state)},
                               {"begun", job.begun},
                               {"done", job.done},
                               {"total", job.total},
                               {"rate", job.rate},
                               {"cancellable", job.cancellable != 0}};
    if (job.ended) object["ended"] = job.ended;
    if (job.code) object["code"] = job.code;
    if (job.error) object["error"] = *job.error;
    if (job.hint) object["hint"] = *job.hint;
    return object;
}

void list(Call& call) {
    constexpr std::uint32_t only_running = 1;
    const std::uint32_t flags = call.args.flag("all") ? 0 : only_running;
    const auto jobs = asking("Failed to list jobs",
                             [&] { return call.server().call<DomusProcedure::job_list>({.flags = flags}).jobs; });
    Table table{.columns = {{"Id", "id"},
                            {"Operation", "operation"},
                            {"State", "state"},
                            {"Progress", "progress"},
                            {"Rate", "rate"},
                            {"Objects", "objects"}},
                .rows = {}};
    boost::json::array all;
    for (const auto& job : jobs) {
        table.rows.push_back({std::to_string(job.id), job.operation, std::string(word_of(state_words, job.state)),
                              progress_text(job), rate_text(job), job.objects});
        all.push_back(to_json(job));
    }
    if (call.out.json())
        call.out.result(std::move(all));
    else
        call.out.table(table);
}

void print(Call& call, const DomusJob& job) {
    if (call.out.json()) return call.out.result(to_json(job));
    std::vector<Field> fields{{"Id:", "id", std::to_string(job.id)},
                              {"Operation:", "operation", job.operation},
                              {"Objects:", "objects", job.objects},
                              {"User:", "principal", job.principal},
                              {"State:", "state", std::string(word_of(state_words, job.state))},
                              {"Begun:", "begun", time_text(job.begun)}};
    if (job.ended) fields.push_back({"Ended:", "ended", time_text(job.ended)});
    fields.push_back({"Progress:", "progress", progress_text(job)});
    fields.push_back({"Done:", "done", pretty_size(job.done)});
    if (job.total) fields.push_back({"Total:", "total", pretty_size(job.total)});
    fields.push_back({"Rate:", "rate", rate_text(job)});
    fields.push_back({"Cancellable:", "cancellable", yes_no(job.cancellable)});
    if (job.error) fields.push_back({"Error:", "error", *job.error});
    if (job.hint) fields.push_back({"Hint:", "hint", *job.hint});
    call.out.fields(fields);
}

void show(Call& call) { print(call, get(call, job_id(call))); }

void cancel(Call& call) {
    const auto id = job_id(call);
    asking(fmt::format("Failed to cancel job {}", id),
           [&] { call.server().call<DomusProcedure::job_cancel>({.id = id}); });
    call.out.done({{"job", id}}, "Job {} is asked to end", id);
}

/// The job when it has ended, or when the time is over.
DomusJob watch(Call& call, std::uint64_t id, std::optional<std::uint64_t> seconds) {
    constexpr std::uint64_t longest_call = 3600;
    const auto line = fmt::format("Failed to wait for job {}", id);
    ProgressBar bar(call.out, fmt::format("Job {}", id));
    const auto look = [&] {
        const auto job = call.server().call<DomusProcedure::job_get>({.id = id}).job;
        bar.expect(job.total);
        if (const auto part = part_done(job))
            bar.show(*part);
        else
            bar.show_bytes(job.done);
    };
    for (auto left = seconds.value_or(std::numeric_limits<std::uint64_t>::max());;) {
        const auto now = std::min(left, longest_call);
        const wire::DomusJobWaitArgs args{.id = id, .timeout = static_cast<std::uint32_t>(now)};
        auto job = asking(line, [&] {
            if (!bar.wanted()) return call.server().call<DomusProcedure::job_wait>(args).job;
            return call.server()
                .call_watched<DomusProcedure::job_wait>(
                    args, ProgressBar::pace, [] { return false; }, look)
                .job;
        });
        left -= now;
        if (job.state != running || left == 0) return job;
    }
}

void wait(Call& call) {
    const auto id = job_id(call);
    const auto seconds = call.args.natural("timeout");
    const auto job = watch(call, id, seconds);
    if (job.state == running)
        throw Failure(fmt::format("Job {} did not end within {} s", id, seconds.value_or(0)),
                      Error(ErrorCode::operation_timeout, ErrorDomain::none, "Timed out during operation"))
            .hint(fmt::format("'domus job-show {}' tells how far it is", id));
    if (job.state != completed)
        throw Failure(fmt::format("Job {} ({}) {}", id, job.operation,
                                  job.state == 2 ? std::string("failed") : std::string("was cancelled")),
                      Error(static_cast<ErrorCode>(job.code), ErrorDomain::none, job.error.value_or("")))
            .hint(job.hint.value_or(""));
    call.out.extra("Job {} ({}) completed\n", id, job.operation);
    if (call.out.json()) call.out.result(to_json(job));
}

Option the_job() {
    auto option = required(number("job", "id of the job"));
    option.complete = Complete::job;
    return option;
}

} // namespace

std::vector<Command> job_commands() {
    std::vector<Command> all{
        {.name = "job-list",
         .summary = "list jobs",
         .about =
             "A job is an operation that may take long: cloning, wiping, resizing or creating a volume, building a "
             "pool, saving a domain, making a snapshot. Who started it need not wait for it. Jobs that have ended are "
             "kept for 7 days.",
         .options = {flag("all", "list jobs that have ended too")},
         .run = list},
        {.name = "job-show", .summary = "show how far a job is, or how it ended", .options = {the_job()}, .run = show},
        {.name = "job-cancel",
         .summary = "cancel a job",
         .about =
             "Returns at once; 'domus job-wait' waits until the job has ended. A volume in the making is removed, one "
             "that is made larger stays as it was, one that is wiped is overwritten in part. To cancel a domain's job "
             "is the same as 'domus domjobabort'.",
         .options = {the_job()},
         .run = cancel},
        {.name = "job-wait",
         .summary = "wait until a job has ended",
         .about =
             "The exit status is 0 if the job is completed, and 1 if it failed or was cancelled, or when the timeout "
             "passed.",
         .options = {the_job(), named(number("timeout", "seconds to wait; without end by default"))},
         .run = wait},
    };
    for (auto& command : all) command.group = Group::job;
    return all;
}

} // namespace domus::cli
