// What a command of `domus` is: one row of the table that the parser, the help, the completion, the manual page and
// the interactive shell are all made from. A command is added by one `Command` value beside its function, in
// commands/*.cpp; nothing else names it.
//
//     {.name = "suspend", .group = Group::domain, .summary = "pause a domain",
//      .about = "Stops the virtual CPUs. Memory stays as it is; 'resume' goes on from there.",
//      .options = {the_domain(Complete::running_domain)}, .run = suspend}
//
// The options of virsh keep its names and its order, since every option that takes a value may also be given by its
// place. `named` marks the few that may not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace domus::cli {

class Call;

/// In the order of the help, which is virsh's; what only domus has comes last.
enum class Group {
    domain,
    monitor,
    events,
    host,
    checkpoint,
    interface,
    filter,
    network,
    secret,
    snapshot,
    pool,
    volume,
    image,
    job,
    self
};

struct GroupName {
    Group group;
    std::string_view keyword; ///< for `help KEYWORD`
    std::string_view title;
};
const std::vector<GroupName>& groups();

enum class OptionKind {
    flag,
    text,
    number, ///< also sizes with a unit
    list,   ///< takes all words that are left
};

/// What the shell may offer for an option's value.
enum class Complete {
    nothing,
    file,
    folder,
    words, ///< those of Option::words
    domain,
    running_domain,
    stopped_domain,
    network,
    running_network,
    stopped_network,
    interface, ///< of the host
    pool,
    running_pool,
    stopped_pool,
    secret, ///< UUIDs
    filter,
    filter_binding, ///< network devices that have one
    job,            ///< ids
    volume,         ///< by name in the pool that was given, else by path
    command,
};

struct Option {
    OptionKind kind = OptionKind::flag;
    std::string_view name;
    std::string_view help;
    bool required = false;
    bool named_only = false; ///< never taken by its place
    bool may_be_empty = false;
    Complete complete = Complete::nothing;
    std::string_view words = {}; ///< "acpi|agent": what is offered; the server or the command judges
};

Option flag(std::string_view name, std::string_view help);
Option text(std::string_view name, std::string_view help, Complete complete = Complete::nothing);
Option one_of(std::string_view name, std::string_view words, std::string_view help);
Option number(std::string_view name, std::string_view help);
Option rest(std::string_view name, std::string_view help, Complete complete = Complete::nothing);
Option required(Option option);
Option named(Option option);
Option or_empty(Option option);
/// The first option of nearly every command: a domain by name, id or UUID.
Option the_domain(Complete complete = Complete::domain);

struct Command {
    std::string_view name;
    Group group = Group::domain;
    std::string_view summary;
    std::string_view about = {};
    std::vector<Option> options = {};
    void (*run)(Call&) = nullptr;
    bool connects = true; ///< false: works without a daemon
    bool hidden = false;  ///< not in help, completion and manual
};

const Option* find_option(const Command& command, std::string_view name);

/// All commands in the order of the help. Made once.
const std::vector<Command>& command_table();
const Command* find_command(std::string_view name);
/// The words with the first two as one where only that is a command: "image info" is "image-info".
std::vector<std::string> join_command(std::vector<std::string> words);
/// The command whose name is nearest to a mistyped one; null when none is near.
const Command* nearest_command(std::string_view name);

/// "start <domain> [--console] [--mode <string>]"
std::string synopsis(const Command& command);

} // namespace domus::cli
