#include "qmp/client.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"

#include <boost/json/serialize.hpp>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace domus::qmp {

namespace {

constexpr std::size_t largest_message = 64u << 20;
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
    return Error(ErrorCode::operation_failed, ErrorDomain::qemu, fmt::format("the monitor of {} has gone", who_));
}

Task<> Client::read_all(std::shared_ptr<Client> self) {
    std::array<char, 16384> buffer;
    try {
        while (self->connected_) {
            const auto n = co_await self->socket_.async_read_some(asio::buffer(buffer), use_task);
            self->take({buffer.data(), n});
        }
    } catch (const boost::system::system_error&) {
        // the end of the process, or closed from our side
    } catch (const Error& error) {
        log::error("{}", error.message());
    }
    self->close();
}

void Client::take(std::string_view bytes) {
    while (!bytes.empty()) {
        boost::system::error_code failure;
        const auto used = parser_.write_some(bytes.data(), bytes.size(), failure);
        message_bytes_ += used;
        if (failure || message_bytes_ > largest_message)
            throw Error(ErrorCode::internal_error, ErrorDomain::qemu, fmt::format("the monitor of {} sent nonsense", who_))
                .because(failure ? failure.message() : "a message that is too long");
        bytes.remove_prefix(used);
        if (!parser_.done()) {
            // Blank lines between messages are taken without a value.
            continue;
        }
        auto message = parser_.release();
        parser_.reset();
        message_bytes_ = 0;
        while (!bytes.empty() && (bytes[0] == '\r' || bytes[0] == '\n')) bytes.remove_prefix(1);
        dispatch(std::move(message));
    }
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
        if (event_) event_(text_of(object, "event"), data && data->is_object() ? data->as_object() : nothing);
        return;
    }
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
    slot->fail(std::make_exception_ptr(
        Error(ErrorCode::internal_error, ErrorDomain::qemu, fmt::format("internal error: unable to execute QEMU command '{}'", command)).because(reason)));
}

Client::Slot Client::enqueue(const Command& command, std::string& out) {
    const auto id = next_id_++;
    const auto slot = std::make_shared<Reply<json::value>>(executor_);
    waiting_.emplace(id, Waiting{slot, command.name});
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
        throw Error(ErrorCode::resource_busy, ErrorDomain::qemu, fmt::format("the monitor of {} does not read its commands", who_))
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
            socket_.async_wait(StreamFd::wait_write, [self = shared_from_this()](const boost::system::error_code& failure) {
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
