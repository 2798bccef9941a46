// Accepts clients on Unix sockets and keeps their sessions.
#pragma once

#include "async/acceptor.hpp"
#include "async/signal.hpp"
#include "async/task.hpp"
#include "os/unique_fd.hpp"
#include "wire/dispatcher.hpp"
#include "wire/session.hpp"

#include <functional>
#include <map>
#include <set>

namespace domus::wire {

class Server {
public:
    Server(Executor executor, const Dispatcher& dispatcher, Limits limits);

    /// Begins to accept on a listening socket; every client of a read-only one is read-only, whatever it asks.
    void listen(UniqueFd socket, bool read_only);
    /// Called for each new session before it is served.
    void on_session(std::function<void(const std::shared_ptr<Session>&)> action) { new_session_ = std::move(action); }
    /// Accepts no more clients, and lets go of those there are (see Session::finish): waits for calls in flight for at
    /// most `calls`, and as long again for clients that do not take their replies.
    Task<> stop(Clock::duration calls);
    std::size_t clients() const { return sessions_.size(); }
    /// A number that no connection has had, whatever its protocol.
    std::uint64_t next_connection() { return next_connection_++; }

private:
    void admit(UniqueFd client, bool read_only);
    bool has_room_for(Account& account);
    Task<> serve(std::shared_ptr<Session> session);
    Task<> watch();
    bool make_room(bool for_read_only);
    void drop_unopened(Clock::time_point now);

    Executor executor_;
    const Dispatcher& dispatcher_;
    Limits limits_;
    std::shared_ptr<Turns> turns_;
    Accounts accounts_;
    std::function<void(const std::shared_ptr<Session>&)> new_session_;
    std::vector<std::shared_ptr<Acceptor>> acceptors_;
    std::set<std::shared_ptr<Session>> sessions_;
    std::map<std::uint64_t, std::shared_ptr<Session>>
        unopened_; ///< of the sessions, those without an open connection yet
    Notice room_;  ///< a session has ended
    std::uint64_t next_connection_ = 1;
    bool stopping_ = false;
    bool watching_ = false;
};

} // namespace domus::wire
