#include "async/mailbox.hpp"

#include "base/error.hpp"

#include <boost/asio/redirect_error.hpp>
#include <fmt/format.h>

namespace domus {

struct Turn::Queue {
    struct Waiter {
        explicit Waiter(const Executor& executor) : timer(executor) {}
        Timer timer;
        std::string job;
        bool admitted = false;
    };

    Queue(Executor executor_to_use, std::string owner_name) : executor(std::move(executor_to_use)), owner(std::move(owner_name)) {}

    void begin(std::string job) {
        current = std::move(job);
        since = Clock::now();
    }

    /// Hands the turn on; the next one holds it from here, even before it runs.
    void next() {
        current.clear();
        if (waiters.empty()) return;
        const auto waiter = waiters.front();
        waiters.pop_front();
        waiter->admitted = true;
        begin(std::move(waiter->job));
        waiter->timer.cancel();
    }

    Executor executor;
    std::string owner;
    std::string current;
    Clock::time_point since{};
    std::list<std::shared_ptr<Waiter>> waiters;
};

Turn::~Turn() {
    if (state_) state_->next();
}

Mailbox::Mailbox(Executor executor, std::string owner)
    : state_(std::make_shared<Turn::Queue>(std::move(executor), std::move(owner))) {}

const std::string& Mailbox::current() const { return state_->current; }
Clock::time_point Mailbox::since() const { return state_->since; }

Task<Turn> Mailbox::enter(std::string job, Deadline by) {
    const auto state = state_;
    if (state->current.empty()) {
        state->begin(std::move(job));
        Turn turn(state);
        co_return turn;
    }
    const auto waiter = std::make_shared<Turn::Queue::Waiter>(state->executor);
    waiter->job = std::move(job);
    waiter->timer.expires_at(by.when());
    state->waiters.push_back(waiter);
    boost::system::error_code ignored;
    co_await waiter->timer.async_wait(asio::redirect_error(use_task, ignored));
    if (waiter->admitted) {
        Turn turn(state);
        co_return turn;
    }
    state->waiters.remove(waiter);
    const auto busy = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - state->since).count();
    throw Error(ErrorCode::operation_timeout, ErrorDomain::qemu,
                fmt::format("{} is busy with '{}' (for {} s)", state->owner, state->current, busy))
        .hint("look at the job with 'domus domjobinfo', or end the domain with 'domus destroy'");
}

} // namespace domus
