#include "async/loop_watch.hpp"

#include "async/deadline.hpp"
#include "base/log.hpp"

namespace domus {

Task<> LoopWatch::run() {
    for (;;) {
        const auto due = Clock::now() + interval_;
        co_await sleep_until(Deadline::at(due));
        const auto late = Clock::now() - due;
        if (late < tolerance_) continue;
        ++blocked_;
        longest_ = std::max(longest_, late);
        log::warning("the loop was blocked for {} ms",
                     std::chrono::duration_cast<std::chrono::milliseconds>(late).count());
    }
}

} // namespace domus
