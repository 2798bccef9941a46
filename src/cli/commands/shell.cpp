// Commands of the shell itself.
#include "cli/commands/commands.hpp"
#include "cli/completion.hpp"
#include "cli/help.hpp"
#include "cli/objects.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace domus::cli {

namespace {

void help(Call& call) {
    const auto word = call.args.text("command");
    if (!word) {
        call.out.text("{}", help_of_groups());
        call.out.result(help_json());
        return;
    }
    // 'pool' is both: the verb's own help is that of 'pool --help'.
    for (const auto& group : groups())
        if (group.keyword == *word) {
            call.out.text("{}", help_of_group(group));
            call.out.result(help_json(group));
            return;
        }
    if (const auto* command = find_command(*word)) {
        call.out.text("{}", help_of_command(*command, terminal_width(STDOUT_FILENO)));
        call.out.result(help_json(*command));
        return;
    }
    throw Failure(fmt::format("command or command group '{}' doesn't exist", *word))
        .hint("'domus help' lists all commands");
}

void quit(Call& call) { call.session.ended = true; }

void cd(Call& call) {
    const char* home = std::getenv("HOME");
    const auto folder = call.args.text("dir").value_or(home ? home : "/");
    std::error_code failure;
    std::filesystem::current_path(folder, failure);
    if (failure) fail("cd: {}: {}", folder, failure.message());
    call.out.result({{"folder", std::filesystem::current_path().string()}});
}

void pwd(Call& call) { call.out.value("folder", std::filesystem::current_path().string()); }

void echo(Call& call) { call.out.value("text", fmt::format("{}", fmt::join(call.args.list("string"), " "))); }

void connect(Call& call) {
    const auto uri = call.args.text("name").value_or("");
    call.session.connect_elsewhere(uri, call.args.flag("readonly"));
    call.out.result({{"uri", call.server().uri()}});
}

void completion(Call& call) {
    const auto shell = call.args.required("shell");
    const auto script = completion_script(shell);
    if (script.empty()) fail("there is no completion for '{}', only for bash, zsh and fish", shell);
    call.out.text("{}", script);
    call.out.result({{"shell", shell}, {"script", script}});
}

} // namespace

std::vector<Command> shell_commands() {
    return {
        {.name = "help",
         .group = Group::self,
         .summary = "show help for commands and groups",
         .options = {text("command", "command, or keyword of a group", Complete::command)},
         .run = help,
         .connects = false},
        {.name = "quit", .group = Group::self, .summary = "leave the shell", .run = quit, .connects = false},
        {.name = "exit", .group = Group::self, .summary = "leave the shell", .run = quit, .connects = false},
        {.name = "cd",
         .group = Group::self,
         .summary = "change the current directory",
         .options = {text("dir", "directory; your home directory by default", Complete::folder)},
         .run = cd,
         .connects = false},
        {.name = "pwd", .group = Group::self, .summary = "print the current directory", .run = pwd, .connects = false},
        {.name = "echo",
         .group = Group::self,
         .summary = "print words",
         .options = {rest("string", "words to print")},
         .run = echo,
         .connects = false},
        {.name = "connect",
         .group = Group::self,
         .summary = "connect to a daemon",
         .options = {text("name", "URI of the daemon"), flag("readonly", "connect read-only")},
         .run = connect,
         .connects = false},
        {.name = "completion",
         .group = Group::self,
         .summary = "print the completion script of a shell",
         .about = "For bash: 'source <(domus completion bash)'.",
         .options = {required(one_of("shell", "bash|zsh|fish", "shell"))},
         .run = completion,
         .connects = false},
    };
}

} // namespace domus::cli
