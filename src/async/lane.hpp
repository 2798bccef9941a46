// Where blocking work runs. A lane belongs to one thing that may hang (the folder of definitions, one pool, one
// device), with a small limit of threads of its own, so that what hangs takes no thread from anything else. Threads are
// made when there is work and go when there has been none for a while.
//
//     auto text = co_await lane.run(Deadline::in(5s), [path] { return read_file(path, limit); });
//
// At the deadline the caller goes on with operation_timeout and the work is abandoned: it may still hang, and so must
// own all that it uses.
#pragma once

#include "async/signal.hpp"
#include "async/task.hpp"

#include <functional>
#include <memory>
#include <string>
#include <type_traits>

namespace domus {

class Lane {
public:
    Lane(Executor executor, std::string name, std::size_t threads = 4, std::size_t queue = 10000);
    ~Lane();
    Lane(Lane&&) noexcept = default;
    Lane& operator=(Lane&&) = delete;

    /// Throws what the work throws; operation_timeout at the deadline; resource_busy if the queue is full.
    template <class Work>
    Task<std::invoke_result_t<Work>> run(Deadline by, Work work);

    const std::string& name() const;

private:
    struct State;
    void post(std::function<void()> job);

    std::shared_ptr<State> state_;
    Executor executor_;
};

template <class Work>
Task<std::invoke_result_t<Work>> Lane::run(Deadline by, Work work) {
    using Result = std::invoke_result_t<Work>;
    using Stored = std::conditional_t<std::is_void_v<Result>, bool, Result>;
    const auto reply = std::make_shared<Reply<Stored>>(executor_);
    // Counted as work of the loop, so that it does not end before its answer is delivered.
    auto busy = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
    post([reply, busy = std::move(busy), work = std::make_shared<Work>(std::move(work))]() mutable {
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
        asio::post(busy, [reply = std::move(reply), failure, result] {
            if (failure) reply->fail(failure);
            else reply->set(std::move(*result));
        });
    });
    if constexpr (std::is_void_v<Result>) {
        (void)co_await reply->take(by, name());
    } else {
        auto result = co_await reply->take(by, name());
        co_return result;
    }
}

} // namespace domus
