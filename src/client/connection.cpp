// Framing follows the protocol's rules: a length that counts itself, six header words, the payload; replies in any
// order, matched by serial; events with serial 0; streams by the serial of the call that opened them.
#include "client/connection.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace domus::client {

namespace {

/// A stream that is written faster than the daemon takes it waits beyond this: two packets, so that what is counted as
/// written is nearly what has gone.
constexpr std::size_t outgoing_limit = std::size_t{512} * 1024;

/// Bytes that are taken at once before somebody looks at them.
constexpr std::size_t incoming_limit = std::size_t{4} * 1024 * 1024;

enum Keepalive : std::int32_t { ping = 1, pong = 2 };

Error decode_error(std::string_view payload) {
    auto error = wire::read_error(payload);
    // A procedure that the daemon does not know is a feature that is not there; callers act on that.
    if (error.code() == ErrorCode::rpc && error.message().starts_with("unknown procedure"))
        return Error(ErrorCode::no_support, error.domain(), error.message()).hint(error.hint());
    return error;
}

int poll_timeout(std::optional<Clock::time_point> by) {
    if (!by) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*by - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

} // namespace

Connection::Connection(Channel channel, const Options& options)
    : channel_(std::move(channel)), readonly_(options.readonly), keepalive_interval_(options.keepalive_interval),
      keepalive_count_(options.keepalive_count) {
    if (!options.uri.empty()) uri_ = options.uri;
    const int flags = fcntl(channel_.fd(), F_GETFL);
    fcntl(channel_.fd(), F_SETFL, flags | O_NONBLOCK);
}

std::unique_ptr<Connection> Connection::open(const Options& options) {
    const auto target = resolve(options.uri, options.readonly, this_process());
    std::unique_ptr<Connection> connection(new Connection(open_channel(target, options.readonly), options));
    connection->authenticate();
    connection->open_hypervisor(target.name);
    return connection;
}

Connection::~Connection() {
    if (lost_ || !channel_.is_open()) return;
    try {
        if (opened_) {
            const auto serial =
                send_call(wire::remote_program, static_cast<std::int32_t>(wire::Procedure::connect_close), {});
            run_until([&] { return replies_.contains(serial); }, Clock::now() + std::chrono::seconds(1));
        }
    } catch (const std::exception&) {
        // It is gone already: there is nothing left to close.
    }
}

void Connection::authenticate() {
    constexpr std::int32_t none = 0;
    constexpr std::int32_t polkit = 2;
    std::vector<std::int32_t> types;
    try {
        types = call<wire::Procedure::auth_list>().types;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::no_support) throw;
    }
    if (types.empty() || types.front() == none) return;
    if (types.front() == polkit) {
        call<wire::Procedure::auth_polkit>();
        return;
    }
    throw Error(ErrorCode::auth_failed, ErrorDomain::rpc,
                "authentication failed: the daemon wants SASL, which domus does not speak")
        .hint("use ssh: domus -c qemu+ssh://HOST/system");
}

void Connection::open_hypervisor(const std::string& name) {
    call<wire::Procedure::connect_open>({.name = name, .flags = readonly_ ? 1u : 0u});
    opened_ = true;
}

const std::string& Connection::uri() {
    if (!uri_) uri_ = call<wire::Procedure::connect_get_uri>().uri;
    return *uri_;
}

bool Connection::alive() {
    if (lost_) return false;
    try {
        wait({}, Clock::now());
    } catch (const Error&) {
        return false;
    }
    return true;
}

std::string Connection::exchange(std::uint32_t program, std::int32_t procedure, std::string_view arguments) {
    return await_reply(send_call(program, procedure, arguments));
}

std::uint32_t Connection::send_call(std::uint32_t program, std::int32_t procedure, std::string_view arguments) {
    if (lost_) throw *lost_;
    const auto serial = next_serial_++;
    send_packet({.program = program, .procedure = procedure, .type = wire::PacketType::call, .serial = serial},
                arguments);
    return serial;
}

std::vector<std::variant<std::string, Error>> Connection::exchange_all(std::uint32_t program, std::int32_t procedure,
                                                                       const std::vector<std::string>& arguments) {
    std::vector<std::uint32_t> serials;
    for (const auto& each : arguments) serials.push_back(send_call(program, procedure, each));
    std::vector<std::variant<std::string, Error>> replies;
    for (const auto serial : serials) {
        run_until([&] { return replies_.contains(serial); });
        auto reply = std::move(replies_.extract(serial).mapped());
        if (reply.failed)
            replies.emplace_back(decode_error(reply.payload));
        else
            replies.emplace_back(std::move(reply.payload));
    }
    return replies;
}

void Connection::send_packet(const wire::Header& header, std::string_view payload) {
    auto packet = wire::begin_packet(header);
    packet += payload;
    wire::finish_packet(packet);
    outgoing_ += packet;
    flush_some();
}

std::string Connection::await_reply(std::uint32_t serial) {
    run_until([&] { return replies_.contains(serial); });
    auto reply = std::move(replies_.extract(serial).mapped());
    if (reply.failed) throw decode_error(reply.payload);
    return std::move(reply.payload);
}

bool Connection::run_until(const std::function<bool()>& done, std::optional<Clock::time_point> by) {
    while (!done()) {
        if (by && Clock::now() >= *by) return false;
        wait({}, by);
    }
    return true;
}

void Connection::wait(std::span<pollfd> others, std::optional<Clock::time_point> by) {
    if (lost_) throw *lost_;
    if (const auto sign = next_sign_of_life(); sign && (!by || *sign < *by)) by = sign;
    std::vector<pollfd> all(others.begin(), others.end());
    all.push_back({channel_.fd(), static_cast<short>(POLLIN | (outgoing_.empty() ? 0 : POLLOUT)), 0});
    if (poll(all.data(), all.size(), poll_timeout(by)) < 0) {
        if (errno == EINTR) {
            for (auto& other : others) other.revents = 0;
            return;
        }
        lose(system_error(errno, "poll", ErrorDomain::rpc));
    }
    for (std::size_t i = 0; i < others.size(); ++i) others[i].revents = all[i].revents;
    const auto ready = all.back().revents;
    if (ready & POLLOUT) flush_some();
    if (ready & (POLLIN | POLLHUP | POLLERR)) receive();
    keep_alive();
}

void Connection::flush_some() {
    while (!outgoing_.empty()) {
        const auto sent = ::send(channel_.fd(), outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            outgoing_.erase(0, static_cast<std::size_t>(sent));
        } else if (errno != EINTR) {
            if (errno == EAGAIN) return;
            lose(system_error(errno, "Cannot write data", ErrorDomain::rpc));
        }
    }
}

void Connection::receive() {
    std::array<char, 65536> buffer;
    // A daemon that sends a volume faster than we write it must not fill our memory: the rest waits in the socket.
    const auto most = incoming_.size() + incoming_limit;
    while (incoming_.size() < most) {
        const auto count = ::recv(channel_.fd(), buffer.data(), buffer.size(), 0);
        if (count > 0) {
            incoming_.append(buffer.data(), static_cast<std::size_t>(count));
            if (static_cast<std::size_t>(count) < buffer.size()) break;
        } else if (count == 0) {
            take_packets();
            lose(
                Error(ErrorCode::system_error, ErrorDomain::rpc, "End of file while reading data: Input/output error"));
        } else if (errno != EINTR) {
            if (errno == EAGAIN) break;
            lose(system_error(errno, "Cannot recv data", ErrorDomain::rpc));
        }
    }
    last_heard_ = Clock::now();
    unanswered_ = 0;
    take_packets();
}

void Connection::take_packets() {
    std::size_t at = 0;
    while (incoming_.size() - at >= wire::length_size) {
        std::uint32_t length = 0;
        try {
            length = wire::packet_length(std::string_view(incoming_).substr(at));
        } catch (const Error& error) {
            lose(error);
        }
        if (incoming_.size() - at < length) break;
        take(std::string_view(incoming_).substr(at, length));
        at += length;
    }
    incoming_.erase(0, at);
}

void Connection::take(std::string_view packet) {
    const auto header = wire::read_header(packet);
    const auto payload = wire::payload(packet);
    if (header.program == wire::keepalive_program) {
        if (header.procedure == ping)
            send_packet({.program = wire::keepalive_program, .procedure = pong, .type = wire::PacketType::message}, {});
        return;
    }
    switch (header.type) {
    case wire::PacketType::reply:
        replies_[header.serial] = {header.status == wire::PacketStatus::error, std::string(payload)};
        break;
    case wire::PacketType::message:
        if (event_handler_) event_handler_(header.procedure, payload);
        break;
    case wire::PacketType::stream:
    case wire::PacketType::stream_hole:
        if (const auto found = streams_.find(header.serial); found != streams_.end())
            found->second->take_packet(header, payload);
        break;
    default:
        break; // nothing that we asked for
    }
}

std::optional<Clock::time_point> Connection::next_sign_of_life() const {
    if (keepalive_interval_.count() <= 0 || !opened_) return std::nullopt;
    return std::max(last_heard_, last_ping_) + keepalive_interval_;
}

void Connection::keep_alive() {
    const auto due = next_sign_of_life();
    if (!due || Clock::now() < *due) return;
    if (unanswered_ >= keepalive_count_)
        lose(Error(ErrorCode::internal_error, ErrorDomain::rpc,
                   "internal error: connection closed due to keepalive timeout"));
    ++unanswered_;
    last_ping_ = Clock::now();
    send_packet({.program = wire::keepalive_program, .procedure = ping, .type = wire::PacketType::message}, {});
}

void Connection::lose(Error why) {
    channel_.close();
    if (auto said = channel_.messages(); !said.empty()) why.add_cause(std::move(said));
    if (!lost_) lost_ = std::move(why);
    throw *lost_;
}

Stream::Stream(Connection& connection, std::int32_t procedure, std::string_view arguments)
    : connection_(connection), procedure_(procedure) {
    // Data may come before the reply is read: the stream is known from the moment the call is sent.
    serial_ = connection_.send_call(wire::remote_program, procedure, arguments);
    connection_.streams_[serial_] = this;
    try {
        reply_ = connection_.await_reply(serial_);
    } catch (...) {
        connection_.streams_.erase(serial_);
        throw;
    }
}

Stream::~Stream() {
    try {
        if (!finished_ && !connection_.lost_) abort();
    } catch (const std::exception&) {
        // The connection is gone, and the stream with it.
    }
    connection_.streams_.erase(serial_);
}

void Stream::take_packet(const wire::Header& header, std::string_view payload) {
    if (header.type == wire::PacketType::stream_hole) {
        wire::Decoder decoder(payload);
        arrived_.push_back({.data = {}, .hole = static_cast<std::int64_t>(decoder.hyper())});
    } else if (header.status == wire::PacketStatus::more && !payload.empty()) {
        arrived_.push_back({.data = std::string(payload), .hole = 0});
    } else {
        ended_ = true;
        if (header.status == wire::PacketStatus::error) failure_ = decode_error(payload);
        if (header.status != wire::PacketStatus::more) finished_ = true;
    }
}

void Stream::send(wire::PacketType type, wire::PacketStatus status, std::string_view payload) {
    connection_.send_packet(
        {.program = wire::remote_program, .procedure = procedure_, .type = type, .serial = serial_, .status = status},
        payload);
}

void Stream::check() {
    if (failure_) throw *failure_;
}

std::string Stream::take() {
    std::string all;
    for (auto& chunk : arrived_) all += chunk.data;
    arrived_.clear();
    if (all.empty()) check();
    return all;
}

std::string Stream::read() {
    auto chunk = read_chunk();
    return chunk ? std::move(chunk->data) : std::string();
}

std::optional<Stream::Chunk> Stream::read_chunk() {
    connection_.run_until([&] { return ended_ || !arrived_.empty(); });
    if (arrived_.empty()) {
        check();
        return std::nullopt;
    }
    auto chunk = std::move(arrived_.front());
    arrived_.pop_front();
    return chunk;
}

void Stream::write(std::string_view data) {
    while (!data.empty()) {
        check();
        const auto piece = data.substr(0, wire::stream_chunk);
        data.remove_prefix(piece.size());
        send(wire::PacketType::stream, wire::PacketStatus::more, piece);
        connection_.run_until([&] { return failure_ || connection_.outgoing_.size() < outgoing_limit; });
    }
}

void Stream::write_hole(std::int64_t length) {
    check();
    std::string payload;
    wire::Encoder encoder(payload);
    encoder.hyper(static_cast<std::uint64_t>(length));
    encoder.word(0); // flags
    send(wire::PacketType::stream_hole, wire::PacketStatus::more, payload);
}

void Stream::finish() {
    check();
    if (finished_) return;
    send(wire::PacketType::stream, wire::PacketStatus::ok, {});
    connection_.run_until([&] { return finished_; });
    check();
}

void Stream::abort() {
    if (finished_) return;
    send(wire::PacketType::stream, wire::PacketStatus::error, {});
    connection_.run_until([&] { return finished_; }, Clock::now() + std::chrono::seconds(2));
    finished_ = true;
}

} // namespace domus::client
