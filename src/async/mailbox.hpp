// The queue of an actor's jobs: one at a time, in the order in which they came.
//
//     const auto turn = co_await jobs.enter("suspend", Deadline::in(30s));   // held until it goes out of scope
#pragma once

#include "async/deadline.hpp"
#include "async/task.hpp"

#include <list>
#include <memory>
#include <string>

namespace domus {

class Mailbox;

/// The right to change the actor; gives it to the next in the queue when destroyed.
class Turn {
public:
    Turn() = default;
    Turn(Turn&& other) noexcept : state_(std::move(other.state_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn();

private:
    friend class Mailbox;
    struct Queue;
    explicit Turn(std::shared_ptr<Queue> state) : state_(std::move(state)) {}
    std::shared_ptr<Queue> state_;
};

class Mailbox {
public:
    /// `hint` tells what can be done when it is busy for too long.
    Mailbox(Executor executor, std::string owner,
            std::string hint = "look at the job with 'domus domjobinfo', or end the domain with 'domus destroy'");

    /// Throws operation_timeout "domain 'web' is busy with 'start' (for 31 s)" at the deadline; operation_aborted if
    /// cancelled. Who gives up has left the queue.
    Task<Turn> enter(std::string job, Deadline by);

    /// The job that has its turn; empty if none. With its begin.
    const std::string& current() const;
    Clock::time_point since() const;

private:
    std::shared_ptr<Turn::Queue> state_;
};

} // namespace domus
