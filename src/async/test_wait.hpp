// For tests: waiting for what other coroutines, threads and processes do. A machine that is shared may stand still for
// seconds, so a test waits for what it expects instead of for a time in which it should have happened, and what is to
// be in time has `timeout`. Only what must not happen is given a short time.
#pragma once

#include "async/deadline.hpp"
#include "async/lane.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <functional>
#include <source_location>
#include <thread>

namespace domus {

inline constexpr std::chrono::seconds timeout{60};

/// Returns when it is so; a failure of the test if it is not within `timeout`. The condition is a variable of the
/// caller's: a lambda that captures must not be made within a `co_await`.
template <class Condition>
Task<> eventually(Condition so, std::source_location where = std::source_location::current()) {
    for (const auto by = Deadline::in(timeout); !so();) {
        if (by.expired()) {
            ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << "it does not come true";
            co_return;
        }
        co_await sleep_until(Deadline::in(std::chrono::milliseconds(1)));
    }
}

/// The same where there is no loop: whether it comes true.
template <class Condition> bool comes_true(Condition so) {
    for (const auto by = Deadline::in(timeout); !so();) {
        if (by.expired()) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

/// The same where nobody else turns the loop. False if it does not come true in time.
template <class Condition> bool turn_until(Loop& loop, Condition so, Clock::duration limit = timeout) {
    for (const auto by = Deadline::in(limit); !so();) {
        if (by.expired()) return false;
        loop.restart();
        loop.run_one_for(std::chrono::milliseconds(1));
    }
    return true;
}

/// Runs a coroutine to its end on a loop of its own; what it throws is thrown. No thread of its lanes stays.
inline void run_to_end(std::function<Task<>(Executor)> body) {
    Loop loop{1};
    std::exception_ptr failure;
    asio::co_spawn(loop, body(loop.get_executor()), [&](const std::exception_ptr& thrown) { failure = thrown; });
    loop.run();
    EXPECT_TRUE(join_lane_threads(timeout));
    if (failure) std::rethrow_exception(failure);
}

} // namespace domus
