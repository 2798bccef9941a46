#include "wire/test_bench.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace domus::wire {

using namespace std::chrono_literals;

namespace {

constexpr auto soon = 50ms; ///< for what must not happen

RemoteError error_in(const std::optional<Received>& reply) {
    if (!reply || reply->header.status != PacketStatus::error) return {};
    return decode<RemoteError>(reply->body);
}

/// Calls that wait until they are told to go on, by the domain's name.
struct Waiting {
    std::map<std::string, std::shared_ptr<Reply<bool>>> slots;

    explicit Waiting(Bench& bench) {
        bench.on.on<Procedure::domain_create>(
            [this, &bench](std::shared_ptr<Session>, DomainCreateArgs args) -> Task<> {
                const auto slot = std::make_shared<Reply<bool>>(bench.loop.get_executor());
                slots[args.dom.name] = slot;
                (void)co_await slot->take(Deadline::never(), args.dom.name);
            });
    }
    static std::string call(std::uint32_t serial, const std::string& name) {
        DomainCreateArgs args;
        args.dom.name = name;
        return Peer::call<Procedure::domain_create>(serial, args);
    }
};

std::string version_call(std::uint32_t serial) { return Peer::call<Procedure::connect_get_lib_version>(serial, {}); }

} // namespace

TEST(Session, nothing_but_opening_is_answered_before_it) {
    Bench bench;
    bench.connect();
    bench.peer->send(version_call(7));
    auto reply = bench.peer->receive();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->header.serial, 7u);
    EXPECT_EQ(error_in(reply).message, "connection not open");
    bench.peer->send(Peer::call<Procedure::connect_open>(8, {}) + version_call(9));
    EXPECT_EQ(bench.peer->receive().value().header.status, PacketStatus::ok);
    EXPECT_EQ(decode<ConnectGetLibVersionRet>(bench.peer->receive().value().body).lib_ver, 9'000'000u);
    bench.peer->send(Peer::call<Procedure::connect_open>(10, {}));
    EXPECT_EQ(error_in(bench.peer->receive()).message, "connection already open");
}

TEST(Session, unknown_procedures_programs_and_versions_are_answered_with_an_error) {
    Bench bench;
    bench.open();
    const auto ask = [&](std::uint32_t program, std::uint32_t version, std::int32_t procedure, PacketStatus status) {
        bench.peer->send(make_packet(Header{program, version, procedure, PacketType::call, 3, status}, Nothing{}));
        return error_in(bench.peer->receive());
    };
    constexpr auto ok = PacketStatus::ok;
    EXPECT_EQ(ask(remote_program, 1, 9999, ok).message, "unknown procedure: 9999");
    EXPECT_EQ(ask(remote_program, 1, -1, ok).message, "unknown procedure: -1");
    EXPECT_EQ(ask(remote_program, 1, static_cast<std::int32_t>(Procedure::domain_destroy), ok).message,
              "unknown procedure: 12: this version does not have DOMAIN_DESTROY");
    EXPECT_TRUE(ask(remote_program, 1, static_cast<std::int32_t>(Procedure::domain_migrate_perform3), ok)
                    .message.value_or("")
                    .contains("'domus save'"));
    EXPECT_EQ(ask(0x1234, 1, 1, ok).message, "Cannot find program 4660 version 1");
    EXPECT_EQ(ask(remote_program, 2, 1, ok).message, "Cannot find program 536903814 version 2");
    EXPECT_EQ(ask(remote_program, 1, 1, PacketStatus::more).message, "Unexpected message status 2");
    EXPECT_EQ(ask(remote_program, 1, 9999, ok).code, 39);
    EXPECT_EQ(ask(remote_program, 1, 9999, ok).domain, 7);
}

TEST(Session, what_changes_something_is_refused_on_a_read_only_connection) {
    for (const bool by_socket : {true, false}) {
        Bench bench;
        bool called = false;
        bench.on.on<Procedure::domain_destroy>([&](Session&, const DomainDestroyArgs&) { called = true; });
        bench.connect(by_socket);
        bench.peer->send(Peer::call<Procedure::connect_open>(0, {std::nullopt, by_socket ? 0u : 1u}));
        EXPECT_EQ(bench.peer->receive().value().header.status, PacketStatus::ok);
        bench.peer->send(Peer::call<Procedure::domain_destroy>(1, {}) + version_call(2));
        const auto error = error_in(bench.peer->receive());
        EXPECT_EQ(error.code, static_cast<std::int32_t>(ErrorCode::operation_denied));
        EXPECT_TRUE(
            error.message.value_or("").starts_with("operation forbidden: read only access prevents DOMAIN_DESTROY"));
        EXPECT_EQ(bench.peer->receive().value().header.status, PacketStatus::ok);
        EXPECT_FALSE(called);
    }
}

TEST(Session, a_message_that_comes_byte_by_byte_is_one) {
    Bench bench;
    bench.open();
    const auto bytes = version_call(5) + version_call(6);
    for (const char byte : bytes.substr(0, bytes.size() - 1)) {
        bench.peer->send(std::string_view(&byte, 1));
        bench.peer->turn(0ms);
    }
    EXPECT_EQ(bench.peer->receive().value().header.serial, 5u);
    EXPECT_FALSE(bench.peer->receive(soon));
    bench.peer->send(bytes.substr(bytes.size() - 1));
    EXPECT_EQ(bench.peer->receive().value().header.serial, 6u);
}

TEST(Session, packets_that_no_client_sends_end_the_connection) {
    const auto reply = make_packet(Peer::header(1, 0, PacketType::reply), Nothing{});
    const auto message = make_packet(Peer::header(1, 0, PacketType::message), Nothing{});
    const auto strange = make_packet(Peer::header(1, 0, static_cast<PacketType>(77)), Nothing{});
    for (const auto& bytes :
         {reply, message, strange, std::string("\x7f\xff\xff\xff", 4), std::string("\0\0\0\x1b", 4)}) {
        Bench bench;
        bench.open();
        bench.peer->send(bytes);
        EXPECT_TRUE(bench.peer->closed());
    }
}

TEST(Session, a_long_packet_is_refused_before_the_connection_is_opened) {
    Bench bench;
    bench.connect();
    bench.peer->send(std::string("\x00\x10\x00\x01", 4));
    EXPECT_TRUE(bench.peer->closed());
    Bench opened;
    opened.open();
    opened.peer->send(std::string("\x00\x10\x00\x01", 4));
    EXPECT_FALSE(opened.peer->closed(soon));
}

TEST(Session, calls_in_flight_are_answered_as_they_end) {
    Bench bench;
    Waiting waiting(bench);
    bench.open();
    bench.peer->send(Waiting::call(1, "a") + Waiting::call(2, "b") + Waiting::call(3, "c") + version_call(4));
    EXPECT_EQ(bench.peer->receive().value().header.serial, 4u) << "a call that waits holds up no other";
    ASSERT_TRUE(bench.peer->turn_until([&] { return waiting.slots.size() == 3; }));
    waiting.slots["c"]->set(true);
    EXPECT_EQ(bench.peer->receive().value().header.serial, 3u);
    waiting.slots["a"]->fail(std::make_exception_ptr(Error(ErrorCode::no_domain, ErrorDomain::qemu, "gone")));
    const auto refused = bench.peer->receive();
    EXPECT_EQ(refused.value().header.serial, 1u);
    EXPECT_EQ(error_in(refused).message, "gone");
    waiting.slots["b"]->set(true);
    EXPECT_EQ(bench.peer->receive().value().header.serial, 2u);
}

TEST(Session, more_calls_than_a_client_may_have_wait_for_their_turn) {
    Bench bench;
    Waiting waiting(bench);
    bench.limits.calls_in_flight = 2;
    bench.open();
    bench.peer->send(Waiting::call(1, "a") + Waiting::call(2, "b") + version_call(3) + Waiting::call(4, "d"));
    EXPECT_FALSE(bench.peer->receive(soon));
    EXPECT_EQ(waiting.slots.size(), 2u);
    waiting.slots["b"]->set(true);
    EXPECT_EQ(bench.peer->receive().value().header.serial, 2u);
    EXPECT_EQ(bench.peer->receive().value().header.serial, 3u) << "nothing more has come meanwhile";
    ASSERT_TRUE(bench.peer->turn_until([&] { return waiting.slots.contains("d"); }));
    waiting.slots["d"]->set(true);
    EXPECT_EQ(bench.peer->receive().value().header.serial, 4u);
}

TEST(Session, pings_are_answered_once_while_calls_wait_for_their_turn) {
    Bench bench;
    Waiting waiting(bench);
    bench.limits.calls_in_flight = 1;
    bench.open();
    bench.peer->send(Waiting::call(1, "a") + version_call(2) + Peer::keepalive(1));
    auto pong = bench.peer->receive();
    ASSERT_TRUE(pong);
    EXPECT_EQ(pong->header.program, keepalive_program);
    EXPECT_EQ(pong->header.procedure, 2);
    bench.peer->send(Peer::keepalive(1));
    EXPECT_EQ(bench.peer->receive().value().header.procedure, 2);
    waiting.slots["a"]->set(true);
    EXPECT_EQ(bench.peer->receive().value().header.serial, 1u);
    EXPECT_EQ(bench.peer->receive().value().header.serial, 2u);
    EXPECT_FALSE(bench.peer->receive(soon));
}

TEST(Session, a_client_that_goes_is_noticed_while_its_calls_wait_for_their_turn) {
    for (const std::size_t queued : {std::size_t{0}, std::size_t{4096}}) { // the latter is more than is read ahead
        Bench bench;
        Waiting waiting(bench);
        bench.limits.calls_in_flight = 1;
        int told = 0;
        bench.open();
        bench.session->on_close(&told, [&] { ++told; });
        bench.peer->send(Waiting::call(1, "a"));
        ASSERT_TRUE(bench.peer->turn_until([&] { return waiting.slots.contains("a"); }));
        const auto call = Waiting::call(2, "b");
        std::size_t sent = 0;
        while (sent < queued && bench.peer->offer(call) > 0) {
            ++sent;
            bench.peer->turn(0ms);
        }
        bench.peer->turn(10ms);
        EXPECT_EQ(told, 0);
        bench.peer->close();
        EXPECT_TRUE(bench.peer->turn_until([&] { return bench.ended; })) << queued;
        EXPECT_EQ(told, 1);
        waiting.slots["a"]->set(true); // ends into nothing
        const std::weak_ptr<Session> weak = std::exchange(bench.session, nullptr);
        EXPECT_TRUE(bench.peer->turn_until([&] { return weak.expired(); }));
    }
}

TEST(Session, of_the_actions_at_the_end_each_owner_has_one) {
    Bench bench;
    bench.open();
    std::string done;
    const int one = 0, other = 0;
    bench.session->on_close(&one, [&] { done += 'a'; });
    bench.session->on_close(&one, [&] { done += 'b'; });
    bench.session->on_close(&other, [&] { done += 'c'; });
    bench.peer->close();
    ASSERT_TRUE(bench.peer->turn_until([&] { return bench.ended; }));
    bench.session->disconnect();
    std::ranges::sort(done);
    EXPECT_EQ(done, "bc");
}

TEST(Session, a_client_that_reads_nothing_is_disconnected_in_the_end) {
    Bench bench;
    bench.limits.queued_output = 1u << 20;
    bench.open();
    const std::string packet(65536, 'x');
    for (int i = 0; i < 40 && bench.session->connected(); ++i) {
        bench.session->send(packet);
        bench.peer->turn(0ms);
    }
    EXPECT_FALSE(bench.session->connected());
    EXPECT_TRUE(bench.peer->turn_until([&] { return bench.ended; }));
}

TEST(Session, silent_clients_that_can_answer_are_asked_and_dropped_when_they_do_not) {
    Bench bench;
    bench.limits.keepalive_interval = 500s; // beside which the time that the test takes is nothing
    bench.limits.keepalive_count = 2;
    bench.open();
    const auto now = Clock::now();
    bench.session->tick(now + 6000s);
    EXPECT_FALSE(bench.peer->receive(soon)) << "it has not said that it answers";
    bench.session->enable_keepalive();
    bench.session->tick(now + 400s);
    EXPECT_FALSE(bench.peer->receive(soon));
    bench.session->tick(now + 600s);
    EXPECT_EQ(bench.peer->receive().value().header.procedure, 1);
    const auto answered = Clock::now();
    bench.peer->send(Peer::keepalive(2));
    bench.peer->turn(soon); // heard: it begins anew
    bench.session->tick(answered + 500s - 1ms);
    EXPECT_FALSE(bench.peer->receive(soon));
    for (const auto after : {700s, 900s, 1200s, 1400s}) bench.session->tick(now + after); // asked twice
    EXPECT_TRUE(bench.peer->receive());
    EXPECT_TRUE(bench.peer->receive());
    EXPECT_FALSE(bench.peer->closed(soon));
    bench.session->tick(now + 1600s);
    EXPECT_TRUE(bench.peer->closed());
}

TEST(Session, at_the_end_calls_are_answered_and_who_asked_for_it_is_told) {
    for (const bool wants_to_know : {true, false}) {
        Bench bench;
        Waiting waiting(bench);
        bench.open();
        if (wants_to_know) {
            bench.peer->send(Peer::call<Procedure::connect_register_close_callback>(1, {}));
            EXPECT_EQ(bench.peer->receive().value().header.serial, 1u);
        }
        bench.peer->send(Waiting::call(2, "a"));
        ASSERT_TRUE(bench.peer->turn_until([&] { return waiting.slots.contains("a"); }));
        spawn(bench.loop.get_executor(), bench.session->finish(Deadline::in(timeout), Deadline::in(timeout)), "end");
        bench.peer->send(version_call(3)); // too late
        EXPECT_FALSE(bench.peer->receive(soon));
        waiting.slots["a"]->set(true);
        EXPECT_EQ(bench.peer->receive().value().header.serial, 2u);
        if (wants_to_know) {
            const auto event = bench.peer->receive();
            EXPECT_EQ(event.value().header.procedure,
                      static_cast<std::int32_t>(Procedure::connect_event_connection_closed));
            EXPECT_EQ(event.value().header.type, PacketType::message);
            EXPECT_EQ(decode<ConnectEventConnectionClosedMsg>(event.value().body).reason, 1);
        }
        EXPECT_TRUE(bench.peer->closed());
        EXPECT_FALSE(bench.peer->receive(0ms));
    }
}

TEST(Session, at_the_end_what_is_queued_goes_out_but_nobody_is_waited_for_without_end) {
    Bench bench;
    bench.open();
    const std::string packet = Peer::stream(1, 1, PacketStatus::more, std::string(100'000, 'x'));
    for (int i = 0; i < 50; ++i) bench.session->send(packet);
    spawn(bench.loop.get_executor(), bench.session->finish(Deadline::in(timeout), Deadline::in(timeout)), "end");
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(bench.peer->receive()) << i;
    EXPECT_TRUE(bench.peer->closed());

    Bench stuck;
    Waiting waiting(stuck);
    stuck.open();
    stuck.peer->send(Waiting::call(2, "a"));
    ASSERT_TRUE(stuck.peer->turn_until([&] { return waiting.slots.contains("a"); }));
    for (int i = 0; i < 50; ++i) stuck.session->send(packet);
    spawn(stuck.loop.get_executor(), stuck.session->finish(Deadline::in(20ms), Deadline::in(40ms)), "end");
    EXPECT_TRUE(stuck.peer->turn_until([&] { return stuck.ended; }));
}

// ---- descriptors ----------------------------------------------------------------------------------------------

namespace {

std::string call_with_fds(std::uint32_t serial, std::uint32_t announced) {
    auto packet = begin_packet(
        Peer::header(static_cast<std::int32_t>(Procedure::domain_open_graphics), serial, PacketType::call_with_fds));
    Encoder(packet).word(announced);
    encode(DomainOpenGraphicsArgs{}, packet);
    finish_packet(packet);
    return packet;
}

/// Answers with what came, in the other order.
void give_back(Bench& bench) {
    bench.on.on<Procedure::domain_open_graphics>(
        [](std::shared_ptr<Session>, DomainOpenGraphicsArgs, std::vector<UniqueFd> fds) -> Task<WithFds<Nothing>> {
            WithFds<Nothing> ret;
            for (; !fds.empty(); fds.pop_back()) ret.fds.push_back(std::move(fds.back()));
            co_return ret;
        });
}

/// The number of a file, which stays when its descriptor travels.
ino_t identity(int fd) {
    struct stat status{};
    return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

struct Pipe {
    UniqueFd out, in;
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0) out.reset(ends[0]), in.reset(ends[1]);
    }
    /// Closes the end for writing, and looks whether the session has it still.
    bool nobody_else_writes() {
        in.reset();
        char byte = 0;
        return ::read(out.get(), &byte, 1) == 0;
    }
};

} // namespace

TEST(Session, descriptors_come_with_calls_and_go_with_replies) {
    Bench bench;
    give_back(bench);
    bench.open();
    const Pipe one, other;
    bench.peer->send(call_with_fds(1, 2));
    EXPECT_FALSE(bench.peer->receive(soon)) << "they have not come yet";
    bench.peer->send_fd(one.in.get());
    bench.peer->send_fd(other.in.get());
    bench.peer->send(call_with_fds(2, 0) + version_call(3));
    std::map<std::uint32_t, Received> replies;
    for (int i = 0; i < 3; ++i) {
        auto reply = bench.peer->receive().value();
        replies.insert_or_assign(reply.header.serial, std::move(reply));
    }
    ASSERT_EQ(replies.size(), 3u);
    EXPECT_EQ(replies[1].header.type, PacketType::reply_with_fds);
    ASSERT_EQ(replies[1].fds.size(), 2u);
    EXPECT_EQ(identity(replies[1].fds[0].get()), identity(other.in.get()));
    EXPECT_EQ(identity(replies[1].fds[1].get()), identity(one.in.get()));
    EXPECT_TRUE(replies[2].fds.empty());
    EXPECT_EQ(replies[3].header.status, PacketStatus::ok);
}

TEST(Session, descriptors_that_nobody_takes_are_closed) {
    Bench bench;
    bench.open();
    Pipe pipe;
    bench.peer->send(call_with_fds(1, 1)); // there is no such procedure
    bench.peer->send_fd(pipe.in.get());
    EXPECT_EQ(bench.peer->receive().value().header.status, PacketStatus::error);
    EXPECT_TRUE(pipe.nobody_else_writes());
}

TEST(Session, descriptors_of_who_may_call_nothing_with_them_are_not_kept) {
    for (const bool opened : {true, false}) {
        Bench bench;
        give_back(bench);
        if (opened)
            bench.open(true);
        else
            bench.connect();
        Pipe pipe;
        bench.peer->send(call_with_fds(1, 2));
        bench.peer->send_fd(pipe.in.get());
        EXPECT_TRUE(bench.peer->turn_until([&] { return pipe.nobody_else_writes(); }))
            << "although the call has not come whole";
        bench.peer->send_fd(pipe.out.get());
        EXPECT_EQ(bench.peer->receive().value().header.status, PacketStatus::error);
    }
}

TEST(Session, a_client_that_does_not_take_descriptors_gets_no_more_of_them) {
    Bench bench;
    int made = 0;
    bench.on.on<Procedure::domain_open_graphics_fd>(
        [&](std::shared_ptr<Session>, DomainOpenGraphicsFdArgs) -> Task<WithFds<Nothing>> {
            WithFds<Nothing> ret;
            ret.fds.emplace_back(::dup(0));
            ++made;
            co_return ret;
        });
    bench.open();
    bench.session->send(
        Peer::stream(1, 1, PacketStatus::more, std::string(1u << 20, 'x'))); // more than the socket takes
    std::string calls;
    for (std::uint32_t i = 0; i < 200; ++i) calls += Peer::call<Procedure::domain_open_graphics_fd>(i, {});
    bench.peer->send(calls);
    EXPECT_TRUE(bench.peer->turn_until([&] { return made > 0; }));
    bench.peer->turn(soon);
    EXPECT_LT(made, 120);
    for (int i = 0; i < 201; ++i) ASSERT_TRUE(bench.peer->receive()) << i;
    EXPECT_EQ(made, 200);
}

TEST(Session, wrong_numbers_of_descriptors_end_the_connection) {
    for (const std::uint32_t announced : {1u, 33u, 0xffffffffu}) {
        Bench bench;
        give_back(bench);
        bench.open();
        bench.peer->send(call_with_fds(1, announced) + std::string(64, '\0'));
        EXPECT_TRUE(bench.peer->closed()) << announced;
    }
}

} // namespace domus::wire
