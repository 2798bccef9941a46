// Tells when something blocked the loop: a probe that is to run at a certain time, and how late it came. It finds what
// blocks while a probe is due, and so each block that is longer than the interval, and others by chance.
#pragma once

#include "async/task.hpp"

#include <cstdint>

namespace domus {

class LoopWatch {
public:
    explicit LoopWatch(Clock::duration tolerance = std::chrono::milliseconds(20),
                       Clock::duration interval = std::chrono::milliseconds(250))
        : tolerance_(tolerance), interval_(interval) {}

    /// Probes until the loop ends; logs "the loop was blocked for N ms".
    Task<> run();

    std::uint64_t blocked() const { return blocked_; } ///< how often
    Clock::duration longest() const { return longest_; }

private:
    Clock::duration tolerance_, interval_, longest_{};
    std::uint64_t blocked_ = 0;
};

} // namespace domus
