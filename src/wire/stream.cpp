#include "wire/stream.hpp"

#include "wire/session.hpp"

namespace domus::wire {

Stream::Stream(Executor executor, std::weak_ptr<Session> session, const Header& opener)
    : session_(std::move(session)), opener_(opener), arrived_(executor), ended_(executor) {}

Header Stream::header(PacketType type, PacketStatus status) const {
    auto header = opener_;
    header.type = type;
    header.status = status;
    return header;
}

void Stream::deliver(Incoming incoming) {
    using What = Incoming::What;
    if (incoming.what == What::abort) {
        aborted_ = true;
        if (const auto session = session_.lock()) drop_incoming(*session);
    }
    if (incoming.what == What::finish || incoming.what == What::abort) {
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
    over_ = aborted_ = client_done_ = true;
    if (const auto session = session_.lock()) drop_incoming(*session);
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
        const bool writable = co_await session->writable();
        if (!writable) co_return false;
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

/// After its last packet; the session may have held the last reference to it.
void Stream::end(Session& session) {
    const auto self = shared_from_this();
    over_ = true;
    drop_incoming(session);
    session.streams_.erase(opener_.serial);
    arrived_.notify_all();
    ended_.notify_all();
}

Task<> Stream::until_aborted() {
    const auto self = shared_from_this();
    while (!aborted_ && !over_) (void)co_await ended_.wait(Deadline::never());
}

void Stream::confirm() {
    const auto session = session_.lock();
    if (!session || over_) return;
    session->send(make_packet(header(PacketType::stream, PacketStatus::ok), Nothing{}));
    end(*session);
}

void Stream::fail(const Error& error) {
    const auto session = session_.lock();
    if (!session || over_) return;
    session->send(make_error_packet(header(PacketType::stream, PacketStatus::error), error));
    end(*session);
}

} // namespace domus::wire
