#include "wire/server.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>

namespace domus::wire {

using namespace std::chrono_literals;

Server::Server(Executor executor, const Dispatcher& dispatcher, Limits limits)
    : executor_(std::move(executor)), dispatcher_(dispatcher), limits_(limits) {}

void Server::listen(UniqueFd socket, bool read_only) {
    auto listener = std::make_shared<StreamFd>(executor_, socket.release());
    listener->native_non_blocking(true);
    sockets_.push_back(listener);
    spawn(executor_, accept(listener, read_only), "accepting clients");
    if (!std::exchange(watching_, true)) spawn(executor_, watch(), "keepalive");
}

Task<> Server::accept(std::shared_ptr<StreamFd> socket, bool read_only) {
    while (!stopping_) {
        boost::system::error_code failure;
        co_await socket->async_wait(StreamFd::wait_read, asio::redirect_error(use_task, failure));
        if (failure || stopping_) co_return;
        for (;;) {
            UniqueFd client(::accept4(socket->native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
            if (!client && errno == EMFILE) {
                log::error("too many open files: a client waits");
                co_await sleep_until(Deadline::in(100ms));
            }
            if (!client) break;
            if (sessions_.size() >= limits_.clients) {
                log::warning("{} clients are connected, another was refused", sessions_.size());
                continue;
            }
            service::Caller caller;
            caller.connection = next_connection_++;
            caller.who = peer_credentials(client.get());
            caller.read_only = read_only;
            auto session = std::make_shared<Session>(executor_, std::move(client), std::move(caller), dispatcher_, limits_);
            sessions_.insert(session);
            if (new_session_) new_session_(session);
            spawn(executor_, serve(std::move(session)), "a client's session");
        }
    }
}

Task<> Server::serve(std::shared_ptr<Session> session) {
    co_await session->run();
    sessions_.erase(session);
}

Task<> Server::watch() {
    while (!stopping_) {
        co_await sleep_until(Deadline::in(1s));
        const auto now = Clock::now();
        const std::vector<std::shared_ptr<Session>> all(sessions_.begin(), sessions_.end());
        for (const auto& session : all) session->tick(now);
    }
}

void Server::stop() {
    stopping_ = true;
    for (const auto& socket : sockets_) {
        boost::system::error_code ignored;
        socket->close(ignored);
    }
    const std::vector<std::shared_ptr<Session>> all(sessions_.begin(), sessions_.end());
    for (const auto& session : all) session->disconnect();
}

UniqueFd listen_unix(const std::filesystem::path& path, mode_t mode) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path)
        throw Error(ErrorCode::conf_syntax, ErrorDomain::rpc,
                    fmt::format("the socket's path '{}' is longer than {} bytes", path.string(), sizeof address.sun_path - 1))
            .hint("choose a shorter --root");
    path.native().copy(address.sun_path, path.native().size());
    const auto* where = reinterpret_cast<const sockaddr*>(&address);
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(probe.get(), where, sizeof address) == 0)
        throw Error(ErrorCode::resource_busy, ErrorDomain::rpc, fmt::format("another daemon answers on '{}'", path.string()))
            .hint("stop it first, or give this one another --root");
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::unlink(path.c_str());
    // The permissions are there before anybody can connect.
    const auto before = ::umask(static_cast<mode_t>(~mode & 0777));
    const int bound = ::bind(socket.get(), where, sizeof address);
    const int number = errno;
    ::umask(before);
    if (!socket || bound < 0 || ::listen(socket.get(), 1000) < 0)
        throw system_error(bound < 0 ? number : errno, fmt::format("cannot listen on '{}'", path.string()), ErrorDomain::rpc);
    return socket;
}

} // namespace domus::wire
