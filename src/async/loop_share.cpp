#include "async/loop_share.hpp"

#include "async/deadline.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

namespace domus {

namespace {

/// More is others' work, if a reader has not said that it waited.
constexpr auto longest_step = std::chrono::milliseconds(20);

/// Of this thread: one that is kept from the processor does not work.
Clock::duration processor_time() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

} // namespace

LoopShare::LoopShare(Clock::duration turn) : turn_(turn), measured_(Clock::now()), worked_(processor_time()) {}

void LoopShare::begin() {
    const auto now = Clock::now();
    used_ = std::max(Clock::duration::zero(), used_ - (now - std::exchange(measured_, now)) / rest_factor);
    worked_ = processor_time();
}

bool LoopShare::used_up() {
    const auto now = processor_time();
    used_ += std::min<Clock::duration>(now - std::exchange(worked_, now), longest_step);
    measured_ = Clock::now();
    return used_ > turn_;
}

Task<> LoopShare::rest() {
    co_await sleep_until(Deadline::in(used_ * rest_factor));
    begin();
}

} // namespace domus
