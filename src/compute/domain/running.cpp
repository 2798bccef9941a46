#include "compute/domain/running.hpp"

namespace domus::compute {

Running::Running(Executor executor) : unplugged(executor), refreshed(executor), gone_(executor) {}

void Running::finish() {
    settled = over_ = true;
    gone_.notify_all();
}

Task<bool> Running::wait_until_over(Deadline by) {
    while (!over_) {
        const bool notified = co_await gone_.wait(by);
        if (!notified) break;
    }
    co_return over_;
}

engine::Machine& Running::guest() const {
    if (!machine) throw engine::GuestGone(domain->name);
    return *machine;
}

void Running::terminate() const {
    if (machine) machine->terminate();
}

void Running::kill() const {
    if (machine) machine->kill();
}

} // namespace domus::compute
