#include "compute/statistics.hpp"

#include "engine/qemu/command.hpp"
#include "os/files.hpp"
#include "os/proc.hpp"

#include <fmt/format.h>

#include <sched.h>
#include <sys/sysinfo.h>

#include <array>

namespace domus::compute {

namespace {

using Statistics = std::vector<Statistic>;

std::optional<std::uint64_t> unsigned_at(const boost::json::value& value, std::string_view key) {
    if (!value.is_object()) return std::nullopt;
    const auto* found = value.as_object().if_contains(key);
    if (!found) return std::nullopt;
    if (found->is_uint64()) return found->as_uint64();
    // QEMU says -1 for a figure that the guest does not give.
    if (found->is_int64() && found->as_int64() >= 0) return static_cast<std::uint64_t>(found->as_int64());
    return std::nullopt;
}

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

/// Names of query-stats of the balloon device, libvirt's words for them, and the tag of each.
struct BalloonFigure {
    std::string_view qemu, libvirt;
    int tag;
    bool bytes;
};
constexpr std::array<BalloonFigure, 10> balloon_figures{{
    {"stat-swap-in", "swap_in", 0, true},
    {"stat-swap-out", "swap_out", 1, true},
    {"stat-major-faults", "major_fault", 2, false},
    {"stat-minor-faults", "minor_fault", 3, false},
    {"stat-free-memory", "unused", 4, true},
    {"stat-total-memory", "available", 5, true},
    {"stat-available-memory", "usable", 8, true},
    {"stat-disk-caches", "disk_caches", 10, true},
    {"stat-htlb-pgalloc", "hugetlb_pgalloc", 11, false},
    {"stat-htlb-pgfail", "hugetlb_pgfail", 12, false},
}};

void add_balloon(Statistics& out, const DomainView& view, const Figures* figures) {
    const auto& summary = view.summary();
    const auto current = figures && figures->balloon_kib ? figures->balloon_kib : summary.memory.kib_ceil();
    out.push_back({"balloon.current", current});
    out.push_back({"balloon.maximum", summary.maximum_memory.kib_ceil()});
    if (!view.live) return;
    for (const auto& figure : memory_statistics(view, figures)) {
        for (const auto& known : balloon_figures)
            if (known.tag == figure.tag) out.push_back({fmt::format("balloon.{}", known.libvirt), figure.value});
        if (figure.tag == 9) out.push_back({"balloon.last-update", figure.value});
        if (figure.tag == 7) out.push_back({"balloon.rss", figure.value});
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

/// The entry of query-blockstats for a disk, by the name that the monitor has for its device.
const boost::json::value* block_entry(const Figures& figures, const std::string& device) {
    if (!figures.block.is_array()) return nullptr;
    for (const auto& entry : figures.block.as_array()) {
        if (!entry.is_object()) continue;
        const auto* qdev = entry.as_object().if_contains("qdev");
        if (qdev && qdev->is_string() && qdev->as_string() == device) return &entry;
    }
    return nullptr;
}

void add_block_counters(Statistics& out, std::size_t index, const boost::json::value& entry) {
    struct Counter {
        std::string_view qemu, libvirt;
    };
    constexpr std::array<Counter, 8> counters{{{"rd_operations", "rd.reqs"},
                                               {"rd_bytes", "rd.bytes"},
                                               {"rd_total_time_ns", "rd.times"},
                                               {"wr_operations", "wr.reqs"},
                                               {"wr_bytes", "wr.bytes"},
                                               {"wr_total_time_ns", "wr.times"},
                                               {"flush_operations", "fl.reqs"},
                                               {"flush_total_time_ns", "fl.times"}}};
    const auto* stats = entry.as_object().if_contains("stats");
    if (!stats) return;
    for (const auto& counter : counters)
        if (const auto value = unsigned_at(*stats, counter.qemu))
            out.push_back({fmt::format("block.{}.{}", index, counter.libvirt), *value});
}

/// How far into its file or device the guest has written; none before it did.
std::optional<std::uint64_t> highest_offset(const boost::json::value& entry) {
    const auto* file = entry.as_object().if_contains("parent");
    const auto* stats = file && file->is_object() ? file->as_object().if_contains("stats") : nullptr;
    if (!stats) return std::nullopt;
    const auto offset = unsigned_at(*stats, "wr_highest_offset");
    return offset == 0u ? std::nullopt : offset;
}

void add_block_sizes(Statistics& out, std::size_t index, const ImageSizes& sizes, const boost::json::value* entry) {
    const auto written = entry ? highest_offset(*entry) : std::nullopt;
    out.push_back({fmt::format("block.{}.allocation", index), written.value_or(sizes.allocation.bytes)});
    out.push_back({fmt::format("block.{}.capacity", index), sizes.capacity.bytes});
    out.push_back({fmt::format("block.{}.physical", index), sizes.physical.bytes});
}

const boost::json::value* block_entry_of(const DomainView& view, const Figures* figures, std::size_t index) {
    if (!figures || !view.live) return nullptr;
    const auto& disk = view.live->domain->devices.disks[index];
    return disk.alias ? block_entry(*figures, engine::qemu::block_device_of(disk)) : nullptr;
}

void add_blocks(Statistics& out, const DomainView& view, const Figures* figures, const DiskSizes& sizes) {
    const auto& disks = view.summary().disks;
    out.push_back({"block.count", static_cast<unsigned>(disks.size())});
    for (std::size_t i = 0; i < disks.size(); ++i) {
        out.push_back({fmt::format("block.{}.name", i), disks[i].target});
        if (!disks[i].source.empty()) out.push_back({fmt::format("block.{}.path", i), disks[i].source});
        const auto* entry = block_entry_of(view, figures, i);
        if (entry) add_block_counters(out, i, *entry);
        if (i < sizes.size() && sizes[i]) add_block_sizes(out, i, *sizes[i], entry);
    }
}

} // namespace

boost::json::array block_entries(const model::Devices& devices, boost::json::value answer) {
    constexpr std::size_t beside = 64; // drives that are no <disk>
    boost::json::array kept;
    if (!answer.is_array() || answer.as_array().size() > devices.disks.size() + beside)
        return kept; // QEMU's own fault, or worse
    for (auto& entry : answer.as_array())
        if (entry.is_object() && entry.as_object().contains("qdev")) kept.push_back(std::move(entry));
    return kept;
}

std::map<std::string, std::uint64_t> block_counters(const DomainView& view, const Figures& figures,
                                                    const std::optional<std::string>& target) {
    // virDomainBlockStatsFlags has QEMU's names but for two.
    constexpr std::array<std::pair<std::string_view, std::string_view>, 8> names{
        {{"rd_operations", "rd_operations"},
         {"rd_bytes", "rd_bytes"},
         {"rd_total_time_ns", "rd_total_times"},
         {"wr_operations", "wr_operations"},
         {"wr_bytes", "wr_bytes"},
         {"wr_total_time_ns", "wr_total_times"},
         {"flush_operations", "flush_operations"},
         {"flush_total_time_ns", "flush_total_times"}}};
    std::map<std::string, std::uint64_t> counters;
    if (!view.live) return counters;
    for (const auto& disk : view.live->domain->devices.disks) {
        if (!disk.alias || (target && disk.target.dev != *target)) continue;
        const auto* entry = block_entry(figures, engine::qemu::block_device_of(disk));
        const auto* stats = entry ? entry->as_object().if_contains("stats") : nullptr;
        if (!stats) continue;
        for (const auto& [qemu, libvirt] : names)
            if (const auto value = unsigned_at(*stats, qemu)) counters[std::string(libvirt)] += *value;
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

std::string affinity_map(int thread, std::size_t bytes) {
    std::string map(std::min<std::size_t>(bytes, 1u << 16), '\0');
    cpu_set_t set;
    CPU_ZERO(&set);
    const bool known = thread > 0 && ::sched_getaffinity(thread, sizeof set, &set) == 0;
    const auto cpus = static_cast<std::size_t>(std::max(::get_nprocs(), 1));
    for (std::size_t cpu = 0; cpu < cpus && cpu / 8 < map.size(); ++cpu)
        if (!known || CPU_ISSET(cpu, &set)) map[cpu / 8] = static_cast<char>(map[cpu / 8] | (1 << cpu % 8));
    return map;
}

std::vector<MemoryStatistic> memory_statistics(const DomainView& view, const Figures* figures) {
    constexpr int actual_balloon = 6, rss = 7, last_update = 9;
    std::vector<MemoryStatistic> out;
    if (!view.live) return out;
    if (figures && figures->balloon_kib) out.push_back({actual_balloon, figures->balloon_kib});
    if (figures && figures->memory.is_object()) {
        if (const auto* stats = figures->memory.as_object().if_contains("stats"))
            for (const auto& known : balloon_figures)
                if (const auto value = unsigned_at(*stats, known.qemu))
                    out.push_back({known.tag, known.bytes ? *value >> 10 : *value});
        out.push_back({last_update, unsigned_at(figures->memory, "last-update").value_or(0)});
    }
    if (const auto process = read_process(view.live->pid)) out.push_back({rss, process->resident.kib_ceil()});
    return out;
}

std::vector<Statistic> statistics(const DomainView& view, const Figures* figures, const DiskSizes& sizes,
                                  unsigned groups) {
    Statistics out;
    out.reserve(view.live ? 64 : 12);
    if (groups & group::state) add_state(out, view);
    if (groups & group::cpu_total) add_cpu(out, view);
    if (groups & group::balloon) add_balloon(out, view, figures);
    if (groups & group::vcpu) add_vcpus(out, view);
    if (groups & group::interface) add_interfaces(out, view);
    if (groups & group::block) add_blocks(out, view, figures, sizes);
    if ((groups & group::iothread) && view.live && view.live->domain->iothreads)
        out.push_back({"iothread.count", *view.live->domain->iothreads});
    return out;
}

} // namespace domus::compute
