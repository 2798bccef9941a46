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

Error rpc_error(std::string text) { return Error(ErrorCode::rpc, ErrorDomain::rpc, std::move(text)); }

} // namespace

Session::Session(Executor executor, UniqueFd socket, service::Caller caller, const Dispatcher& dispatcher, const Limits& limits)
    : executor_(executor), socket_(executor, socket.release()), caller_(std::move(caller)), dispatcher_(dispatcher),
      limits_(limits), progress_(executor) {
    socket_.native_non_blocking(true);
}

Session::~Session() = default;

Task<> Session::run() {
    const auto self = shared_from_this();
    std::exception_ptr failure;
    try {
        while (connected_) {
            if (!may_receive()) {
                watch_for_end();
                if (hung_up_) break;
                (void)co_await progress_.wait(Deadline::never());
                continue;
            }
            co_await socket_.async_wait(StreamFd::wait_read, use_task);
            if (!connected_) break;
            if (!may_receive()) continue; // the daemon ends, or what was read before has been handled meanwhile
            if (!receive()) break;
            handle_packets();
            if (connected_ && congested()) answer_pings();
        }
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) end_because(failure);
    disconnect();
}

void Session::end_because(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        log::info("connection {} of uid {}: {}", caller_.connection, caller_.who.uid, error.message());
    } catch (const boost::system::system_error&) {
        // closed while it waited
    } catch (const std::exception& error) {
        log::error("connection {} of uid {}: {}", caller_.connection, caller_.who.uid, error.what());
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
    output_.clear();
    output_bytes_ = output_fds_ = 0;
    input_ = {};
    input_begin_ = looked_at_ = 0;
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
    return in_flight_ >= limits_.calls_in_flight || output_bytes_ > limits_.queued_stream * 4 || output_fds_ > most_fds ||
           stream_input_ > limits_.queued_stream;
}

bool Session::may_receive() const {
    if (finishing_) return false;
    return !congested() || (input_.size() - input_begin_ < read_ahead && received_fds_.empty());
}

/// A client that is not read from any more may go; the socket tells it by other means than its input.
void Session::watch_for_end() {
    if (std::exchange(watching_for_end_, true)) return;
    socket_.async_wait(StreamFd::wait_error, [self = shared_from_this()](const boost::system::error_code& failure) {
        if (failure || !self->connected_) return;
        pollfd state{self->socket_.native_handle(), 0, 0};
        self->hung_up_ = ::poll(&state, 1, 0) == 1 && state.revents & (POLLHUP | POLLERR);
        self->progress_.notify_all();
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
    take_descriptors(message);
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

/// Its length, with the byte behind it for each descriptor that it announces; 0 while it has not come whole.
std::size_t Session::whole_packet(std::string_view available) const {
    if (available.size() < length_size) return 0;
    const std::size_t length = packet_length(available);
    if (!opened_ && length > limits_.before_open)
        throw rpc_error(fmt::format("a packet of {} bytes before the connection was opened", length));
    if (available.size() < length) return 0;
    const auto packet = available.substr(0, length);
    if (read_header(packet).type != PacketType::call_with_fds) return length;
    const auto count = Decoder(payload(packet)).word();
    if (count > most_fds) throw rpc_error(fmt::format("a call with {} file descriptors; {} are allowed", count, most_fds));
    return available.size() < length + count ? 0 : length + count;
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
    held_up_ = false;
    while (connected_ && !finishing_ && !(held_up_ = congested()) && next_packet()) {
    }
}

bool Session::next_packet() {
    const auto available = std::string_view(input_).substr(input_begin_);
    const auto size = whole_packet(available);
    if (size == 0) return false;
    const auto length = packet_length(available);
    const auto packet = available.substr(0, length);
    auto body = payload(packet);
    if (const auto count = size - length; read_header(packet).type == PacketType::call_with_fds) {
        if (received_fds_.size() < count)
            throw rpc_error(fmt::format("a call announced {} file descriptors and brought {}", count, received_fds_.size()));
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
    looked_at_ = std::max(looked_at_, input_begin_);
    while (const auto size = whole_packet(std::string_view(input_).substr(looked_at_))) {
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
    if (!connected_ || !held_up_ || congested() || std::exchange(resuming_, true)) return;
    asio::post(executor_, [self = shared_from_this()] {
        self->resuming_ = false;
        try {
            self->handle_packets();
        } catch (...) {
            self->end_because(std::current_exception());
        }
    });
}

} // namespace domus::wire
