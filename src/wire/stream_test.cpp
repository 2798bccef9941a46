#include "wire/test_bench.hpp"

#include <gtest/gtest.h>

namespace domus::wire {

using namespace std::chrono_literals;

namespace {

constexpr auto soon = 50ms; ///< for what must not happen
constexpr auto console = static_cast<std::int32_t>(Procedure::domain_open_console);
using What = Stream::Incoming::What;

/// A call whose stream is at hand; what the client sends is read when a test says so.
struct Opened : Bench {
    std::shared_ptr<Stream> stream;
    bool refuse = false;

    Opened() {
        on.on<Procedure::domain_open_console>(
            [this](std::shared_ptr<Session>, DomainOpenConsoleArgs, std::shared_ptr<Stream> opened) -> Task<> {
                if (refuse) throw Error(ErrorCode::operation_failed, ErrorDomain::qemu, "busy");
                stream = std::move(opened);
                co_return;
            });
    }
    void open_stream(std::uint32_t serial = 5) {
        open();
        peer->send(Peer::call<Procedure::domain_open_console>(serial, {}));
        if (peer->receive().value().header.status != PacketStatus::ok) throw std::runtime_error("no stream");
    }
    /// What a coroutine returns.
    template <class T> std::optional<T> result(Task<T> task, std::chrono::milliseconds limit = timeout) {
        const auto slot = std::make_shared<std::optional<T>>();
        spawn(loop.get_executor(), store(std::move(task), slot), "a test");
        peer->turn_until([&] { return slot->has_value(); }, limit);
        return *slot;
    }

private:
    template <class T> static Task<> store(Task<T> task, std::shared_ptr<std::optional<T>> slot) {
        auto value = co_await std::move(task);
        *slot = std::move(value);
    }
};

std::string data(const std::string& text) { return Peer::stream(console, 5, PacketStatus::more, text); }

} // namespace

TEST(Stream, data_goes_both_ways_and_the_client_finishes) {
    Opened bench;
    bench.open_stream();
    bench.peer->send(data("hello "));
    bench.peer->send(data("guest") + Peer::stream(console, 5, PacketStatus::ok));
    EXPECT_EQ(bench.result(bench.stream->read()).value().data, "hello ");
    EXPECT_EQ(bench.result(bench.stream->read()).value().data, "guest");
    EXPECT_EQ(bench.result(bench.stream->read()).value().what, What::finish);
    EXPECT_FALSE(bench.stream->aborted());
    bench.stream->confirm();
    const auto confirmed = bench.peer->receive().value().header;
    EXPECT_EQ(confirmed.type, PacketType::stream);
    EXPECT_EQ(confirmed.status, PacketStatus::ok);
    EXPECT_EQ(confirmed.serial, 5u);
    bench.peer->send(data("late") + Peer::call<Procedure::connect_get_lib_version>(6, {}));
    EXPECT_EQ(bench.peer->receive().value().header.serial, 6u) << "what comes for a stream that is over is dropped";
}

TEST(Stream, long_data_is_split_and_its_end_is_an_empty_packet) {
    Opened bench;
    bench.open_stream();
    const std::string sent(3 * stream_chunk + 17, 'd');
    EXPECT_EQ(bench.result(bench.stream->write(sent)), true);
    bench.stream->send_end();
    std::string all;
    for (;;) {
        const auto packet = bench.peer->receive();
        ASSERT_TRUE(packet);
        EXPECT_EQ(packet->header.status, PacketStatus::more);
        EXPECT_LE(packet->body.size(), stream_chunk);
        if (packet->body.empty()) break;
        all += packet->body;
    }
    EXPECT_EQ(all, sent);
}

TEST(Stream, who_writes_waits_for_a_client_that_does_not_read) {
    Opened bench;
    bench.limits.queued_stream = 1u << 20;
    bench.open_stream();
    EXPECT_FALSE(bench.result(bench.stream->write(std::string(4u << 20, 'd')), soon));
    std::size_t all = 0;
    while (all < 4u << 20) all += bench.peer->receive().value().body.size();
    EXPECT_EQ(all, 4u << 20);
    EXPECT_FALSE(bench.peer->receive(soon));
}

TEST(Stream, an_abort_overtakes_what_nobody_has_read) {
    Opened bench;
    bench.open_stream();
    bench.peer->send(data("one") + data("two") + Peer::stream(console, 5, PacketStatus::error));
    EXPECT_TRUE(bench.peer->turn_until([&] { return bench.stream->aborted(); }));
    EXPECT_EQ(bench.result(bench.stream->read()).value().what, What::abort);
    EXPECT_EQ(bench.result(bench.stream->write("more")), false);
    bench.stream->confirm();
    EXPECT_EQ(bench.peer->receive().value().header.status, PacketStatus::ok);
}

TEST(Stream, what_fails_tells_the_client_and_no_more_is_sent) {
    Opened bench;
    bench.open_stream();
    bench.stream->fail(Error(ErrorCode::system_error, ErrorDomain::storage, "no space").with_errno(28));
    const auto packet = bench.peer->receive();
    EXPECT_EQ(packet.value().header.type, PacketType::stream);
    EXPECT_EQ(packet.value().header.status, PacketStatus::error);
    EXPECT_EQ(decode<RemoteError>(packet.value().body).int1, 28);
    bench.stream->send_end();
    bench.stream->confirm();
    EXPECT_EQ(bench.result(bench.stream->write("more")), false);
    bench.peer->send(data("x") + Peer::stream(console, 5, PacketStatus::error));
    EXPECT_FALSE(bench.peer->receive(soon));
    EXPECT_TRUE(bench.session->connected());
}

TEST(Stream, holes_keep_their_place_and_their_length) {
    Opened bench;
    bench.open_stream();
    auto hole = begin_packet(Peer::header(console, 5, PacketType::stream_hole, PacketStatus::more));
    Encoder encoder(hole);
    encoder.hyper(1ull << 33);
    encoder.word(0);
    finish_packet(hole);
    bench.peer->send(data("a") + hole + data("b"));
    EXPECT_EQ(bench.result(bench.stream->read()).value().data, "a");
    EXPECT_EQ(bench.result(bench.stream->read()).value().hole, 1ll << 33);
    EXPECT_EQ(bench.result(bench.stream->read()).value().data, "b");
    EXPECT_EQ(bench.result(bench.stream->write_hole(4096)), true);
    const auto packet = bench.peer->receive();
    EXPECT_EQ(packet.value().header.type, PacketType::stream_hole);
    EXPECT_EQ(Decoder(packet.value().body).hyper(), 4096u);
}

TEST(Stream, two_on_one_connection_do_not_mix_and_a_serial_has_one) {
    Opened bench;
    bench.open_stream(5);
    const auto first = bench.stream;
    bench.peer->send(Peer::call<Procedure::domain_open_console>(5, {}));
    EXPECT_EQ(bench.peer->receive().value().header.status, PacketStatus::error);
    bench.peer->send(Peer::call<Procedure::domain_open_console>(6, {}));
    EXPECT_EQ(bench.peer->receive().value().header.status, PacketStatus::ok);
    bench.peer->send(Peer::stream(console, 6, PacketStatus::more, "second") + data("first"));
    EXPECT_EQ(bench.result(first->read()).value().data, "first");
    EXPECT_EQ(bench.result(bench.stream->read()).value().data, "second");
}

TEST(Stream, a_refused_one_takes_nothing) {
    Opened bench;
    bench.refuse = true;
    bench.open();
    bench.peer->send(Peer::call<Procedure::domain_open_console>(5, {}) + data("x")
                     + Peer::call<Procedure::connect_get_lib_version>(6, {}));
    std::map<std::uint32_t, PacketStatus> answers;
    for (int i = 0; i < 2; ++i) {
        const auto header = bench.peer->receive().value().header;
        answers[header.serial] = header.status;
    }
    EXPECT_FALSE(bench.peer->receive(soon));
    EXPECT_EQ(answers, (std::map<std::uint32_t, PacketStatus>{{5, PacketStatus::error}, {6, PacketStatus::ok}}));
    bench.refuse = false;
    bench.peer->send(Peer::call<Procedure::domain_open_console>(5, {}));
    EXPECT_EQ(bench.peer->receive().value().header.status, PacketStatus::ok);
}

TEST(Stream, a_client_that_sends_more_than_is_read_is_not_read_from) {
    Opened bench;
    bench.limits.queued_stream = 1u << 20;
    bench.open_stream();
    const auto chunk = data(std::string(65536, 'c'));
    std::size_t sent = 0;
    for (int i = 0; i < 200; ++i) {
        sent += bench.peer->offer(chunk);
        bench.peer->turn(1ms);
    }
    EXPECT_LT(sent, 3u << 20) << "the socket's buffer, what is queued, and what is read ahead";
    bench.peer->close();
    EXPECT_TRUE(bench.peer->turn_until([&] { return bench.ended; })) << "its end is noticed all the same";
    EXPECT_TRUE(bench.stream->aborted());
    EXPECT_EQ(bench.result(bench.stream->read()).value().what, What::abort);
}

TEST(Stream, who_is_held_up_elsewhere_learns_of_the_end) {
    for (const bool gone : {true, false}) {
        Opened bench;
        bench.open_stream();
        bool told = false;
        const auto wait = [](std::shared_ptr<Stream> stream, bool& done) -> Task<> {
            co_await stream->until_aborted();
            done = true;
        };
        spawn(bench.loop.get_executor(), wait(bench.stream, told), "a test");
        bench.peer->turn(soon);
        EXPECT_FALSE(told);
        if (gone)
            bench.peer->close();
        else
            bench.stream->fail(Error(ErrorCode::operation_failed, ErrorDomain::streams, "over"));
        EXPECT_TRUE(bench.peer->turn_until([&] { return told; }));
    }
}

} // namespace domus::wire
