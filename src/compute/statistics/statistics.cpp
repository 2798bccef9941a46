#include "compute/statistics/statistics.hpp"

#include "model/domain.hpp"
#include "os/files.hpp"
#include "os/proc.hpp"

#include <fmt/format.h>

#include <sched.h>
#include <sys/sysinfo.h>

#include <array>

namespace domus::compute {

namespace {

using Statistics = std::vector<Statistic>;

void add_state(Statistics& out, const DomainView& view) {
    out.push_back({"state.state", static_cast<int>(view.status.state)});
    out.push_back({"state.reason", view.status.reason});
}

void add_cpu(Statistics& out, const DomainView& view) {
    if (!view.live) return;
    const auto process = read_process(view.live->pid);
    if (!process || process->start_time != view.live->start_time) return;
    out.push_back({"cpu.time", process->user_time_ns + process->system_time_ns});
    out.push_back({"cpu.user", process->user_time_ns});
    out.push_back({"cpu.system", process->system_time_ns});
}

using engine::DiskStatistics, engine::GuestMemoryStatistics, engine::MachineStatistics;

/// What the guest's driver reports: libvirt's name, its tag (virDomainMemoryStatTags), and whether it is in bytes.
struct BalloonStatistic {
    std::optional<std::uint64_t> GuestMemoryStatistics::* value;
    std::string_view name;
    int tag;
    bool bytes;
};
constexpr std::array<BalloonStatistic, 10> balloon_statistics{{
    {&GuestMemoryStatistics::swap_in, "swap_in", 0, true},
    {&GuestMemoryStatistics::swap_out, "swap_out", 1, true},
    {&GuestMemoryStatistics::major_faults, "major_fault", 2, false},
    {&GuestMemoryStatistics::minor_faults, "minor_fault", 3, false},
    {&GuestMemoryStatistics::unused, "unused", 4, true},
    {&GuestMemoryStatistics::available, "available", 5, true},
    {&GuestMemoryStatistics::usable, "usable", 8, true},
    {&GuestMemoryStatistics::disk_caches, "disk_caches", 10, true},
    {&GuestMemoryStatistics::hugetlb_pgalloc, "hugetlb_pgalloc", 11, false},
    {&GuestMemoryStatistics::hugetlb_pgfail, "hugetlb_pgfail", 12, false},
}};

void add_balloon(Statistics& out, const DomainView& view, const MachineStatistics* machine) {
    const auto& summary = view.summary();
    const auto current = machine && machine->balloon ? *machine->balloon >> 10 : summary.memory.kib_ceil();
    out.push_back({"balloon.current", current});
    out.push_back({"balloon.maximum", summary.maximum_memory.kib_ceil()});
    if (!view.live) return;
    for (const auto& one : memory_statistics(view, machine)) {
        for (const auto& known : balloon_statistics)
            if (known.tag == one.tag) out.push_back({fmt::format("balloon.{}", known.name), one.value});
        if (one.tag == 9) out.push_back({"balloon.last-update", one.value});
        if (one.tag == 7) out.push_back({"balloon.rss", one.value});
    }
}

void add_vcpus(Statistics& out, const DomainView& view) {
    const auto& summary = view.summary();
    out.push_back({"vcpu.current", summary.vcpus});
    out.push_back({"vcpu.maximum", summary.maximum_vcpus});
    if (!view.live) return;
    for (std::size_t i = 0; i < view.live->vcpu_threads.size(); ++i) {
        const auto thread = read_thread(view.live->pid, view.live->vcpu_threads[i]);
        out.push_back({fmt::format("vcpu.{}.state", i), 1});
        if (thread) out.push_back({fmt::format("vcpu.{}.time", i), thread->user_time_ns + thread->system_time_ns});
    }
}

void add_interfaces(Statistics& out, const DomainView& view) {
    if (!view.live) return;
    const auto& names = view.live->summary.interfaces;
    if (names.empty()) return;
    out.push_back({"net.count", static_cast<unsigned>(names.size())});
    for (std::size_t i = 0; i < names.size(); ++i) {
        out.push_back({fmt::format("net.{}.name", i), names[i]});
        const auto counters = interface_counters(names[i]);
        if (!counters) continue;
        const auto add = [&](std::string_view what, std::uint64_t value) {
            out.push_back({fmt::format("net.{}.{}", i, what), value});
        };
        add("rx.bytes", counters->rx_bytes);
        add("rx.pkts", counters->rx_packets);
        add("rx.errs", counters->rx_errors);
        add("rx.drop", counters->rx_drops);
        add("tx.bytes", counters->tx_bytes);
        add("tx.pkts", counters->tx_packets);
        add("tx.errs", counters->tx_errors);
        add("tx.drop", counters->tx_drops);
    }
}

/// Names of virConnectGetAllDomainStats and of virDomainBlockStatsFlags.
struct DiskStatistic {
    std::uint64_t DiskStatistics::* value;
    std::string_view group_name, call_name;
};
constexpr std::array<DiskStatistic, 8> disk_statistics{{
    {&DiskStatistics::reads, "rd.reqs", "rd_operations"},
    {&DiskStatistics::read_bytes, "rd.bytes", "rd_bytes"},
    {&DiskStatistics::read_ns, "rd.times", "rd_total_times"},
    {&DiskStatistics::writes, "wr.reqs", "wr_operations"},
    {&DiskStatistics::written_bytes, "wr.bytes", "wr_bytes"},
    {&DiskStatistics::write_ns, "wr.times", "wr_total_times"},
    {&DiskStatistics::flushes, "fl.reqs", "flush_operations"},
    {&DiskStatistics::flush_ns, "fl.times", "flush_total_times"},
}};

const DiskStatistics* statistics_of(const MachineStatistics* machine, const model::Disk& disk) {
    if (!machine || !disk.alias) return nullptr;
    const auto found = machine->disks.find(*disk.alias);
    return found == machine->disks.end() ? nullptr : &found->second;
}

void add_block_sizes(Statistics& out, std::size_t index, const ImageSizes& sizes, const DiskStatistics* disk) {
    const auto written = disk ? disk->highest_offset : std::nullopt;
    out.push_back({fmt::format("block.{}.allocation", index), written.value_or(sizes.allocation.bytes)});
    out.push_back({fmt::format("block.{}.capacity", index), sizes.capacity.bytes});
    out.push_back({fmt::format("block.{}.physical", index), sizes.physical.bytes});
}

void add_blocks(Statistics& out, const DomainView& view, const MachineStatistics* machine, const DiskSizes& sizes) {
    const auto& disks = view.summary().disks;
    out.push_back({"block.count", static_cast<unsigned>(disks.size())});
    for (std::size_t i = 0; i < disks.size(); ++i) {
        out.push_back({fmt::format("block.{}.name", i), disks[i].target});
        if (!disks[i].source.empty()) out.push_back({fmt::format("block.{}.path", i), disks[i].source});
        const auto* disk = view.live ? statistics_of(machine, view.live->domain->devices.disks[i]) : nullptr;
        if (disk)
            for (const auto& one : disk_statistics)
                out.push_back({fmt::format("block.{}.{}", i, one.group_name), disk->*one.value});
        if (i < sizes.size() && sizes[i]) add_block_sizes(out, i, *sizes[i], disk);
    }
}

} // namespace

std::map<std::string, std::uint64_t> block_counters(const DomainView& view, const MachineStatistics& machine,
                                                    const std::optional<std::string>& target) {
    std::map<std::string, std::uint64_t> counters;
    if (!view.live) return counters;
    for (const auto& disk : view.live->domain->devices.disks) {
        if (target && disk.target.dev != *target) continue;
        const auto* statistics = statistics_of(&machine, disk);
        if (!statistics) continue;
        for (const auto& one : disk_statistics) counters[std::string(one.call_name)] += statistics->*one.value;
    }
    return counters;
}

std::uint64_t cpu_time(const DomainView& view) {
    if (!view.live) return 0;
    const auto process = read_process(view.live->pid);
    if (!process || process->start_time != view.live->start_time) return 0;
    return process->user_time_ns + process->system_time_ns;
}

std::optional<InterfaceCounters> interface_counters(const std::string& device) {
    const auto counter = [&](const char* name) -> std::optional<std::uint64_t> {
        try {
            const auto text = read_file(fmt::format("/sys/class/net/{}/statistics/{}", device, name), 64);
            return std::stoull(text);
        } catch (const std::exception&) {
            return std::nullopt;
        }
    };
    const auto sent = counter("tx_bytes");
    if (!sent) return std::nullopt;
    InterfaceCounters guest;
    guest.rx_bytes = *sent;
    guest.rx_packets = counter("tx_packets").value_or(0);
    guest.rx_errors = counter("tx_errors").value_or(0);
    guest.rx_drops = counter("tx_dropped").value_or(0);
    guest.tx_bytes = counter("rx_bytes").value_or(0);
    guest.tx_packets = counter("rx_packets").value_or(0);
    guest.tx_errors = counter("rx_errors").value_or(0);
    guest.tx_drops = counter("rx_dropped").value_or(0);
    return guest;
}

std::vector<unsigned> affinity_of(int thread) {
    cpu_set_t set;
    CPU_ZERO(&set);
    const bool known = thread > 0 && ::sched_getaffinity(thread, sizeof set, &set) == 0;
    const auto there = static_cast<unsigned>(std::max(::get_nprocs(), 1));
    std::vector<unsigned> processors;
    for (unsigned each = 0; each < there; ++each)
        if (!known || CPU_ISSET(each, &set)) processors.push_back(each);
    return processors;
}

std::vector<MemoryStatistic> memory_statistics(const DomainView& view, const MachineStatistics* machine) {
    constexpr int actual_balloon = 6, rss = 7, last_update = 9;
    std::vector<MemoryStatistic> out;
    if (!view.live) return out;
    if (machine && machine->balloon) out.push_back({actual_balloon, *machine->balloon >> 10});
    if (machine && machine->memory) {
        for (const auto& known : balloon_statistics)
            if (const auto value = (*machine->memory).*known.value)
                out.push_back({known.tag, known.bytes ? *value >> 10 : *value});
        out.push_back({last_update, machine->memory->last_update});
    }
    if (const auto process = read_process(view.live->pid)) out.push_back({rss, process->resident.kib_ceil()});
    return out;
}

std::vector<Statistic> statistics(const DomainView& view, const MachineStatistics* machine, const DiskSizes& sizes,
                                  unsigned groups) {
    Statistics out;
    out.reserve(view.live ? 64 : 12);
    if (groups & group::state) add_state(out, view);
    if (groups & group::cpu_total) add_cpu(out, view);
    if (groups & group::balloon) add_balloon(out, view, machine);
    if (groups & group::vcpu) add_vcpus(out, view);
    if (groups & group::interface) add_interfaces(out, view);
    if (groups & group::block) add_blocks(out, view, machine, sizes);
    if ((groups & group::iothread) && view.live && view.live->domain->iothreads)
        out.push_back({"iothread.count", *view.live->domain->iothreads});
    return out;
}

} // namespace domus::compute
