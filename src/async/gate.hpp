// A gate keeps count of the tasks that use an object, so that the object outlives them: closing it lets no more in and
// waits for those inside. Destroying it while somebody is inside is a mistake of ours and ends the process.
#pragma once

#include "async/signal.hpp"
#include "async/task.hpp"

#include <string>

namespace domus {

class Gate {
public:
    explicit Gate(Executor executor) : executor_(executor), empty_(executor) {}
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    class Pass {
    public:
        explicit Pass(Gate& gate) : gate_(&gate) { ++gate.inside_; }
        Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
        Pass& operator=(Pass&&) = delete;
        ~Pass() {
            if (gate_ && --gate_->inside_ == 0) gate_->empty_.notify_all();
        }

    private:
        Gate* gate_;
    };

    /// Throws operation_aborted when the gate is closed.
    Pass enter();
    /// Runs a task inside; refused silently when the gate is closed, since its object is going.
    void spawn(Task<> task, std::string name);
    /// False if some are still inside at the deadline.
    Task<bool> close(Deadline by);
    bool closed() const { return closed_; }

private:
    Executor executor_;
    Notice empty_;
    std::size_t inside_ = 0;
    bool closed_ = false;
};

} // namespace domus
