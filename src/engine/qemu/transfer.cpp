#include "engine/qemu/transfer.hpp"

#include "engine/qemu/answer.hpp"

#include <fmt/format.h>

namespace domus::engine::qemu {

using namespace std::chrono_literals;

namespace {

constexpr auto transfer_timeout = 30s; ///< for an answer
constexpr auto transfer_interval = 200ms;
constexpr const char* stream_name = "domus-state";       ///< QEMU's name for the descriptor of the stream
constexpr std::int64_t no_limit = std::int64_t{1} << 50; ///< bytes a second

void read_memory(TransferStatistics& statistics, const json::object& ram) {
    statistics.total = unsigned_at(ram, "total").value_or(0);
    statistics.processed = unsigned_at(ram, "transferred").value_or(0);
    statistics.remaining = unsigned_at(ram, "remaining").value_or(0);
    statistics.constant = unsigned_at(ram, "duplicate").value_or(0);
    statistics.normal = unsigned_at(ram, "normal").value_or(0);
    statistics.normal_bytes = unsigned_at(ram, "normal-bytes").value_or(0);
    statistics.dirty_rate = unsigned_at(ram, "dirty-pages-rate").value_or(0);
    statistics.iteration = unsigned_at(ram, "dirty-sync-count").value_or(0);
    statistics.page_size = unsigned_at(ram, "page-size").value_or(0);
    if (const auto* mbps = ram.if_contains("mbps"); mbps && mbps->is_number())
        statistics.bytes_per_second = static_cast<std::uint64_t>(mbps->to_number<double>() * 1e6 / 8);
}

void read_statistics(TransferStatistics& statistics, const json::object& answer) {
    if (const auto* ram = object_at(answer, "ram")) read_memory(statistics, *ram);
    statistics.downtime = unsigned_at(answer, "downtime");
    statistics.setup_time = unsigned_at(answer, "setup-time");
}

/// What query-migrate says; nothing if the monitor is silent: while it loads from a file, QEMU does nothing else.
Task<std::optional<json::object>> ask_transfer(MonitorPtr monitor) {
    json::object nothing;
    try {
        auto answer = co_await monitor->execute("query-migrate", std::move(nothing), Deadline::in(transfer_timeout));
        co_return answer.as_object();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::operation_timeout) throw;
    }
    co_return std::nullopt;
}

enum class Direction { out, in };

Error failure_of(const json::object& answer, Direction direction) {
    auto error = Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                       fmt::format("operation failed: {}", direction == Direction::out
                                                               ? "domain save job: unexpectedly failed"
                                                               : "the saved memory could not be loaded"));
    if (auto reason = text_at(answer, "error-desc"); !reason.empty()) error.add_cause(std::move(reason));
    return error;
}

Task<> wait_for_end(MonitorPtr monitor, TransferPtr transfer, Direction direction) {
    for (;;) {
        (void)co_await monitor->progress().wait(Deadline::in(transfer_interval));
        const auto answer = co_await ask_transfer(monitor);
        if (!answer) continue;
        read_statistics(transfer->statistics, *answer);
        const auto status = text_at(*answer, "status");
        if (status == "completed") co_return;
        if (status == "cancelled" || (transfer->cancel_wanted && status == "failed"))
            throw Error(ErrorCode::operation_aborted, ErrorDomain::qemu,
                        "operation aborted: domain save job: canceled by client");
        if (status == "failed") throw failure_of(*answer, direction);
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

Task<> hand_stream_over(MonitorPtr monitor, UniqueFd file) {
    json::object arguments{{"fdname", stream_name}};
    co_await monitor->execute_with_fd("getfd", std::move(arguments), std::move(file), Deadline::in(transfer_timeout));
}

qmp::Command start_command(std::string_view command) {
    qmp::Command result;
    result.name = command;
    result.arguments["uri"] = fmt::format("fd:{}", stream_name);
    return result;
}

/// Whether QEMU has written its whole state, and not gone on since.
Task<bool> is_migrated(MonitorPtr monitor) {
    json::object nothing;
    const auto answer = co_await monitor->execute("query-status", std::move(nothing), Deadline::in(transfer_timeout));
    co_return text_at(answer.as_object(), "status") == "postmigrate";
}

/// QEMU may have kept its copy of the descriptor: the space would not be given back.
Task<> close_stream(MonitorPtr monitor) {
    json::object descriptor{{"fdname", stream_name}};
    try {
        (void)co_await monitor->execute("closefd", std::move(descriptor), Deadline::in(transfer_timeout));
    } catch (const Error&) {
        // It has none: that is the usual case.
    }
}

Task<> transfer_state(MonitorPtr monitor, UniqueFd file, TransferPtr transfer, Direction direction) {
    co_await hand_stream_over(monitor, std::move(file));
    std::vector<qmp::Command> commands;
    commands.push_back(announce());
    if (direction == Direction::out) {
        qmp::Command fast;
        fast.name = "migrate-set-parameters";
        fast.arguments["max-bandwidth"] = no_limit;
        commands.push_back(std::move(fast));
    }
    commands.push_back(start_command(direction == Direction::out ? "migrate" : "migrate-incoming"));
    (void)co_await monitor->execute_all(std::move(commands), Deadline::in(transfer_timeout));
    co_await wait_for_end(std::move(monitor), std::move(transfer), direction);
}

} // namespace

Task<> send_state(MonitorPtr monitor, UniqueFd into, TransferPtr transfer) {
    std::exception_ptr failure;
    try {
        co_await transfer_state(monitor, std::move(into), std::move(transfer), Direction::out);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    co_await close_stream(std::move(monitor));
    std::rethrow_exception(failure);
}

Task<> receive_state(MonitorPtr monitor, UniqueFd from, TransferPtr transfer) {
    return transfer_state(std::move(monitor), std::move(from), std::move(transfer), Direction::in);
}

Task<> cancel_transfer(MonitorPtr monitor) {
    json::object nothing;
    (void)co_await monitor->execute("migrate_cancel", std::move(nothing), Deadline::in(transfer_timeout));
}

Task<> reactivate(MonitorPtr monitor) {
    const bool migrated = co_await is_migrated(monitor);
    if (!migrated) co_return;
    std::vector<qmp::Command> commands;
    commands.push_back({"cont", {}});
    commands.push_back({"stop", {}});
    (void)co_await monitor->execute_all(std::move(commands), Deadline::in(transfer_timeout));
}

Task<> abandon_transfer(MonitorPtr monitor) {
    co_await cancel_transfer(monitor);
    for (;;) {
        const auto answer = co_await ask_transfer(monitor);
        const auto status = answer ? text_at(*answer, "status") : std::string("silent");
        const bool under_way = status == "silent" || status == "setup" || status == "active" || status == "device"
                               || status == "cancelling";
        if (!under_way) co_return;
        (void)co_await monitor->progress().wait(Deadline::in(transfer_interval));
    }
}

} // namespace domus::engine::qemu
