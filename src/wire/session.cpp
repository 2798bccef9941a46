#include "wire/session.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "wire/dispatcher.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace domus::wire {

namespace {

constexpr std::size_t read_size = 65536;
/// Memory that a queued stream packet takes beside its data.
constexpr std::size_t packet_cost = 128;
constexpr std::int32_t ping = 1, pong = 2;

Error rpc_error(std::string text) { return Error(ErrorCode::rpc, ErrorDomain::rpc, std::move(text)); }

bool is_call(PacketType type) { return type == PacketType::call || type == PacketType::call_with_fds; }

bool before_open(std::int32_t procedure) {
    switch (static_cast<Procedure>(procedure)) {
    case Procedure::auth_list:
    case Procedure::auth_sasl_init:
    case Procedure::auth_sasl_start:
    case Procedure::auth_sasl_step:
    case Procedure::auth_polkit:
    case Procedure::connect_supports_feature:
    case Procedure::connect_open: return true;
    default: return false;
    }
}

} // namespace

Session::Session(Executor executor, UniqueFd socket, service::Caller caller, const Dispatcher& dispatcher, const Limits& limits)
    : executor_(executor), socket_(executor, socket.release()), caller_(std::move(caller)), dispatcher_(dispatcher),
      limits_(limits), progress_(executor) {
    socket_.native_non_blocking(true);
}

Session::~Session() = default;

Task<> Session::run() {
    const auto self = shared_from_this();
    try {
        while (connected_) {
            if (congested()) {
                (void)co_await progress_.wait(Deadline::never());
                handle_packets();
                continue;
            }
            co_await socket_.async_wait(StreamFd::wait_read, use_task);
            if (!connected_ || !receive()) break;
            handle_packets();
        }
    } catch (const Error& error) {
        log::info("connection {} of uid {}: {}", caller_.connection, caller_.who.uid, error.message());
    } catch (const boost::system::system_error&) {
        // closed while it waited
    } catch (const std::exception& error) {
        log::error("connection {} of uid {}: {}", caller_.connection, caller_.who.uid, error.what());
    }
    disconnect();
}

void Session::disconnect() {
    if (!connected_) return;
    connected_ = false;
    boost::system::error_code ignored;
    socket_.close(ignored);
    close_streams();
    progress_.notify_all();
    output_.clear();
    output_bytes_ = 0;
    input_ = {};
    received_fds_.clear();
    for (auto& action : std::exchange(close_actions_, {})) action();
}

bool Session::receive() {
    if (input_begin_ > 0 && input_begin_ == input_.size()) {
        input_.clear();
        input_begin_ = 0;
        if (input_.capacity() > (1u << 20)) input_.shrink_to_fit();
    } else if (input_begin_ > (1u << 20)) {
        input_.erase(0, std::exchange(input_begin_, 0));
    }
    const auto old_size = input_.size();
    input_.resize(old_size + read_size);
    iovec piece{input_.data() + old_size, read_size};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_fds)> control;
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto n = ::recvmsg(socket_.native_handle(), &message, MSG_CMSG_CLOEXEC);
    input_.resize(old_size + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    for (auto* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const auto count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            received_fds_.emplace_back(fd);
        }
    }
    if (message.msg_flags & MSG_CTRUNC) throw rpc_error("more file descriptors came at once than can be taken");
    if (received_fds_.size() > most_fds) throw rpc_error("more file descriptors were sent than a call may carry");
    last_heard_ = Clock::now();
    unanswered_ = 0;
    return n > 0;
}

bool Session::congested() const {
    return in_flight_ >= limits_.calls_in_flight || output_bytes_ > limits_.queued_stream * 4 || stream_input_ > limits_.queued_stream;
}

void Session::handle_packets() {
    corked_ = true;
    struct Uncork {
        Session& session;
        ~Uncork() {
            session.corked_ = false;
            if (session.connected_) session.flush();
        }
    } uncork{*this};
    while (connected_ && !congested() && next_packet()) {
    }
}

bool Session::next_packet() {
    const auto available = std::string_view(input_).substr(input_begin_);
    if (available.size() < length_size) return false;
    const auto length = packet_length(available);
    if (!opened_ && length > limits_.before_open)
        throw rpc_error(fmt::format("a packet of {} bytes before the connection was opened", length));
    if (available.size() < length) return false;
    const auto packet = available.substr(0, length);
    const auto header = read_header(packet);
    auto body = payload(packet);
    std::size_t taken = length;
    if (header.type == PacketType::call_with_fds) {
        const auto count = Decoder(body).word();
        if (count > most_fds) throw rpc_error(fmt::format("a call with {} file descriptors; {} are allowed", count, most_fds));
        // A byte for each descriptor follows the packet and is not counted in its length.
        if (available.size() < length + count) return false;
        if (received_fds_.size() < count) throw rpc_error(fmt::format("a call announced {} file descriptors and brought {}", count, received_fds_.size()));
        for (std::uint32_t i = 0; i < count; ++i) {
            call_fds_.push_back(std::move(received_fds_.front()));
            received_fds_.pop_front();
        }
        body.remove_prefix(sizeof count);
        taken += count;
    }
    handle(header, body);
    call_fds_.clear();
    if (connected_) input_begin_ += taken;
    return connected_;
}

void Session::handle(const Header& header, std::string_view body) {
    if (header.program == keepalive_program) return handle_keepalive(header);
    if (is_call(header.type)) {
        try {
            handle_call(header, body);
        } catch (const Error& error) {
            send(make_error_packet(detail::reply_header(header), error));
        } catch (const std::exception& error) {
            log::error("procedure {}: {}", header.procedure, error.what());
            send(make_error_packet(detail::reply_header(header), Error(ErrorCode::internal_error, ErrorDomain::rpc, error.what())));
        }
        return;
    }
    if (header.type == PacketType::stream || header.type == PacketType::stream_hole) {
        const auto found = streams_.find(header.serial);
        if (found == streams_.end()) return; // it has failed; the client did not know yet
        Stream::Incoming incoming;
        using What = Stream::Incoming::What;
        if (header.type == PacketType::stream_hole) {
            incoming.what = What::hole;
            incoming.hole = static_cast<std::int64_t>(Decoder(body).hyper());
            if (incoming.hole < 0) throw rpc_error("a hole of negative length");
        } else if (header.status == PacketStatus::more) {
            incoming.what = What::data;
            incoming.data = body;
        } else {
            incoming.what = header.status == PacketStatus::ok ? What::finish : What::abort;
        }
        stream_input_ += incoming.data.size() + packet_cost;
        found->second->deliver(std::move(incoming));
        return;
    }
    throw rpc_error(fmt::format("a packet of type {} from a client", static_cast<int>(header.type)));
}

void Session::handle_keepalive(const Header& header) {
    if (header.procedure != ping) return;
    send(make_packet(Header{keepalive_program, 1, pong, PacketType::message, 0, PacketStatus::ok}, Nothing{}));
}

void Session::check_sequence(const Header& header) const {
    if (header.program != remote_program && header.program != qemu_program)
        throw rpc_error(fmt::format("Cannot find program {} version {}", header.program, header.version));
    if (opened_ || (header.program == remote_program && before_open(header.procedure))) return;
    throw Error(ErrorCode::internal_error, ErrorDomain::rpc, "connection not open");
}

void Session::handle_call(const Header& header, std::string_view body) {
    check_sequence(header);
    const auto* info = find_procedure(header.program, header.procedure);
    const auto* entry = dispatcher_.find(header.program, header.procedure);
    if (!info || !entry) throw rpc_error(fmt::format("unknown procedure: {}", header.procedure));
    if (read_only() && !info->read_only)
        throw Error(ErrorCode::operation_denied, ErrorDomain::rpc,
                    fmt::format("operation forbidden: read only access prevents {}", info->name))
            .hint("connect without --readonly, to the socket for changes");
    if (entry->now) return send(entry->now(*this, header, body));
    const auto self = shared_from_this();
    if (entry->stream) {
        if (streams_.contains(header.serial)) throw rpc_error(fmt::format("serial {} has a stream already", header.serial));
        auto stream = std::make_shared<Stream>(executor_, self, header);
        auto opener = entry->stream(self, header, body, stream);
        streams_.emplace(header.serial, stream);
        ++in_flight_;
        spawn(executor_, run_stream(self, header, std::move(opener), stream), std::string(info->name));
        return;
    }
    auto call = entry->later(self, header, body);
    ++in_flight_;
    spawn(executor_, run_call(self, header, std::move(call)), std::string(info->name));
}

Task<> Session::run_call(std::shared_ptr<Session> self, Header header, Task<std::string> call) {
    std::string packet;
    try {
        packet = co_await std::move(call);
    } catch (const Error& error) {
        packet = make_error_packet(detail::reply_header(header), error);
    } catch (const std::exception& error) {
        log::error("procedure {}: {}", header.procedure, error.what());
        packet = make_error_packet(detail::reply_header(header), Error(ErrorCode::internal_error, ErrorDomain::rpc, error.what()));
    }
    self->send(std::move(packet));
    --self->in_flight_;
    self->progress_.notify_all();
}

Task<> Session::run_stream(std::shared_ptr<Session> self, Header header, Task<std::string> opener, std::shared_ptr<Stream> stream) {
    std::string packet;
    bool failed = true;
    try {
        packet = co_await std::move(opener);
        failed = false;
    } catch (const Error& error) {
        packet = make_error_packet(detail::reply_header(header), error);
    } catch (const std::exception& error) {
        packet = make_error_packet(detail::reply_header(header), Error(ErrorCode::internal_error, ErrorDomain::rpc, error.what()));
    }
    if (failed) {
        stream->close();
        self->streams_.erase(header.serial);
    }
    self->send(std::move(packet));
    --self->in_flight_;
    self->progress_.notify_all();
}

// ---- output ---------------------------------------------------------------------------------------------------

void Session::send(std::string packet, std::vector<UniqueFd> fds) {
    if (!connected_) return;
    output_bytes_ += packet.size();
    output_.push_back({std::move(packet), std::move(fds)});
    if (output_bytes_ > limits_.queued_output) {
        log::warning("connection {} of uid {} does not read its replies, {} bytes wait: disconnected", caller_.connection,
                     caller_.who.uid, output_bytes_);
        // Not from here: whoever sends may hold references into this session.
        asio::post(executor_, [self = shared_from_this()] { self->disconnect(); });
        return;
    }
    if (!corked_) flush();
}

void Session::flush() {
    while (!output_.empty() && !waiting_to_write_) {
        constexpr std::size_t most_pieces = 64;
        std::array<iovec, most_pieces> pieces;
        std::size_t count = 0;
        // Up to a packet that carries descriptors: those go alone, behind it.
        for (auto& out : output_) {
            if (count == most_pieces) break;
            if (out.sent < out.bytes.size()) pieces[count++] = {out.bytes.data() + out.sent, out.bytes.size() - out.sent};
            if (!out.fds.empty()) break;
        }
        msghdr message{};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control;
        char zero = 0;
        auto& first = output_.front();
        const bool descriptor = count == 0;
        if (descriptor) {
            pieces[count++] = {&zero, 1};
            message.msg_control = control.data();
            message.msg_controllen = control.size();
            auto* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int));
            const int fd = first.fds[first.fds_sent].get();
            std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
        }
        message.msg_iov = pieces.data();
        message.msg_iovlen = count;
        const auto n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return wait_writable();
            asio::post(executor_, [self = shared_from_this()] { self->disconnect(); });
            return;
        }
        if (descriptor) {
            if (++first.fds_sent == first.fds.size()) output_.pop_front();
            continue;
        }
        auto rest = static_cast<std::size_t>(n);
        output_bytes_ -= rest;
        while (rest > 0) {
            auto& out = output_.front();
            const auto part = std::min(rest, out.bytes.size() - out.sent);
            out.sent += part;
            rest -= part;
            if (out.sent == out.bytes.size() && out.fds.empty()) output_.pop_front();
        }
    }
    progress_.notify_all();
}

void Session::wait_writable() {
    waiting_to_write_ = true;
    socket_.async_wait(StreamFd::wait_write, [self = shared_from_this()](const boost::system::error_code& failure) {
        self->waiting_to_write_ = false;
        if (!failure && self->connected_) self->flush();
    });
}

void Session::consumed(std::size_t stream_bytes) {
    stream_input_ -= std::min(stream_input_, stream_bytes);
    progress_.notify_all();
}

Task<bool> Session::writable() {
    while (connected_ && output_bytes_ > limits_.queued_stream) (void)co_await progress_.wait(Deadline::never());
    co_return connected_;
}

void Session::open_connection(bool read_only_asked) {
    if (opened_) throw Error(ErrorCode::internal_error, ErrorDomain::rpc, "connection already open");
    opened_ = true;
    if (read_only_asked) caller_.read_only = true;
}

void Session::tick(Clock::time_point now) {
    if (!keepalive_ || limits_.keepalive_interval.count() == 0) return;
    if (congested()) {
        last_heard_ = now; // we do not read from it: its silence says nothing
        return;
    }
    if (now - last_heard_ < limits_.keepalive_interval * (unanswered_ + 1)) return;
    if (unanswered_ >= limits_.keepalive_count) {
        log::info("connection {} of uid {}: no answer to {} pings, disconnected", caller_.connection, caller_.who.uid, unanswered_);
        return disconnect();
    }
    ++unanswered_;
    send(make_packet(Header{keepalive_program, 1, ping, PacketType::message, 0, PacketStatus::ok}, Nothing{}));
}

// ---- streams --------------------------------------------------------------------------------------------------

void Session::close_streams() {
    for (auto& [serial, stream] : std::exchange(streams_, {})) stream->close();
}

Stream::Stream(Executor executor, std::weak_ptr<Session> session, const Header& opener)
    : session_(std::move(session)), opener_(opener), arrived_(executor), ended_(executor) {}

Header Stream::header(PacketType type, PacketStatus status) const {
    auto header = opener_;
    header.type = type;
    header.status = status;
    return header;
}

void Stream::deliver(Incoming incoming) {
    if (incoming.what == Incoming::What::finish || incoming.what == Incoming::What::abort) {
        client_done_ = true;
        ended_.notify_all();
    }
    incoming_.push_back(std::move(incoming));
    arrived_.notify_all();
}

/// What nobody will read any more no longer holds the session up.
void Stream::drop_incoming(Session& session) {
    std::size_t unread = 0;
    for (const auto& incoming : incoming_) unread += incoming.data.size() + packet_cost;
    incoming_.clear();
    session.consumed(unread);
}

void Stream::close() {
    over_ = true;
    if (const auto session = session_.lock()) drop_incoming(*session);
    client_done_ = true;
    arrived_.notify_all();
    ended_.notify_all();
}

Task<Stream::Incoming> Stream::read() {
    const auto self = shared_from_this();
    while (incoming_.empty() && !over_) (void)co_await arrived_.wait(Deadline::never());
    if (incoming_.empty()) co_return Incoming{};
    auto incoming = std::move(incoming_.front());
    incoming_.pop_front();
    if (const auto session = session_.lock()) {
        session->consumed(incoming.data.size() + packet_cost);
    }
    co_return incoming;
}

Task<bool> Stream::write(std::string data) {
    const auto self = shared_from_this();
    for (std::size_t begin = 0; begin < data.size(); begin += stream_chunk) {
        const auto session = session_.lock();
        if (!session || over_ || client_done_) co_return false;
        auto packet = begin_packet(header(PacketType::stream, PacketStatus::more));
        packet.append(data, begin, stream_chunk);
        finish_packet(packet);
        session->send(std::move(packet));
        if (!co_await session->writable()) co_return false;
    }
    co_return !over_ && !client_done_;
}

Task<bool> Stream::write_hole(std::int64_t length) {
    const auto self = shared_from_this();
    const auto session = session_.lock();
    if (!session || over_ || client_done_) co_return false;
    auto packet = begin_packet(header(PacketType::stream_hole, PacketStatus::more));
    Encoder encoder(packet);
    encoder.hyper(static_cast<std::uint64_t>(length));
    encoder.word(0);
    finish_packet(packet);
    session->send(std::move(packet));
    co_return co_await session->writable();
}

void Stream::send_end() {
    const auto session = session_.lock();
    if (!session || over_ || client_done_) return;
    session->send(make_packet(header(PacketType::stream, PacketStatus::more), Nothing{}));
}

void Stream::confirm() {
    const auto session = session_.lock();
    if (!session || over_) return;
    over_ = true;
    drop_incoming(*session);
    session->send(make_packet(header(PacketType::stream, PacketStatus::ok), Nothing{}));
    session->streams_.erase(opener_.serial);
}

void Stream::fail(const Error& error) {
    const auto session = session_.lock();
    if (!session || over_) return;
    over_ = true;
    drop_incoming(*session);
    session->send(make_error_packet(header(PacketType::stream, PacketStatus::error), error));
    session->streams_.erase(opener_.serial);
}

} // namespace domus::wire
