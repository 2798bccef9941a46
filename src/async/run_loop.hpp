// Running the loop so that a client which asks again at once is answered at once.
#pragma once

#include "async/task.hpp"

namespace domus {

/// Runs what is there until the loop is stopped. As long as that brings something, it looks for more during `timeout` before
/// it sleeps: waking a processor that idles costs some 20 us in a virtual machine, as much as a call itself. Where it
/// brought nothing it sleeps at once, until there was a pause that was hardly longer: what a client does in between needs
/// the processor too.
inline void run_loop(Loop& loop, Clock::duration timeout = std::chrono::microseconds(50)) {
    bool more_expected = false;
    for (auto idle_since = Clock::now(); !loop.stopped();) {
        const bool looked = more_expected;
        std::size_t done = 0;
        while (looked && done == 0 && Clock::now() - idle_since < timeout) done = loop.poll();
        if (done == 0 && loop.run_one() == 0) return;
        const auto now = Clock::now();
        more_expected =
            looked ? done > 0 : now - idle_since < 2 * timeout; // a pause that was slept has the waking in it
        idle_since = now;
    }
}

} // namespace domus
