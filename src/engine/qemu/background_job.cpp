#include "engine/qemu/background_job.hpp"

#include "base/log.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

using namespace std::chrono_literals;

namespace {

constexpr auto job_timeout = 30s;
constexpr auto job_interval = 200ms;
constexpr std::string_view job_name = "domus-job"; ///< one at a time: they have the domain's turn

/// A command that may meet a silent monitor: nothing then.
Task<std::optional<json::value>> try_execute(MonitorPtr monitor, std::string command, json::object arguments) {
    try {
        auto value = co_await monitor->execute(std::move(command), std::move(arguments), Deadline::in(job_timeout));
        co_return value;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::operation_timeout) throw;
    }
    co_return std::nullopt;
}

struct BackgroundJob {
    bool there = false;
    bool over = false;
    std::string error;
};

BackgroundJob find_job(const json::value& answer) {
    BackgroundJob state;
    for (const auto& entry : answer.as_array()) {
        const auto& job = entry.as_object();
        if (job.at("id").as_string() != job_name) continue;
        state.there = true;
        state.over = job.at("status").as_string() == "concluded";
        if (const auto* error = job.if_contains("error")) state.error = error->as_string();
    }
    return state;
}

Task<BackgroundJob> await_job(MonitorPtr monitor) {
    for (;;) {
        json::object nothing;
        const auto answer = co_await try_execute(monitor, "query-jobs", std::move(nothing));
        if (answer) {
            auto state = find_job(*answer);
            if (state.over) {
                json::object which{{"id", job_name}};
                (void)co_await try_execute(monitor, "job-dismiss", std::move(which));
            }
            if (state.over || !state.there) co_return state;
        }
        (void)co_await monitor->progress().wait(Deadline::in(job_interval));
    }
}

} // namespace

Task<> run_background_job(MonitorPtr monitor, std::string command, json::object arguments) {
    arguments["job-id"] = job_name;
    const auto name = command;
    (void)co_await try_execute(monitor, std::move(command), std::move(arguments));
    const auto state = co_await await_job(monitor);
    if (state.error.empty()) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: QEMU could not do '{}'", name))
        .because(state.error);
}

Task<> await_background_job(MonitorPtr monitor) {
    const auto state = co_await await_job(monitor);
    if (!state.error.empty())
        log::warning("domain '{}': what was under way has failed: {}", monitor->domain(), state.error);
}

} // namespace domus::engine::qemu
