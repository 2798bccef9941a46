// Who is notified of something that happens, in the order in which they registered. For one thread.
//
//     Listeners<PoolView, PoolEvent> events;
//     const auto handle = events.add([](const PoolView& pool, const PoolEvent& event) { ... });
//     events.notify(view, event);
//     events.remove(handle);
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace domus {

template <class... What> class Listeners {
public:
    using Listener = std::function<void(const What&...)>;
    using Handle = std::uint64_t;

    Handle add(Listener listener) {
        listeners_.emplace(next_, std::move(listener));
        return next_++;
    }
    void remove(Handle handle) { listeners_.erase(handle); }
    std::size_t size() const { return listeners_.size(); }

    /// A listener may remove itself or another while it is told, and who is removed is told no more.
    void notify(const What&... what) const {
        std::vector<Handle> handles;
        handles.reserve(listeners_.size());
        for (const auto& [handle, listener] : listeners_) handles.push_back(handle);
        for (const auto handle : handles) notify_one(handle, what...);
    }
    /// Nothing, if it is gone.
    void notify_one(Handle handle, const What&... what) const {
        if (const auto found = listeners_.find(handle); found != listeners_.end()) {
            const auto listener = found->second; // it may remove itself
            listener(what...);
        }
    }

private:
    std::map<Handle, Listener> listeners_;
    Handle next_ = 1;
};

} // namespace domus
