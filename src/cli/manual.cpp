#include "cli/manual.hpp"

#include "cli/command.hpp"
#include "cli/globals.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::cli {

namespace {

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (std::string_view("\\_*`").find(c) != std::string_view::npos) out += '\\';
        out += c;
        // scdoc takes a leading '.' or '\'' of a line for itself only at its start, which our prose never has.
    }
    return out;
}

std::string upper(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    return out;
}

/// A paragraph that belongs to the term above it.
std::string indented(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto line = text.substr(0, end);
        out += line.empty() ? "\n" : "\t" + escaped(line) + "\n";
        if (end == std::string_view::npos) break;
        text.remove_prefix(end + 1);
    }
    return out;
}

std::string option_term(const Option& option) {
    if (option.kind == OptionKind::flag) return fmt::format("*--{}*", escaped(option.name));
    const auto value = option.words.empty() ? std::string(option.kind == OptionKind::number ? "number" : "string")
                                            : std::string(option.words);
    return fmt::format("*--{}* {}{}", escaped(option.name), escaped(value),
                       option.kind == OptionKind::list ? "..." : "");
}

std::string command_section(const Command& command) {
    std::string out = fmt::format("*{}*", escaped(command.name));
    const auto line = synopsis(command);
    if (line.size() > command.name.size()) out += escaped(line.substr(command.name.size()));
    out += "\n" + indented(command.about.empty() ? std::string(command.summary) + "." : std::string(command.about));
    for (const auto& option : command.options)
        out += fmt::format("\n\t{}: {}\n", option_term(option), escaped(option.help));
    return out + "\n";
}

} // namespace

std::string manual() {
    std::string out =
        "domus(1)\n\n# NAME\n\ndomus - run virtual machines\n\n# SYNOPSIS\n\n"
        "*domus* [options]... <command> [arguments]...\n\n*domus* [options]... '<command>; <command>...'\n\n"
        "*domus* [options]...\n\n# DESCRIPTION\n\n"
        "*domus* talks to *domusd*, or to any daemon that speaks libvirt's protocol. It takes the commands and "
        "options of virsh and prints what virsh prints, so that scripts go on working. Without a command it "
        "opens a shell; with one argument that has blanks or semicolons it runs that line.\n\n"
        "A value may be given as *--name* value, as *--name*=value, or by its place.\n\n# OPTIONS\n\n";
    for (const auto& option : global_options()) {
        if (option.letter) out += fmt::format("*-{}*, ", option.letter);
        out += fmt::format("*--{}*{}{}\n\t{}\n\n", escaped(option.name), option.value.empty() ? "" : " ",
                           escaped(option.value), escaped(option.help));
    }
    out += "# COMMANDS\n\n";
    for (const auto& group : groups()) {
        out += fmt::format("## {}\n\n", upper(group.title));
        for (const auto& command : command_table())
            if (command.group == group.group && !command.hidden) out += command_section(command);
    }
    out += "# ENVIRONMENT\n\n*DOMUS_URI*, *LIBVIRT_DEFAULT_URI*, *VIRSH_DEFAULT_CONNECT_URI*\n\tThe daemon to talk to, "
           "when "
           "*--connect* is not given.\n\n*VISUAL*, *EDITOR*\n\tThe editor for *edit* and its kin.\n\n*NO_COLOR*\n\tNo "
           "colours.\n\n";
    out += "# EXIT STATUS\n\n0 if the last command succeeded, 1 otherwise.\n\n# SEE ALSO\n\n*domusd*(8)\n";
    return out;
}

} // namespace domus::cli
