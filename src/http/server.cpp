#include "http/server.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "http/connection.hpp"
#include "os/credentials.hpp"

#include <utility>

namespace domus::http {

Server::Server(Executor executor, service::Service& service, Limits limits, std::function<std::uint64_t()> number)
    : executor_(executor), router_(service), limits_(limits), number_(std::move(number)), ended_(executor) {}

void Server::listen(UniqueFd socket, bool read_only) {
    acceptors_.push_back(Acceptor::start(executor_, std::move(socket),
                                         [this, read_only](UniqueFd client) { admit(std::move(client), read_only); }));
}

void Server::admit(UniqueFd client, bool read_only) {
    try {
        service::Caller caller;
        caller.who = peer_credentials(client.get());
        caller.read_only = read_only;
        caller.origin = service::Origin::rest;
        const auto uid = caller.who.uid;
        const bool bound = uid != 0 || read_only;
        if (connections_.size() >= limits_.clients || (bound && of_user_[uid] >= limits_.clients_per_user)) return;
        caller.connection = number_();
        const auto number = caller.connection;
        auto connection =
            std::make_shared<Connection>(executor_, std::move(client), std::move(caller), router_, limits_);
        connections_.insert(connection);
        ++of_user_[uid];
        if (opened_) opened_(number);
        spawn(executor_, serve(std::move(connection)), "a client of HTTP");
    } catch (const std::exception& error) {
        log::error("a client of HTTP was refused: {}", error.what());
    }
}

Task<> Server::serve(std::shared_ptr<Connection> connection) {
    std::exception_ptr failure;
    try {
        co_await connection->run();
    } catch (...) {
        failure = std::current_exception();
    }
    connection->close();
    connections_.erase(connection);
    const auto uid = connection->caller().who.uid;
    if (--of_user_[uid] == 0) of_user_.erase(uid);
    if (closed_) closed_(connection->caller().connection);
    for (const auto& acceptor : acceptors_) acceptor->look_again();
    ended_.notify_all();
    if (failure) std::rethrow_exception(failure);
}

Task<> Server::stop(Clock::duration requests) {
    for (const auto& acceptor : acceptors_) acceptor->stop();
    const std::vector<std::shared_ptr<Connection>> all(connections_.begin(), connections_.end());
    for (const auto& connection : all) connection->finish();
    const auto by = Deadline::in(requests);
    while (!connections_.empty() && !by.expired()) (void)co_await ended_.wait(by);
}

} // namespace domus::http
