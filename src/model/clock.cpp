#include "model/clock.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::Schema;

const Timer* Clock::timer(std::string_view name) const {
    for (const auto& timer : timers)
        if (timer.name == name) return &timer;
    return nullptr;
}

const Schema& Timer::schema() {
    static const Schema table =
        Describe<Timer>("timer", "A timer of the guest.")
            .field("@name", &Timer::name, "rtc, pit, hpet, tsc, kvmclock, hypervclock, platform, armvtimer",
                   format::required)
            .field("@present", &Timer::present, "whether the guest has it")
            .field("@tickpolicy", &Timer::tickpolicy, "what is done with ticks that the guest missed")
            .field("@track", &Timer::track, "rtc: which clock it follows")
            .field("@frequency", &Timer::frequency, "tsc: Hz")
            .field("@mode", &Timer::mode, "tsc: who counts")
            .field("catchup@threshold", &Timer::catchup_threshold, "missed time from which it hurries")
            .field("catchup@slew", &Timer::catchup_slew, "how fast it hurries")
            .field("catchup@limit", &Timer::catchup_limit, "missed time that is made up at most");
    return table;
}

const Schema& Clock::schema() {
    static const Schema table =
        Describe<Clock>("clock", "What the guest's clock shows at start.")
            .field("@offset", &Clock::offset, "which time", empty_is_absent)
            .field("@adjustment", &Clock::adjustment, "variable: seconds ahead of the basis; or reset")
            .field("@basis", &Clock::basis, "variable: ahead of which time", empty_is_absent)
            .field("@timezone", &Clock::timezone, "timezone: its name")
            .field("@start", &Clock::start, "absolute: seconds since 1970")
            .field("timer", &Clock::timers);
    return table;
}

} // namespace domus::model
