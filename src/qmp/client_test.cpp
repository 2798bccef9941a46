#include "qmp/client.hpp"

#include "async/spawn.hpp"
#include "async/test_wait.hpp"

#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include <csignal>

namespace domus::qmp {

using namespace std::chrono_literals;

namespace {

constexpr std::string_view greeting = R"({"QMP": {"version": {}, "capabilities": []}})"
                                      "\r\n";

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
    ::signal(SIGPIPE, SIG_IGN); // as the daemon does
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
            const std::string answer =
                R"({"event": "RESUME"}{"return": {"status": "running"}, "id": 2}{"return": {}, "id": 1})"
                "\r\n";
            for (const char c : answer) co_await from.say(std::string(1, c));
        };
        spawn(executor, script(monitor), "script");
        std::vector<Command> more;
        more.push_back({"query-status", {}});
        const auto answers = co_await client->handshake(Deadline::in(timeout), std::move(more));
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
            into = co_await of->execute("query-status", std::move(nothing), Deadline::in(timeout));
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
        co_await monitor.say(R"({"return": {}, "id": 1}{"return": {"status": "paused"}, "id": 2})"
                             "\r\n");
        (void)co_await client->handshake(Deadline::in(timeout));
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
            co_await from.say(R"({"return": )" + image
                              + R"(, "id": 2})"
                                "\r\n");
        };
        spawn(executor, script(monitor), "script");
        const auto answer = co_await client->execute("query-named-block-nodes", {}, Deadline::in(timeout));
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
        co_await monitor.say(std::string(greeting)
                             + R"({"error": {"class": "GenericError", "desc": "Device 'x' not found"}, "id": 2})");
        std::exception_ptr failure;
        json::object nothing;
        const auto pending = [](std::shared_ptr<Client> of, json::object arguments,
                                std::exception_ptr& thrown) -> Task<> {
            try {
                (void)co_await of->execute("device_del", std::move(arguments), Deadline::in(timeout));
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
            (void)co_await client->execute("query-status", nothing, Deadline::in(timeout));
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

namespace {

/// Sends `text` after the greeting, until the monitor is closed; how the command that was under way failed.
std::string refusal_of(std::string text, bool asked) {
    std::string said;
    run([text, asked, &said](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        const auto script = [](ScriptedMonitor& from, std::string what) -> Task<> {
            co_await from.say(std::string(greeting));
            (void)co_await from.hear();
            boost::system::error_code closed;
            co_await asio::async_write(from.socket, asio::buffer(what), asio::redirect_error(use_task, closed));
        };
        spawn(executor, script(monitor, (asked ? "" : R"({"return": {}, "id": 1})") + text), "script");
        json::object nothing;
        std::exception_ptr failure;
        if (asked) {
            try {
                (void)co_await client->execute("query-status", nothing, Deadline::in(timeout * 2));
            } catch (...) {
                failure = std::current_exception();
            }
        }
        const auto it_is_ended = [&] { return !client->connected(); };
        co_await eventually(it_is_ended);
        try {
            (void)co_await client->execute("query-status", nothing, Deadline::in(timeout));
        } catch (...) {
            failure = std::current_exception();
        }
        said = describe(failure);
    });
    return said;
}

} // namespace

TEST(Qmp, a_message_that_is_too_large_ends_the_connection) {
    EXPECT_NE(refusal_of(R"({"event": ")" + std::string(1u << 20, 'x'), false).find("more than 256 KiB"),
              std::string::npos);
    EXPECT_NE(refusal_of(R"({"return": ")" + std::string(17u << 20, 'x'), true).find("more than 16384 KiB"),
              std::string::npos);
    std::string list = R"({"return": [0)";
    for (int i = 0; i < 600'000; ++i) list += ",0";
    EXPECT_NE(refusal_of(list, true).find("more than 500000 values"), std::string::npos);
    std::string deep = R"({"return": )";
    for (int i = 0; i < 3000; ++i) deep += "[";
    EXPECT_NE(refusal_of(deep, true).find("too deep"), std::string::npos);
}

TEST(Qmp, a_large_answer_to_a_question_that_nobody_waits_for_any_more_is_dropped) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        json::object nothing;
        try {
            (void)co_await client->execute("query-block", nothing, Deadline::in(1ms));
        } catch (const Error&) {
        }
        std::vector<std::string> events;
        client->on_event([&](std::string_view name, const json::object&) { events.emplace_back(name); });
        co_await monitor.say(std::string(greeting) + R"({"return": ")" + std::string(1u << 20, 'x')
                             + R"(", "id": 2}{"event": "RESUME"})");
        const auto the_event_comes = [&] { return !events.empty(); };
        co_await eventually(the_event_comes);
        EXPECT_TRUE(client->connected());
    });
}

TEST(Qmp, a_flood_of_events_leaves_the_loop_to_others) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        constexpr int all = 5000;
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        int events = 0, since_others = 0, most = 0;
        client->on_event([&](std::string_view, const json::object&) {
            ++events;
            most = std::max(most, ++since_others);
            for (const auto until = Clock::now() + 20us; Clock::now() < until;) {
            }
        });
        const auto others = [](int& since) -> Task<> {
            for (;;) {
                since = 0;
                co_await asio::post(co_await asio::this_coro::executor, use_task);
            }
        };
        const auto flood = [](ScriptedMonitor& from) -> Task<> {
            co_await from.say(std::string(greeting));
            std::string text;
            for (int i = 0; i < all; ++i)
                text += R"({"event": "RESUME"})"
                        "\r\n";
            co_await from.say(text);
        };
        spawn(executor, others(since_others), "others");
        spawn(executor, flood(monitor), "a flood");
        const auto all_have_come = [&] { return events == all; };
        co_await eventually(all_have_come);
        EXPECT_LT(most, 100) << "events without a turn for others";
    });
}

TEST(Qmp, an_event_may_close_the_monitor_that_tells_it) {
    run([](Executor executor, ScriptedMonitor& monitor) -> Task<> {
        const auto client = Client::open(executor, std::move(monitor.ours), "domain 'web'");
        const auto witness = std::make_shared<int>(0);
        client->on_event([of = std::weak_ptr(client), witness](std::string_view, const json::object&) {
            of.lock()->close();
            ++*witness; // the handler is still there
        });
        co_await monitor.say(std::string(greeting) + R"({"event": "SHUTDOWN"}{"event": "STOP"})");
        const auto it_is_ended = [&] { return !client->connected(); };
        co_await eventually(it_is_ended);
        EXPECT_EQ(*witness, 1);
    });
}

} // namespace domus::qmp
