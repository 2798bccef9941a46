#include "compute/state_stream.hpp"

#include <fmt/format.h>

namespace domus::compute {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto monitor_patience = 30s;
constexpr auto look_again = 200ms;
constexpr std::int64_t no_limit = std::int64_t{1} << 50; ///< bytes a second

std::string text(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

std::uint64_t number(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_number() ? value->to_number<std::uint64_t>() : 0;
}

void take_memory(JobStatistics& figures, const json::object& ram) {
    figures.total = number(ram, "total");
    figures.processed = number(ram, "transferred");
    figures.remaining = number(ram, "remaining");
    figures.constant = number(ram, "duplicate");
    figures.normal = number(ram, "normal");
    figures.normal_bytes = number(ram, "normal-bytes");
    figures.dirty_rate = number(ram, "dirty-pages-rate");
    figures.iteration = number(ram, "dirty-sync-count");
    figures.page_size = number(ram, "page-size");
    if (const auto* mbps = ram.if_contains("mbps"); mbps && mbps->is_number())
        figures.bytes_per_second = static_cast<std::uint64_t>(mbps->to_number<double>() * 1e6 / 8);
}

void take_figures(JobStatistics& figures, const json::object& answer) {
    if (const auto* ram = answer.if_contains("ram"); ram && ram->is_object()) take_memory(figures, ram->as_object());
    if (answer.contains("downtime")) figures.downtime = number(answer, "downtime");
    if (answer.contains("setup-time")) figures.setup_time = number(answer, "setup-time");
}

/// What query-migrate says; nothing if the monitor is silent: while it loads from a file, QEMU does nothing else.
Task<std::optional<json::object>> ask(std::shared_ptr<Running> running) {
    json::object nothing;
    try {
        auto answer =
            co_await running->monitor->execute("query-migrate", std::move(nothing), Deadline::in(monitor_patience));
        co_return answer.as_object();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::operation_timeout) throw;
    }
    co_return std::nullopt;
}

Error failure_of(const json::object& answer, const Job& job) {
    const bool save = job.figures.operation != JobOperation::restore;
    auto error = Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                       fmt::format("operation failed: {}", save ? "domain save job: unexpectedly failed"
                                                                : "the saved memory could not be loaded"));
    if (auto reason = text(answer, "error-desc"); !reason.empty()) error.add_cause(std::move(reason));
    return error;
}

Task<> wait_for_end(std::shared_ptr<Running> running, std::shared_ptr<Job> job) {
    for (;;) {
        (void)co_await running->stream_news.wait(Deadline::in(look_again));
        const auto answer = co_await ask(running);
        if (!answer) continue;
        take_figures(job->figures, *answer);
        const auto status = text(*answer, "status");
        if (status == "completed") co_return;
        if (status == "cancelled" || (job->abort_wanted && status == "failed"))
            throw Error(ErrorCode::operation_aborted, ErrorDomain::qemu,
                        "operation aborted: domain save job: canceled by client");
        if (status == "failed") throw failure_of(*answer, *job);
    }
}

/// The news of its end as events, so that it is seen at once.
qmp::Command announce() {
    json::object events{{"capability", "events"}, {"state", true}};
    json::array capabilities;
    capabilities.push_back(std::move(events));
    qmp::Command command;
    command.name = "migrate-set-capabilities";
    command.arguments["capabilities"] = std::move(capabilities);
    return command;
}

Task<> hand_over(std::shared_ptr<Running> running, UniqueFd file) {
    json::object arguments{{"fdname", stream_fd_name}};
    co_await running->monitor->execute_with_fd("getfd", std::move(arguments), std::move(file),
                                               Deadline::in(monitor_patience));
}

qmp::Command go(std::string_view command) {
    qmp::Command result;
    result.name = command;
    result.arguments["uri"] = fmt::format("fd:{}", stream_fd_name);
    return result;
}

/// Whether QEMU has written its whole state, and not gone on since.
Task<bool> is_migrated(std::shared_ptr<Running> running) {
    json::object nothing;
    const auto answer =
        co_await running->monitor->execute("query-status", std::move(nothing), Deadline::in(monitor_patience));
    co_return text(answer.as_object(), "status") == "postmigrate";
}

} // namespace

Task<> send_state(std::shared_ptr<Running> running, std::shared_ptr<Job> job, UniqueFd file) {
    co_await hand_over(running, std::move(file));
    std::vector<qmp::Command> commands;
    commands.push_back(announce());
    qmp::Command fast;
    fast.name = "migrate-set-parameters";
    fast.arguments["max-bandwidth"] = no_limit;
    commands.push_back(std::move(fast));
    commands.push_back(go("migrate"));
    co_await running->monitor->execute_all(std::move(commands), Deadline::in(monitor_patience));
    co_await wait_for_end(std::move(running), std::move(job));
}

Task<> receive_state(std::shared_ptr<Running> running, std::shared_ptr<Job> job, UniqueFd file) {
    co_await hand_over(running, std::move(file));
    std::vector<qmp::Command> commands;
    commands.push_back(announce());
    commands.push_back(go("migrate-incoming"));
    co_await running->monitor->execute_all(std::move(commands), Deadline::in(monitor_patience));
    co_await wait_for_end(std::move(running), std::move(job));
}

Task<> leave_migrated(std::shared_ptr<Running> running) {
    const bool migrated = co_await is_migrated(running);
    if (!migrated) co_return;
    std::vector<qmp::Command> commands;
    commands.push_back({"cont", {}});
    commands.push_back({"stop", {}});
    co_await running->monitor->execute_all(std::move(commands), Deadline::in(monitor_patience));
}

Task<> stop_stream(std::shared_ptr<Running> running) {
    json::object nothing;
    co_await running->monitor->execute("migrate_cancel", std::move(nothing), Deadline::in(monitor_patience));
    for (;;) {
        const auto answer = co_await ask(running);
        const auto status = answer ? text(*answer, "status") : std::string("silent");
        const bool under_way = status == "silent" || status == "setup" || status == "active" || status == "device"
                               || status == "cancelling";
        if (!under_way) co_return;
        (void)co_await running->stream_news.wait(Deadline::in(look_again));
    }
}

} // namespace domus::compute
