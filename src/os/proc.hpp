// What /proc reports of a process (proc(5)). Reading it does not block, even for a stopped or stuck process.
#pragma once

#include "base/bytes.hpp"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace domus {

struct ProcessStatistics {
    char state = '?';
    int parent = 0;
    int session = 0; ///< pid of the process that began it
    std::uint64_t user_time_ns = 0;
    std::uint64_t system_time_ns = 0;
    std::uint64_t start_time = 0; ///< clock ticks since boot
    ByteCount resident;
    int processor = 0; ///< on which it last ran
};

/// Nothing if there is no such process.
std::optional<ProcessStatistics> read_process(int pid);
std::optional<ProcessStatistics> read_thread(int pid, int thread);

/// A file of /proc or of a control group, up to 4 MiB; empty if it cannot be read, since processes end while one looks at
/// them, and some are none of our business.
std::string read_proc(const std::filesystem::path& path);

/// A process's command line, as the process tells it: each argument ends with a NUL. Empty if it cannot be read.
std::string command_line_of(int pid);
/// The argument behind an option in such a line; empty if there is none.
std::string argument_in(const std::string& command_line, std::string_view option);

struct ProcessUser {
    uid_t uid = 0;
    gid_t gid = 0;
};
/// The user that it runs as; nothing if there is no such process.
std::optional<ProcessUser> user_of(int pid);

} // namespace domus
