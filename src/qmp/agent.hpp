// The guest agent (qemu-ga) of a running domain, behind a virtio-serial channel. The guest decides what comes over it, and
// how much: every wait has a deadline that holds while bytes keep coming, lines are bounded, reading takes a bounded share
// of the loop, answers that are not for us are dropped, and both sides synchronize before each command
// (guest-sync-delimited).
#pragma once

#include "async/mailbox.hpp"
#include "async/signal.hpp"
#include "async/task.hpp"
#include "os/unique_fd.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace domus::qmp {

class Agent : public std::enable_shared_from_this<Agent> {
public:
    /// `connect` opens the channel's socket, on which QEMU listens; called when the agent is first needed and after each
    /// failure.
    using Connect = std::function<UniqueFd()>;
    Agent(Executor executor, Connect connect, std::string who);

    /// Whether the guest has opened its end (VSERPORT_CHANGE).
    void set_guest_side_open(bool open) { open_ = open; }
    bool connected() const { return open_; }

    /// The command's `return`. agent_unresponsive where the guest does not answer by the deadline.
    Task<boost::json::value> execute(std::string command, boost::json::object arguments, Deadline by);
    /// A request as the user wrote it; the answer as the agent gave it.
    Task<std::string> raw(std::string request, Deadline by);
    /// Mode "powerdown", "reboot" or "halt". An agent that obeys does not answer: success is that it took the request.
    Task<> shutdown(std::string mode, Deadline by);
    void close();

private:
    struct Channel;
    using ChannelPtr = std::shared_ptr<Channel>;

    ChannelPtr channel();
    void drop(const ChannelPtr& channel);
    Task<> fill(ChannelPtr channel, Deadline by);
    Task<std::optional<std::string>> read_line(ChannelPtr channel, std::size_t longest, Deadline by);
    Task<> write(ChannelPtr channel, std::string text, Deadline by);
    Task<> synchronize(ChannelPtr channel, Deadline by);
    Task<boost::json::value> parse(ChannelPtr channel, std::string_view text, Deadline by);
    Task<boost::json::value> ask(ChannelPtr channel, std::string request, Deadline by);
    /// Runs `ask` on the channel, which is closed if that fails.
    Task<boost::json::value> exchange(std::string request, Deadline by);
    Error failed(const boost::system::error_code& failure, Deadline by) const;
    Error silent(std::string_view why) const;
    Error unreadable(std::string why) const;

    Executor executor_;
    Connect connect_;
    std::string who_;
    Mailbox turns_;
    ChannelPtr channel_;
    bool open_ = false;
};

} // namespace domus::qmp
