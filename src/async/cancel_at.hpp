// Ends the waits on a descriptor at a deadline.
//
//     const CancelAt limit(socket, by);
//     co_await socket->async_read_some(buffer, redirect_error(use_task, failure));   // operation_aborted at the deadline
//
// It ends a wait that is under way at the deadline, and none that begins later: a loop that reads also checks the deadline,
// since a read that finds bytes never waits.
#pragma once

#include "async/deadline.hpp"
#include "async/task.hpp"

#include <memory>

namespace domus {

class CancelAt {
public:
    CancelAt(std::shared_ptr<StreamFd> fd, Deadline by);

private:
    /// The timer's handler may run after this object is gone, and finds no descriptor then: neither a closed one nor one
    /// on which the next wait has begun.
    std::shared_ptr<std::shared_ptr<StreamFd>> fd_;
    Timer timer_;
};

} // namespace domus
