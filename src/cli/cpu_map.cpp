#include "cli/cpu_map.hpp"

#include "base/number.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

struct CpuRange {
    std::size_t first = 0, last = 0;
    bool excluded = false;
};

/// "3", "0-3" or "^2".
std::optional<CpuRange> parse_range(std::string_view text) {
    CpuRange range;
    range.excluded = text.starts_with('^');
    if (range.excluded) text.remove_prefix(1);
    const auto dash = text.find('-');
    const auto first = parse_number<std::size_t>(text.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number<std::size_t>(text.substr(dash + 1));
    if (!first || !last || *last < *first) return std::nullopt;
    range.first = *first;
    range.last = *last;
    return range;
}

void set_cpu(std::string& map, std::size_t cpu, bool on) {
    const auto bit = static_cast<unsigned char>(1u << (cpu % 8));
    const auto byte = static_cast<unsigned char>(map[cpu / 8]);
    map[cpu / 8] = static_cast<char>(on ? byte | bit : byte & ~bit);
}

} // namespace

bool has_cpu(std::string_view map, std::size_t cpu) {
    return cpu / 8 < map.size() && (static_cast<unsigned char>(map[cpu / 8]) >> (cpu % 8) & 1) != 0;
}

std::string cpu_letters(std::string_view map, std::size_t cpus) {
    std::string text;
    for (std::size_t cpu = 0; cpu < cpus; ++cpu) text += has_cpu(map, cpu) ? 'y' : '-';
    return text;
}

std::string cpu_ranges(std::string_view map, std::size_t cpus) {
    std::string text;
    for (std::size_t cpu = 0; cpu < cpus; ++cpu) {
        if (!has_cpu(map, cpu)) continue;
        auto last = cpu;
        while (last + 1 < cpus && has_cpu(map, last + 1)) ++last;
        text += fmt::format("{}{}", text.empty() ? "" : ",", cpu);
        if (last > cpu) text += fmt::format("-{}", last);
        cpu = last;
    }
    return text;
}

boost::json::array cpu_numbers(std::string_view map, std::size_t cpus) {
    boost::json::array set;
    for (std::size_t cpu = 0; cpu < cpus; ++cpu)
        if (has_cpu(map, cpu)) set.push_back(cpu);
    return set;
}

std::optional<std::string> parse_cpus(std::string_view text, std::size_t cpus) {
    std::string map((cpus + 7) / 8, '\0');
    if (text == "r") {
        for (std::size_t cpu = 0; cpu < cpus; ++cpu) set_cpu(map, cpu, true);
        return map;
    }
    bool any = false;
    for (;;) {
        const auto comma = text.find(',');
        const auto range = parse_range(text.substr(0, comma));
        if (!range || range->last >= cpus) return std::nullopt;
        for (auto cpu = range->first; cpu <= range->last; ++cpu) set_cpu(map, cpu, !range->excluded);
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    for (std::size_t cpu = 0; cpu < cpus; ++cpu) any = any || has_cpu(map, cpu);
    return any ? std::optional(map) : std::nullopt;
}

} // namespace domus::cli
