// Opens the way to a daemon: a socket, or a child process (ssh) whose standard input and output are one end of it.
#pragma once

#include "client/uri.hpp"

#include <sys/types.h>

#include <string>
#include <utility>

namespace domus::client {

class Channel {
public:
    Channel() = default;
    /// `messages`: the file that the child's standard error goes to.
    Channel(int fd, pid_t child, int messages = -1) : fd_(fd), child_(child), messages_(messages) {}
    Channel(Channel&& other) noexcept;
    Channel& operator=(Channel&& other) noexcept;
    ~Channel();

    int fd() const { return fd_; }
    int take() { return std::exchange(fd_, -1); }
    /// Closes the way and waits for the child, which ends by that.
    void close();
    bool is_open() const { return fd_ >= 0; }
    /// What the child wrote to its standard error: worth reading when it failed, and else nobody's concern.
    std::string messages() const;

private:
    int fd_ = -1;
    pid_t child_ = -1;
    int messages_ = -1;
};

/// Throws Error system_error: "Failed to connect socket to '/x': No such file or directory".
Channel open_channel(const Target& target, bool readonly);

/// The words with which ssh is called; for the log and for tests.
std::vector<std::string> ssh_command(const Target& target, bool readonly);

} // namespace domus::client
