// The ways of waiting, on a real loop.
#include "async/gate.hpp"
#include "async/lane.hpp"
#include "async/loop_watch.hpp"
#include "async/mailbox.hpp"
#include "async/process_wait.hpp"
#include "async/signal.hpp"
#include "async/spawn.hpp"
#include "async/test_wait.hpp"
#include "os/files.hpp"
#include "os/proc.hpp"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>

namespace domus {

using namespace std::chrono_literals;

namespace {

ErrorCode code_of(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const Error& error) {
        return error.code();
    } catch (...) {
        return ErrorCode::internal_error;
    }
}

std::set<std::string> threads() {
    std::set<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task"))
        all.insert(entry.path().filename());
    return all;
}

/// Works that hang until they are released, and how far they have come. They may be abandoned, and so own it.
struct Hanging {
    std::atomic<int> begun = 0, ended = 0;
    std::atomic<bool> released = false;
    int called = 0, returned = 0; ///< on the loop
};

auto hanging(std::shared_ptr<Hanging> works) {
    return [works = std::move(works)] {
        ++works->begun;
        while (!works->released) std::this_thread::sleep_for(1ms);
        ++works->ended;
    };
}

Task<> hang(Lane& lane, std::shared_ptr<Hanging> works) {
    auto work = hanging(works);
    ++works->called;
    co_await lane.run(Deadline::in(timeout), std::move(work));
    ++works->returned;
}

Task<> note(std::vector<int>& order, Mailbox& jobs, int number) {
    const auto turn = co_await jobs.enter("job " + std::to_string(number), Deadline::in(timeout));
    co_await sleep_until(Deadline::in(2ms));
    order.push_back(number);
}

} // namespace

TEST(Notice, tells_all_who_wait) {
    run_to_end([](Executor executor) -> Task<> {
        Notice notice(executor);
        int waiting = 0, told = 0;
        const auto waiter = [](Notice& from, int& begun, int& count) -> Task<> {
            ++begun;
            const bool notified = co_await from.wait(Deadline::in(timeout));
            if (notified) ++count;
        };
        for (int i = 0; i < 3; ++i) spawn(executor, waiter(notice, waiting, told), "waiter");
        const auto all_wait = [&] { return waiting == 3; };
        const auto all_are_told = [&] { return told == 3; };
        co_await eventually(all_wait);
        notice.notify_all();
        co_await eventually(all_are_told);
    });
}

TEST(Notice, gives_up_at_the_deadline) {
    run_to_end([](Executor executor) -> Task<> {
        Notice notice(executor);
        const bool told = co_await notice.wait(Deadline::in(5ms));
        EXPECT_FALSE(told);
        notice.notify_all(); // nobody is left in the list
    });
}

TEST(Reply, hands_over_a_value_that_came_before_or_after_the_wait) {
    run_to_end([](Executor executor) -> Task<> {
        Reply<int> early(executor);
        early.set(1);
        const int first = co_await early.take(Deadline::in(timeout), "x");
        EXPECT_EQ(first, 1);
        const auto late = std::make_shared<Reply<int>>(executor);
        asio::post(executor, [late] { late->set(2); });
        const int second = co_await late->take(Deadline::in(timeout), "x");
        EXPECT_EQ(second, 2);
    });
}

TEST(Reply, says_who_did_not_answer_and_bears_a_late_answer) {
    run_to_end([](Executor executor) -> Task<> {
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

TEST(Notice, may_go_before_those_who_wait_for_it) {
    Loop loop{1};
    auto notice = std::make_unique<Notice>(loop.get_executor());
    const auto waiter = [](Notice& from) -> Task<> { (void)co_await from.wait(Deadline::in(1ms)); };
    spawn(loop.get_executor(), waiter(*notice), "waiter");
    loop.poll();
    notice.reset();
    loop.run();
}

TEST(Reply, says_that_the_wait_was_cancelled) {
    Loop loop{1};
    Reply<int> reply(loop.get_executor());
    std::exception_ptr failure;
    asio::cancellation_signal signal;
    asio::co_spawn(
        loop, reply.take(Deadline::in(timeout), "the monitor"),
        asio::bind_cancellation_slot(signal.slot(), [&](const std::exception_ptr& thrown, int) { failure = thrown; }));
    loop.poll();
    signal.emit(asio::cancellation_type::terminal);
    loop.run();
    EXPECT_EQ(code_of(failure), ErrorCode::operation_aborted);
}

TEST(Mailbox, forgets_who_was_cancelled) {
    Loop loop{1};
    Mailbox jobs(loop.get_executor(), "domain 'web'");
    std::vector<int> order;
    std::exception_ptr failure;
    asio::cancellation_signal signal;
    Reply<bool> over(loop.get_executor());
    const auto keep_busy = [](Mailbox& box, Reply<bool>& until) -> Task<> {
        const auto turn = co_await box.enter("first", Deadline::in(timeout));
        (void)co_await until.take(Deadline::in(timeout), "the test");
    };
    spawn(loop.get_executor(), keep_busy(jobs, over), "first");
    asio::co_spawn(
        loop, note(order, jobs, 1),
        asio::bind_cancellation_slot(signal.slot(), [&](const std::exception_ptr& thrown) { failure = thrown; }));
    spawn(loop.get_executor(), note(order, jobs, 2), "third");
    loop.poll();
    signal.emit(asio::cancellation_type::terminal);
    loop.poll();
    over.set(true);
    loop.run();
    EXPECT_EQ(code_of(failure), ErrorCode::operation_aborted);
    EXPECT_EQ(order, (std::vector<int>{2}));
}

TEST(Mailbox, is_for_one_at_a_time_even_if_the_job_has_no_name) {
    run_to_end([](Executor executor) -> Task<> {
        Mailbox jobs(executor, "domain 'web'");
        const auto turn = co_await jobs.enter("", Deadline::in(timeout));
        std::exception_ptr failure;
        try {
            const auto second = co_await jobs.enter("", Deadline::in(1ms));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
    });
}

TEST(Mailbox, gives_turns_in_the_order_of_coming) {
    run_to_end([](Executor executor) -> Task<> {
        Mailbox jobs(executor, "domain 'web'");
        std::vector<int> order;
        for (int i = 0; i < 5; ++i) spawn(executor, note(order, jobs, i), "job");
        const auto all_were_there = [&] { return order.size() == 5; };
        co_await eventually(all_were_there);
        EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
        EXPECT_EQ(jobs.current(), "");
    });
}

TEST(Mailbox, says_what_keeps_it_busy_and_forgets_who_gave_up) {
    run_to_end([](Executor executor) -> Task<> {
        Mailbox jobs(executor, "domain 'web'");
        {
            const auto turn = co_await jobs.enter("start", Deadline::in(timeout));
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
        const auto third = co_await jobs.enter("resume", Deadline::in(timeout));
        EXPECT_EQ(jobs.current(), "resume");
    });
}

TEST(Lane, runs_beside_the_loop_and_brings_results_and_errors_back) {
    run_to_end([](Executor executor) -> Task<> {
        Lane lane(executor, "test", 2);
        auto ask = [] { return std::this_thread::get_id(); };
        const auto where = co_await lane.run(Deadline::in(timeout), std::move(ask));
        EXPECT_NE(where, std::this_thread::get_id());
        std::exception_ptr failure;
        auto refuse = []() -> int { throw Error(ErrorCode::no_domain, ErrorDomain::none, "none"); };
        try {
            (void)co_await lane.run(Deadline::in(timeout), std::move(refuse));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::no_domain);
    });
}

TEST(Lane, abandons_what_hangs_and_serves_others_with_the_threads_that_are_left) {
    const auto works = std::make_shared<Hanging>();
    run_to_end([&](Executor executor) -> Task<> {
        Lane lane(executor, "a dead server", 2);
        std::exception_ptr failure;
        // The deadline must not come before the work has begun.
        for (auto span = 20ms; works->begun == 0; span *= 2) {
            auto work = hanging(works);
            try {
                co_await lane.run(Deadline::in(span), std::move(work));
            } catch (...) {
                failure = std::current_exception();
            }
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
        auto quick = [] { return 1; };
        const int one = co_await lane.run(Deadline::in(timeout), std::move(quick));
        EXPECT_EQ(one, 1);
        EXPECT_EQ(works->ended, 0);
        works->released = true;
    });
}

TEST(Lane, bounds_its_queue) {
    const auto works = std::make_shared<Hanging>();
    run_to_end([&](Executor executor) -> Task<> {
        Lane lane(executor, "full", 1, 1);
        const auto one_hangs = [&] { return works->begun == 1; };
        const auto another_is_queued = [&] { return works->called == 2; };
        const auto both_are_over = [&] { return works->returned == 2; };
        spawn(executor, hang(lane, works), "hanging");
        co_await eventually(one_hangs);
        spawn(executor, hang(lane, works), "queued");
        co_await eventually(another_is_queued);
        std::exception_ptr failure;
        auto more = [] {};
        try {
            co_await lane.run(Deadline::in(timeout), std::move(more));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::resource_busy);
        works->released = true;
        co_await eventually(both_are_over);
    });
}

TEST(Lane, begins_nothing_that_its_caller_has_given_up) {
    const auto works = std::make_shared<Hanging>();
    const auto begun = std::make_shared<std::atomic<bool>>(false);
    run_to_end([&](Executor executor) -> Task<> {
        Lane lane(executor, "one thread", 1);
        const auto one_hangs = [&] { return works->begun == 1; };
        spawn(executor, hang(lane, works), "hanging");
        co_await eventually(one_hangs);
        auto work = [begun] { *begun = true; };
        std::exception_ptr failure;
        try {
            co_await lane.run(Deadline::in(5ms), std::move(work));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
        works->released = true;
        auto last = [] { return 7; };
        const int seven = co_await lane.run(Deadline::in(timeout), std::move(last));
        EXPECT_EQ(seven, 7);
        EXPECT_FALSE(*begun);
    });
}

TEST(Lane, wakes_or_makes_a_thread_for_each_of_several_that_come_at_once) {
    const auto works = std::make_shared<Hanging>();
    run_to_end([&](Executor executor) -> Task<> {
        Lane lane(executor, "two threads", 2);
        auto nothing = [] {};
        co_await lane.run(Deadline::in(timeout), std::move(nothing)); // leaves one thread, which is idle soon
        co_await sleep_until(Deadline::in(10ms));
        const auto both_run = [&] { return works->begun == 2; };
        const auto both_are_over = [&] { return works->returned == 2; };
        spawn(executor, hang(lane, works), "one");
        spawn(executor, hang(lane, works), "two");
        co_await eventually(both_run);
        works->released = true;
        co_await eventually(both_are_over);
    });
}

TEST(Lane, goes_while_its_work_hangs_and_before_its_loop) {
    const auto works = std::make_shared<Hanging>();
    {
        Loop loop{1};
        Lane lane(loop.get_executor(), "a dead server", 1);
        spawn(loop.get_executor(), hang(lane, works), "hanging");
        loop.poll();
        EXPECT_TRUE(comes_true([&] { return works->begun == 1; }));
    }
    EXPECT_FALSE(join_lane_threads(5ms));
    works->released = true;
    EXPECT_TRUE(join_lane_threads(timeout)); // it answers to nobody, since the loop is gone
    EXPECT_EQ(works->ended, 1);
}

TEST(Lane, keeps_no_threads_when_it_was_idle_for_a_while) {
    run_to_end([&](Executor executor) -> Task<> {
        Lane lane(executor, "idle", 3, 10, 50ms);
        auto which = [] { return std::to_string(::gettid()); };
        const auto thread = co_await lane.run(Deadline::in(timeout), std::move(which));
        const auto it_has_gone = [&] { return !threads().contains(thread); };
        co_await eventually(it_has_gone);
    });
}

TEST(Lane, has_no_thread_before_it_has_work) {
    const auto before = threads();
    run_to_end([&](Executor executor) -> Task<> {
        const Lane lane(executor, "idle");
        EXPECT_TRUE(std::ranges::includes(before, threads())); // one of another test may be gone only now
        co_return;
    });
}

TEST(Gate, closes_when_the_last_has_left_and_lets_nobody_in_then) {
    run_to_end([](Executor executor) -> Task<> {
        Gate gate(executor);
        bool done = false;
        const auto work = [](bool& finished) -> Task<> {
            co_await sleep_until(Deadline::in(10ms));
            finished = true;
        };
        gate.spawn(work(done), "work");
        const bool empty = co_await gate.close(Deadline::in(timeout));
        EXPECT_TRUE(empty);
        EXPECT_TRUE(done);
        EXPECT_THROW(gate.enter(), Error);
    });
}

TEST(Commands, give_output_and_status_and_take_input) {
    run_to_end([](Executor) -> Task<> {
        Command command("sh");
        command.arguments = {"-c", "cat; echo oops >&2; exit 3"};
        const auto output = co_await run_command(command, Deadline::in(timeout), "hello");
        EXPECT_EQ(output.out, "hello");
        EXPECT_EQ(output.err, "oops\n");
        EXPECT_EQ(output.status.code, 3);
    });
}

TEST(Commands, do_not_wait_for_others_that_hold_their_outputs) {
    run_to_end([](Executor) -> Task<> {
        Command command("sh");
        command.arguments = {"-c", "sleep 100 & echo $!"};
        const auto by = Deadline::in(90s);
        const auto output = co_await run_command(command, by);
        EXPECT_TRUE(output.status.success());
        EXPECT_FALSE(by.expired());
        ::kill(std::stoi(output.out), SIGKILL);
    });
}

TEST(Commands, are_killed_with_what_they_started) {
    run_to_end([](Executor) -> Task<> {
        std::string name = "/tmp/domus-async-XXXXXX";
        const UniqueFd file(::mkstemp(name.data()));
        Command command("sh");
        command.arguments = {"-c", "sleep 100 & echo $! > " + name + "; wait"};
        std::exception_ptr failure;
        // The deadline must not come before the shell has started the other.
        for (auto span = 100ms; read_file(name, 100).empty(); span *= 2) {
            try {
                (void)co_await run_command(command, Deadline::in(span));
            } catch (...) {
                failure = std::current_exception();
            }
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
        const int pid = std::stoi(read_file(name, 100));
        std::filesystem::remove(name);
        const auto it_has_ended = [pid] {
            const auto statistics = read_process(pid);
            return !statistics || statistics->state == 'Z';
        };
        co_await eventually(it_has_ended);
    });
}

TEST(Processes, that_end_when_asked_are_not_killed) {
    run_to_end([](Executor) -> Task<> {
        Command command("sleep");
        command.arguments = {"100"};
        auto process = Process::spawn(command);
        const bool gone = co_await end_process(process, timeout);
        EXPECT_TRUE(gone);
        EXPECT_EQ(process.poll()->signal, SIGTERM);
    });
}

TEST(Processes, that_do_not_end_when_asked_are_killed) {
    run_to_end([](Executor) -> Task<> {
        int ends[2];
        EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
        const UniqueFd said(ends[0]);
        Command command("sh");
        command.arguments = {"-c", "trap '' TERM; echo x; sleep 100 & wait; wait"};
        command.redirect(UniqueFd(ends[1]), 1);
        auto process = Process::spawn(command);
        char x = 0;
        EXPECT_EQ(::read(said.get(), &x, 1), 1); // from here on it ignores the signal
        const auto running = co_await wait_for_exit(process, Deadline::in(5ms));
        EXPECT_FALSE(running);
        const int session = process.pid();
        (void)co_await end_process(process, 50ms);
        const auto status = co_await wait_for_exit(process, Deadline::in(timeout));
        ::kill(-session, SIGKILL); // the sleep that it started
        EXPECT_TRUE(status && status->signal == SIGKILL);
    });
}

/// A program of a file that does not answer whoever opens it: we have a lease on it, which the kernel asks back (fcntl(2)).
class LeasedProgram {
public:
    LeasedProgram() {
        ::signal(SIGIO, SIG_IGN);
        std::string folder = (std::filesystem::temp_directory_path() / "lease-XXXXXX").string();
        if (!::mkdtemp(folder.data())) throw system_error(errno, "mkdtemp");
        folder_ = folder;
        std::filesystem::copy_file(find_program("true"), path());
        file_.reset(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
        if (::fcntl(file_.get(), F_SETLEASE, F_WRLCK) < 0) throw system_error(errno, "cannot take a lease");
    }
    ~LeasedProgram() { std::filesystem::remove_all(folder_); }
    std::filesystem::path path() const { return folder_ / "true"; }
    void answer() { ::fcntl(file_.get(), F_SETLEASE, F_UNLCK); }

private:
    std::filesystem::path folder_;
    UniqueFd file_;
};

TEST(Processes, that_wait_for_their_program_hold_up_no_loop) {
    run_to_end([](Executor executor) -> Task<> {
        LeasedProgram program;
        std::optional<Process> process;
        const auto begin = [&]() -> Task<> {
            auto spawned = co_await spawn_process(Command(program.path()), Deadline::in(timeout));
            process = std::move(spawned);
        };
        spawn(executor, begin(), "begin");
        co_await sleep_until(Deadline::in(20ms));
        EXPECT_FALSE(process);
        program.answer();
        const auto begun = [&] { return process.has_value(); };
        co_await eventually(begun);
        if (!process) co_return;
        const auto status = co_await wait_for_exit(*process);
        EXPECT_TRUE(status.success());
    });
}

TEST(Processes, that_do_not_get_to_their_program_are_killed_at_the_deadline) {
    run_to_end([](Executor) -> Task<> {
        LeasedProgram program;
        std::exception_ptr failure;
        try {
            (void)co_await spawn_process(Command(program.path()), Deadline::in(20ms));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout);
    });
}

TEST(RunCommand, ends_a_program_whose_work_is_cancelled) {
    run_to_end([](const Executor&) -> Task<> {
        const auto progress = std::make_shared<Progress>();
        Command command("sh");
        command.arguments = {"-c", "echo begun; exec sleep 1000"};
        Watch watch;
        watch.progress = progress;
        watch.read = [progress](const std::string& out) {
            if (out == "begun\n") progress->cancel();
        };
        std::optional<ErrorCode> code;
        try {
            (void)co_await run_command(std::move(command), Deadline::in(timeout), {}, std::move(watch));
        } catch (const Error& error) {
            code = error.code();
        }
        EXPECT_EQ(code, ErrorCode::operation_aborted);
    });
}

TEST(LoopWatch, counts_what_blocked_the_loop) {
    Loop loop{1};
    LoopWatch watch(20ms, 5ms);
    spawn(loop.get_executor(), watch.run(), "the watch of the loop");
    loop.run_for(30ms);
    const auto before = watch.blocked();
    asio::post(loop, [] { std::this_thread::sleep_for(60ms); });
    EXPECT_TRUE(comes_true([&] { return loop.run_one_for(100ms), watch.blocked() > before; }));
    EXPECT_GE(watch.longest(), 50ms);
}

TEST(Commands, are_killed_at_the_deadline) {
    run_to_end([](Executor) -> Task<> {
        Command command("sleep");
        command.arguments = {"100"};
        std::exception_ptr failure;
        try {
            (void)co_await run_command(command, Deadline::in(50ms));
        } catch (...) {
            failure = std::current_exception();
        }
        EXPECT_EQ(code_of(failure), ErrorCode::operation_timeout); // it had not ended by itself
    });
}

} // namespace domus
