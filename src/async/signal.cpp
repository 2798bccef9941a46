#include "async/signal.hpp"

#include <boost/asio/redirect_error.hpp>

namespace domus {

Task<> sleep_until(Deadline deadline) {
    Timer timer(co_await asio::this_coro::executor, deadline.when());
    co_await timer.async_wait(use_task);
}

Task<bool> Notice::wait(Deadline by) {
    const auto waiter = std::make_shared<Waiter>(executor_);
    waiter->timer.expires_at(by.when());
    const auto place = waiters_.insert(waiters_.end(), waiter);
    // Leaves the list however the wait ends; notify_all has emptied it before `told` is set.
    struct Leave {
        Notice& notice;
        std::list<std::shared_ptr<Waiter>>::iterator place;
        const Waiter& waiter;
        ~Leave() {
            if (!waiter.told) notice.waiters_.erase(place);
        }
    } leave{*this, place, *waiter};
    boost::system::error_code ignored;
    co_await waiter->timer.async_wait(asio::redirect_error(use_task, ignored));
    co_return waiter->told;
}

void Notice::notify_all() {
    auto waiters = std::exchange(waiters_, {});
    for (const auto& waiter : waiters) {
        waiter->told = true;
        waiter->timer.cancel();
    }
}

} // namespace domus
