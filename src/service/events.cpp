#include "service/events.hpp"

#include <boost/asio/post.hpp>

namespace domus::service {

using namespace std::chrono_literals;

Events::Handle Events::listen(Listener listener) {
    if (!missed_.empty() && !starting_ && Clock::now() - started_at_ > 60s) missed_.clear();
    const auto handle = next_++;
    listeners_.emplace(handle, std::move(listener));
    if (!missed_.empty())
        asio::post(executor_, [this, handle] {
            for (const auto& event : missed_)
                if (const auto found = listeners_.find(handle); found != listeners_.end()) found->second(event);
        });
    return handle;
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
