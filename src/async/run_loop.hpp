// Running the loop so that a client which asks again at once is answered at once.
#pragma once

#include "async/task.hpp"

namespace domus {

/// Runs what is there until the loop is stopped. Having done something, it looks for more during `patience` before it
/// sleeps: waking a processor that idles costs some 20 us in a virtual machine, as much as a call itself.
inline void run_loop(Loop& loop, Clock::duration patience = std::chrono::microseconds(30)) {
    while (!loop.stopped()) {
        if (loop.run_one() == 0) return;
        for (auto last = Clock::now(); Clock::now() - last < patience;)
            if (loop.poll() > 0) last = Clock::now();
    }
}

} // namespace domus
