#include "async/signal.hpp"

#include <boost/asio/redirect_error.hpp>

namespace domus {

Task<> sleep_until(Deadline deadline) {
    Timer timer(co_await asio::this_coro::executor, deadline.when());
    co_await timer.async_wait(use_task);
}

Error cancelled(const std::string& what) {
    return Error(ErrorCode::operation_aborted, ErrorDomain::none, what + " was cancelled");
}

Task<bool> Notice::wait(Deadline by) {
    const auto waiter = std::make_shared<Waiter>(executor_);
    waiter->timer.expires_at(by.when());
    waiters_->push_back(waiter);
    // Leaves the list however the wait ends.
    struct Leave {
        std::shared_ptr<Waiters> waiters;
        std::shared_ptr<Waiter> self;
        ~Leave() {
            if (!self->told) waiters->remove(self);
        }
    } leave{waiters_, waiter};
    boost::system::error_code ignored;
    co_await waiter->timer.async_wait(asio::redirect_error(use_task, ignored));
    co_return waiter->told;
}

void Notice::notify_all() {
    const auto waiters = std::exchange(*waiters_, {});
    for (const auto& waiter : waiters) {
        waiter->told = true;
        waiter->timer.cancel();
    }
}

} // namespace domus
