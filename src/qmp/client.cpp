#include "qmp/client.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "qmp/count_separators.hpp"

#include <boost/json/serialize.hpp>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace domus::qmp {

namespace {

/// A chain of 200 images is described in some 12 MB.
constexpr std::size_t largest_answer = 16u << 20;
/// Events and the greeting.
constexpr std::size_t largest_unasked = 256u << 10;
/// A list is copied as a whole when it ends, which bytes alone do not bound: "0," is a value of 24 bytes then.
constexpr std::size_t most_values = 500'000;
constexpr std::size_t one_read = 16384, one_step = 4096; ///< a step is parsed without a look at the clock
/// A chain of images nests a few levels for each: query-named-block-nodes of a chain of 200 is far beyond the parser's 32.
constexpr std::size_t deepest_message = 2000;

json::parse_options options() {
    json::parse_options options;
    options.max_depth = deepest_message;
    return options;
}
/// Of commands that a stopped QEMU does not read.
constexpr std::size_t most_output = 4u << 20;

std::string text_of(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->as_string()) : std::string{};
}

} // namespace

Client::Client(Executor executor, UniqueFd socket, std::string who)
    : executor_(executor), socket_(executor, socket.release()), who_(std::move(who)), parser_({}, options()) {
    socket_.native_non_blocking(true);
    std::string out;
    negotiated_ = enqueue({"qmp_capabilities", {}}, out);
    send(std::move(out));
}

Client::~Client() = default;

std::shared_ptr<Client> Client::open(Executor executor, UniqueFd socket, std::string who) {
    const std::shared_ptr<Client> client(new Client(executor, std::move(socket), std::move(who)));
    spawn(executor, client->read_all(client), fmt::format("monitor of {}", client->who_));
    return client;
}

Error Client::gone() const {
    Error error(ErrorCode::operation_failed, ErrorDomain::qemu, fmt::format("the monitor of {} has gone", who_));
    if (why_closed_.empty()) return error;
    error.add_cause(why_closed_);
    return std::move(error).hint(
        "the daemon connects to it again after a while; 'domus destroy' ends the domain at once");
}

Task<> Client::read_all(std::shared_ptr<Client> self) {
    try {
        co_await self->read_messages();
    } catch (const std::exception& error) {
        self->why_closed_ = error.what();
    }
    if (!self->why_closed_.empty()) log::error("the monitor of {} is closed: {}", self->who_, self->why_closed_);
    self->close();
}

/// Returns at the end of the process and when closed from our side; throws when the monitor sends what it must not.
Task<> Client::read_messages() {
    std::array<char, one_read> buffer;
    while (connected_) {
        boost::system::error_code failure;
        const auto n = co_await socket_.async_read_some(asio::buffer(buffer), asio::redirect_error(use_task, failure));
        if (failure) co_return;
        share_.begin();
        for (std::string_view bytes(buffer.data(), n); !bytes.empty() && connected_;) {
            bytes.remove_prefix(take(bytes.substr(0, one_step)));
            if (share_.used_up()) co_await share_.rest();
        }
    }
}

/// Only a question of ours makes QEMU send much.
std::size_t Client::largest_now() const { return greeted_ && unanswered_ > 0 ? largest_answer : largest_unasked; }

std::size_t Client::take(std::string_view bytes) {
    boost::system::error_code failure;
    auto used = parser_.write_some(bytes.data(), bytes.size(), failure);
    message_bytes_ += used;
    message_values_ += count_separators(bytes.substr(0, used));
    if (failure) throw std::runtime_error(fmt::format("it sent a message that cannot be read ({})", failure.message()));
    if (message_bytes_ > largest_now())
        throw std::runtime_error(fmt::format("it sent a message of more than {} KiB", largest_now() >> 10));
    if (message_values_ > most_values)
        throw std::runtime_error(fmt::format("it sent a message of more than {} values", most_values));
    if (!parser_.done()) return used;
    auto message = parser_.release();
    parser_.reset();
    message_bytes_ = message_values_ = 0;
    while (used < bytes.size() && (bytes[used] == '\r' || bytes[used] == '\n')) ++used;
    dispatch(std::move(message));
    return used;
}

void Client::dispatch(json::value message) {
    if (!message.is_object()) return;
    auto& object = message.as_object();
    if (object.contains("QMP")) {
        greeted_ = true;
        return flush();
    }
    if (object.contains("event")) {
        static const json::object nothing;
        const auto* data = object.if_contains("data");
        if (const auto handler = event_)
            (*handler)(text_of(object, "event"), data && data->is_object() ? data->as_object() : nothing);
        return;
    }
    if (unanswered_ > 0) --unanswered_;
    const auto* id = object.if_contains("id");
    if (!id || !id->is_int64()) return;
    const auto found = waiting_.find(static_cast<std::uint64_t>(id->as_int64()));
    if (found == waiting_.end()) return; // too late, nobody waits
    const auto [slot, command] = std::move(found->second);
    waiting_.erase(found);
    if (auto* value = object.if_contains("return")) return slot->set(std::move(*value));
    const auto* error = object.if_contains("error");
    const auto reason = error && error->is_object() ? text_of(error->as_object(), "desc") : "no reason was given";
    // With libvirt's code and words, which clients look for.
    slot->fail(
        std::make_exception_ptr(Error(ErrorCode::internal_error, ErrorDomain::qemu,
                                      fmt::format("internal error: unable to execute QEMU command '{}'", command))
                                    .because(reason)));
}

Client::Slot Client::enqueue(const Command& command, std::string& out) {
    const auto id = next_id_++;
    const auto slot = std::make_shared<Reply<json::value>>(executor_);
    waiting_.emplace(id, Waiting{slot, command.name});
    ++unanswered_;
    json::object message{{"execute", command.name}, {"id", id}};
    if (!command.arguments.empty()) message["arguments"] = command.arguments;
    out += json::serialize(message);
    out += "\r\n";
    return slot;
}

Task<json::value> Client::answer(Slot slot, std::string name, Deadline by) {
    std::exception_ptr failure;
    try {
        auto value = co_await slot->take(by, fmt::format("the monitor of {} (asked for '{}')", who_, name));
        co_return value;
    } catch (...) {
        failure = std::current_exception();
    }
    std::erase_if(waiting_, [&](const auto& entry) { return entry.second.slot == slot; });
    std::rethrow_exception(failure);
}

Task<json::value> Client::execute(std::string command, json::object arguments, Deadline by) {
    const auto self = shared_from_this();
    if (!connected_) throw gone();
    std::string out;
    auto slot = enqueue({command, std::move(arguments)}, out);
    send(std::move(out));
    auto value = co_await answer(std::move(slot), std::move(command), by);
    co_return value;
}

Task<std::vector<json::value>> Client::execute_all(std::vector<Command> commands, Deadline by) {
    const auto self = shared_from_this();
    if (!connected_) throw gone();
    std::string out;
    std::vector<Slot> slots;
    for (const auto& command : commands) slots.push_back(enqueue(command, out));
    send(std::move(out));
    std::vector<json::value> values;
    for (std::size_t i = 0; i < slots.size(); ++i) {
        auto value = co_await answer(slots[i], commands[i].name, by);
        values.push_back(std::move(value));
    }
    co_return values;
}

Task<json::value> Client::execute_with_fd(std::string command, json::object arguments, UniqueFd fd, Deadline by) {
    const auto self = shared_from_this();
    if (!connected_) throw gone();
    std::string out;
    auto slot = enqueue({command, std::move(arguments)}, out);
    send(std::move(out), std::move(fd));
    auto value = co_await answer(std::move(slot), std::move(command), by);
    co_return value;
}

Task<std::vector<json::value>> Client::handshake(Deadline by, std::vector<Command> more) {
    const auto self = shared_from_this();
    auto answers = co_await execute_all(std::move(more), by);
    (void)co_await answer(negotiated_, "qmp_capabilities", by);
    co_return answers;
}

void Client::send(std::string bytes, UniqueFd fd) {
    if (output_bytes_ + bytes.size() > most_output)
        throw Error(ErrorCode::resource_busy, ErrorDomain::qemu,
                    fmt::format("the monitor of {} does not read its commands", who_))
            .hint("its process hangs or is stopped; 'domus destroy' ends it");
    output_bytes_ += bytes.size();
    if (fd || output_.empty()) {
        output_.push_back({std::move(bytes), std::move(fd)});
    } else {
        output_.back().bytes += bytes;
    }
    flush();
}

void Client::flush() {
    while (connected_ && greeted_ && !output_.empty() && !waiting_to_write_) {
        auto& out = output_.front();
        iovec piece{out.bytes.data() + out.sent, out.bytes.size() - out.sent};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
        if (out.fd) {
            message.msg_control = control.data();
            message.msg_controllen = control.size();
            auto* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int));
            const int number = out.fd.get();
            std::memcpy(CMSG_DATA(header), &number, sizeof number);
        }
        const auto n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            waiting_to_write_ = true;
            socket_.async_wait(StreamFd::wait_write,
                               [self = shared_from_this()](const boost::system::error_code& failure) {
                                   self->waiting_to_write_ = false;
                                   if (!failure) self->flush();
                               });
            return;
        }
        if (n < 0) return close();
        out.fd.reset();
        out.sent += static_cast<std::size_t>(n);
        output_bytes_ -= static_cast<std::size_t>(n);
        if (out.sent == out.bytes.size()) output_.pop_front();
    }
}

void Client::close() {
    if (!std::exchange(connected_, false)) return;
    boost::system::error_code ignored;
    socket_.close(ignored);
    const auto failure = std::make_exception_ptr(gone());
    for (const auto& [id, waiting] : std::exchange(waiting_, {})) waiting.slot->fail(failure);
    output_.clear();
    event_ = nullptr;
    if (const auto handler = std::exchange(closed_handler_, nullptr)) handler();
}

} // namespace domus::qmp
