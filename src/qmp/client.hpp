// The monitor of a running domain: QEMU's machine protocol (docs/interop/qmp-spec of QEMU) on a connected Unix socket.
// Commands are matched with answers by id, so that many are under way at once; each wait has a deadline, and a monitor
// that does not answer costs only its own callers. What QEMU sends is bounded in size and in its share of the loop; one
// that sends nonsense or too much loses its monitor.
//
//     auto monitor = qmp::Client::open(executor, std::move(socket), "domain 'web'");
//     monitor->on_event([](std::string_view name, const json::object& data) { ... });
//     co_await monitor->handshake(Deadline::in(30s));
//     auto status = co_await monitor->execute("query-status", {}, Deadline::in(2s));
#pragma once

#include "async/loop_share.hpp"
#include "async/signal.hpp"
#include "async/task.hpp"
#include "os/unique_fd.hpp"

#include <boost/json/object.hpp>
#include <boost/json/stream_parser.hpp>
#include <boost/json/value.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace domus::qmp {

namespace json = boost::json;

struct Command {
    std::string name;
    json::object arguments;
};

class Client : public std::enable_shared_from_this<Client> {
public:
    /// Starts to read, and leaves negotiation mode when QEMU greets; commands wait for that. `who` names the monitor in
    /// errors: "domain 'web'".
    static std::shared_ptr<Client> open(Executor executor, UniqueFd socket, std::string who);
    ~Client();

    using EventHandler = std::function<void(std::string_view name, const json::object& data)>;
    void on_event(EventHandler handler) { event_ = std::make_shared<const EventHandler>(std::move(handler)); }
    /// Called once when the monitor has gone.
    void on_closed(std::function<void()> handler) { closed_handler_ = std::move(handler); }

    /// Waits until QEMU has left negotiation mode. `more` goes out right behind; their answers are returned in order,
    /// and the first refusal is thrown.
    Task<std::vector<json::value>> handshake(Deadline by, std::vector<Command> more = {});

    /// The command's `return`. Throws operation_timeout at the deadline, operation_failed when QEMU refuses (with its
    /// own words as cause) or when the monitor is gone. A late answer is dropped.
    Task<json::value> execute(std::string command, json::object arguments, Deadline by);
    /// Several at once: one write, answers in order.
    Task<std::vector<json::value>> execute_all(std::vector<Command> commands, Deadline by);
    /// With a descriptor beside it (getfd, add-fd).
    Task<json::value> execute_with_fd(std::string command, json::object arguments, UniqueFd fd, Deadline by);

    bool connected() const { return connected_; }
    void close();

private:
    using Slot = std::shared_ptr<Reply<json::value>>;
    struct Outgoing {
        std::string bytes;
        UniqueFd fd;
        std::size_t sent = 0;
    };

    Client(Executor executor, UniqueFd socket, std::string who);
    Task<> read_all(std::shared_ptr<Client> self);
    Task<> read_messages();
    /// Feeds some bytes to the parser and handles the message that they end; returns how many it took.
    std::size_t take(std::string_view bytes);
    std::size_t largest_now() const;
    void dispatch(json::value message);
    Slot enqueue(const Command& command, std::string& out);
    void send(std::string bytes, UniqueFd fd = {});
    void flush();
    Task<json::value> answer(Slot slot, std::string name, Deadline by);
    Error gone() const;

    Executor executor_;
    StreamFd socket_;
    std::string who_;
    std::shared_ptr<const EventHandler> event_; ///< shared, since it may close the monitor that calls it
    std::function<void()> closed_handler_;
    json::stream_parser parser_;
    std::size_t message_bytes_ = 0, message_values_ = 0;
    LoopShare share_;
    struct Waiting {
        Slot slot;
        std::string command;
    };
    std::unordered_map<std::uint64_t, Waiting> waiting_;
    std::uint64_t next_id_ = 1;
    std::uint64_t unanswered_ = 0; ///< commands, with those that nobody waits for any more
    std::string why_closed_;
    Slot negotiated_;
    bool greeted_ = false; ///< before that QEMU takes no command
    std::deque<Outgoing> output_;
    std::size_t output_bytes_ = 0;
    bool waiting_to_write_ = false;
    bool connected_ = true;
};

} // namespace domus::qmp
