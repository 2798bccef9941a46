// For tests: a network without links, rules and routes.
#pragma once

#include <sched.h>

#include <functional>
#include <thread>

namespace domus {

/// Runs it in a network namespace of a thread of its own, which programs that it starts inherit; false where none can be
/// made.
inline bool in_a_network_namespace(const std::function<void()>& work) {
    bool made = false;
    std::thread([&] {
        made = ::unshare(CLONE_NEWNET) == 0;
        if (made) work();
    }).join();
    return made;
}

} // namespace domus
