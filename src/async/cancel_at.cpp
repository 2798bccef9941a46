#include "async/cancel_at.hpp"

namespace domus {

CancelAt::CancelAt(std::shared_ptr<StreamFd> fd, Deadline by)
    : fd_(std::make_shared<std::shared_ptr<StreamFd>>(std::move(fd))), timer_((*fd_)->get_executor(), by.when()) {
    timer_.async_wait([weak = std::weak_ptr(fd_)](const boost::system::error_code& stopped) {
        const auto still = weak.lock();
        if (stopped || !still) return;
        boost::system::error_code ignored;
        (*still)->cancel(ignored);
    });
}

} // namespace domus
