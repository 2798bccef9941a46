#include "cli/command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace domus::cli {

const std::vector<GroupName>& groups() {
    static const std::vector<GroupName> all{
        {Group::domain, "domain", "Domain Management"},
        {Group::monitor, "monitor", "Domain Monitoring"},
        {Group::events, "events", "Domain Events"},
        {Group::host, "host", "Host and Hypervisor"},
        {Group::checkpoint, "checkpoint", "Checkpoint"},
        {Group::interface, "interface", "Interface"},
        {Group::filter, "filter", "Network Filter"},
        {Group::network, "network", "Networking"},
        {Group::secret, "secret", "Secret"},
        {Group::snapshot, "snapshot", "Snapshot"},
        {Group::pool, "pool", "Storage Pool"},
        {Group::volume, "volume", "Storage Volume"},
        {Group::image, "image", "Disk Image"},
        {Group::job, "job", "Job"},
        {Group::self, "domus", "Domus itself"},
    };
    return all;
}

Option flag(std::string_view name, std::string_view help) {
    return {.kind = OptionKind::flag, .name = name, .help = help};
}

Option text(std::string_view name, std::string_view help, Complete complete) {
    return {.kind = OptionKind::text, .name = name, .help = help, .complete = complete};
}

Option one_of(std::string_view name, std::string_view words, std::string_view help) {
    return {.kind = OptionKind::text, .name = name, .help = help, .complete = Complete::words, .words = words};
}

Option number(std::string_view name, std::string_view help) {
    return {.kind = OptionKind::number, .name = name, .help = help};
}

Option rest(std::string_view name, std::string_view help, Complete complete) {
    return {.kind = OptionKind::list, .name = name, .help = help, .complete = complete};
}

Option required(Option option) {
    option.required = true;
    return option;
}

Option named(Option option) {
    option.named_only = true;
    return option;
}

Option or_empty(Option option) {
    option.may_be_empty = true;
    return option;
}

Option the_domain(Complete complete) { return required(text("domain", "name, ID or UUID of the domain", complete)); }

const Option* find_option(const Command& command, std::string_view name) {
    const auto found = std::ranges::find(command.options, name, &Option::name);
    return found == command.options.end() ? nullptr : &*found;
}

const Command* find_command(std::string_view name) {
    const auto found = std::ranges::find(command_table(), name, &Command::name);
    return found == command_table().end() ? nullptr : &*found;
}

namespace {

/// Whether the first word is a command that means something else by the second: `pool create`, but not `pool list`.
bool stands_alone(const std::vector<std::string>& words) {
    const auto* command = find_command(words[0]);
    if (!command) return false;
    if (command->options.empty() || command->options.front().complete != Complete::words) return true;
    return ("|" + std::string(command->options.front().words) + "|").find("|" + words[1] + "|") != std::string::npos;
}

} // namespace

std::vector<std::string> join_command(std::vector<std::string> words) {
    if (words.size() < 2 || stands_alone(words)) return words;
    auto both = fmt::format("{}-{}", words[0], words[1]);
    if (!find_command(both)) return words;
    words[1] = std::move(both);
    words.erase(words.begin());
    return words;
}

namespace {

/// Levenshtein's distance, one row at a time.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const auto above = row[j + 1];
            row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0u : 1u)});
            diagonal = above;
        }
    }
    return row.back();
}

std::string_view value_word(const Option& option) { return option.kind == OptionKind::number ? "number" : "string"; }

std::string synopsis_word(const Option& option) {
    switch (option.kind) {
    case OptionKind::flag:
        return fmt::format("[--{}]", option.name);
    case OptionKind::list:
        return option.required ? fmt::format("{{[--{}] <string>}}...", option.name)
                               : fmt::format("[[--{}] <string>]...", option.name);
    case OptionKind::text:
    case OptionKind::number:
        break;
    }
    if (option.required) return fmt::format("<{}>", option.name);
    return fmt::format("[--{} <{}>]", option.name, value_word(option));
}

} // namespace

const Command* nearest_command(std::string_view name) {
    const Command* best = nullptr;
    std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
    for (const auto& command : command_table()) {
        if (command.hidden) continue;
        const auto far = distance(name, command.name);
        if (far < least) {
            least = far;
            best = &command;
        }
    }
    return best;
}

std::string synopsis(const Command& command) {
    std::string line(command.name);
    for (const auto& option : command.options) line += " " + synopsis_word(option);
    return line;
}

} // namespace domus::cli
