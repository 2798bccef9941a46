#include "wire/server.hpp"

#include "async/spawn.hpp"
#include "base/log.hpp"
#include "os/credentials.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>

namespace domus::wire {

using namespace std::chrono_literals;

namespace {

constexpr auto timeout_in_crowd = 5s; ///< with clients that open nothing, when there are many of them

} // namespace

Server::Server(Executor executor, const Dispatcher& dispatcher, Limits limits)
    : executor_(executor), dispatcher_(dispatcher), limits_(limits), turns_(std::make_shared<Turns>(executor)),
      accounts_(limits.user), room_(executor) {}

void Server::listen(UniqueFd socket, bool read_only) {
    acceptors_.push_back(Acceptor::start(executor_, std::move(socket),
                                         [this, read_only](UniqueFd client) { admit(std::move(client), read_only); }));
    if (!std::exchange(watching_, true)) spawn(executor_, watch(), "keepalive");
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
        caller.connection = next_connection();
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
    for (const auto& acceptor : acceptors_) acceptor->look_again();
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
    for (const auto& acceptor : acceptors_) acceptor->stop();
    const auto calls_by = Deadline::in(calls), by = Deadline::in(calls * 2);
    const std::vector<std::shared_ptr<Session>> all(sessions_.begin(), sessions_.end());
    for (const auto& session : all) spawn(executor_, session->finish(calls_by, by), "the end of a client's session");
    while (!sessions_.empty() && !by.expired()) (void)co_await room_.wait(by);
}

} // namespace domus::wire
