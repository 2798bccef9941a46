#include "async/acceptor.hpp"

#include "async/spawn.hpp"
#include "base/error.hpp"
#include "base/log.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace domus {

namespace {

constexpr auto retry = std::chrono::milliseconds(200); ///< others may have given a descriptor back

} // namespace

std::shared_ptr<Acceptor> Acceptor::start(const Executor& executor, UniqueFd socket,
                                          std::function<void(UniqueFd client)> admit) {
    auto acceptor = std::make_shared<Acceptor>(executor, std::move(socket), std::move(admit));
    spawn(executor, run(acceptor), "accepting clients");
    return acceptor;
}

Acceptor::Acceptor(const Executor& executor, UniqueFd socket, std::function<void(UniqueFd client)> admit)
    : socket_(executor, socket.release()), admit_(std::move(admit)), room_(executor) {
    socket_.native_non_blocking(true);
}

Task<> Acceptor::run(std::shared_ptr<Acceptor> self) {
    while (!self->stopped_) {
        boost::system::error_code failure;
        co_await self->socket_.async_wait(StreamFd::wait_read, asio::redirect_error(use_task, failure));
        if (failure || self->stopped_) co_return;
        const bool all = self->accept_some();
        // Who waits keeps the socket readable: without this it would be asked again and again.
        if (!all) (void)co_await self->room_.wait(Deadline::in(retry));
    }
}

/// All that wait, or some of very many. False when there is no descriptor for who waits.
bool Acceptor::accept_some() {
    constexpr int most_at_once = 32;
    for (int i = 0; i < most_at_once; ++i) {
        UniqueFd client(::accept4(socket_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (client) {
            admit_(std::move(client));
        } else if (errno == EAGAIN) {
            if (std::exchange(cannot_accept_, false)) log::info("clients are accepted again");
            return true;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            cannot_accept(errno);
            return false;
        }
    }
    return true;
}

void Acceptor::cannot_accept(int number) {
    if (std::exchange(cannot_accept_, true)) return;
    log::error("{}", system_error(number, "no more clients are accepted for now", ErrorDomain::rpc).message());
}

void Acceptor::stop() {
    stopped_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
    room_.notify_all();
}

} // namespace domus
