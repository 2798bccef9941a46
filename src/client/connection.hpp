// A connection to a daemon that speaks libvirt's protocol: synchronous calls over one socket, without threads. While a
// call waits for its reply, events, stream data and signs of life are taken as they come.
//
//     auto connection = client::Connection::open({.uri = "qemu:///system"});
//     const auto domain = connection->call<Procedure::domain_lookup_by_name>({.name = "web"}).dom;
//     connection->call<Procedure::domain_create>({.dom = domain});
//
// Errors of the daemon and of the way to it are thrown as domus::Error with libvirt's code and domain. Not for several
// threads at once.
#pragma once

#include "base/error.hpp"
#include "client/transport.hpp"
#include "wire/packet.hpp"
#include "wire/procedures.hpp"
#include "wire/protocol.hpp"

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace domus::client {

using Clock = std::chrono::steady_clock;

class Stream;

class Connection {
public:
    struct Options {
        std::string uri; ///< empty: see client/uri.hpp
        bool readonly = false;
        std::chrono::seconds keepalive_interval{5}; ///< 0: never ask whether the daemon lives
        int keepalive_count = 6;
    };

    /// Connects, authenticates, opens the hypervisor.
    static std::unique_ptr<Connection> open(const Options& options);
    /// Closes politely, without waiting long.
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// The URI that the daemon would call itself, as `virsh uri` shows it.
    const std::string& uri();
    bool readonly() const { return readonly_; }
    /// Whether the daemon is still at the other end; reads what has come so far.
    bool alive();

    template <auto procedure>
    typename wire::Call<procedure>::Ret call(const typename wire::Call<procedure>::Args& args = {}) {
        return wire::decode<typename wire::Call<procedure>::Ret>(
            exchange(program_of(procedure), static_cast<std::int32_t>(procedure), encoded(args)));
    }
    /// A call that takes long: until its reply is there, `look` is run each `every`, and at once when `urgent` says so,
    /// which is asked after each signal. It may make calls of its own.
    template <auto procedure>
    typename wire::Call<procedure>::Ret
    call_watched(const typename wire::Call<procedure>::Args& args, std::chrono::milliseconds every,
                 const std::function<bool()>& urgent, const std::function<void()>& look) {
        const auto serial = send_call(program_of(procedure), static_cast<std::int32_t>(procedure), encoded(args));
        const auto there = [&] { return replies_.contains(serial); };
        const auto enough = [&] { return there() || urgent(); };
        while (!there()) {
            run_until(enough, Clock::now() + every);
            if (!there()) look();
        }
        return wire::decode<typename wire::Call<procedure>::Ret>(await_reply(serial));
    }
    /// The encoded reply to a call with encoded arguments; throws the error that came instead.
    std::string exchange(std::uint32_t program, std::int32_t procedure, std::string_view arguments);

    /// Many calls at once: all are sent before the first reply is awaited. An Error in the place of each that failed.
    template <auto procedure> auto call_all(const std::vector<typename wire::Call<procedure>::Args>& calls) {
        using Ret = typename wire::Call<procedure>::Ret;
        std::vector<std::string> arguments;
        for (const auto& args : calls) arguments.push_back(encoded(args));
        std::vector<std::variant<Ret, Error>> results;
        for (auto& reply : exchange_all(program_of(procedure), static_cast<std::int32_t>(procedure), arguments)) {
            if (auto* error = std::get_if<Error>(&reply))
                results.emplace_back(std::move(*error));
            else
                results.emplace_back(wire::decode<Ret>(std::get<std::string>(reply)));
        }
        return results;
    }
    std::vector<std::variant<std::string, Error>> exchange_all(std::uint32_t program, std::int32_t procedure,
                                                               const std::vector<std::string>& arguments);

    /// Gets each event: its procedure's number in the remote program, and its encoded message.
    using EventHandler = std::function<void(std::int32_t procedure, std::string_view message)>;
    void on_event(EventHandler handler) { event_handler_ = std::move(handler); }

    /// Takes what comes until `done` says so (true) or the time is over (false). `done` is asked after each packet
    /// and after each signal. Throws when the daemon goes away.
    bool run_until(const std::function<bool()>& done, std::optional<Clock::time_point> by = std::nullopt);
    /// Waits once for the daemon or for one of `others`, whose revents are filled in; takes what came.
    void wait(std::span<pollfd> others, std::optional<Clock::time_point> by = std::nullopt);

private:
    friend class Stream;

    template <class Args> static std::string encoded(const Args& args) {
        std::string bytes;
        wire::encode(args, bytes);
        return bytes;
    }

    Connection(Channel channel, const Options& options);
    void authenticate();
    void open_hypervisor(const std::string& name);

    std::uint32_t send_call(std::uint32_t program, std::int32_t procedure, std::string_view arguments);
    void send_packet(const wire::Header& header, std::string_view payload);
    std::string await_reply(std::uint32_t serial);
    void flush_some();
    void receive();
    void take_packets();
    void take(std::string_view packet);
    void keep_alive();
    [[noreturn]] void lose(Error why);
    std::optional<Clock::time_point> next_sign_of_life() const;

    Channel channel_;
    bool readonly_;
    bool opened_ = false;
    std::chrono::seconds keepalive_interval_;
    int keepalive_count_;
    Clock::time_point last_heard_ = Clock::now();
    Clock::time_point last_ping_ = Clock::now();
    int unanswered_ = 0;

    std::uint32_t next_serial_ = 0;
    std::string incoming_;
    std::string outgoing_;
    std::optional<Error> lost_;
    std::optional<std::string> uri_;

    struct Reply {
        bool failed = false;
        std::string payload;
    };
    std::map<std::uint32_t, Reply> replies_;
    std::map<std::uint32_t, Stream*> streams_;
    EventHandler event_handler_;
};

/// A stream of bytes that a call opened: a console, the contents of a volume. Closed (aborted if need be) with its end.
class Stream {
public:
    template <wire::Procedure procedure>
    static std::unique_ptr<Stream> open(Connection& connection, const typename wire::Call<procedure>::Args& args) {
        return std::unique_ptr<Stream>(
            new Stream(connection, static_cast<std::int32_t>(procedure), Connection::encoded(args)));
    }
    /// The reply to the opening call, for those procedures that have one (the screenshot's MIME type).
    const std::string& reply() const { return reply_; }
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// What has arrived and was not taken yet; never waits. Throws the error that ended the stream, once all is taken.
    std::string take();
    /// Waits for data; empty: the end. At most what one packet held.
    std::string read();
    bool at_end() const { return ended_ && arrived_.empty(); }
    /// Writes all of it, waiting while the daemon does not take it.
    void write(std::string_view data);
    /// A hole of `length` bytes, in sparse streams.
    void write_hole(std::int64_t length);
    /// Says that all is written or read and waits for the daemon's word; throws if it did not work there.
    void finish();
    void abort();

    struct Chunk {
        std::string data;
        std::int64_t hole = 0; ///< when not 0, so many bytes of nothing
    };
    /// As read(), for sparse streams.
    std::optional<Chunk> read_chunk();

private:
    friend class Connection;
    Stream(Connection& connection, std::int32_t procedure, std::string_view arguments);
    void take_packet(const wire::Header& header, std::string_view payload);
    void send(wire::PacketType type, wire::PacketStatus status, std::string_view payload);
    void check();

    Connection& connection_;
    std::int32_t procedure_;
    std::uint32_t serial_ = 0;
    std::string reply_;
    std::deque<Chunk> arrived_;
    std::optional<Error> failure_;
    bool ended_ = false;    ///< the daemon sends no more
    bool finished_ = false; ///< it has said its last word
};

} // namespace domus::client
