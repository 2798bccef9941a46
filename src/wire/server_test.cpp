#include "os/sockets.hpp"
#include "wire/server.hpp"
#include "wire/test_bench.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/un.h>

#include <filesystem>

namespace domus::wire {

using namespace std::chrono_literals;

namespace {

constexpr auto soon = 100ms; ///< for what must not happen

/// A server on a socket of its own, and its clients.
struct Serving {
    Loop loop{1};
    Dispatcher on;
    std::filesystem::path path;
    std::unique_ptr<Server> server;
    std::vector<std::unique_ptr<Peer>> peers;
    bool over = false; ///< the server has stopped

    explicit Serving(const Limits& limits = {}) {
        std::string folder = (std::filesystem::temp_directory_path() / "wire-XXXXXX").string();
        if (!::mkdtemp(folder.data())) throw system_error(errno, "mkdtemp");
        path = std::filesystem::path(folder) / "sock";
        on.on<Procedure::connect_open>(
            [](Session& of, const ConnectOpenArgs& args) { of.open_connection(args.flags & 1); });
        on.on<Procedure::connect_get_lib_version>(
            [](Session&, const Nothing&) { return ConnectGetLibVersionRet{9'000'000}; });
        on.on<Procedure::domain_destroy>([](Session&, const DomainDestroyArgs&) {});
        server = std::make_unique<Server>(loop.get_executor(), on, limits);
        server->listen(listen_unix(path, 0600), false);
    }
    ~Serving() {
        peers.clear();
        spawn(loop.get_executor(), end(*server, 10ms, over), "end");
        loop.restart();
        EXPECT_TRUE(comes_true([&] { return loop.run_one_for(1ms), over; }));
        std::filesystem::remove_all(path.parent_path());
    }
    static Task<> end(Server& server, Clock::duration calls, bool& over) {
        co_await server.stop(calls);
        over = true;
    }

    Peer& connect() {
        UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.native().copy(address.sun_path, sizeof address.sun_path - 1);
        if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
            throw system_error(errno, "connect");
        return *peers.emplace_back(std::make_unique<Peer>(loop, std::move(socket)));
    }
    /// Whether the daemon answers its call to open a connection.
    static bool opens(Peer& peer) {
        peer.send(Peer::call<Procedure::connect_open>(1, {}));
        return peer.receive().has_value();
    }
};

/// As many descriptors as there are now, and so many more.
class FewDescriptors {
public:
    explicit FewDescriptors(rlim_t more) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const UniqueFd next(::dup(0));
        const rlimit few{static_cast<rlim_t>(next.get()) + more, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &few);
    }
    ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

} // namespace

TEST(Server, without_descriptors_it_waits_for_some_and_takes_no_time) {
    Serving serving;
    ASSERT_TRUE(Serving::opens(serving.connect()));
    UniqueFd first(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto& waiting = serving.connect();
    {
        const FewDescriptors none(0);
        serving.loop.restart();
        const auto steps = serving.loop.run_for(1s);
        EXPECT_LT(steps, 40u) << "it looks a few times a second, no more";
        EXPECT_EQ(serving.server->clients(), 1u);
        auto& served = *serving.peers.front();
        served.send(Peer::call<Procedure::connect_get_lib_version>(2, {}));
        EXPECT_TRUE(served.receive()) << "others are served meanwhile";
    }
    EXPECT_TRUE(Serving::opens(waiting));
    EXPECT_EQ(serving.server->clients(), 2u);
}

TEST(Server, a_client_that_goes_gives_its_descriptor_to_the_next) {
    Serving serving;
    auto& first = serving.connect();
    ASSERT_TRUE(Serving::opens(first));
    auto& waiting = serving.connect();
    const FewDescriptors none(0);
    waiting.send(Peer::call<Procedure::connect_open>(1, {}));
    EXPECT_FALSE(waiting.receive(soon));
    first.close();
    EXPECT_TRUE(waiting.receive());
}

TEST(Server, clients_that_open_nothing_make_room_for_others) {
    Limits limits;
    limits.clients = 3;
    Serving serving(limits);
    auto& user = serving.connect();
    EXPECT_TRUE(Serving::opens(user));
    auto& first = serving.connect();
    auto& second = serving.connect();
    EXPECT_TRUE(user.turn_until([&] { return serving.server->clients() == 3; }));
    auto& next = serving.connect();
    EXPECT_TRUE(Serving::opens(next));
    EXPECT_TRUE(first.closed());
    EXPECT_FALSE(second.closed(soon)) << "only the oldest went";
    EXPECT_TRUE(Serving::opens(second));
    EXPECT_TRUE(serving.connect().closed()) << "users are not sent away";
    EXPECT_FALSE(user.closed(soon));
}

TEST(Server, many_clients_that_open_nothing_have_little_time) {
    Limits limits;
    limits.unopened_clients = 2;
    limits.open_timeout = 1h;
    Serving serving(limits);
    const auto path = serving.path, other = serving.path.parent_path() / "sock-ro";
    serving.server->listen(listen_unix(other, 0600), true);
    auto& user = serving.connect();
    EXPECT_TRUE(Serving::opens(user));
    for (int i = 0; i < 4; ++i) serving.connect(); // the owner's make no crowd
    auto& owner = *serving.peers.back();
    serving.path = other;
    auto& oldest = serving.connect();
    for (int i = 0; i < 2; ++i) serving.connect();
    EXPECT_TRUE(oldest.closed()) << "without it they are no crowd: the others may stay";
    EXPECT_FALSE(user.closed(soon));
    EXPECT_TRUE(Serving::opens(owner)) << "the owner's connections have their whole time";
}

TEST(Server, who_opens_nothing_in_time_is_disconnected) {
    Limits limits;
    limits.open_timeout = 2s; // the server looks once a second
    Serving serving(limits);
    bool opened = false; // too late on a machine that stands still meanwhile
    for (int tries = 0; tries < 10 && !opened; ++tries) opened = Serving::opens(serving.connect());
    ASSERT_TRUE(opened);
    auto& user = *serving.peers.back();
    const auto begin = Clock::now();
    EXPECT_TRUE(serving.connect().closed());
    EXPECT_GE(Clock::now() - begin, limits.open_timeout);
    EXPECT_FALSE(user.closed(soon));
}

TEST(Server, more_clients_than_there_may_be_are_refused) {
    Limits limits;
    limits.clients = 2;
    Serving serving(limits);
    EXPECT_TRUE(Serving::opens(serving.connect()));
    EXPECT_TRUE(Serving::opens(serving.connect()));
    EXPECT_TRUE(serving.connect().closed());
    serving.peers.front()->close();
    EXPECT_TRUE(serving.peers.back()->turn_until([&] { return serving.server->clients() == 1; }));
    EXPECT_TRUE(Serving::opens(serving.connect()));
}

TEST(Server, its_end_takes_clients_along_and_new_ones_are_refused) {
    Serving serving;
    auto& user = serving.connect();
    EXPECT_TRUE(Serving::opens(user));
    spawn(serving.loop.get_executor(), Serving::end(*serving.server, 1h, serving.over), "end");
    EXPECT_TRUE(user.closed());
    EXPECT_TRUE(user.turn_until([&] { return serving.over; })) << "nobody is waited for";
    EXPECT_EQ(serving.server->clients(), 0u);
    EXPECT_THROW(serving.connect(), Error);
}

TEST(Server, clients_of_the_read_only_socket_are_read_only) {
    Serving serving;
    const auto other = serving.path.parent_path() / "sock-ro";
    serving.server->listen(listen_unix(other, 0600), true);
    serving.path = other;
    auto& user = serving.connect();
    EXPECT_TRUE(Serving::opens(user));
    user.send(Peer::call<Procedure::domain_destroy>(2, {}));
    EXPECT_EQ(user.receive().value().header.status, PacketStatus::error);
}

TEST(Server, who_may_only_read_locks_nobody_out) {
    Limits limits;
    limits.clients = 10;
    limits.user.clients = 6;
    Serving serving(limits);
    const auto path = serving.path, other = serving.path.parent_path() / "sock-ro";
    serving.server->listen(listen_unix(other, 0600), true);
    serving.path = other;
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(Serving::opens(serving.connect()));
    EXPECT_TRUE(serving.connect().closed()) << "a user has no more than that";
    serving.path = path;
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(Serving::opens(serving.connect()));
    EXPECT_TRUE(serving.connect().closed()) << "the daemon has no more than that";
}

TEST(Server, some_places_are_kept_for_those_who_may_change_something) {
    Limits limits;
    limits.clients = 10;
    Serving serving(limits);
    const auto path = serving.path, other = serving.path.parent_path() / "sock-ro";
    serving.server->listen(listen_unix(other, 0600), true);
    serving.path = other;
    for (int i = 0; i < 9; ++i) EXPECT_TRUE(Serving::opens(serving.connect()));
    EXPECT_TRUE(serving.connect().closed());
    serving.path = path;
    EXPECT_TRUE(Serving::opens(serving.connect()));
    serving.path = other;
    EXPECT_TRUE(serving.connect().closed());
}

TEST(Server, a_socket_that_answers_is_left_alone_and_a_stale_one_replaced) {
    Serving serving;
    EXPECT_THROW(listen_unix(serving.path, 0600), Error);
    const auto stale = serving.path.parent_path() / "stale";
    {
        const auto closed = listen_unix(stale, 0600);
    }
    EXPECT_FALSE(answers(stale));
    EXPECT_TRUE(listen_unix(stale, 0640));
    EXPECT_EQ(std::filesystem::status(stale).permissions(), std::filesystem::perms{0640});
    EXPECT_THROW(listen_unix(serving.path.parent_path() / std::string(120, 'x'), 0600), Error);
}

TEST(Server, a_socket_that_only_the_child_of_a_killed_daemon_holds_is_stale) {
    const Serving serving;
    const auto path = serving.path.parent_path() / "killed";
    int ends[2]{-1, -1};
    ASSERT_EQ(::pipe(ends), 0);
    const int daemon = ::fork();
    if (daemon == 0) {
        const auto socket = listen_unix(path, 0600);
        const int child = ::fork();
        if (child == 0) ::_exit(::pause());
        ::_exit(::write(ends[1], &child, sizeof child) == sizeof child ? ::pause() : 1);
    }
    int child = 0;
    ASSERT_EQ(::read(ends[0], &child, sizeof child), static_cast<ssize_t>(sizeof child));
    EXPECT_TRUE(answers(path));
    ::kill(daemon, SIGKILL);
    ::waitpid(daemon, nullptr, 0);
    EXPECT_FALSE(answers(path));
    ::kill(child, SIGKILL);
    for (const int end : ends) ::close(end);
}

} // namespace domus::wire
