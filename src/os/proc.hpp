// What /proc tells of a process (proc(5)). Reading it does not block, even for a stopped or stuck process.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>

namespace domus {

struct ProcessFigures {
    char state = '?';
    std::uint64_t user_time_ns = 0;
    std::uint64_t system_time_ns = 0;
    std::uint64_t start_time = 0; ///< clock ticks since boot
    ByteCount resident;
    int processor = 0; ///< on which it last ran
};

/// Nothing if there is no such process.
std::optional<ProcessFigures> read_process(int pid);
std::optional<ProcessFigures> read_thread(int pid, int thread);

} // namespace domus
