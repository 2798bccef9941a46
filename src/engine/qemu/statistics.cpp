#include "engine/qemu/statistics.hpp"

#include "engine/qemu/answer.hpp"
#include "engine/qemu/command.hpp"

#include <fmt/format.h>

#include <functional>
#include <unordered_map>

namespace domus::engine::qemu {

using namespace std::chrono_literals;

namespace {

constexpr auto statistics_timeout = 5s;

DiskStatistics read_disk(const json::object& entry) {
    DiskStatistics disk;
    if (const auto* stats = object_at(entry, "stats")) {
        const auto count = [&](std::string_view key) { return unsigned_at(*stats, key).value_or(0); };
        disk.reads = count("rd_operations");
        disk.read_bytes = count("rd_bytes");
        disk.read_ns = count("rd_total_time_ns");
        disk.writes = count("wr_operations");
        disk.written_bytes = count("wr_bytes");
        disk.write_ns = count("wr_total_time_ns");
        disk.flushes = count("flush_operations");
        disk.flush_ns = count("flush_total_time_ns");
    }
    const auto* file = object_at(entry, "parent");
    const auto* stats = file ? object_at(*file, "stats") : nullptr;
    if (stats) disk.highest_offset = unsigned_at(*stats, "wr_highest_offset");
    if (disk.highest_offset == 0u) disk.highest_offset.reset();
    return disk;
}

GuestMemoryStatistics read_balloon(const json::object& answer) {
    GuestMemoryStatistics memory;
    memory.last_update = unsigned_at(answer, "last-update").value_or(0);
    const auto* stats = object_at(answer, "stats");
    if (!stats) return memory;
    memory.swap_in = unsigned_at(*stats, "stat-swap-in");
    memory.swap_out = unsigned_at(*stats, "stat-swap-out");
    memory.major_faults = unsigned_at(*stats, "stat-major-faults");
    memory.minor_faults = unsigned_at(*stats, "stat-minor-faults");
    memory.unused = unsigned_at(*stats, "stat-free-memory");
    memory.available = unsigned_at(*stats, "stat-total-memory");
    memory.usable = unsigned_at(*stats, "stat-available-memory");
    memory.disk_caches = unsigned_at(*stats, "stat-disk-caches");
    memory.hugetlb_pgalloc = unsigned_at(*stats, "stat-htlb-pgalloc");
    memory.hugetlb_pgfail = unsigned_at(*stats, "stat-htlb-pgfail");
    return memory;
}

struct StatisticsQuestion {
    qmp::Command command;
    std::function<void(const json::value&, MachineStatistics&)> take;
};

/// Only what can have changed: a command costs QEMU some hundred microseconds.
std::vector<StatisticsQuestion> statistics_questions(const StatisticsWish& wish) {
    std::vector<StatisticsQuestion> list;
    const auto& devices = wish.live->devices;
    if (!devices.disks.empty())
        list.push_back({{"query-blockstats", {}}, [live = wish.live](const json::value& answer, auto& into) {
                            into.disks = disk_statistics(live->devices, answer);
                        }});
    const auto& balloon = devices.memballoon;
    if (!balloon || balloon->model == "none" || !balloon->alias) return list;
    if (wish.balloon)
        list.push_back({{"query-balloon", {}}, [](const json::value& answer, auto& into) {
                            into.balloon = answer.at("actual").to_number<std::uint64_t>();
                        }});
    if (balloon->stats_period.value_or(0) == 0) return list;
    json::object arguments{{"path", fmt::format("/machine/peripheral/{}", *balloon->alias)},
                           {"property", "guest-stats"}};
    list.push_back({{"qom-get", std::move(arguments)},
                    [](const json::value& answer, auto& into) { into.memory = read_balloon(answer.as_object()); }});
    return list;
}

} // namespace

std::map<std::string, DiskStatistics> disk_statistics(const model::Devices& devices, const json::value& answer) {
    constexpr std::size_t beside = 64; // drives that are no <disk>
    std::map<std::string, DiskStatistics> found;
    const auto* entries = answer.if_array();
    if (!entries || entries->size() > devices.disks.size() + beside) return found; // QEMU's own fault, or worse
    std::unordered_map<std::string, const std::string*> aliases;
    for (const auto& disk : devices.disks)
        if (disk.alias) aliases.emplace(block_device_of(disk), &*disk.alias);
    for (const auto& entry : *entries) {
        const auto* object = entry.if_object();
        const auto* name = object ? object->if_contains("qdev") : nullptr;
        if (!name || !name->is_string()) continue;
        const auto disk = aliases.find(std::string(name->as_string()));
        if (disk != aliases.end()) found.emplace(*disk->second, read_disk(*object));
    }
    return found;
}

Task<MachineStatistics> ask_statistics(MonitorPtr monitor, StatisticsWish wish) {
    auto asked = statistics_questions(wish);
    MachineStatistics statistics;
    const auto& balloon = wish.live->devices.memballoon;
    if (balloon && balloon->model != "none" && balloon->alias) statistics.memory.emplace();
    std::vector<qmp::Command> commands;
    for (auto& question : asked) commands.push_back(std::move(question.command));
    const auto answers = co_await monitor->execute_all(std::move(commands), Deadline::in(statistics_timeout));
    for (std::size_t i = 0; i < asked.size(); ++i) asked[i].take(answers[i], statistics);
    statistics.at = Clock::now();
    co_return statistics;
}

} // namespace domus::engine::qemu
