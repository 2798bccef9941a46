// For tests: one session, and the client's end of its socket, in one thread. The loop turns only while the client waits.
#pragma once

#include "async/spawn.hpp"
#include "async/test_wait.hpp"
#include "wire/dispatcher.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>

namespace domus::wire {

struct Received {
    Header header;
    std::string body;
    std::vector<UniqueFd> fds;
};

/// A client's end: packets in and out. Never blocks; what has to wait turns the loop.
class Peer {
public:
    Peer(Loop& loop, UniqueFd socket) : loop_(loop), socket_(std::move(socket)) {
        ::fcntl(socket_.get(), F_SETFL, ::fcntl(socket_.get(), F_GETFL) | O_NONBLOCK);
    }

    template <auto Which> static std::string call(std::uint32_t serial, const typename Call<Which>::Args& args) {
        return make_packet(header(static_cast<std::int32_t>(Which), serial), args);
    }
    static Header header(std::int32_t procedure, std::uint32_t serial, PacketType type = PacketType::call,
                         PacketStatus status = PacketStatus::ok) {
        return Header{remote_program, 1, procedure, type, serial, status};
    }
    static std::string stream(std::int32_t procedure, std::uint32_t serial, PacketStatus status,
                              const std::string& data = {}) {
        auto packet = begin_packet(header(procedure, serial, PacketType::stream, status));
        packet += data;
        finish_packet(packet);
        return packet;
    }
    static std::string keepalive(std::int32_t procedure) {
        return make_packet(Header{keepalive_program, 1, procedure, PacketType::message, 0, PacketStatus::ok},
                           Nothing{});
    }

    /// As much as the socket takes; the number of bytes.
    std::size_t offer(std::string_view bytes) {
        const auto n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        return static_cast<std::size_t>(std::max<ssize_t>(n, 0));
    }
    /// All of it, while the session reads.
    void send(std::string_view bytes, std::chrono::milliseconds limit = timeout) {
        turn_until([&] { return bytes.remove_prefix(offer(bytes)), bytes.empty(); }, limit);
    }
    void send_fd(int fd) {
        char zero = 0;
        iovec piece{&zero, 1};
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        auto* part = CMSG_FIRSTHDR(&message);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(sizeof fd);
        std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
        ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    }

    /// The next packet; nothing if none comes in time, or before the end of the connection.
    std::optional<Received> receive(std::chrono::milliseconds limit = timeout) {
        std::optional<Received> packet;
        turn_until([&] { return read_some(), (packet = take()).has_value() || ended_; }, limit);
        return packet;
    }
    /// Whether the session ended the connection; packets that came before are kept.
    bool closed(std::chrono::milliseconds limit = timeout) {
        return turn_until([&] { return read_some(), ended_; }, limit);
    }
    void close() { socket_.reset(); }
    int fd() const { return socket_.get(); }

    /// Turns the loop until it is so; false if it is not in time.
    bool turn_until(const std::function<bool()>& so, std::chrono::milliseconds limit = timeout) {
        return domus::turn_until(loop_, so, limit);
    }
    /// All that is ready now, and what becomes so in this time.
    void turn(std::chrono::milliseconds span) {
        loop_.restart();
        loop_.poll();
        loop_.restart();
        loop_.run_for(span);
    }

private:
    void read_some() {
        std::array<char, 65536> buffer;
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * most_fds)> control;
        iovec piece{buffer.data(), buffer.size()};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto n = ::recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC);
        if (n == 0 || (n < 0 && errno != EAGAIN)) ended_ = true;
        if (n <= 0) return;
        input_.append(buffer.data(), static_cast<std::size_t>(n));
        for (auto* part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
            fds_.emplace_back(fd);
        }
    }

    std::optional<Received> take() {
        if (input_.size() < length_size) return {};
        const auto length = packet_length(input_);
        if (input_.size() < length) return {};
        Received packet{read_header(input_), std::string(payload(std::string_view(input_).substr(0, length))), {}};
        std::size_t count = 0;
        if (packet.header.type == PacketType::reply_with_fds) {
            count = Decoder(packet.body).word();
            if (input_.size() < length + count) return {};
            packet.body.erase(0, 4);
            for (auto i = count; i > 0; --i) {
                packet.fds.push_back(std::move(fds_.front()));
                fds_.pop_front();
            }
        }
        input_.erase(0, length + count);
        return packet;
    }

    Loop& loop_;
    UniqueFd socket_;
    std::string input_;
    std::deque<UniqueFd> fds_;
    bool ended_ = false;
};

/// A session and its client.
struct Bench {
    Loop loop{1};
    Dispatcher on;
    Limits limits;
    std::shared_ptr<Turns> turns = std::make_shared<Turns>(loop.get_executor());
    std::shared_ptr<Session> session;
    std::optional<Peer> peer;
    bool ended = false; ///< the session's run() has returned

    Bench() {
        on.on<Procedure::connect_open>(
            [](Session& of, const ConnectOpenArgs& args) { of.open_connection(args.flags & 1); });
        on.on<Procedure::connect_get_lib_version>(
            [](Session&, const Nothing&) { return ConnectGetLibVersionRet{9'000'000}; });
        on.on<Procedure::connect_register_close_callback>(
            [](Session& of, const Nothing&) { of.close_callback = true; });
    }
    ~Bench() { end(); }

    /// What actions at the session's end use must be there still.
    void end() {
        if (session) session->disconnect();
        if (peer) peer->turn(std::chrono::milliseconds(5));
        session.reset();
    }

    void connect(bool read_only = false) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
            throw system_error(errno, "socketpair");
        service::Caller caller;
        caller.connection = 1;
        caller.read_only = read_only;
        session = std::make_shared<Session>(loop.get_executor(), UniqueFd(ends[0]), caller, on, limits,
                                            Share{turns, std::make_shared<Account>(1, read_only, limits.user)});
        peer.emplace(loop, UniqueFd(ends[1]));
        spawn(loop.get_executor(), serve(session, ended), "session");
    }
    /// Connected, with an open connection.
    void open(bool read_only = false) {
        connect(read_only);
        peer->send(Peer::call<Procedure::connect_open>(0, {}));
        if (peer->receive().value().header.status != PacketStatus::ok) throw std::runtime_error("cannot open");
    }

private:
    static Task<> serve(std::shared_ptr<Session> session, bool& ended) {
        co_await session->run();
        ended = true;
    }
};

} // namespace domus::wire
