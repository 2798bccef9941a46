// The guest agent (qemu-ga) of a running domain, behind a virtio-serial channel. The guest decides what comes over it:
// every wait has a deadline, answers that are not for us are dropped, and after a silence the two sides synchronize
// anew (guest-sync-delimited).
#pragma once

#include "async/mailbox.hpp"
#include "async/signal.hpp"
#include "async/task.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <memory>
#include <string>

namespace domus::qmp {

class Agent : public std::enable_shared_from_this<Agent> {
public:
    /// `path`: the channel's socket, on which QEMU listens. Connected when first needed.
    Agent(Executor executor, std::string path, std::string who);

    /// Whether the guest has opened its end (VSERPORT_CHANGE).
    void set_guest_side_open(bool open) { open_ = open; }
    bool connected() const { return open_; }

    /// The command's `return`. agent_unresponsive where the guest does not answer by the deadline.
    Task<boost::json::value> execute(std::string command, boost::json::object arguments, Deadline by);
    /// A request as the user wrote it; the answer as the agent gave it.
    Task<std::string> raw(std::string request, Deadline by);
    /// Mode "powerdown", "reboot" or "halt". An agent that obeys does not answer: success is that it did not refuse.
    Task<> shutdown(std::string mode, Deadline by);
    void close();

private:
    Task<> connect(Deadline by);
    Task<> synchronize(Deadline by);
    Task<std::string> read_line(Deadline by);
    Task<> write(std::string text, Deadline by);
    Task<boost::json::value> exchange(std::string request, Deadline by);
    Error silent() const;

    Executor executor_;
    std::string path_, who_;
    Mailbox turns_;
    std::unique_ptr<StreamFd> socket_;
    std::string buffer_;
    bool open_ = false;
};

} // namespace domus::qmp
