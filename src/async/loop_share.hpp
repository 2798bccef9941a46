// Limits how much of the loop one source of bytes may use. What a guest, its QEMU or a helper program sends costs time on
// the loop, and it may send without end. Its reader measures the time that it works, and rests when that is too much:
// never longer than `turn` without a break, and over time no more than a quarter of the loop.
//
//     LoopShare share;
//     for (;;) {
//         auto n = co_await socket.async_read_some(...);
//         share.begin();
//         for (each message in it) {
//             handle(message);
//             if (share.used_up()) co_await share.rest();
//         }
//     }
#pragma once

#include "async/task.hpp"

namespace domus {

class LoopShare {
public:
    explicit LoopShare(Clock::duration turn = std::chrono::microseconds(250));

    /// Work begins after a wait.
    void begin();
    /// Counts the work since begin() or the last call. True: rest now.
    bool used_up();
    Task<> rest();

private:
    static constexpr int rest_factor = 3; ///< rest in proportion to work

    Clock::duration turn_;
    Clock::duration used_{};     ///< less what the time without work has given back
    Clock::time_point measured_; ///< when `used_` was last brought up to date
    Clock::duration worked_;     ///< the thread's processor time then
};

} // namespace domus
