#include "qmp/agent.hpp"

#include "async/spawn.hpp"
#include "async/test_wait.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/write.hpp>
#include <boost/json/parse.hpp>

#include <csignal>
#include <thread>

namespace domus::qmp {

namespace json = boost::json;
using namespace std::chrono_literals;

namespace {

/// The guest's end of the channel.
struct Guest {
    explicit Guest(const Executor& executor) : socket(executor) {}

    UniqueFd connect() {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
            throw system_error(errno, "socketpair");
        socket = StreamFd(socket.get_executor(), ends[1]);
        return UniqueFd(ends[0]);
    }
    Task<bool> say(std::string text) {
        boost::system::error_code failure;
        co_await asio::async_write(socket, asio::buffer(text), asio::redirect_error(use_task, failure));
        co_return !failure;
    }
    Task<std::string> hear() {
        std::string line;
        for (char c = 0; c != '\n';) {
            co_await socket.async_read_some(asio::buffer(&c, 1), use_task);
            line += c;
        }
        co_return line;
    }
    /// Reads guest-sync-delimited; returns the answer to it.
    Task<std::string> hear_synchronization() {
        auto line = co_await hear();
        const auto request = json::parse(line.substr(line.rfind('\xff') + 1));
        co_return fmt::format("{{\"return\": {}}}\n", request.at("arguments").at("id").as_int64());
    }

    StreamFd socket;
};

void run(std::function<Task<>(std::shared_ptr<Agent>, Guest&)> body) {
    ::signal(SIGPIPE, SIG_IGN); // as the daemon does
    Loop loop{1};
    Guest guest(loop.get_executor());
    const auto agent =
        std::make_shared<Agent>(loop.get_executor(), [&guest] { return guest.connect(); }, "domain 'web'");
    agent->set_guest_side_open(true);
    std::exception_ptr failure;
    bool over = false;
    asio::co_spawn(loop, body(agent, guest), [&](const std::exception_ptr& thrown) {
        failure = thrown;
        over = true;
        loop.stop();
    });
    loop.run_for(timeout);
    EXPECT_TRUE(over) << "it does not end";
    if (failure) std::rethrow_exception(failure);
}

Task<std::string> answer_of(std::shared_ptr<Agent> agent, Clock::duration time) {
    try {
        const auto answer = co_await agent->raw(R"({"execute": "guest-ping"})", Deadline::in(time));
        co_return answer;
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::agent_unresponsive);
        co_return error.text();
    }
}

Task<> repeat(Guest& guest, std::string text) {
    for (bool taken = true; taken;) taken = co_await guest.say(text);
}

std::string lines(std::string_view line, std::size_t count) {
    std::string all;
    while (count-- > 0) all += line;
    return all;
}

} // namespace

TEST(Agent, a_guest_that_writes_without_end_costs_no_more_than_the_deadline) {
    for (const auto& noise : {lines("y\n", 4096), std::string(8192, 'x'), std::string(8192, '\0'),
                              lines("\xff\n", 4096), lines("{\"return\": 1}\n", 500)}) {
        run([noise](std::shared_ptr<Agent> agent, Guest& guest) -> Task<> {
            guest.socket = StreamFd(guest.socket.get_executor());
            const auto flood = [](Guest& from, std::string text) -> Task<> {
                const auto connected = [&from] { return from.socket.is_open(); };
                co_await eventually(connected);
                co_await repeat(from, std::move(text));
            };
            spawn(guest.socket.get_executor(), flood(guest, noise), "a flood");
            const auto answer = co_await answer_of(agent, 200ms);
            EXPECT_NE(answer.find("not available"), std::string::npos) << answer;
        });
    }
}

TEST(Agent, one_that_hangs_up_at_the_deadline_is_an_error) {
    run([](std::shared_ptr<Agent> agent, Guest& guest) -> Task<> {
        const auto script = [](Guest& from) -> Task<> {
            const auto connected = [&from] { return from.socket.is_open(); };
            co_await eventually(connected);
            (void)co_await from.hear_synchronization();
            from.socket.close();
            // The loop is busy: the end of the channel and the deadline are seen in one turn.
            std::this_thread::sleep_for(250ms);
        };
        spawn(guest.socket.get_executor(), script(guest), "a script");
        const auto answer = co_await answer_of(agent, 200ms);
        EXPECT_NE(answer.find("Guest agent"), std::string::npos) << answer;
        co_await sleep_until(Deadline::in(20ms)); // for handlers that are left
    });
}

TEST(Agent, one_that_hangs_up_before_is_an_error_at_once) {
    run([](std::shared_ptr<Agent> agent, Guest& guest) -> Task<> {
        const auto script = [](Guest& from) -> Task<> {
            const auto connected = [&from] { return from.socket.is_open(); };
            co_await eventually(connected);
            const auto synchronized = co_await from.hear_synchronization();
            co_await from.say(synchronized);
            (void)co_await from.hear();
            from.socket.close();
        };
        spawn(guest.socket.get_executor(), script(guest), "a script");
        const auto answer = co_await answer_of(agent, timeout * 2);
        EXPECT_NE(answer.find("disappeared"), std::string::npos) << answer;
    });
}

TEST(Agent, the_end_of_the_domain_ends_the_wait) {
    run([](std::shared_ptr<Agent> agent, Guest& guest) -> Task<> {
        const auto script = [](std::shared_ptr<Agent> of, Guest& from) -> Task<> {
            const auto connected = [&from] { return from.socket.is_open(); };
            co_await eventually(connected);
            (void)co_await from.hear_synchronization();
            of->close();
        };
        spawn(guest.socket.get_executor(), script(agent, guest), "a script");
        const auto answer = co_await answer_of(agent, timeout * 2);
        EXPECT_NE(answer.find("has ended"), std::string::npos) << answer;
    });
}

TEST(Agent, what_is_not_for_us_is_dropped) {
    run([](std::shared_ptr<Agent> agent, Guest& guest) -> Task<> {
        const auto script = [](Guest& from) -> Task<> {
            const auto connected = [&from] { return from.socket.is_open(); };
            co_await eventually(connected);
            const auto synchronized = co_await from.hear_synchronization();
            co_await from.say("{\"return\": {\"late\": true}}\n{\"return\": 4711}\nnonsense\n[1]\n" + lines("[", 3000)
                              + "\n");
            co_await from.say(std::string(100'000, 'x') + "\xff" + synchronized);
            (void)co_await from.hear();
            co_await from.say("{\"return\": {}}\n");
        };
        spawn(guest.socket.get_executor(), script(guest), "a script");
        const auto answer = co_await answer_of(agent, timeout);
        EXPECT_EQ(answer, R"({"return":{}})");
    });
}

TEST(Agent, an_answer_that_cannot_be_read_is_an_error_at_once) {
    for (const auto& [answer, reason] :
         {std::pair{std::string(11u << 20, 'x'), "longer than 10 MiB"}, std::pair{lines("[", 3000), "too deep"},
          std::pair{std::string("nonsense"), "syntax"}, std::pair{std::string("{\"return\": 1"), "incomplete"},
          std::pair{"{\"return\": [" + lines("0,", 5'000'000) + "0]}", "more than 100000 values"}}) {
        run([answer, reason](std::shared_ptr<Agent> agent, Guest& guest) -> Task<> {
            const auto script = [](Guest& from, std::string text) -> Task<> {
                const auto connected = [&from] { return from.socket.is_open(); };
                co_await eventually(connected);
                const auto synchronized = co_await from.hear_synchronization();
                co_await from.say(synchronized);
                (void)co_await from.hear();
                co_await from.say(text + "\n");
            };
            spawn(guest.socket.get_executor(), script(guest, answer), "a script");
            const auto said = co_await answer_of(agent, timeout * 2);
            EXPECT_NE(said.find(reason), std::string::npos) << said;
        });
    }
}

} // namespace domus::qmp
