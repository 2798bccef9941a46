// Accepts clients on Unix sockets and keeps their sessions.
#pragma once

#include "async/task.hpp"
#include "os/unique_fd.hpp"
#include "wire/dispatcher.hpp"
#include "wire/session.hpp"

#include <filesystem>
#include <functional>
#include <set>

namespace domus::wire {

class Server {
public:
    Server(Executor executor, const Dispatcher& dispatcher, Limits limits);

    /// Begins to accept on a listening socket; every client of a read-only one is read-only, whatever it asks.
    void listen(UniqueFd socket, bool read_only);
    /// Called for each new session before it is served.
    void on_session(std::function<void(const std::shared_ptr<Session>&)> action) { new_session_ = std::move(action); }
    void stop();
    std::size_t clients() const { return sessions_.size(); }

private:
    Task<> accept(std::shared_ptr<StreamFd> socket, bool read_only);
    Task<> serve(std::shared_ptr<Session> session);
    Task<> watch();

    Executor executor_;
    const Dispatcher& dispatcher_;
    Limits limits_;
    std::function<void(const std::shared_ptr<Session>&)> new_session_;
    std::vector<std::shared_ptr<StreamFd>> sockets_;
    std::set<std::shared_ptr<Session>> sessions_;
    std::uint64_t next_connection_ = 1;
    bool stopping_ = false;
    bool watching_ = false;
};

/// A listening Unix socket at a path; a stale one is replaced, one that answers is an Error naming the path.
UniqueFd listen_unix(const std::filesystem::path& path, mode_t mode);

} // namespace domus::wire
