// What one client or user asks holds up no other: turns, and the bounds of accounts.
#include "wire/test_bench.hpp"

#include <gtest/gtest.h>

#include <set>

namespace domus::wire {

using namespace std::chrono_literals;

namespace {

constexpr auto soon = 50ms; ///< for what must not happen

std::string version_call(std::uint32_t serial) { return Peer::call<Procedure::connect_get_lib_version>(serial, {}); }

/// Several sessions on one loop, and the order in which their calls were handled, by connection.
struct Crowd {
    Loop loop{1};
    Dispatcher on;
    Limits limits;
    std::shared_ptr<Turns> turns = std::make_shared<Turns>(loop.get_executor());
    std::vector<std::shared_ptr<Session>> sessions;
    std::vector<std::unique_ptr<Peer>> peers;
    std::vector<std::uint64_t> order;
    Clock::duration work{}; ///< that each call costs
    std::vector<std::shared_ptr<Reply<bool>>> held;

    Crowd() {
        on.on<Procedure::connect_open>(
            [](Session& of, const ConnectOpenArgs& args) { of.open_connection(args.flags & 1); });
        on.on<Procedure::connect_get_lib_version>([this](Session& of, const Nothing&) {
            order.push_back(of.caller().connection);
            for (const auto end = Clock::now() + work; Clock::now() < end;) {
            }
            return ConnectGetLibVersionRet{9'000'000};
        });
        on.on<Procedure::connect_get_capabilities>(
            [this](std::shared_ptr<Session>, Nothing) -> Task<ConnectGetCapabilitiesRet> {
                const auto slot = held.emplace_back(std::make_shared<Reply<bool>>(loop.get_executor()));
                (void)co_await slot->take(Deadline::never(), "the test");
                co_return ConnectGetCapabilitiesRet{};
            });
        on.on<Procedure::connect_get_hostname>(
            [](Session&, const Nothing&) { return ConnectGetHostnameRet{std::string(100'000, 'x')}; });
    }
    ~Crowd() {
        for (const auto& slot : held) slot->set(true);
        for (const auto& session : sessions) session->disconnect();
        if (!peers.empty()) peers.front()->turn(5ms);
    }

    Peer& connect(std::shared_ptr<Account> account) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
            throw system_error(errno, "socketpair");
        service::Caller caller;
        caller.connection = sessions.size();
        caller.read_only = account->read_only();
        sessions.push_back(std::make_shared<Session>(loop.get_executor(), UniqueFd(ends[0]), caller, on, limits,
                                                     Share{turns, account}));
        auto& peer = *peers.emplace_back(std::make_unique<Peer>(loop, UniqueFd(ends[1])));
        spawn(loop.get_executor(), sessions.back()->run(), "session");
        peer.send(Peer::call<Procedure::connect_open>(0, {}));
        EXPECT_TRUE(peer.receive());
        return peer;
    }
    std::shared_ptr<Account> account(bool read_only = true) {
        return std::make_shared<Account>(1000, read_only, limits.user);
    }
    void turn_until(const std::function<bool()>& so) { EXPECT_TRUE(peers.front()->turn_until(so)); }
};

std::string many(const std::string& call, int count) {
    std::string calls;
    for (int i = 0; i < count; ++i) calls += call;
    return calls;
}

} // namespace

TEST(Turns, a_client_that_asks_once_does_not_wait_for_one_that_asks_without_end) {
    Crowd crowd;
    crowd.work = 100us;
    auto& greedy = crowd.connect(crowd.account());
    auto& modest = crowd.connect(crowd.account());
    greedy.offer(many(version_call(1), 1000));
    crowd.turn_until([&] { return crowd.order.size() >= 50; });
    modest.offer(version_call(2));
    crowd.turn_until([&] { return crowd.order.size() >= 1001; });
    const auto at = std::find(crowd.order.begin(), crowd.order.end(), 1u) - crowd.order.begin();
    EXPECT_LT(at, 120) << "of 1000 calls that came before it, those of a turn or two are handled";
}

TEST(Turns, come_to_everybody_in_the_order_of_asking) {
    Crowd crowd;
    crowd.work = 20us;
    const auto account = crowd.account();
    for (int i = 0; i < 50; ++i) crowd.connect(account);
    for (auto& peer : crowd.peers) peer->offer(many(version_call(1), 64));
    crowd.turn_until([&] { return crowd.order.size() >= 50 * 64; });
    const std::set<std::uint64_t> in_first_half(crowd.order.begin(), crowd.order.begin() + 50 * 32);
    EXPECT_EQ(in_first_half.size(), 50u) << "a turn is of 16 calls of 64: each has had one";
}

TEST(Turns, of_who_has_used_much_come_a_moment_later) {
    Crowd crowd;
    crowd.work = 1ms;
    auto& greedy = crowd.connect(crowd.account());
    auto& modest = crowd.connect(crowd.account());
    greedy.offer(many(version_call(1), 250));
    crowd.turn_until([&] { return crowd.order.size() >= 200; });
    std::ptrdiff_t best = 0; // where the processor is taken away from the test, the moment may have passed
    for (int attempt = 0; attempt < 8 && best < 4; ++attempt) {
        crowd.order.clear();
        greedy.offer(many(version_call(1), 30));
        modest.offer(many(version_call(2), 4));
        crowd.turn_until([&] { return std::count(crowd.order.begin(), crowd.order.end(), 1u) == 4; });
        const auto first = std::find(crowd.order.begin(), crowd.order.end(), 1u);
        best = std::max(best, std::count(first, first + 4, 1u));
    }
    EXPECT_EQ(best, 4);
}

TEST(Turns, users_over_their_budget_come_after_all_others) {
    Crowd crowd;
    crowd.limits.user.loop_per_second = 5s; // the test itself may be kept waiting for the processor
    crowd.work = 200us;
    const auto busy = crowd.account(), other = crowd.account();
    busy->usage.add(1000s, Clock::now());
    auto& fresh_of_busy = crowd.connect(busy);
    auto& used_of_other = crowd.connect(other);
    used_of_other.offer(many(version_call(1), 20));
    crowd.turn_until([&] { return crowd.order.size() >= 20; });
    fresh_of_busy.offer(many(version_call(1), 20));
    used_of_other.offer(many(version_call(1), 20));
    crowd.turn_until([&] { return crowd.order.size() >= 60; });
    EXPECT_EQ(std::count(crowd.order.end() - 10, crowd.order.end(), 0u), 10);
    EXPECT_TRUE(busy->over_budget(Clock::now()));
    EXPECT_FALSE(Account(0, false, std::nullopt).over_budget(Clock::now()));
}

TEST(Account, bounds_the_calls_of_all_its_connections_and_goes_on) {
    Crowd crowd;
    crowd.limits.user.calls = 3;
    const auto account = crowd.account();
    for (int i = 0; i < 4; ++i)
        crowd.connect(account).offer(many(Peer::call<Procedure::connect_get_capabilities>(1, {}), 2));
    auto& stranger = crowd.connect(crowd.account());
    crowd.peers.front()->turn(soon);
    EXPECT_EQ(crowd.held.size(), 3u);
    stranger.send(version_call(2));
    EXPECT_TRUE(stranger.receive()) << "another user's calls go on";
    for (std::size_t done = 0; done < 8; ++done) {
        crowd.turn_until([&] { return crowd.held.size() > done; });
        crowd.held[done]->set(true);
    }
    for (int i = 0; i < 4; ++i)
        for (int reply = 0; reply < 2; ++reply) EXPECT_TRUE(crowd.peers[static_cast<std::size_t>(i)]->receive());
}

TEST(Account, bounds_what_waits_in_all_its_connections) {
    Crowd crowd;
    crowd.limits.user.queued = 4u << 20; // of which each connection may have about 1 MiB
    const auto account = crowd.account();
    for (int i = 0; i < 20; ++i)
        crowd.connect(account).offer(many(Peer::call<Procedure::connect_get_hostname>(1, {}), 100));
    crowd.peers.front()->turn(soon);
    crowd.turn_until([&] { return account->queued > 2u << 20; });
    crowd.peers.front()->turn(soon);
    EXPECT_LT(account->queued, 8u << 20) << "each may have one reply above the bound";
    auto& reader = crowd.connect(account);
    reader.send(Peer::call<Procedure::connect_get_hostname>(5, {}));
    EXPECT_TRUE(reader.receive()) << "who reads has replies all the same";
    for (const auto& session : crowd.sessions) session->disconnect();
    EXPECT_EQ(account->queued, 0u);
}

TEST(Account, of_a_read_only_client_has_no_more_unread_than_a_little) {
    Crowd crowd;
    const auto account = crowd.account();
    crowd.connect(account).offer(many(Peer::call<Procedure::connect_get_hostname>(1, {}), 1000));
    crowd.peers.front()->turn(soon);
    EXPECT_LT(account->queued, 4u << 20);
    for (int i = 0; i < 1000; ++i) ASSERT_TRUE(crowd.peers.front()->receive()) << i;
    crowd.turn_until([&] { return account->queued == 0; });
}

TEST(Account, wakes_those_who_can_go_on_when_others_cannot) {
    Crowd crowd;
    crowd.limits.user.calls = 1;
    const auto account = crowd.account();
    const auto slow = Peer::call<Procedure::connect_get_capabilities>(1, {});
    for (int i = 0; i < 4; ++i) crowd.connect(account);
    crowd.peers[0]->offer(slow);
    crowd.turn_until([&] { return crowd.held.size() == 1; });
    crowd.peers[1]->offer(slow);
    crowd.peers[1]->turn(soon);
    crowd.peers[1]->close(); // it waits for its call, and goes
    crowd.peers[2]->offer(many(Peer::call<Procedure::connect_get_hostname>(1, {}), 40) + slow); // it does not read
    crowd.peers[3]->offer(slow);
    crowd.peers[3]->turn(soon);
    crowd.held[0]->set(true);
    crowd.turn_until([&] { return crowd.held.size() == 2; });
    crowd.held[1]->set(true);
    EXPECT_TRUE(crowd.peers[3]->receive());
}

TEST(Account, of_a_read_only_client_refuses_long_calls_and_goes_on) {
    Crowd crowd;
    auto& peer = crowd.connect(crowd.account());
    ConnectCompareCpuArgs args;
    args.xml = std::string((1u << 20) + 1, ' ');
    const auto call = Peer::call<Procedure::connect_compare_cpu>(3, args) + version_call(4);
    peer.send(call.substr(0, 1000));
    const auto refused = peer.receive();
    ASSERT_TRUE(refused) << "before it has come whole";
    EXPECT_EQ(refused->header.serial, 3u);
    EXPECT_EQ(decode<RemoteError>(refused->body).message,
              fmt::format("a call of {} bytes; 1048576 are allowed on a read-only connection", packet_length(call)));
    peer.send(call.substr(1000));
    EXPECT_EQ(peer.receive().value().header.serial, 4u);
}

} // namespace domus::wire
