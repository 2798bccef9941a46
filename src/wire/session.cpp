// The life of a session, and its input: bytes, packets, what is read ahead.
#include "wire/session.hpp"

#include "base/log.hpp"
#include "wire/dispatcher.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace domus::wire {

namespace {

constexpr std::size_t read_size = 65536;
/// So much is read of a client whose calls wait for their turn.
constexpr std::size_t read_ahead = 65536;
/// Input that was handled is moved out of the way, and its memory given back, from so much on.
constexpr std::size_t much_input = 1u << 20;
/// A turn ends after so many packets, or behind the one that was handled at that time.
constexpr int packets_a_turn = 16;
constexpr auto turn_time = std::chrono::microseconds(500);

Error rpc_error(std::string text) { return Error(ErrorCode::rpc, ErrorDomain::rpc, std::move(text)); }

} // namespace

Session::Session(Executor executor, UniqueFd socket, service::Caller caller, const Dispatcher& dispatcher,
                 const Limits& limits, Share share)
    : executor_(executor), socket_(executor, socket.release()), caller_(std::move(caller)), dispatcher_(dispatcher),
      limits_(limits), share_(std::move(share)), progress_(executor), ended_(executor) {
    socket_.native_non_blocking(true);
}

Session::~Session() = default;

Task<> Session::run() {
    const auto self = shared_from_this();
    wait_readable();
    while (connected_) (void)co_await ended_.wait(Deadline::never());
}

void Session::wait_readable() {
    if (!connected_ || reading_ || readable_ || more_) return;
    if (!may_receive()) return watch_for_end();
    reading_ = true;
    socket_.async_wait(StreamFd::wait_read, [self = shared_from_this()](const boost::system::error_code& failure) {
        self->reading_ = false;
        if (failure) return self->disconnect();
        if (!self->connected_) return;
        self->readable_ = true;
        self->share_.turns->request(self);
    });
}

/// Reads what has come and handles some of it. True if there is more to handle.
bool Session::take_turn() {
    if (!connected_) return false;
    try {
        // The daemon may have begun to end, or what was read before may have piled up meanwhile.
        if (std::exchange(readable_, false) && may_receive() && !receive()) {
            disconnect();
            return false;
        }
        handle_packets();
        if (connected_ && held_up_) answer_pings();
        if (connected_ && input_begin_ == input_.size()) make_room();
        count_input();
    } catch (...) {
        end_because(std::current_exception());
        return false;
    }
    wait_readable();
    return connected_ && more_;
}

void Session::charge(Clock::duration used, Clock::time_point now) {
    usage_.add(used, now);
    share_.account->usage.add(used, now);
}

/// The user has fewer calls in flight. False if the session waits for something else too, or has gone.
bool Session::may_call_again() {
    waiting_for_call_ = false;
    const bool goes_on = connected_ && !congested();
    progressed();
    return goes_on;
}

void Session::end_because(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        share_.account->log(
            fmt::format("connection {} of uid {}: {}", caller_.connection, caller_.who.uid, error.message()));
    } catch (const boost::system::system_error&) {
        // closed while it waited
    } catch (const std::exception& error) {
        share_.account->log(
            fmt::format("connection {} of uid {}: {}", caller_.connection, caller_.who.uid, error.what()));
    }
    disconnect();
}

Task<> Session::finish(Deadline calls_by, Deadline by) {
    const auto self = shared_from_this();
    finishing_ = true;
    while (connected_ && in_flight_ > 0 && !calls_by.expired()) (void)co_await progress_.wait(calls_by);
    constexpr std::int32_t end_of_file = 1; // virConnectCloseReason
    if (connected_ && std::exchange(close_callback, false))
        send_event<Procedure::connect_event_connection_closed>(ConnectEventConnectionClosedMsg{end_of_file});
    while (connected_ && !output_.empty() && !by.expired()) (void)co_await progress_.wait(by);
    disconnect();
}

void Session::disconnect() {
    if (!connected_) return;
    connected_ = false;
    boost::system::error_code ignored;
    socket_.close(ignored);
    close_streams();
    progress_.notify_all();
    ended_.notify_all();
    output_.clear();
    share_.account->queued -= std::exchange(output_bytes_, 0);
    output_fds_ = 0;
    input_ = {};
    input_begin_ = looked_at_ = 0;
    count_input();
    received_fds_.clear();
    open_action_ = nullptr;
    for (auto& [owner, action] : std::exchange(close_actions_, {})) action();
}

void Session::open_connection(bool read_only_asked) {
    if (opened_) throw Error(ErrorCode::internal_error, ErrorDomain::rpc, "connection already open");
    opened_ = true;
    if (read_only_asked) caller_.read_only = true;
    if (const auto action = std::exchange(open_action_, nullptr)) action();
}

// ---- bytes ----------------------------------------------------------------------------------------------------

bool Session::congested() const {
    const auto calls =
        read_only() ? std::min(limits_.calls_in_flight, limits_.read_only_calls) : limits_.calls_in_flight;
    const auto unread = read_only() ? limits_.read_only_unread : limits_.queued_stream * 4;
    return in_flight_ >= calls || output_bytes_ > unread || output_fds_ > most_fds
           || stream_input_ > limits_.queued_stream || (output_bytes_ > 0 && !share_.account->may_queue());
}

bool Session::may_receive() const {
    if (finishing_) return false;
    return !(congested() || waiting_for_call_) || (input_.size() - input_begin_ < read_ahead && received_fds_.empty());
}

/// A client that is not read from any more may go; the socket tells it by other means than its input.
void Session::watch_for_end() {
    if (std::exchange(watching_for_end_, true)) return;
    socket_.async_wait(StreamFd::wait_error, [self = shared_from_this()](const boost::system::error_code& failure) {
        if (failure || !self->connected_) return;
        pollfd state{self->socket_.native_handle(), 0, 0};
        if (::poll(&state, 1, 0) == 1 && state.revents & (POLLHUP | POLLERR)) self->disconnect();
    });
}

void Session::make_room() {
    if (input_begin_ == input_.size()) {
        input_.clear();
        input_begin_ = looked_at_ = 0;
        if (input_.capacity() > much_input) input_.shrink_to_fit();
    } else if (input_begin_ > much_input) {
        input_.erase(0, input_begin_);
        looked_at_ -= std::min(looked_at_, input_begin_);
        input_begin_ = 0;
    }
}

void Session::count_input() {
    share_.account->queued = share_.account->queued - counted_input_ + input_.size();
    counted_input_ = input_.size();
}

/// False at the end of the connection.
bool Session::receive() {
    make_room();
    // One thread reads for all sessions; each keeps only what is not handled yet.
    static std::array<char, read_size> buffer;
    iovec piece{buffer.data(), buffer.size()};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_fds)> control;
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const auto n = ::recvmsg(socket_.native_handle(), &message, MSG_CMSG_CLOEXEC);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    input_.append(buffer.data(), static_cast<std::size_t>(n));
    count_input();
    take_descriptors(message);
    if (input_.size() > read_size && !share_.account->may_queue())
        throw rpc_error(fmt::format("more than {} bytes of the user's calls and replies wait", limits_.user.queued));
    last_heard_ = Clock::now();
    unanswered_ = 0;
    return n > 0;
}

void Session::take_descriptors(msghdr& message) {
    for (auto* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const auto count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            received_fds_.emplace_back(fd);
            // Nothing that such a client may call takes any: it does not fill our table with them.
            if (!opened_ || read_only()) received_fds_.back().reset();
        }
    }
    if (message.msg_flags & MSG_CTRUNC) throw rpc_error("more file descriptors came at once than can be taken");
    if (received_fds_.size() > most_fds) throw rpc_error("more file descriptors were sent than a call may carry");
}

// ---- packets --------------------------------------------------------------------------------------------------

/// For a client that may only read; others may send what the protocol allows.
bool Session::too_long(std::string_view available) const {
    return opened_ && read_only() && available.size() >= length_size && packet_length(available) > limits_.small_packet;
}

/// Its length, with the byte behind it for each descriptor that it announces; 0 while it has not come whole.
std::size_t Session::whole_packet(std::string_view available) const {
    if (available.size() < length_size || too_long(available)) return 0;
    const std::size_t length = packet_length(available);
    if (!opened_ && length > limits_.small_packet)
        throw rpc_error(fmt::format("a packet of {} bytes before the connection was opened", length));
    if (available.size() < length) return 0;
    const auto packet = available.substr(0, length);
    if (read_header(packet).type != PacketType::call_with_fds) return length;
    const auto count = Decoder(payload(packet)).word();
    if (count > most_fds)
        throw rpc_error(fmt::format("a call with {} file descriptors; {} are allowed", count, most_fds));
    return available.size() < length + count ? 0 : length + count;
}

/// As many as a turn has room for.
void Session::handle_packets() {
    corked_ = true;
    struct Uncork {
        Session& session;
        // NOLINTNEXTLINE(bugprone-exception-escape): flush() throws only if memory runs out
        ~Uncork() {
            session.corked_ = false;
            if (session.connected_) session.flush();
        }
    } uncork{*this};
    more_ = false;
    const auto end = Clock::now() + turn_time;
    for (int left = packets_a_turn; connected_ && !finishing_; --left) {
        if ((held_up_ = congested() || !may_call())) return;
        if (left == 0 || Clock::now() >= end) {
            more_ = true;
            return;
        }
        if (!skip() && !next_packet()) return;
    }
}

/// False for a call that takes time while the user has as many in flight as one may have, through all connections.
bool Session::may_call() {
    const auto available = std::string_view(input_).substr(input_begin_);
    if (share_.account->may_call() || skip_ > 0 || available.size() < length_size + header_size) return true;
    const auto header = read_header(available);
    const auto* entry = dispatcher_.find(header.program, header.procedure);
    if (!entry || entry->now) return true; // answered at once
    if (!std::exchange(waiting_for_call_, true)) share_.account->wait_for_call(weak_from_this());
    return false;
}

/// Passes over what has come of a packet that was refused. True if there is more behind it.
bool Session::skip() {
    if (skip_ == 0) return false;
    const auto part = std::min(skip_, input_.size() - input_begin_);
    skip_ -= part;
    input_begin_ += part;
    return skip_ == 0 && input_begin_ < input_.size();
}

/// It is answered as soon as its header is there, and never kept. True if there is more behind it.
bool Session::refuse_long_packet(std::string_view available) {
    if (available.size() < length_size + header_size) return false;
    const auto header = read_header(available);
    if (header.type != PacketType::call)
        throw rpc_error("a packet that is no call, and longer than a client may send that may only read");
    skip_ = packet_length(available);
    send(make_error_packet(detail::reply_header(header),
                           rpc_error(fmt::format("a call of {} bytes; {} are allowed on a read-only connection", skip_,
                                                 limits_.small_packet))));
    return skip();
}

bool Session::next_packet() {
    const auto available = std::string_view(input_).substr(input_begin_);
    if (too_long(available)) return refuse_long_packet(available);
    const auto size = whole_packet(available);
    if (size == 0) return false;
    const auto length = packet_length(available);
    const auto packet = available.substr(0, length);
    auto body = payload(packet);
    if (const auto count = size - length; read_header(packet).type == PacketType::call_with_fds) {
        if (received_fds_.size() < count)
            throw rpc_error(
                fmt::format("a call announced {} file descriptors and brought {}", count, received_fds_.size()));
        for (std::size_t i = 0; i < count; ++i) {
            call_fds_.push_back(std::move(received_fds_.front()));
            received_fds_.pop_front();
        }
        body.remove_prefix(sizeof(std::uint32_t));
    }
    handle(read_header(packet), body);
    call_fds_.clear();
    if (connected_) input_begin_ += size;
    return connected_;
}

/// While calls wait for their turn the pings behind them do not: a client would take the daemon for dead.
void Session::answer_pings() {
    constexpr std::size_t procedure_at = length_size + 8;
    (void)skip();
    looked_at_ = std::max(looked_at_, input_begin_);
    while (const auto size = skip_ > 0 ? 0 : whole_packet(std::string_view(input_).substr(looked_at_))) {
        const auto header = read_header(std::string_view(input_).substr(looked_at_, size));
        if (header.program == keepalive_program) {
            handle(header, {});
            input_.replace(looked_at_ + procedure_at, 4, 4, '\0'); // not to be answered again
        }
        looked_at_ += size;
    }
}

/// Something that held the client up has ended: packets that were read before may have their turn now.
void Session::progressed() {
    progress_.notify_all();
    if (!connected_) return;
    if (held_up_ && !congested() && !waiting_for_call_)
        share_.turns->request(shared_from_this());
    else
        wait_readable();
}

} // namespace domus::wire
