// The stream that a call opened: consoles, uploads, downloads (section 8 of the facts on the protocol).
#pragma once

#include "async/signal.hpp"
#include "async/task.hpp"
#include "base/error.hpp"
#include "wire/packet.hpp"

#include <deque>
#include <memory>
#include <string>

namespace domus::wire {

class Session;

/// Memory that a queued stream packet takes beside its data.
inline constexpr std::size_t packet_cost = 128;

/// Both sides may send.
class Stream : public std::enable_shared_from_this<Stream> {
public:
    Stream(Executor executor, std::weak_ptr<Session> session, const Header& opener);

    struct Incoming {
        enum class What { data, hole, finish, abort } what = What::abort;
        std::string data;
        std::int64_t hole = 0;
    };
    /// The next thing that the client sent; abort when the client is gone.
    Task<Incoming> read();

    /// False when the client is gone or has ended the stream. Splits what is long; waits while the client does not read.
    Task<bool> write(std::string data);
    Task<bool> write_hole(std::int64_t length);
    /// No more data; the client then finishes.
    void send_end();
    /// The answer to the client's finish or abort.
    void confirm();
    void fail(const Error& error);
    bool over() const { return over_; }
    /// The client has aborted it or has gone: what it sent and nobody has read yet is dropped.
    bool aborted() const { return aborted_; }
    /// Told when the client ended it or went, and when it is over, for who only writes.
    Notice& ended() { return ended_; }
    /// Returns when the client aborted it or went, or when it is over: for who may be held up while he reads it.
    Task<> until_aborted();

private:
    friend class Session;
    void deliver(Incoming incoming);
    void close();
    void end(Session& session);
    void drop_incoming(Session& session);
    Header header(PacketType type, PacketStatus status) const;

    std::weak_ptr<Session> session_;
    Header opener_;
    std::deque<Incoming> incoming_;
    Notice arrived_;
    Notice ended_;
    bool over_ = false; ///< nothing may be sent any more
    bool client_done_ = false;
    bool aborted_ = false;
};

} // namespace domus::wire
