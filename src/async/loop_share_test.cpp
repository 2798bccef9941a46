#include "async/loop_share.hpp"

#include "async/cancel_at.hpp"
#include "async/test_wait.hpp"
#include "os/unique_fd.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <sys/socket.h>

#include <ctime>
#include <functional>
#include <thread>

namespace domus {

using namespace std::chrono_literals;

namespace {

Clock::duration processor_time() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

void work(Clock::duration time) {
    for (const auto until = processor_time() + time; processor_time() < until;) {
    }
}

} // namespace

TEST(LoopShare, a_source_without_end_has_a_quarter_of_the_loop) {
    run_to_end([](Executor) -> Task<> {
        LoopShare share(1ms);
        const auto begin = Clock::now();
        Clock::duration worked{};
        share.begin();
        for (int i = 0; i < 50; ++i) {
            work(100us); // at least
            worked += 100us;
            if (share.used_up()) co_await share.rest();
        }
        EXPECT_GT(Clock::now() - begin, 4 * worked - 5ms); // the last turn has no rest
    });
}

TEST(LoopShare, a_source_with_pauses_never_rests) {
    run_to_end([](Executor) -> Task<> {
        LoopShare share(timeout); // far more than a machine that stands still can use up
        for (int i = 0; i < 10; ++i) {
            share.begin();
            work(10us);
            EXPECT_FALSE(share.used_up());
        }
        co_return;
    });
}

TEST(LoopShare, one_that_was_kept_from_the_processor_does_not_work) {
    run_to_end([](Executor) -> Task<> {
        LoopShare share(10ms); // far more than going to sleep and waking costs
        share.begin();
        std::this_thread::sleep_for(50ms);
        EXPECT_FALSE(share.used_up());
        co_return;
    });
}

TEST(CancelAt, ends_the_wait_and_no_later_one) {
    run_to_end([](Executor executor) -> Task<> {
        int ends[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        const UniqueFd other(ends[1]);
        const auto socket = std::make_shared<StreamFd>(executor, ends[0]);
        char byte = 0;
        boost::system::error_code failure;
        {
            const CancelAt limit(socket, Deadline::in(1ms));
            co_await socket->async_read_some(asio::buffer(&byte, 1), asio::redirect_error(use_task, failure));
            EXPECT_EQ(failure, asio::error::operation_aborted);
        }
        {
            const CancelAt limit(socket, Deadline::in(1ms));
            work(5ms); // the deadline has passed, its handler has not run
        }
        const CancelAt limit(socket, Deadline::in(50ms));
        const auto begin = Clock::now();
        co_await socket->async_read_some(asio::buffer(&byte, 1), asio::redirect_error(use_task, failure));
        EXPECT_GE(Clock::now() - begin, 49ms);
    });
}

} // namespace domus
