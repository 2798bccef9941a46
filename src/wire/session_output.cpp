// The output of a session: what is queued, and how it leaves.
#include "wire/session.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace domus::wire {

namespace {

constexpr std::size_t joined_size = 16384; ///< of packets that are queued as one piece

} // namespace

void Session::send(std::string packet, std::vector<UniqueFd> fds) {
    if (!connected_) return;
    output_bytes_ += packet.size();
    share_.account->queued += packet.size();
    output_fds_ += fds.size();
    // Small replies to a client that does not read would take several times their length one by one.
    const bool joins = fds.empty() && !output_.empty() && output_.back().fds.empty()
                       && output_.back().bytes.size() + packet.size() <= joined_size;
    if (joins)
        output_.back().bytes += packet;
    else
        output_.push_back({std::move(packet), std::move(fds)});
    const bool too_much = output_bytes_ > (read_only() ? limits_.read_only_output : limits_.queued_output);
    // Events come unasked: of a user who has too much unread nobody gets more than a little.
    if (too_much || (output_bytes_ > limits_.read_only_unread && !share_.account->may_queue())) {
        share_.account->log(
            fmt::format("connection {} of uid {} does not read its replies, {} bytes wait: disconnected",
                        caller_.connection, caller_.who.uid, output_bytes_));
        return disconnect_later();
    }
    if (!corked_) flush();
}

/// Not from where it is found: whoever sends may hold references into this session.
void Session::disconnect_later() {
    asio::post(executor_, [self = shared_from_this()] { self->disconnect(); });
}

void Session::flush() {
    while (!output_.empty() && !waiting_to_write_ && flush_some()) {
    }
    progressed();
}

/// One sendmsg: of many packets, or of one descriptor. False when no more can be sent now.
bool Session::flush_some() {
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
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
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
        if (errno == EINTR) return true;
        if (errno == EAGAIN)
            wait_writable();
        else
            disconnect_later();
        return false;
    }
    if (!descriptor)
        sent(static_cast<std::size_t>(n));
    else if (++first.fds_sent == first.fds.size()) {
        output_fds_ -= first.fds.size();
        output_.pop_front();
    }
    return true;
}

void Session::sent(std::size_t bytes) {
    output_bytes_ -= bytes;
    share_.account->queued -= bytes;
    while (bytes > 0) {
        auto& out = output_.front();
        const auto part = std::min(bytes, out.bytes.size() - out.sent);
        out.sent += part;
        bytes -= part;
        if (out.sent == out.bytes.size() && out.fds.empty()) output_.pop_front();
    }
}

void Session::wait_writable() {
    waiting_to_write_ = true;
    socket_.async_wait(StreamFd::wait_write, [self = shared_from_this()](const boost::system::error_code& failure) {
        self->waiting_to_write_ = false;
        if (!failure && self->connected_) self->flush();
    });
}

Task<bool> Session::writable() {
    while (connected_ && output_bytes_ > limits_.queued_stream) (void)co_await progress_.wait(Deadline::never());
    co_return connected_;
}

} // namespace domus::wire
