// Waiting for something that another coroutine does: Notice tells all who wait, Reply hands one value to one waiter.
// The timer is the wait: it expires at the deadline, and whoever has the news cancels it. A wait therefore never
// depends on the one who was to answer.
#pragma once

#include "async/deadline.hpp"
#include "async/task.hpp"
#include "base/error.hpp"

#include <fmt/format.h>

#include <exception>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace domus {

class Notice {
public:
    explicit Notice(Executor executor) : executor_(std::move(executor)) {}
    Notice(const Notice&) = delete;
    Notice& operator=(const Notice&) = delete;

    /// True when notified, false at the deadline.
    Task<bool> wait(Deadline by);
    void notify_all();

private:
    struct Waiter {
        explicit Waiter(const Executor& executor) : timer(executor) {}
        Timer timer;
        bool told = false;
    };
    using Waiters = std::list<std::shared_ptr<Waiter>>;
    Executor executor_;
    std::shared_ptr<Waiters> waiters_ = std::make_shared<Waiters>(); ///< shared with those who wait, who may outlive it
};

/// What a wait throws whose coroutine was cancelled.
Error cancelled(const std::string& what);

/// A slot for one answer; may be filled before or while it is awaited. What comes later is dropped.
template <class T> class Reply {
public:
    explicit Reply(const Executor& executor) : timer_(executor) { timer_.expires_at(Clock::time_point::max()); }

    void set(T value) {
        if (done()) return;
        value_.emplace(std::move(value));
        timer_.cancel();
    }
    void fail(std::exception_ptr failure) {
        if (done()) return;
        failure_ = std::move(failure);
        timer_.cancel();
    }
    bool done() const { return value_ || failure_; }

    /// Throws what was failed with, or operation_timeout naming who did not answer; operation_aborted if cancelled.
    Task<T> take(Deadline by, std::string who) {
        const auto begin = Clock::now();
        boost::system::error_code woken;
        if (!done()) {
            timer_.expires_at(by.when());
            co_await timer_.async_wait(asio::redirect_error(use_task, woken));
        }
        if (failure_) std::rethrow_exception(failure_);
        if (!value_) {
            if (woken) throw cancelled("waiting for " + who);
            const auto waited = std::chrono::duration<double>(Clock::now() - begin).count();
            throw Error(ErrorCode::operation_timeout, ErrorDomain::qemu,
                        fmt::format("{} did not answer within {:.1f} s", who, waited));
        }
        co_return std::move(*value_);
    }

private:
    Timer timer_;
    std::optional<T> value_;
    std::exception_ptr failure_;
};

} // namespace domus
