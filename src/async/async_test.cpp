// The ways of waiting, on a real loop.
#include "async/gate.hpp"
#include "async/lane.hpp"
#include "async/mailbox.hpp"
#include "async/process_wait.hpp"
#include "async/signal.hpp"
#include "async/spawn.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

namespace domus {

using namespace std::chrono_literals;

namespace {

/// Runs a coroutine to its end on a loop of its own; what it throws is thrown.
void run(std::function<Task<>(Executor)> body) {
    Loop loop{1};
    std::exception_ptr failure;
    asio::co_spawn(loop, body(loop.get_executor()), [&](const std::exception_ptr& thrown) { failure = thrown; });
    loop.run();
    if (failure) std::rethrow_exception(failure);
}

ErrorCode code_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error.code();
    } catch (...) {
        return ErrorCode::internal_error;
    }
}

std::size_t threads() {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

Task<> note(std::vector<int>& order, Mailbox& jobs, int number) {
    const auto turn = co_await jobs.enter("job " + std::to_string(number), Deadline::in(5s));
    co_await sleep_until(Deadline::in(2ms));
    order.push_back(number);
}

} // namespace

TEST(Notice, tells_all_who_wait) {
    run([](Executor executor) -> Task<> {
        Notice notice(executor);
        int told = 0;
        const auto waiter = [](Notice& from, int& count) -> Task<> {
            if (co_await from.wait(Deadline::in(5s))) ++count;
        };
        for (int i = 0; i < 3; ++i) spawn(executor, waiter(notice, told), "waiter");
        co_await sleep_until(Deadline::in(5ms));
        notice.notify_all();
        co_await sleep_until(Deadline::in(5ms));
        EXPECT_EQ(told, 3);
    });
}

TEST(Notice, gives_up_at_the_deadline) {
    run([](Executor executor) -> Task<> {
        Notice notice(executor);
        const bool told = co_await notice.wait(Deadline::in(5ms));
        EXPECT_FALSE(told);
        notice.notify_all(); // nobody is left in the list
    });
}

TEST(Reply, hands_over_a_value_that_came_before_or_after_the_wait) {
    run([](Executor executor) -> Task<> {
        Reply<int> early(executor);
        early.set(1);
        const int first = co_await early.take(Deadline::in(1s), "x");
        EXPECT_EQ(first, 1);
        const auto late = std::make_shared<Reply<int>>(executor);
        asio::post(executor, [late] { late->set(2); });
        const int second = co_await late->take(Deadline::in(1s), "x");
        EXPECT_EQ(second, 2);
    });
}

TEST(Reply, says_who_did_not_answer_and_bears_a_late_answer) {
    run([](Executor executor) -> Task<> {
        Reply<int> reply(executor);
        std::exception_ptr failure;
        try {
            (void)co_await reply.take(Deadline::in(5ms), "the monitor of domain 'web'");
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
        EXPECT_NE(describe(failure).find("the monitor of domain 'web' did not answer within"), std::string::npos);
        reply.set(3);
    });
}

TEST(Mailbox, gives_turns_in_the_order_of_coming) {
    run([](Executor executor) -> Task<> {
        Mailbox jobs(executor, "domain 'web'");
        std::vector<int> order;
        for (int i = 0; i < 5; ++i) spawn(executor, note(order, jobs, i), "job");
        co_await sleep_until(Deadline::in(100ms));
        EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
        EXPECT_EQ(jobs.current(), "");
    });
}

TEST(Mailbox, says_what_keeps_it_busy_and_forgets_who_gave_up) {
    run([](Executor executor) -> Task<> {
        Mailbox jobs(executor, "domain 'web'");
        {
            const auto turn = co_await jobs.enter("start", Deadline::in(1s));
            EXPECT_EQ(jobs.current(), "start");
            std::exception_ptr failure;
            try {
                const auto second = co_await jobs.enter("suspend", Deadline::in(5ms));
            } catch (...) {
                failure = std::current_exception();
            }
            EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
            EXPECT_NE(describe(failure).find("domain 'web' is busy with 'start'"), std::string::npos);
        }
        const auto third = co_await jobs.enter("resume", Deadline::in(1s));
        EXPECT_EQ(jobs.current(), "resume");
    });
}

TEST(Lane, runs_beside_the_loop_and_brings_results_and_errors_back) {
    run([](Executor executor) -> Task<> {
        Lane lane(executor, "test", 2);
        auto ask = [] { return std::this_thread::get_id(); };
        const auto where = co_await lane.run(Deadline::in(5s), std::move(ask));
        EXPECT_NE(where, std::this_thread::get_id());
        std::exception_ptr failure;
        auto refuse = []() -> int { throw Error(ErrorCode::no_domain, ErrorDomain::none, "none"); };
        try {
            (void)co_await lane.run(Deadline::in(5s), std::move(refuse));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::no_domain);
    });
}

TEST(Lane, abandons_what_hangs_and_serves_others_with_the_threads_that_are_left) {
    std::atomic<bool> release = false;
    run([&](Executor executor) -> Task<> {
        Lane lane(executor, "a dead server", 2);
        std::exception_ptr failure;
        auto hang = [&release] {
            while (!release) std::this_thread::sleep_for(1ms);
        };
        try {
            co_await lane.run(Deadline::in(20ms), std::move(hang));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
        auto quick = [] { return 1; };
        const int one = co_await lane.run(Deadline::in(5s), std::move(quick));
        EXPECT_EQ(one, 1);
        release = true;
    });
}

TEST(Lane, bounds_its_queue) {
    std::atomic<bool> release = false;
    run([&](Executor executor) -> Task<> {
        Lane lane(executor, "full", 1, 1);
        const auto hang = [](Lane& on, std::atomic<bool>& until) -> Task<> {
            auto work = [&until] {
                while (!until) std::this_thread::sleep_for(1ms);
            };
            co_await on.run(Deadline::in(5s), std::move(work));
        };
        spawn(executor, hang(lane, release), "hanging");
        co_await sleep_until(Deadline::in(20ms));
        spawn(executor, hang(lane, release), "queued");
        co_await sleep_until(Deadline::in(5ms));
        std::exception_ptr failure;
        auto more = [] {};
        try {
            co_await lane.run(Deadline::in(1s), std::move(more));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::resource_busy);
        release = true;
        co_await sleep_until(Deadline::in(20ms));
    });
}

TEST(Lane, has_no_thread_before_it_has_work) {
    const auto before = threads();
    run([&](Executor executor) -> Task<> {
        const Lane lane(executor, "idle");
        EXPECT_EQ(threads(), before);
        co_return;
    });
}

TEST(Gate, closes_when_the_last_has_left_and_lets_nobody_in_then) {
    run([](Executor executor) -> Task<> {
        Gate gate(executor);
        bool done = false;
        const auto work = [](bool& finished) -> Task<> {
            co_await sleep_until(Deadline::in(10ms));
            finished = true;
        };
        gate.spawn(work(done), "work");
        const bool empty = co_await gate.close(Deadline::in(5s));
        EXPECT_TRUE(empty);
        EXPECT_TRUE(done);
        EXPECT_THROW(gate.enter(), Error);
    });
}

TEST(Commands, give_output_and_status_and_take_input) {
    run([](Executor) -> Task<> {
        Command command("sh");
        command.arguments = {"-c", "cat; echo oops >&2; exit 3"};
        const auto output = co_await run_command(command, Deadline::in(10s), "hello");
        EXPECT_EQ(output.out, "hello");
        EXPECT_EQ(output.err, "oops\n");
        EXPECT_EQ(output.status.code, 3);
    });
}

TEST(Commands, are_killed_at_the_deadline) {
    run([](Executor) -> Task<> {
        Command command("sleep");
        command.arguments = {"100"};
        std::exception_ptr failure;
        const auto begin = Clock::now();
        try {
            (void)co_await run_command(command, Deadline::in(50ms));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
        EXPECT_LT(Clock::now() - begin, 5s);
    });
}

} // namespace domus
