// QEMU's monitor as a machine has it: a connection that comes back when it was lost, and calls that end by themselves when
// the guest has gone. What QEMU is asked is the business of those who call.
#pragma once

#include "async/signal.hpp"
#include "async/task.hpp"
#include "base/uuid.hpp"
#include "qmp/client.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace domus::engine::qemu {

namespace json = boost::json;

/// For an answer to a command that takes QEMU no time of its own.
inline constexpr std::chrono::seconds monitor_timeout{10};

class Monitor : public std::enable_shared_from_this<Monitor> {
public:
    struct Site {
        std::string socket; ///< path of the Unix socket on which QEMU listens
        std::string domain; ///< name, for errors
        Uuid uuid;
    };
    Monitor(Executor executor, Site site);

    using EventHandler = std::function<void(std::string_view name, const json::object& data)>;
    /// What a QEMU that was connected to again answers to query-status.
    using ReachedHandler = std::function<void(const json::value& status)>;
    void on_event(EventHandler handler) { event_ = std::move(handler); }
    void on_reached(ReachedHandler handler) { reached_ = std::move(handler); }

    /// To a QEMU that was just started. Throws system_error.
    void connect();
    /// From now on: when the connection is lost while QEMU runs, it is made again.
    void keep() { kept_ = true; }
    /// Connects to a QEMU that has run before, as often as needed, and keeps the connection.
    void reach();
    void disconnect();
    bool connected() const { return client_ && client_->connected(); }
    /// QEMU's process has ended: what it still has said is read, for a moment. Then calls that are under way throw GuestGone,
    /// and so do later ones.
    Task<> end();
    bool ended() const { return ended_; }
    /// Waits for end(); false if it has not come by then.
    Task<bool> wait_ended(Deadline by);
    const std::string& domain() const { return site_.domain; }

    /// As those of qmp::Client. Throw GuestGone once the process has ended, whatever QEMU had answered.
    Task<json::value> execute(std::string command, json::object arguments, Deadline by);
    Task<std::vector<json::value>> execute_all(std::vector<qmp::Command> commands, Deadline by);
    Task<json::value> execute_with_fd(std::string command, json::object arguments, UniqueFd fd, Deadline by);
    Task<std::vector<json::value>> handshake(Deadline by, std::vector<qmp::Command> more);

    /// Notified by events of migrations and jobs.
    Notice& progress() { return progress_; }

private:
    std::shared_ptr<qmp::Client> client() const;
    template <class Result> Task<Result> guarded(Task<Result> call);
    void lost();
    Task<> reconnect(std::chrono::seconds pause);
    Task<> connect_again();
    Task<bool> greet();

    Executor executor_;
    Site site_;
    std::shared_ptr<qmp::Client> client_;
    EventHandler event_;
    ReachedHandler reached_;
    Notice progress_, closed_, gone_;
    Clock::time_point opened_ = Clock::now();
    std::chrono::seconds pause_{0};
    bool kept_ = false; ///< it is connected to again when it is lost
    bool ended_ = false;
};

using MonitorPtr = std::shared_ptr<Monitor>;

} // namespace domus::engine::qemu
