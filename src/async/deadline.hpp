// The time by which a wait gives up. Every wait has one; `never()` is said, not forgotten.
#pragma once

#include "async/task.hpp"

namespace domus {

class Deadline {
public:
    static Deadline in(Clock::duration span) { return Deadline(Clock::now() + span); }
    static Deadline at(Clock::time_point when) { return Deadline(when); }
    static Deadline never() { return Deadline(Clock::time_point::max()); }

    Clock::time_point when() const { return when_; }
    bool expired() const { return Clock::now() >= when_; }
    Clock::duration remaining() const { return expired() ? Clock::duration::zero() : when_ - Clock::now(); }

private:
    explicit Deadline(Clock::time_point when) : when_(when) {}
    Clock::time_point when_;
};

Task<> sleep_until(Deadline deadline);

} // namespace domus
