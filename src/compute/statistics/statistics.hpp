// The statistics of domains in libvirt's names (virConnectGetAllDomainStats): one list of names and values, which
// `domstats`, the metrics page and the manager share. What only the machine knows comes as MachineStatistics; without
// them the fields are left out.
#pragma once

#include "compute/disks/image_sizes.hpp"
#include "compute/domain/view.hpp"
#include "engine/machine_statistics.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace domus::compute {

/// virDomainStatsTypes.
namespace group {
inline constexpr unsigned state = 1, cpu_total = 2, balloon = 4, vcpu = 8, interface = 16, block = 32, perf = 64,
                          iothread = 128, memory = 256, dirtyrate = 512, vm = 1024;
inline constexpr unsigned all = 2047;
/// Groups that need the machine.
inline constexpr unsigned of_machine = balloon | block;
} // namespace group

struct Statistic {
    std::string name;
    std::variant<int, unsigned, std::uint64_t, bool, std::string> value;
};

/// Of a domain's disks, in their order; nothing for those whose image cannot be read.
using DiskSizes = std::vector<std::optional<ImageSizes>>;

/// `machine` may be null. Reads /proc and /sys for the rest; blocks for no guest.
std::vector<Statistic> statistics(const DomainView& view, const engine::MachineStatistics* machine,
                                  const DiskSizes& sizes, unsigned groups);

/// CPU time of the domain's process, nanoseconds; 0 if it does not run.
std::uint64_t cpu_time(const DomainView& view);

/// Counters of a network device of the host, seen from the guest: what the device sent, the guest received.
struct InterfaceCounters {
    std::uint64_t rx_bytes = 0, rx_packets = 0, rx_errors = 0, rx_drops = 0;
    std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0, tx_drops = 0;
};
std::optional<InterfaceCounters> interface_counters(const std::string& device);

/// Counters of one disk or, without a target, of all of them together, under the names that virDomainBlockStatsFlags has.
std::map<std::string, std::uint64_t> block_counters(const DomainView& view, const engine::MachineStatistics& machine,
                                                    const std::optional<std::string>& target);

/// Numbers of the host's processors that a thread may run on; all of them for thread 0 or one that is gone.
std::vector<unsigned> affinity_of(int thread);

/// Balloon statistics by virDomainMemoryStatTags, KiB.
struct MemoryStatistic {
    int tag;
    std::uint64_t value;
};
std::vector<MemoryStatistic> memory_statistics(const DomainView& view, const engine::MachineStatistics* machine);

} // namespace domus::compute
