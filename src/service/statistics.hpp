// What domains use and have used, and the jobs that run on them.
#pragma once

#include "compute/domain/domains.hpp"
#include "compute/statistics/machine_statistics.hpp"
#include "compute/statistics/statistics.hpp"
#include "service/domain_flags.hpp"
#include "service/objects.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace domus::service {

/// Statistics of one domain.
struct StatisticsRecord {
    compute::DomainRef domain;
    std::vector<compute::Statistic> statistics;
};
inline Object object_of(const StatisticsRecord& record) { return object_of(record.domain); }

/// What virDomainGetInfo tells.
struct DomainInfo {
    compute::State state = compute::State::nostate;
    ByteCount maximum_memory, memory;
    unsigned vcpus = 0;
    std::uint64_t cpu_time_ns = 0;
};

/// A virtual processor of a running domain.
struct Vcpu {
    std::uint64_t time_ns = 0;
    int processor = -1;             ///< of the host, on which it ran last; -1: not known
    std::vector<unsigned> affinity; ///< those that it may run on
};

/// virDomainControlState: 0 free, 1 a job runs; for how long.
struct ControlState {
    unsigned state = 0;
    std::uint64_t milliseconds = 0;
};

class StatisticsOperations {
public:
    explicit StatisticsOperations(compute::Domains& domains) : domains_(domains) {}

    /// virConnectGetAllDomainStats: of all domains that the flags choose, or of those named; `groups` are
    /// virDomainStatsTypes. What a monitor does not tell within a second is left out.
    Task<std::vector<StatisticsRecord>> all(std::vector<compute::DomainRef> chosen, unsigned groups,
                                            Flags<StatisticsFlag> flags);
    DomainInfo info(const compute::DomainRef& ref) const;
    /// QEMU's counters of a disk, by its target or source, or of all together for ""; names as in query-blockstats.
    Task<std::map<std::string, std::uint64_t>> block_counters(compute::DomainRef ref, std::string disk);
    Task<compute::ImageSizes> block_info(compute::DomainRef ref, std::string disk);
    compute::InterfaceCounters interface_counters(const compute::DomainRef& ref, const std::string& device) const;
    Task<std::vector<compute::MemoryStatistic>> memory(compute::DomainRef ref);
    /// Of a running domain.
    std::vector<Vcpu> vcpus(const compute::DomainRef& ref) const;
    /// Processors of the host that each may run on, also of those that are not plugged in.
    std::vector<std::vector<unsigned>> vcpu_affinities(const compute::DomainRef& ref, Flags<ImpactFlag> flags) const;
    ControlState control(const compute::DomainRef& ref) const;

private:
    /// Empty where there is none on this host.
    std::string image_of(const compute::DomainView& view, std::size_t disk) const;
    /// Of the disks of each; views may be null.
    Task<std::vector<compute::DiskSizes>> disk_sizes(std::vector<compute::DomainViewPtr> views, Deadline by);
    std::vector<compute::DomainPtr> choose(const std::vector<compute::DomainRef>& names,
                                           Flags<StatisticsFlag> flags) const;
    compute::DomainPtr find(const compute::DomainRef& ref) const { return domains_.get(ref.uuid, ref.name); }

    compute::Domains& domains_;
};

} // namespace domus::service
