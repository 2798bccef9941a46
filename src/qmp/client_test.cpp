#include "qmp/client.hpp"

#include "async/spawn.hpp"
#include "async/test_wait.hpp"

#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/write.hpp>

namespace domus::qmp {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view greeting = R"({"QMP": {"version": {}, "capabilities": []}})" "\r\n";

/// QEMU's side of a monitor, played by a script.
struct ScriptedMonitor {
    explicit ScriptedMonitor(const Executor& executor) : socket(executor) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0) {
            ours.reset(ends[0]);
            socket.assign(ends[1]);
        }
    }
    Task<> say(std::string text) { co_await asio::async_write(socket, asio::buffer(text), use_task); }
    Task<std::string> hear() {
        std::array<char, 4096> buffer;
        const auto n = co_await socket.async_read_some(asio::buffer(buffer), use_task);
        co_return std::string(buffer.data(), n);
    }
    UniqueFd ours;
    StreamFd socket;
};

void run(std::function<Task<>(Executor, ScriptedMonitor&)> body) {
    Loop loop{1};
    ScriptedMonitor monitor(loop.get_executor());
    std::exception_ptr failure;
    asio::co_spawn(loop, body(loop.get_executor(), monitor), [&](const std::exception_ptr& thrown) {
        failure = thrown;
        loop.stop();
    });
    loop.run();
    if (failure) std::rethrow_exception(failure);
}

ErrorCode code_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error.code();
    }
}

} // namespace

TEST(Qmp, answers_are_matched_by_id_in_whatever_order_and_pieces_they_come) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        std::vector<std::string> events;
        client->on_event([&](std::string_view name, const json::object&) { events.emplace_back(name); });
        co_await monitor.say(std::string(greeting));
        const auto script = [](ScriptedMonitor& from) -> Task<> {
            const auto asked = co_await from.hear();
            EXPECT_NE(asked.find("qmp_capabilities"), std::string::npos);
            EXPECT_NE(asked.find("query-status"), std::string::npos) << "they go out in one write";
            const std::string answer = R"({"event": "RESUME"}{"return": {"status": "running"}, "id": 2}{"return": {}, "id": 1})" "\r\n";
            for (const char c : answer) co_await from.say(std::string(1, c));
        };
        spawn(executor, script(monitor), "script");
        std::vector<Command> more;
        more.push_back({"query-status", {}});
        const auto answers = co_await client->handshake(Deadline::in(patience), std::move(more));
        EXPECT_EQ(answers.at(0).as_object().at("status"), "running");
        EXPECT_EQ(events, std::vector<std::string>{"RESUME"});
    });
}

TEST(Qmp, commands_that_come_before_the_handshake_wait_for_it) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        json::value status;
        const auto ask = [](std::shared_ptr<Client> of, json::value& into) -> Task<> {
            json::object nothing;
            into = co_await of->execute("query-status", std::move(nothing), Deadline::in(patience));
        };
        spawn(executor, ask(client, status), "an early command");
        co_await sleep_until(Deadline::in(20ms));
        int unread = -1;
        EXPECT_EQ(::ioctl(monitor.socket.native_handle(), FIONREAD, &unread), 0);
        EXPECT_EQ(unread, 0) << "QEMU refuses what comes before the handshake";
        co_await monitor.say(std::string(greeting));
        const auto asked = co_await monitor.hear();
        EXPECT_LT(asked.find("qmp_capabilities"), asked.find("query-status"));
        EXPECT_NE(asked.find("query-status"), std::string::npos);
        co_await monitor.say(R"({"return": {}, "id": 1}{"return": {"status": "paused"}, "id": 2})" "\r\n");
        (void)co_await client->handshake(Deadline::in(patience));
        const auto it_is_answered = [&] { return !status.is_null(); };
        co_await eventually(it_is_answered);
        EXPECT_EQ(status.at("status"), "paused");
    });
}

TEST(Qmp, an_answer_may_nest_as_deep_as_a_chain_of_images) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        const auto script = [](ScriptedMonitor& from) -> Task<> {
            co_await from.say(std::string(greeting));
            (void)co_await from.hear();
            std::string image = "null";
            for (int depth = 0; depth < 800; ++depth) image = R"({"backing-image": )" + image + "}";
            co_await from.say(R"({"return": )" + image + R"(, "id": 2})" "\r\n");
        };
        spawn(executor, script(monitor), "script");
        const auto answer = co_await client->execute("query-named-block-nodes", {}, Deadline::in(patience));
        EXPECT_TRUE(answer.as_object().contains("backing-image"));
    });
}

TEST(Qmp, a_stuck_monitor_costs_only_its_deadline_and_a_late_answer_is_dropped) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        std::exception_ptr failure;
        json::object nothing;
        try {
            (void)co_await client->execute("query-status", nothing, Deadline::in(20ms));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
        bool heard = false;
        client->on_event([&](std::string_view, const json::object&) { heard = true; });
        co_await monitor.say(R"({"return": {"late": true}, "id": 2}{"event": "RESUME"})");
        const auto more_is_heard = [&] { return heard; };
        co_await eventually(more_is_heard);
        EXPECT_TRUE(client->connected());
    });
}

TEST(Qmp, what_a_stopped_qemu_does_not_read_is_bounded) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        json::object large;
        large["x"] = std::string(1u << 20, 'x');
        ErrorCode code = ErrorCode::ok;
        for (int i = 0; i < 8 && code != ErrorCode::resource_busy; ++i) {
            std::exception_ptr failure;
            try {
                (void)co_await client->execute("x", large, Deadline::in(5ms));
            } catch (...) {
                failure = std::current_exception();
            }
            code = code_of(failure);
        }
        EXPECT_EQ(code, ErrorCode::resource_busy);
    });
}

TEST(Qmp, refusals_quote_qemu) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        co_await monitor.say(std::string(greeting) + R"({"error": {"class": "GenericError", "desc": "Device 'x' not found"}, "id": 2})");
        std::exception_ptr failure;
        json::object nothing;
        const auto pending = [](std::shared_ptr<Client> of, json::object arguments, std::exception_ptr& thrown) -> Task<> {
            try {
                (void)co_await of->execute("device_del", std::move(arguments), Deadline::in(patience));
            } catch (...) {
                thrown = std::current_exception();
            }
        };
        co_await pending(client, nothing, failure);
        EXPECT_NE(describe(failure).find("Device 'x' not found"), std::string::npos);
    });
}

TEST(Qmp, all_who_wait_are_told_when_the_monitor_goes) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        bool closed = false;
        client->on_closed([&] { closed = true; });
        monitor.socket.close();
        std::exception_ptr failure;
        json::object nothing;
        try {
            (void)co_await client->execute("query-status", nothing, Deadline::in(patience));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_NE(describe(failure).find("has gone"), std::string::npos);
        EXPECT_TRUE(closed);
        EXPECT_FALSE(client->connected());
    });
}

TEST(Qmp, nonsense_ends_the_connection) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        co_await monitor.say("HTTP/1.1 200 OK\r\n\r\n");
        const auto it_is_ended = [&] { return !client->connected(); };
        co_await eventually(it_is_ended);
    });
}

} // namespace domus::qmp
