// Accepts clients on a listening socket, some at a time, since the loop has others too. While there is no descriptor for
// those who wait, it says so once, and looks again after a moment or when one has been given back.
#pragma once

#include "async/signal.hpp"
#include "async/task.hpp"
#include "os/unique_fd.hpp"

#include <functional>
#include <memory>

namespace domus {

class Acceptor {
public:
    /// Begins, and goes on until stop(). `admit` takes each client's socket, which does not block.
    static std::shared_ptr<Acceptor> start(const Executor& executor, UniqueFd socket,
                                           std::function<void(UniqueFd client)> admit);
    Acceptor(const Executor& executor, UniqueFd socket, std::function<void(UniqueFd client)> admit);

    void stop();
    /// A client has gone.
    void look_again() { room_.notify_all(); }

private:
    static Task<> run(std::shared_ptr<Acceptor> self);
    bool accept_some();
    void cannot_accept(int number);

    StreamFd socket_;
    std::function<void(UniqueFd client)> admit_;
    Notice room_;
    bool stopped_ = false;
    bool cannot_accept_ = false; ///< and has said so
};

} // namespace domus
