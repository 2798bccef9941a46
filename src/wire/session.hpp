// One client's connection: packets in, packets out, its calls in flight, its streams.
//
// Reading and writing go through one recvmsg and one sendmsg for all that is there at the time. A client that sends
// faster than it is served is not read from while too much is in flight; one that does not read its replies is
// disconnected when they exceed a limit. Input is buffered as it comes: a length that was only claimed takes no memory.
#pragma once

#include "async/gate.hpp"
#include "async/signal.hpp"
#include "async/task.hpp"
#include "os/unique_fd.hpp"
#include "service/caller.hpp"
#include "wire/packet.hpp"
#include "wire/procedures.hpp"
#include "wire/protocol.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace domus::wire {

class Dispatcher;
class Stream;

struct Limits {
    std::size_t clients = 5000;
    std::size_t calls_in_flight = 64;
    std::size_t queued_output = 96u << 20;   ///< bytes of replies and events that a client may leave unread
    std::size_t queued_stream = 4u << 20;    ///< of which its streams may fill so much
    std::uint32_t before_open = 1u << 20;    ///< largest packet of a client that has not opened a connection yet
    std::chrono::seconds keepalive_interval{5};
    unsigned keepalive_count = 5;
};

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(Executor executor, UniqueFd socket, service::Caller caller, const Dispatcher& dispatcher, const Limits& limits);
    ~Session();

    /// Serves the client until it goes; returns then.
    Task<> run();
    /// Ends the connection from our side; what is queued is lost.
    void disconnect();
    bool connected() const { return connected_; }

    const service::Caller& caller() const { return caller_; }
    bool read_only() const { return caller_.read_only; }

    void send(std::string packet, std::vector<UniqueFd> fds = {});
    /// An event: a message of this procedure with serial 0.
    template <auto Event, class Body>
    void send_event(const Body& body) {
        send(make_packet(Header{program_of(Event), 1, static_cast<std::int32_t>(Event), PacketType::message, 0, PacketStatus::ok}, body));
    }
    /// Runs when the client is gone, once.
    void on_close(std::function<void()> action) { close_actions_.push_back(std::move(action)); }
    /// Waits until the output that is queued is short enough for more of a stream.
    Task<bool> writable();

    void open_connection(bool read_only_asked);
    bool opened() const { return opened_; }
    std::string uri;
    void enable_keepalive() { keepalive_ = true; }
    bool close_callback = false;

    /// Called once a second by the server: pings who was silent, disconnects who does not answer.
    void tick(Clock::time_point now);

    /// Descriptors that came with the call that is being handled.
    std::vector<UniqueFd> take_fds() { return std::move(call_fds_); }

private:
    friend class Stream;
    static constexpr std::uint32_t program_of(Procedure) { return remote_program; }
    static constexpr std::uint32_t program_of(QemuProcedure) { return qemu_program; }

    /// False at the end of the connection.
    bool receive();
    void handle_packets();
    bool next_packet();
    void handle(const Header& header, std::string_view body);
    void handle_call(const Header& header, std::string_view body);
    void handle_keepalive(const Header& header);
    void check_sequence(const Header& header) const;
    bool congested() const;
    void flush();
    void wait_writable();
    void close_streams();
    void consumed(std::size_t stream_bytes);
    Task<> run_call(std::shared_ptr<Session> self, Header header, Task<std::string> call);
    Task<> run_stream(std::shared_ptr<Session> self, Header header, Task<std::string> opener, std::shared_ptr<Stream> stream);

    struct Outgoing {
        std::string bytes;
        std::vector<UniqueFd> fds; ///< sent one by one behind the bytes, each with a byte of its own
        std::size_t sent = 0;
        std::size_t fds_sent = 0;
    };

    Executor executor_;
    StreamFd socket_;
    service::Caller caller_;
    const Dispatcher& dispatcher_;
    const Limits& limits_;
    std::string input_;
    std::size_t input_begin_ = 0;
    std::deque<UniqueFd> received_fds_;
    std::vector<UniqueFd> call_fds_;
    std::deque<Outgoing> output_;
    std::size_t output_bytes_ = 0;
    bool corked_ = false;
    bool waiting_to_write_ = false;
    bool connected_ = true;
    bool opened_ = false;
    bool keepalive_ = false;
    unsigned unanswered_ = 0;
    Clock::time_point last_heard_ = Clock::now();
    std::size_t in_flight_ = 0;
    std::size_t stream_input_ = 0;
    Notice progress_;
    std::map<std::uint32_t, std::shared_ptr<Stream>> streams_;
    std::vector<std::function<void()>> close_actions_;
};

/// The stream that a call opened; both sides may send.
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
    /// Told when the client ended it or went, for who only writes.
    Notice& ended() { return ended_; }

private:
    friend class Session;
    void deliver(Incoming incoming);
    void close();
    void drop_incoming(Session& session);
    Header header(PacketType type, PacketStatus status) const;

    std::weak_ptr<Session> session_;
    Header opener_;
    std::deque<Incoming> incoming_;
    Notice arrived_;
    Notice ended_;
    bool over_ = false;       ///< nothing may be sent any more
    bool client_done_ = false;
};

} // namespace domus::wire
