// Serves HTTP/1.1 (RFC 9112) on Unix sockets, where the kernel says who a client is. One request of a connection at a
// time. A client has its time to send a request and to take the answer; a request has a size; a user has some connections.
#pragma once

#include "async/acceptor.hpp"
#include "async/signal.hpp"
#include "async/task.hpp"
#include "http/request_reader.hpp"
#include "http/router.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

namespace domus::http {

struct Limits {
    std::size_t clients = 1000;
    std::size_t clients_per_user = 32; ///< does not bind root on the socket for changes
    RequestLimits request{};
    std::chrono::seconds request_timeout{30}; ///< from the first byte of a request to its last; for taking a response
    std::chrono::seconds idle_timeout{60};    ///< between requests
};

class Connection;

class Server {
public:
    /// `number` gives each connection the number under which its caller is known.
    Server(Executor executor, service::Service& service, Limits limits, std::function<std::uint64_t()> number);

    /// Begins to accept on a listening socket; callers of a read-only one may only read.
    void listen(UniqueFd socket, bool read_only);
    /// Called with the number of each connection when it begins and when it has ended.
    void on_connection(std::function<void(std::uint64_t)> opened, std::function<void(std::uint64_t)> closed) {
        opened_ = std::move(opened);
        closed_ = std::move(closed);
    }
    /// Accepts no more, and waits for requests in progress for at most so long.
    Task<> stop(Clock::duration requests);

private:
    void admit(UniqueFd client, bool read_only);
    Task<> serve(std::shared_ptr<Connection> connection);

    Executor executor_;
    Router router_;
    Limits limits_;
    std::function<std::uint64_t()> number_;
    std::function<void(std::uint64_t)> opened_, closed_;
    std::vector<std::shared_ptr<Acceptor>> acceptors_;
    std::set<std::shared_ptr<Connection>> connections_;
    std::map<uid_t, std::size_t> of_user_;
    Notice ended_;
};

} // namespace domus::http
