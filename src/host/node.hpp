// The host as the kernel describes it in /proc and /sys (proc(5), sysfs): processors, memory, their use. Small reads of
// files in memory, which do not block. `root` is "" for the real ones; tests put a tree of their own there.
#pragma once

#include "base/bytes.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace domus::host {

struct Cpu {
    unsigned id = 0;
    unsigned socket = 0, die = 0, core = 0, cell = 0;
    std::string siblings; ///< "0,4"
    bool online = true;
};

struct Cell {
    unsigned id = 0;
    ByteCount memory, free;
    std::vector<unsigned> cpus;
    std::vector<unsigned> distances;
};

struct Node {
    std::string architecture; ///< x86_64
    std::string model;        ///< name of the processor
    std::string vendor;
    unsigned mhz = 0;
    ByteCount memory;
    std::vector<Cpu> cpus;                        ///< online ones
    std::vector<Cell> cells;                      ///< one at least
    unsigned sockets = 1, cores = 1, threads = 1; ///< per cell, per socket, per core
    std::vector<std::string> flags;
};
Node read_node(const std::string& root = "");

/// Time since boot, nanoseconds (/proc/stat).
struct CpuTimes {
    std::uint64_t kernel = 0, user = 0, idle = 0, iowait = 0;
};
/// Of one CPU, or of all for nothing. Throws invalid_arg for a CPU that is not there.
CpuTimes read_cpu_times(std::optional<unsigned> cpu, const std::string& root = "");

struct MemoryUsage {
    ByteCount total, free, buffers, cached;
};
/// Of one cell (total and free alone), or of the host.
MemoryUsage read_memory(std::optional<unsigned> cell, const std::string& root = "");

/// The host's UUID: SMBIOS's where it is a real one, else /etc/machine-id.
std::string host_uuid(const std::string& root = "");

} // namespace domus::host
