// Where blocking work runs. A lane belongs to one thing that may hang (the folder of definitions, one pool, one
// device), with a small limit of threads of its own, so that what hangs takes no thread from anything else. Threads are
// made when there is work and go when there has been none for a while.
//
//     auto text = co_await lane.run(Deadline::in(5s), [path] { return read_file(path, limit); });
//
// At the deadline the caller goes on with operation_timeout. Work that has begun is abandoned: it may still hang, and
// so must own all that it uses. Work that has not begun never will: nothing is changed behind the back of a caller who
// gave up. The loop must outlive the lane; who still waits when the lane goes gets operation_timeout at his deadline.
#pragma once

#include "async/signal.hpp"
#include "async/task.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

namespace domus {

class Lane {
public:
    Lane(Executor executor, std::string name, std::size_t threads = 4, std::size_t queue = 10000,
         Clock::duration idle_time = std::chrono::seconds(10));
    ~Lane();
    Lane(Lane&&) noexcept = default;
    Lane& operator=(Lane&&) = delete;

    /// Throws what the work throws; operation_timeout at the deadline; resource_busy if the queue is full.
    template <class Work> Task<std::invoke_result_t<Work>> run(Deadline by, Work work);

    const std::string& name() const;

private:
    struct State;
    /// Runs on a thread of the lane, and returns what is then to be run on the loop.
    using Job = std::function<std::function<void()>()>;
    /// Taken by the thread that begins the job or by the caller who gives up, whoever is first.
    using Ticket = std::shared_ptr<std::atomic_flag>;

    class Withdrawal {
    public:
        explicit Withdrawal(Ticket ticket) : ticket_(std::move(ticket)) {}
        Withdrawal(const Withdrawal&) = delete;
        Withdrawal& operator=(const Withdrawal&) = delete;
        ~Withdrawal() { ticket_->test_and_set(); }

    private:
        Ticket ticket_;
    };

    Ticket post(Job job);

    std::shared_ptr<State> state_;
    Executor executor_;
};

/// Waits until the threads of all lanes that are gone have ended; false if some have not within `timeout`. A process
/// must not return from main() while they run, as libraries are cleaned up under them then: it waits, or it _Exit()s.
bool join_lane_threads(std::chrono::milliseconds timeout);

template <class Work> Task<std::invoke_result_t<Work>> Lane::run(Deadline by, Work work) {
    using Result = std::invoke_result_t<Work>;
    using Stored = std::conditional_t<std::is_void_v<Result>, bool, Result>;
    const auto reply = std::make_shared<Reply<Stored>>(executor_);
    // The reply's timer belongs to the loop: a thread must never be the one to destroy it.
    Job job = [slot = std::weak_ptr(reply),
               work = std::make_shared<Work>(std::move(work))]() mutable -> std::function<void()> {
        std::exception_ptr failure;
        std::shared_ptr<Stored> result;
        try {
            if constexpr (std::is_void_v<Result>) {
                (*work)();
                result = std::make_shared<Stored>(true);
            } else {
                result = std::make_shared<Stored>((*work)());
            }
        } catch (...) {
            failure = std::current_exception();
        }
        work.reset(); // what the work owned goes here, not on the loop
        return [slot = std::move(slot), failure, result] {
            const auto waiting = slot.lock();
            if (!waiting) return;
            if (failure)
                waiting->fail(failure);
            else
                waiting->set(std::move(*result));
        };
    };
    const Withdrawal withdrawal(post(std::move(job)));
    if constexpr (std::is_void_v<Result>) {
        (void)co_await reply->take(by, name());
    } else {
        auto result = co_await reply->take(by, name());
        co_return result;
    }
}

} // namespace domus
