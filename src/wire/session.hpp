// One client's connection: packets in, packets out, its calls in flight, its streams.
//
// Reading and writing go through one recvmsg and one sendmsg for all that is there at the time. Packets are handled a few
// at a turn (turns.hpp), so that no client holds up the others. A client that sends faster than it is served is read
// from only a little further, so that its pings are answered and its end is noticed, and then not at all while too much
// is in flight; one that does not read its replies is disconnected when they exceed a limit. What one user has through
// all connections is bounded too (account.hpp), and clients that may only read get less of everything. Input is buffered
// as it comes: a length that was only claimed takes no memory.
#pragma once

#include "async/signal.hpp"
#include "async/task.hpp"
#include "os/unique_fd.hpp"
#include "service/caller.hpp"
#include "wire/account.hpp"
#include "wire/packet.hpp"
#include "wire/procedures.hpp"
#include "wire/protocol.hpp"
#include "wire/stream.hpp"
#include "wire/turns.hpp"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace domus::wire {

class Dispatcher;

struct Limits {
    std::size_t clients = 5000;
    std::size_t kept_clients =
        100; ///< of them for the socket for changes, and a fifth of those for the owner; a tenth at most
    std::size_t unopened_clients = 20;     ///< that have connected and opened nothing; with more, none may for long
    std::chrono::seconds open_timeout{60}; ///< for them to open a connection
    std::size_t calls_in_flight = 64;
    std::size_t queued_output = 96u << 20; ///< bytes of replies and events that a client may leave unread
    std::size_t queued_stream = 4u << 20;  ///< of which its streams may fill so much
    std::size_t read_only_calls = 8;       ///< in flight, of a client that may only read
    std::size_t read_only_output = 32u << 20;
    std::size_t read_only_unread = 1u << 20; ///< with so much unread it gets no further replies
    std::uint32_t small_packet =
        1u << 20; ///< largest packet of a client that has not opened a connection yet, or may only read
    UserLimits user;
    std::chrono::seconds keepalive_interval{5};
    unsigned keepalive_count = 5;
};

/// What goes back to the client of a call: a packet, and the descriptors behind it.
struct Answer {
    std::string packet;
    std::vector<UniqueFd> fds;
};

/// What a session has in common with others.
struct Share {
    std::shared_ptr<Turns> turns;
    std::shared_ptr<Account> account;
};

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(Executor executor, UniqueFd socket, service::Caller caller, const Dispatcher& dispatcher,
            const Limits& limits, Share share);
    ~Session();

    /// Serves the client until it goes; returns then.
    Task<> run();
    /// Takes no more calls, waits for those in flight until `calls_by` and for the client to take its replies until
    /// `by`, tells it that the daemon ends if it wants to know, and disconnects.
    Task<> finish(Deadline calls_by, Deadline by);
    /// Ends the connection from our side; what is queued is lost.
    void disconnect();
    bool connected() const { return connected_; }
    Clock::time_point since() const { return since_; }

    const service::Caller& caller() const { return caller_; }
    bool read_only() const { return caller_.read_only; }

    void send(std::string packet, std::vector<UniqueFd> fds = {});
    /// An event: a message of this procedure with serial 0.
    template <auto Event, class Body> void send_event(const Body& body) {
        send(make_packet(
            Header{program_of(Event), 1, static_cast<std::int32_t>(Event), PacketType::message, 0, PacketStatus::ok},
            body));
    }
    /// Runs when the client is gone, once. One action for each owner: a later one takes the place of the former.
    void on_close(const void* owner, std::function<void()> action) { close_actions_[owner] = std::move(action); }
    /// Waits until the output that is queued is short enough for more of a stream.
    Task<bool> writable();

    void open_connection(bool read_only_asked);
    bool opened() const { return opened_; }
    void on_open(std::function<void()> action) { open_action_ = std::move(action); }
    std::string uri;
    void enable_keepalive() { keepalive_ = true; }
    bool close_callback = false; ///< whether the client wants to be told that the daemon ends

    Account& account() const { return *share_.account; }
    const Usage& usage() const { return usage_; }

    /// Called once a second by the server: pings who was silent, disconnects who does not answer.
    void tick(Clock::time_point now);

private:
    friend class Account;
    friend class Stream;
    friend class Turns;

    // session.cpp: life and input
    bool take_turn();
    void charge(Clock::duration used, Clock::time_point now);
    bool may_call_again();
    bool congested() const;
    bool may_receive() const;
    void wait_readable();
    bool receive();
    void make_room();
    void take_descriptors(struct msghdr& message);
    bool too_long(std::string_view available) const;
    std::size_t whole_packet(std::string_view available) const;
    void count_input();
    void handle_packets();
    bool may_call();
    bool next_packet();
    bool skip();
    bool refuse_long_packet(std::string_view available);
    void answer_pings();
    void watch_for_end();
    void progressed();
    void end_because(const std::exception_ptr& failure);

    // session_calls.cpp
    void handle(const Header& header, std::string_view body);
    void handle_stream(const Header& header, std::string_view body);
    void answer_call(const Header& header, std::string_view body);
    void handle_call(const Header& header, std::string_view body);
    void check_sequence(const Header& header) const;
    Task<> run_call(std::shared_ptr<Session> self, Header header, Task<Answer> call);
    Task<> run_stream(std::shared_ptr<Session> self, Header header, Task<Answer> opener,
                      std::shared_ptr<Stream> stream);
    void call_done(Answer answer);
    void close_streams();
    void consumed(std::size_t stream_bytes);

    // session_output.cpp
    bool flush_some();
    void flush();
    void sent(std::size_t bytes);
    void wait_writable();
    void disconnect_later();

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
    Share share_;
    Usage usage_;
    std::string input_;
    std::size_t counted_input_ = 0; ///< bytes that the account has
    std::size_t skip_ = 0;          ///< bytes to come of a packet that was refused
    std::size_t input_begin_ = 0;
    std::size_t looked_at_ = 0; ///< of the input, for pings
    std::deque<UniqueFd> received_fds_;
    std::vector<UniqueFd> call_fds_;
    std::deque<Outgoing> output_;
    std::size_t output_bytes_ = 0;
    std::size_t output_fds_ = 0; ///< in packets that are queued
    bool corked_ = false;
    bool waiting_to_write_ = false;
    bool watching_for_end_ = false;
    bool held_up_ = false; ///< packets wait for less to be in flight
    bool reading_ = false; ///< waits for input
    bool readable_ = false;
    bool more_ = false; ///< to handle, in another turn
    bool turn_requested_ = false;
    bool waiting_for_call_ = false; ///< the user has too many in flight
    bool connected_ = true;
    bool finishing_ = false;
    bool opened_ = false;
    bool keepalive_ = false;
    unsigned unanswered_ = 0;
    Clock::time_point since_ = Clock::now();
    Clock::time_point last_heard_ = since_;
    std::size_t in_flight_ = 0;
    std::size_t stream_input_ = 0;
    Notice progress_;
    Notice ended_;
    std::map<std::uint32_t, std::shared_ptr<Stream>> streams_;
    std::function<void()> open_action_;
    std::map<const void*, std::function<void()>> close_actions_;
};

} // namespace domus::wire
