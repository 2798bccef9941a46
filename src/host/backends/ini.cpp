#include "host/backends/ini.hpp"

#include "host/backends/words.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::host::backends {

Ini::Ini(std::string_view text) : lines_(lines_of(text)) {}

std::vector<Ini::Section> Ini::sections() const {
    std::vector<Section> sections;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        const auto line = trimmed(lines_[i]);
        if (!line.starts_with('[') || !line.ends_with(']')) continue;
        if (!sections.empty()) sections.back().end = i;
        sections.push_back({line.substr(1, line.size() - 2), i, lines_.size()});
    }
    return sections;
}

std::vector<Ini::Entry> Ini::entries(const Section& section) const {
    std::vector<Entry> entries;
    for (auto i = section.begin + 1; i < section.end; ++i) {
        const auto equals = lines_[i].find('=');
        const auto line = trimmed(lines_[i]);
        if (equals == std::string::npos || line.starts_with('#') || line.starts_with(';')) continue;
        entries.push_back({trimmed(lines_[i].substr(0, equals)), trimmed(lines_[i].substr(equals + 1)), i});
    }
    return entries;
}

std::vector<Ini::Entry> Ini::entries(std::string_view section) const {
    std::vector<Entry> all;
    for (const auto& each : sections())
        if (each.name == section) std::ranges::move(entries(each), std::back_inserter(all));
    return all;
}

std::vector<std::string> Ini::all(std::string_view section, std::string_view key) const {
    std::vector<std::string> values;
    for (const auto& entry : entries(section)) {
        if (entry.key != key) continue;
        if (entry.value.empty())
            values.clear(); // systemd.syntax(7): an empty one resets the list
        else
            values.push_back(entry.value);
    }
    return values;
}

std::optional<std::string> Ini::get(std::string_view section, std::string_view key) const {
    auto values = all(section, key);
    if (values.empty()) return std::nullopt;
    return std::move(values.back());
}

void Ini::erase(std::size_t begin, std::size_t end) {
    lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(begin),
                 lines_.begin() + static_cast<std::ptrdiff_t>(end));
}

void Ini::set(std::string_view section, std::string_view key, const std::vector<std::string>& values) {
    auto old = entries(section);
    std::erase_if(old, [&](const Entry& entry) { return entry.key != key; });
    std::vector<std::string> before;
    for (const auto& entry : old) before.push_back(entry.value);
    if (before == values) return;
    std::optional<std::size_t> place;
    for (auto i = old.size(); i-- > 0;) {
        place = old[i].line;
        erase(old[i].line, old[i].line + 1);
    }
    if (values.empty()) return;
    if (!place) {
        auto known = sections();
        if (std::ranges::find(known, section, &Section::name) == known.end()) append(section, {});
        known = sections();
        const auto found = std::ranges::find(known, section, &Section::name);
        place = found->end;
        while (*place > found->begin + 1 && trimmed(lines_[*place - 1]).empty()) --*place; // blank lines stay behind it
    }
    for (const auto& value : values) {
        std::string line(key);
        line += '=';
        line += value;
        lines_.insert(lines_.begin() + static_cast<std::ptrdiff_t>((*place)++), std::move(line));
    }
}

void Ini::set(std::string_view section, std::string_view key, const std::optional<std::string>& value) {
    set(section, key, value ? std::vector<std::string>{*value} : std::vector<std::string>());
}

void Ini::append(std::string_view section, const std::vector<std::pair<std::string, std::string>>& entries) {
    if (!lines_.empty() && !trimmed(lines_.back()).empty() && !lines_.back().starts_with('#')) lines_.emplace_back();
    lines_.push_back("[" + std::string(section) + "]");
    for (const auto& [key, value] : entries) lines_.push_back(fmt::format("{}={}", key, value));
}

void Ini::drop_section(std::string_view section) {
    auto known = sections();
    for (auto i = known.size(); i-- > 0;)
        if (known[i].name == section) erase(known[i].begin, known[i].end);
}

void Ini::drop_sections_without_entries() {
    auto known = sections();
    for (auto i = known.size(); i-- > 0;) {
        bool empty = true;
        for (auto line = known[i].begin + 1; line < known[i].end; ++line) empty &= trimmed(lines_[line]).empty();
        if (empty) erase(known[i].begin, known[i].end);
    }
}

bool Ini::has_only(const std::vector<std::string_view>& wanted) const {
    return std::ranges::all_of(sections(), [&](const Section& section) {
        return std::ranges::count(wanted, section.name) != 0 || entries(section).empty();
    });
}

std::string Ini::text() const { return text_of(lines_); }

} // namespace domus::host::backends
