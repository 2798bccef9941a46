#include "service/events.hpp"

#include "async/deadline.hpp"
#include "async/spawn.hpp"

namespace domus::service {

using namespace std::chrono_literals;

Events::Handle Events::add(Told::Listener listener) {
    if (!missed_.empty() && !starting_ && Clock::now() - started_at_ > 60s) missed_.clear();
    const auto handle = listeners_.add(std::move(listener));
    if (!missed_.empty()) spawn(executor_, send_missed(handle), "events that were missed");
    return handle;
}

Task<> Events::send_missed(Handle handle) {
    const auto missed = missed_;
    co_await sleep_until(Deadline::in(200ms));
    for (const auto& event : missed) listeners_.notify_one(handle, event);
}

void Events::emit(const compute::DomainEvent& event) {
    if (starting_) missed_.push_back(event);
    listeners_.notify(event);
}

} // namespace domus::service
