#include "cli/help.hpp"

#include "cli/globals.hpp"
#include "cli/table.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace domus::cli {

namespace {

namespace json = boost::json;

/// Text in lines of at most `width` columns, each after `indent` blanks.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
    const std::string margin(indent, ' ');
    std::string out;
    std::string line;
    const auto flush = [&] {
        if (!line.empty()) out += margin + line + "\n";
        line.clear();
    };
    while (!text.empty()) {
        const auto end = text.find_first_of(" \n");
        const auto word = text.substr(0, end);
        if (width > 0 && !line.empty() && indent + display_width(line) + 1 + display_width(word) > width) flush();
        if (!word.empty()) line += (line.empty() ? "" : " ") + std::string(word);
        if (end == std::string_view::npos) break;
        if (text[end] == '\n') {
            if (line.empty()) out += "\n";
            flush();
        }
        text.remove_prefix(end + 1);
    }
    flush();
    return out;
}

std::string option_label(const Option& option) {
    switch (option.kind) {
    case OptionKind::flag:
        return fmt::format("--{}", option.name);
    case OptionKind::number:
        return fmt::format(fmt::runtime(option.required ? "[--{}] <number>" : "--{} <number>"), option.name);
    case OptionKind::text:
        return fmt::format(fmt::runtime(option.required ? "[--{}] <string>" : "--{} <string>"), option.name);
    case OptionKind::list:
        return fmt::format("[--{}] <string>", option.name);
    }
    return {};
}

std::string command_lines(Group group) {
    std::string out;
    for (const auto& command : command_table())
        if (command.group == group && !command.hidden)
            out += fmt::format("    {:<30} {}\n", command.name, command.summary);
    return out;
}

/// The values that the option takes, where they are known.
json::array option_words(const Option& option) {
    json::array words;
    for (auto left = option.words; !left.empty();) {
        const auto bar = left.find('|');
        words.emplace_back(left.substr(0, bar));
        left.remove_prefix(bar == std::string_view::npos ? left.size() : bar + 1);
    }
    return words;
}

std::string_view kind_name(OptionKind kind) {
    switch (kind) {
    case OptionKind::flag:
        return "flag";
    case OptionKind::text:
        return "string";
    case OptionKind::number:
        return "number";
    case OptionKind::list:
        return "list";
    }
    return "";
}

} // namespace

std::string help_of_program() {
    std::string out = "\ndomus [options]... [<command_string>]\ndomus [options]... <command> [args...]\n\n  options:\n";
    for (const auto& option : global_options()) {
        auto label = option.letter ? fmt::format("-{} | --{}", option.letter, option.name)
                                   : fmt::format("     --{}", option.name);
        if (!option.value.empty()) label += fmt::format("={}", option.value);
        out += fmt::format("    {:<32}{}\n", label, option.help);
    }
    out += "\n  commands by subject:\n";
    for (const auto& group : groups()) out += fmt::format("    domus help {:<12} {}\n", group.keyword, group.title);
    out += "\n  'domus help' lists all commands, 'domus help <command>' explains one.\n\n";
    return out;
}

std::string help_of_group(const GroupName& group) {
    return fmt::format(" {} (help keyword '{}'):\n{}", group.title, group.keyword, command_lines(group.group));
}

std::string help_of_groups() {
    std::string out = "Grouped commands:\n\n";
    for (const auto& group : groups()) out += help_of_group(group) + "\n";
    return out;
}

std::string help_of_command(const Command& command, std::size_t width) {
    std::string out = "  NAME\n";
    out += wrapped(fmt::format("{} - {}", command.name, command.summary), 4, width);
    out += "\n  SYNOPSIS\n" + wrapped(synopsis(command), 4, width);
    if (!command.about.empty()) out += "\n  DESCRIPTION\n" + wrapped(command.about, 4, width);
    if (!command.options.empty()) {
        out += "\n  OPTIONS\n";
        for (const auto& option : command.options)
            out += fmt::format("    {:<15}  {}\n", option_label(option), option.help);
    }
    return out + "\n";
}

json::value help_json(const Command& command) {
    json::array options;
    for (const auto& option : command.options)
        options.push_back(json::object{{"name", option.name},
                                       {"kind", kind_name(option.kind)},
                                       {"required", option.required},
                                       {"by_place", option.kind != OptionKind::flag && !option.named_only},
                                       {"words", option_words(option)},
                                       {"help", option.help}});
    const auto group = std::ranges::find(groups(), command.group, &GroupName::group);
    return json::object{{"name", command.name},   {"group", group->keyword},       {"summary", command.summary},
                        {"about", command.about}, {"synopsis", synopsis(command)}, {"options", std::move(options)}};
}

json::value help_json(const GroupName& group) {
    json::array commands;
    for (const auto& command : command_table())
        if (command.group == group.group && !command.hidden) commands.push_back(help_json(command));
    return commands;
}

json::value help_json() {
    json::array commands;
    for (const auto& command : command_table())
        if (!command.hidden) commands.push_back(help_json(command));
    return commands;
}

} // namespace domus::cli
