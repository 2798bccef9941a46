#include "wire/server.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "os/credentials.hpp"
#include "os/proc.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

namespace domus::wire {

using namespace std::chrono_literals;

namespace {

constexpr auto retry = 200ms;         ///< until a descriptor is looked for again that others may have given back
constexpr auto timeout_in_crowd = 5s; ///< with clients that open nothing, when there are many of them

sockaddr_un unix_address(const std::filesystem::path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path)
        throw Error(
            ErrorCode::conf_syntax, ErrorDomain::rpc,
            fmt::format("the socket's path '{}' is longer than {} bytes", path.string(), sizeof address.sun_path - 1))
            .hint("choose a shorter --root");
    path.native().copy(address.sun_path, path.native().size());
    return address;
}

} // namespace

Server::Server(Executor executor, const Dispatcher& dispatcher, Limits limits)
    : executor_(executor), dispatcher_(dispatcher), limits_(limits), turns_(std::make_shared<Turns>(executor)),
      accounts_(limits.user), room_(executor) {}

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
        const bool all = accept_all(*socket, read_only);
        // Who waits keeps the socket readable: without this it would be asked again and again.
        if (!all) (void)co_await room_.wait(Deadline::in(retry));
    }
}

/// All that wait, or some of very many: the loop has others too. False when there is no descriptor for who waits.
bool Server::accept_all(StreamFd& socket, bool read_only) {
    constexpr int most_at_once = 32;
    for (int i = 0; i < most_at_once; ++i) {
        UniqueFd client(::accept4(socket.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (client) {
            admit(std::move(client), read_only);
        } else if (errno == EAGAIN) {
            if (std::exchange(cannot_accept_, false)) log::info("clients are accepted again");
            return true;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            cannot_accept(errno);
            return false;
        }
    }
    return true;
}

void Server::cannot_accept(int number) {
    if (std::exchange(cannot_accept_, true)) return;
    log::error("{}", system_error(number, "no more clients are accepted for now", ErrorDomain::rpc).message());
}

/// Some places are kept for those who may change something, and of these some for the owner, so that nobody locks them out.
bool Server::has_room_for(Account& account) {
    const auto kept = std::min(limits_.kept_clients, limits_.clients / 10);
    const auto places = limits_.clients - (account.is_owner() ? 0 : account.read_only() ? kept : kept / 5);
    const bool room = account.may_connect() && (sessions_.size() < places || make_room(account.read_only()));
    if (!room)
        account.log_refusal(fmt::format("{} clients are connected, {} of uid {}: more of that user are refused",
                                        sessions_.size(), account.connections, account.uid()));
    return room;
}

void Server::admit(UniqueFd client, bool read_only) {
    try {
        service::Caller caller;
        caller.who = peer_credentials(client.get());
        caller.read_only = read_only;
        auto account = accounts_.of(caller.who.uid, read_only);
        if (!has_room_for(*account)) return;
        caller.connection = next_connection_++;
        const auto session = std::make_shared<Session>(executor_, std::move(client), std::move(caller), dispatcher_,
                                                       limits_, Share{turns_, account});
        const auto number = session->caller().connection;
        session->on_open([this, number] { unopened_.erase(number); });
        sessions_.insert(session);
        ++account->connections;
        unopened_.emplace(number, session);
        if (new_session_) new_session_(session);
        spawn(executor_, serve(session), "a client's session");
    } catch (const std::exception& error) {
        log::error("a client was refused: {}", error.what());
    }
}

Task<> Server::serve(std::shared_ptr<Session> session) {
    co_await session->run();
    sessions_.erase(session);
    --session->account().connections;
    unopened_.erase(session->caller().connection);
    session.reset(); // with its descriptor
    room_.notify_all();
}

Task<> Server::watch() {
    while (!stopping_) {
        co_await sleep_until(Deadline::in(1s));
        const auto now = Clock::now();
        drop_unopened(now);
        accounts_.tidy(now);
        const std::vector<std::shared_ptr<Session>> all(sessions_.begin(), sessions_.end());
        for (const auto& session : all) session->tick(now);
    }
}

/// Of those who only sit there, the one that does so for longest leaves for another. Who may only read drives nobody else out.
bool Server::make_room(bool for_read_only) {
    const auto oldest = std::ranges::find_if(
        unopened_, [&](const auto& entry) { return !for_read_only || entry.second->account().read_only(); });
    if (oldest == unopened_.end()) return false;
    const auto session = unopened_.extract(oldest).mapped();
    session->disconnect();
    return true;
}

/// The owner's own connections never make a crowd, and have their whole time in one that others make.
void Server::drop_unopened(Clock::time_point now) {
    const auto others =
        std::ranges::count_if(unopened_, [](const auto& entry) { return !entry.second->account().is_owner(); });
    const bool crowded = static_cast<std::size_t>(others) > limits_.unopened_clients;
    const auto in_crowd = std::min<Clock::duration>(timeout_in_crowd, limits_.open_timeout);
    std::erase_if(unopened_, [&](const auto& entry) {
        const auto session = entry.second;
        const auto& caller = session->caller();
        auto& account = session->account();
        const auto timeout = crowded && !account.is_owner() ? in_crowd : limits_.open_timeout;
        if (now - session->since() < timeout) return false;
        account.log(
            fmt::format("connection {} of uid {} opened nothing: disconnected", caller.connection, caller.who.uid));
        session->disconnect();
        return true;
    });
}

Task<> Server::stop(Clock::duration calls) {
    stopping_ = true;
    for (const auto& socket : sockets_) {
        boost::system::error_code ignored;
        socket->close(ignored);
    }
    room_.notify_all();
    const auto calls_by = Deadline::in(calls), by = Deadline::in(calls * 2);
    const std::vector<std::shared_ptr<Session>> all(sessions_.begin(), sessions_.end());
    for (const auto& session : all) spawn(executor_, session->finish(calls_by, by), "the end of a client's session");
    while (!sessions_.empty() && !by.expired()) (void)co_await room_.wait(by);
}

bool answers(const std::filesystem::path& path) {
    const auto address = unix_address(path);
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) return errno == EAGAIN;
    const auto listener = peer_credentials(probe.get()).pid;
    if (listener == 0) return true; // in another PID namespace
    const auto statistics = read_process(listener);
    return statistics && statistics->state != 'Z' && statistics->state != 'X';
}

UniqueFd listen_unix(const std::filesystem::path& path, mode_t mode, std::optional<gid_t> group) {
    const auto address = unix_address(path);
    const auto* where = reinterpret_cast<const sockaddr*>(&address);
    if (answers(path))
        throw Error(ErrorCode::resource_busy, ErrorDomain::rpc,
                    fmt::format("another daemon answers on '{}'", path.string()))
            .hint("stop it first, or give this one another --root");
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::unlink(path.c_str());
    // The permissions are there before anybody can connect.
    const auto before = ::umask(static_cast<mode_t>(~mode & 0777));
    const int bound = ::bind(socket.get(), where, sizeof address);
    const int number = errno;
    ::umask(before);
    if (!socket || bound < 0)
        throw system_error(number, fmt::format("cannot listen on '{}'", path.string()), ErrorDomain::rpc);
    if ((group && ::chown(path.c_str(), static_cast<uid_t>(-1), *group) < 0) || ::listen(socket.get(), 1000) < 0)
        throw system_error(errno, fmt::format("cannot listen on '{}'", path.string()), ErrorDomain::rpc);
    return socket;
}

} // namespace domus::wire
