#include "cli/run.hpp"

#include "base/log.hpp"
#include "cli/completion.hpp"
#include "cli/globals.hpp"
#include "cli/help.hpp"
#include "cli/manual.hpp"
#include "cli/names.hpp"
#include "cli/relay.hpp"
#include "cli/session.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdio>

namespace domus::cli {

namespace {

Output::Style style_of(const Settings& settings) {
    const bool out_terminal = is_terminal(STDOUT_FILENO);
    return {.json = settings.json,
            .quiet = settings.quiet,
            .colour = settings.colour && out_terminal,
            .error_colour = settings.colour && is_terminal(STDERR_FILENO),
            .pretty = out_terminal};
}

/// `domus __complete -c URI start x`: the words before the one being typed, and that one.
int answer_completion(Settings settings) {
    const auto all = std::vector<std::string>(settings.words.begin() + 1, settings.words.end());
    std::vector<char*> argv{const_cast<char*>("domus")};
    Words copy = all;
    const auto begun = copy.empty() ? std::string() : copy.back();
    if (!copy.empty()) copy.pop_back();
    for (auto& word : copy) argv.push_back(word.data());
    Settings typed;
    try {
        typed = read_globals(static_cast<int>(argv.size()), argv.data());
    } catch (const UsageError&) {
        return 0;
    }
    Candidates found;
    if (typed.words.empty() && begun.starts_with("-")) {
        for (const auto& option : global_options())
            if (("--" + std::string(option.name)).starts_with(begun))
                found.words.push_back({"--" + std::string(option.name), std::string(option.help)});
    } else {
        typed.readonly = true;
        Output silent({.json = true, .quiet = true});
        Session session(typed, silent);
        found = complete(typed.words, begun, [&](Complete kind, const std::string& pool) {
            return names_for_completion(session, kind, pool);
        });
    }
    fmt::print("{}\n", found.files ? "files" : found.folders ? "folders" : "words");
    for (const auto& each : found.words) fmt::print("{}{}{}\n", each.word, each.help.empty() ? "" : "\t", each.help);
    return 0;
}

int run_commands(Session& session, Output& out, const std::vector<std::string>& words) {
    try {
        return session.run(words.size() == 1 ? split_line(words.front()) : std::vector<Words>{words}) ? 0 : 1;
    } catch (const UsageError& error) {
        out.failure(error);
        return 1;
    }
}

void show_version(bool full) {
    fmt::print("{}\n", DOMUS_VERSION);
    if (full)
        fmt::print("domus, the command of the Domus virtualization platform; speaks the protocol of libvirt 9.0.0\n");
}

int run_settings(const Settings& settings) {
    switch (settings.task) {
    case Settings::Task::help:
        fmt::print("{}", help_of_program());
        return 0;
    case Settings::Task::version:
        show_version(false);
        return 0;
    case Settings::Task::long_version:
        show_version(true);
        return 0;
    case Settings::Task::run:
        break;
    }
    if (!settings.words.empty()) {
        if (settings.words.front() == "__complete") return answer_completion(settings);
        if (settings.words.front() == "__relay") return relay(settings);
        if (settings.words.front() == "__manual") {
            fmt::print("{}", manual());
            return 0;
        }
    }
    Output out(style_of(settings));
    Session session(settings, out);
    if (settings.words.empty()) return run_shell(session, out);
    // As with virsh, `domus ''` is no command and no success.
    if (settings.words.size() == 1 && settings.words.front().empty()) return 1;
    return run_commands(session, out, settings.words);
}

} // namespace

int run_program(int argc, char** argv) {
    std::setlocale(LC_ALL, "");
    std::setlocale(LC_NUMERIC, "C");
    std::signal(SIGPIPE, SIG_IGN); // a daemon that goes away is an error of the call, not our end
    try {
        const auto settings = read_globals(argc, argv);
        if (!settings.log_file.empty())
            log::start(
                {.level = settings.debug == 0 ? log::Level::debug : log::Level::info, .file = settings.log_file});
        const int code = run_settings(settings);
        if (!settings.log_file.empty()) log::stop();
        if (std::fflush(stdout) != 0) return 1;
        return code;
    } catch (const Failure& failure) {
        for (const auto& line : failure.lines()) fmt::print(stderr, "error: {}\n", line);
        if (failure.error()) fmt::print(stderr, "error: {}\n", failure.error()->text());
        return 1;
    } catch (const std::exception& problem) {
        fmt::print(stderr, "error: {}\n", problem.what());
        return 1;
    }
}

} // namespace domus::cli
