#include "async/mailbox.hpp"

#include "async/signal.hpp"
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

    Queue(Executor executor_to_use, std::string owner_name, std::string hint_text)
        : executor(std::move(executor_to_use)), owner(std::move(owner_name)), hint(std::move(hint_text)) {}

    void begin(std::string job) {
        busy = true;
        current = std::move(job);
        since = Clock::now();
    }

    /// Hands the turn on; the next one holds it from here, even before it runs.
    void next() {
        busy = false;
        current.clear();
        if (waiters.empty()) return;
        const auto waiter = waiters.front();
        waiters.pop_front();
        waiter->admitted = true;
        begin(std::move(waiter->job));
        waiter->timer.cancel();
    }

    Executor executor;
    std::string owner, hint;
    bool busy = false;
    std::string current;
    Clock::time_point since{};
    std::list<std::shared_ptr<Waiter>> waiters;
};

Turn::~Turn() {
    if (state_) state_->next();
}

Mailbox::Mailbox(Executor executor, std::string owner, std::string hint)
    : state_(std::make_shared<Turn::Queue>(std::move(executor), std::move(owner), std::move(hint))) {}

const std::string& Mailbox::current() const { return state_->current; }
Clock::time_point Mailbox::since() const { return state_->since; }

Task<Turn> Mailbox::enter(std::string job, Deadline by) {
    const auto state = state_;
    if (!state->busy) {
        state->begin(std::move(job));
        Turn turn(state);
        co_return turn;
    }
    const auto waiter = std::make_shared<Turn::Queue::Waiter>(state->executor);
    waiter->job = std::move(job);
    waiter->timer.expires_at(by.when());
    state->waiters.push_back(waiter);
    boost::system::error_code woken;
    co_await waiter->timer.async_wait(asio::redirect_error(use_task, woken));
    if (waiter->admitted) {
        Turn turn(state);
        co_return turn;
    }
    state->waiters.remove(waiter);
    if (woken) throw cancelled(fmt::format("waiting for {}", state->owner));
    const auto busy = std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - state->since).count();
    throw Error(ErrorCode::operation_timeout, ErrorDomain::qemu,
                fmt::format("{} is busy with '{}' (for {} s)", state->owner, state->current, busy))
        .hint(state->hint);
}

} // namespace domus
