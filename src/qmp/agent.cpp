#include "qmp/agent.hpp"

#include "os/unique_fd.hpp"

#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <random>

namespace domus::qmp {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t longest_answer = 32u << 20;
constexpr char delimiter = '\xff';

/// Closes the socket when the deadline passes while somebody waits on it: his wait ends then.
class Watchdog {
public:
    Watchdog(const Executor& executor, StreamFd& socket, Deadline by) : timer_(executor) {
        timer_.expires_at(by.when());
        timer_.async_wait([&socket](const boost::system::error_code& failure) {
            boost::system::error_code ignored;
            if (!failure) socket.cancel(ignored);
        });
    }

private:
    Timer timer_;
};

} // namespace

Agent::Agent(Executor executor, std::string path, std::string who)
    : executor_(executor), path_(std::move(path)), who_(std::move(who)), turns_(executor, fmt::format("agent of {}", who_)) {}

Error Agent::silent() const {
    return Error(ErrorCode::agent_unresponsive, ErrorDomain::qemu,
                 "Guest agent is not responding: QEMU guest agent is not connected")
        .hint(fmt::format("install and start qemu-guest-agent in the guest of {}", who_));
}

Task<> Agent::connect(Deadline) {
    if (socket_) co_return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) throw silent();
    socket_ = std::make_unique<StreamFd>(executor_, fd.release());
    buffer_.clear();
}

Task<> Agent::write(std::string text, Deadline by) {
    const Watchdog watchdog(executor_, *socket_, by);
    boost::system::error_code failure;
    co_await asio::async_write(*socket_, asio::buffer(text), asio::redirect_error(use_task, failure));
    if (failure) throw silent();
}

Task<std::string> Agent::read_line(Deadline by) {
    const Watchdog watchdog(executor_, *socket_, by);
    for (;;) {
        const auto end = buffer_.find('\n');
        if (end != std::string::npos) {
            auto line = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            co_return line;
        }
        if (buffer_.size() > longest_answer) throw silent();
        std::array<char, 8192> bytes;
        boost::system::error_code failure;
        const auto n = co_await socket_->async_read_some(asio::buffer(bytes), asio::redirect_error(use_task, failure));
        if (failure) throw silent();
        buffer_.append(bytes.data(), n);
    }
}

Task<> Agent::synchronize(Deadline by) {
    static std::mt19937_64 numbers{std::random_device{}()};
    const auto id = static_cast<std::int64_t>(numbers() & 0x7fffffff);
    const auto request = json::serialize(json::object{{"execute", "guest-sync-delimited"}, {"arguments", {{"id", id}}}});
    // A leading 0xff makes the agent drop what it had read of an earlier, broken request.
    co_await write(std::string(1, delimiter) + request + "\n", by);
    for (;;) {
        auto line = co_await read_line(by);
        if (const auto mark = line.rfind(delimiter); mark != std::string::npos) line.erase(0, mark + 1);
        boost::system::error_code failure;
        const auto answer = json::parse(line, failure);
        if (failure || !answer.is_object()) continue;
        const auto* value = answer.as_object().if_contains("return");
        if (value && value->is_int64() && value->as_int64() == id) co_return;
    }
}

Task<json::value> Agent::exchange(std::string request, Deadline by) {
    std::exception_ptr failure;
    try {
        co_await connect(by);
        co_await synchronize(by);
        co_await write(request + "\n", by);
        const auto line = co_await read_line(by);
        auto answer = json::parse(line);
        co_return answer;
    } catch (...) {
        failure = std::current_exception();
    }
    socket_.reset(); // what comes later belongs to nobody
    std::rethrow_exception(failure);
}

Task<json::value> Agent::execute(std::string command, json::object arguments, Deadline by) {
    const auto self = shared_from_this();
    const auto turn = co_await turns_.enter(command, by);
    if (!open_) throw silent();
    json::object message{{"execute", command}};
    if (!arguments.empty()) message["arguments"] = std::move(arguments);
    const auto answer = co_await exchange(json::serialize(message), by);
    if (answer.is_object()) {
        if (const auto* value = answer.as_object().if_contains("return")) co_return *value;
        if (const auto* error = answer.as_object().if_contains("error"))
            throw Error(ErrorCode::agent_command_failed, ErrorDomain::qemu, fmt::format("the guest agent of {} refused '{}'", who_, command))
                .because(json::serialize(*error));
    }
    throw silent();
}

Task<std::string> Agent::raw(std::string request, Deadline by) {
    const auto self = shared_from_this();
    const auto turn = co_await turns_.enter("agent command", by);
    if (!open_) throw silent();
    const auto answer = co_await exchange(std::move(request), by);
    co_return json::serialize(answer);
}

Task<> Agent::shutdown(std::string mode, Deadline by) {
    const auto self = shared_from_this();
    const auto turn = co_await turns_.enter("guest-shutdown", by);
    if (!open_) throw silent();
    co_await connect(by);
    std::exception_ptr failure;
    try {
        co_await synchronize(by);
        const json::object request{{"execute", "guest-shutdown"}, {"arguments", {{"mode", mode}}}};
        co_await write(json::serialize(request) + "\n", by);
    } catch (...) {
        failure = std::current_exception();
    }
    socket_.reset();
    if (failure) std::rethrow_exception(failure);
}

void Agent::close() {
    open_ = false;
    if (socket_) {
        boost::system::error_code ignored;
        socket_->close(ignored);
    }
}

} // namespace domus::qmp
