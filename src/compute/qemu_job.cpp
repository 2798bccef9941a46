#include "compute/qemu_job.hpp"

#include <fmt/format.h>

namespace domus::compute {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr auto monitor_patience = 30s;
constexpr auto look_again = 200ms;
constexpr std::string_view job_name = "domus-job"; ///< one at a time: they have the domain's turn

/// A command that may meet a silent monitor: nothing then.
Task<std::optional<json::value>> try_execute(std::shared_ptr<Running> running, std::string command,
                                             json::object arguments) {
    try {
        auto value = co_await running->monitor->execute(std::move(command), std::move(arguments),
                                                        Deadline::in(monitor_patience));
        co_return value;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::operation_timeout) throw;
    }
    co_return std::nullopt;
}

struct JobState {
    bool there = false;
    bool over = false;
    std::string error;
};

JobState find_job(const json::value& answer) {
    JobState state;
    for (const auto& entry : answer.as_array()) {
        const auto& job = entry.as_object();
        if (job.at("id").as_string() != job_name) continue;
        state.there = true;
        state.over = job.at("status").as_string() == "concluded";
        if (const auto* error = job.if_contains("error")) state.error = error->as_string();
    }
    return state;
}

Task<JobState> await_job(std::shared_ptr<Running> running) {
    for (;;) {
        json::object nothing;
        const auto answer = co_await try_execute(running, "query-jobs", std::move(nothing));
        if (answer) {
            auto state = find_job(*answer);
            if (state.over) {
                json::object which{{"id", job_name}};
                (void)co_await try_execute(running, "job-dismiss", std::move(which));
            }
            if (state.over || !state.there) co_return state;
        }
        (void)co_await running->stream_news.wait(Deadline::in(look_again));
    }
}

} // namespace

Task<> run_qemu_job(std::shared_ptr<Running> running, std::string command, json::object arguments) {
    arguments["job-id"] = job_name;
    const auto name = command;
    (void)co_await try_execute(running, std::move(command), std::move(arguments));
    const auto state = co_await await_job(running);
    if (state.error.empty()) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: QEMU could not do '{}'", name))
        .because(state.error);
}

Task<bool> await_foreign_job(std::shared_ptr<Running> running) {
    const auto state = co_await await_job(std::move(running));
    co_return state.error.empty();
}

} // namespace domus::compute
