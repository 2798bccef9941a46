#include "service/events.hpp"

#include "async/deadline.hpp"
#include "async/spawn.hpp"

namespace domus::service {

using namespace std::chrono_literals;

Events::Handle Events::listen(Listener listener) {
    if (!missed_.empty() && !starting_ && Clock::now() - started_at_ > 60s) missed_.clear();
    const auto handle = next_++;
    listeners_.emplace(handle, std::move(listener));
    if (!missed_.empty()) spawn(executor_, tell_missed(handle), "telling what was missed");
    return handle;
}

Task<> Events::tell_missed(Handle handle) {
    const auto missed = missed_;
    co_await sleep_until(Deadline::in(200ms));
    for (const auto& event : missed)
        if (const auto found = listeners_.find(handle); found != listeners_.end()) found->second(event);
}

void Events::forget(Handle handle) { listeners_.erase(handle); }

void Events::emit(const compute::DomainEvent& event) {
    if (starting_) missed_.push_back(event);
    // A listener may forget itself or another while it is called.
    std::vector<Handle> handles;
    handles.reserve(listeners_.size());
    for (const auto& [handle, listener] : listeners_) handles.push_back(handle);
    for (const auto handle : handles) {
        const auto found = listeners_.find(handle);
        if (found != listeners_.end()) found->second(event);
    }
}

} // namespace domus::service
