#include "qmp/agent.hpp"

#include "async/cancel_at.hpp"
#include "async/loop_share.hpp"
#include "qmp/count_separators.hpp"

#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>

#include <array>
#include <random>

namespace domus::qmp {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_answer = 10u << 20; ///< as libvirt's
constexpr std::size_t longest_synchronization = 4096;
constexpr std::size_t most_answer_values = 100'000; ///< those of a guest with a thousand interfaces are some 20,000
constexpr std::size_t parse_step = 4096;            ///< bytes, without a look at the clock
constexpr char delimiter = '\xff';

} // namespace

/// The connected socket. Those who use it share it: it may be closed at any time, and is gone only after the last of them.
struct Agent::Channel {
    Channel(const Executor& executor, UniqueFd fd) : socket(std::make_shared<StreamFd>(executor, fd.release())) {
        socket->native_non_blocking(true);
    }
    void close() const {
        boost::system::error_code ignored;
        socket->close(ignored);
    }
    std::shared_ptr<StreamFd> socket;
    std::array<char, 16384> bytes;
    std::string_view unread; ///< of `bytes`
    LoopShare share;
};

Agent::Agent(Executor executor, Connect connect, std::string who)
    : executor_(executor), connect_(std::move(connect)), who_(std::move(who)),
      turns_(executor, fmt::format("agent of {}", who_)) {}

Error Agent::silent(std::string_view why) const {
    return Error(ErrorCode::agent_unresponsive, ErrorDomain::qemu,
                 fmt::format("Guest agent is not responding: {}", why))
        .hint(fmt::format("install and start qemu-guest-agent in the guest of {}", who_));
}

Error Agent::failed(const boost::system::error_code& failure, Deadline by) const {
    if (by.expired()) return silent("Guest agent not available for now");
    if (failure == asio::error::operation_aborted) return silent("the domain has ended");
    return silent("Guest agent disappeared while executing command");
}

Agent::ChannelPtr Agent::channel() {
    if (!open_) throw silent("QEMU guest agent is not connected");
    if (channel_) return channel_;
    UniqueFd socket;
    try {
        socket = connect_();
    } catch (const Error& error) {
        throw silent("QEMU guest agent is not connected").because(error.message());
    }
    channel_ = std::make_shared<Channel>(executor_, std::move(socket));
    return channel_;
}

/// What comes later on it belongs to nobody.
void Agent::drop(const ChannelPtr& channel) {
    channel->close();
    if (channel_ == channel) channel_.reset();
}

Task<> Agent::write(ChannelPtr channel, std::string text, Deadline by) {
    const CancelAt limit(channel->socket, by);
    boost::system::error_code failure;
    co_await asio::async_write(*channel->socket, asio::buffer(text), asio::redirect_error(use_task, failure));
    channel->share.begin();
    if (failure) throw failed(failure, by);
}

/// Reads more once all is taken.
Task<> Agent::fill(ChannelPtr channel, Deadline by) {
    if (channel->share.used_up()) co_await channel->share.rest();
    // A read that finds bytes never waits, so nothing would cancel it.
    if (by.expired()) throw failed({}, by);
    const CancelAt limit(channel->socket, by);
    boost::system::error_code failure;
    const auto n = co_await channel->socket->async_read_some(asio::buffer(channel->bytes),
                                                             asio::redirect_error(use_task, failure));
    channel->share.begin();
    if (failure) throw failed(failure, by);
    channel->unread = {channel->bytes.data(), n};
}

/// The next line without what stands before the delimiter; nothing in place of one that is longer than that.
Task<std::optional<std::string>> Agent::read_line(ChannelPtr channel, std::size_t longest, Deadline by) {
    std::string line;
    bool too_long = false;
    for (;;) {
        if (channel->unread.empty()) co_await fill(channel, by);
        const auto end = channel->unread.find('\n');
        auto piece = channel->unread.substr(0, end);
        channel->unread.remove_prefix(std::min(piece.size() + 1, channel->unread.size()));
        if (const auto mark = piece.rfind(delimiter); mark != piece.npos) {
            piece.remove_prefix(mark + 1);
            line.clear();
            too_long = false;
        }
        too_long = too_long || line.size() + piece.size() > longest;
        if (!too_long) line += piece;
        if (end == std::string_view::npos) continue;
        if (too_long) co_return std::nullopt;
        co_return line;
    }
}

Task<> Agent::synchronize(ChannelPtr channel, Deadline by) {
    static std::mt19937_64 numbers{std::random_device{}()};
    const auto id = static_cast<std::int64_t>(numbers() & 0x7fffffff);
    const auto request =
        json::serialize(json::object{{"execute", "guest-sync-delimited"}, {"arguments", {{"id", id}}}});
    // A leading 0xff makes the agent drop what it had read of an earlier, broken request.
    co_await write(channel, std::string(1, delimiter) + request + "\n", by);
    for (;;) {
        const auto line = co_await read_line(channel, longest_synchronization, by);
        // One read may hold thousands of lines.
        if (channel->share.used_up()) co_await channel->share.rest();
        if (by.expired()) throw failed({}, by);
        if (!line || !line->starts_with('{')) continue;
        boost::system::error_code failure;
        const auto answer = json::parse(*line, failure);
        if (failure || !answer.is_object()) continue;
        const auto* value = answer.as_object().if_contains("return");
        if (value && value->is_int64() && value->as_int64() == id) co_return;
    }
}

Task<json::value> Agent::ask(ChannelPtr channel, std::string request, Deadline by) {
    co_await synchronize(channel, by);
    co_await write(channel, request + "\n", by);
    const auto line = co_await read_line(channel, longest_answer, by);
    if (!line) throw unreadable(fmt::format("it is longer than {} MiB", longest_answer >> 20));
    auto answer = co_await parse(channel, *line, by);
    co_return answer;
}

Error Agent::unreadable(std::string why) const {
    return Error(ErrorCode::agent_unresponsive, ErrorDomain::qemu,
                 fmt::format("the guest agent of {} sent an answer that cannot be read", who_))
        .because(std::move(why));
}

/// A step at a time: the guest decides how much work it is.
Task<json::value> Agent::parse(ChannelPtr channel, std::string_view text, Deadline by) {
    json::stream_parser parser;
    boost::system::error_code failure;
    std::size_t values = 0;
    while (!text.empty()) {
        const auto step = text.substr(0, parse_step);
        text.remove_prefix(step.size());
        values += count_separators(step);
        if (values > most_answer_values)
            throw unreadable(fmt::format("it has more than {} values", most_answer_values));
        parser.write(step.data(), step.size(), failure);
        if (failure) throw unreadable(failure.message());
        if (channel->share.used_up()) co_await channel->share.rest();
        if (by.expired()) throw failed({}, by);
    }
    parser.finish(failure);
    if (failure) throw unreadable(failure.message());
    co_return parser.release();
}

Task<json::value> Agent::exchange(std::string request, Deadline by) {
    const auto used = channel();
    std::exception_ptr failure;
    try {
        auto answer = co_await ask(used, std::move(request), by);
        co_return answer;
    } catch (...) {
        failure = std::current_exception();
    }
    drop(used);
    std::rethrow_exception(failure);
}

Task<json::value> Agent::execute(std::string command, json::object arguments, Deadline by) {
    const auto self = shared_from_this();
    const auto turn = co_await turns_.enter(command, by);
    json::object message{{"execute", command}};
    if (!arguments.empty()) message["arguments"] = std::move(arguments);
    auto answer = co_await exchange(json::serialize(message), by);
    if (answer.is_object()) {
        if (auto* value = answer.as_object().if_contains("return")) co_return std::move(*value);
        if (const auto* error = answer.as_object().if_contains("error"))
            throw Error(ErrorCode::agent_command_failed, ErrorDomain::qemu,
                        fmt::format("the guest agent of {} refused '{}'", who_, command))
                .because(json::serialize(*error));
    }
    throw Error(ErrorCode::agent_command_failed, ErrorDomain::qemu,
                fmt::format("the guest agent of {} answered '{}' with neither a result nor an error", who_, command));
}

Task<std::string> Agent::raw(std::string request, Deadline by) {
    const auto self = shared_from_this();
    const auto turn = co_await turns_.enter("agent command", by);
    const auto answer = co_await exchange(std::move(request), by);
    co_return json::serialize(answer);
}

Task<> Agent::shutdown(std::string mode, Deadline by) {
    const auto self = shared_from_this();
    const auto turn = co_await turns_.enter("guest-shutdown", by);
    const auto used = channel();
    std::exception_ptr failure;
    try {
        co_await synchronize(used, by);
        const json::object request{{"execute", "guest-shutdown"}, {"arguments", {{"mode", mode}}}};
        co_await write(used, json::serialize(request) + "\n", by);
    } catch (...) {
        failure = std::current_exception();
    }
    drop(used);
    if (failure) std::rethrow_exception(failure);
}

void Agent::close() {
    open_ = false;
    if (channel_) drop(std::shared_ptr(channel_));
}

} // namespace domus::qmp
