#include "cli/completion.hpp"

#include <algorithm>
#include <set>

namespace domus::cli {

namespace {

std::vector<std::string> split_words(std::string_view words) {
    std::vector<std::string> result;
    while (!words.empty()) {
        const auto bar = words.find('|');
        result.emplace_back(words.substr(0, bar));
        if (bar == std::string_view::npos) break;
        words.remove_prefix(bar + 1);
    }
    return result;
}

/// Which options a half-typed command has, by the same rules as Arguments.
struct Progress {
    std::set<std::string_view> given;
    const Option* wants_value = nullptr; ///< the last word was "--name"
    bool only_data = false;
    std::string pool; ///< the value of --inputpool, --pool or what stands in its place

    const Option* by_place(const Command& command) const {
        for (const auto& option : command.options) {
            if (option.kind == OptionKind::flag || option.named_only) continue;
            if (option.kind == OptionKind::list || !given.contains(option.name)) return &option;
        }
        return nullptr;
    }

    void take(const Command& command, const std::string& word) {
        if (wants_value) {
            note(*wants_value, word);
            wants_value = nullptr;
            return;
        }
        if (!only_data && word == "--") {
            only_data = true;
        } else if (!only_data && word.size() > 2 && word.starts_with("--")) {
            const auto equals = word.find('=');
            const auto* option = find_option(
                command, std::string_view(word).substr(2, equals == std::string::npos ? equals : equals - 2));
            if (!option) return;
            given.insert(option->name);
            if (option->kind != OptionKind::flag && equals == std::string::npos) wants_value = option;
            if (equals != std::string::npos) note(*option, word.substr(equals + 1));
        } else if (const auto* option = by_place(command)) {
            given.insert(option->name);
            note(*option, word);
        }
    }

    void note(const Option& option, const std::string& value) {
        if (option.name == "inputpool" || (option.name == "pool" && pool.empty())) pool = value;
    }
};

void offer_value(const Option& option, const NameSource& names, const std::string& pool, Candidates& found) {
    switch (option.complete) {
    case Complete::nothing:
        return;
    case Complete::file:
        found.files = true;
        return;
    case Complete::folder:
        found.folders = true;
        return;
    case Complete::words:
        for (auto& word : split_words(option.words)) found.words.push_back({std::move(word)});
        return;
    case Complete::command:
        for (const auto& command : command_table())
            if (!command.hidden) found.words.push_back({std::string(command.name), std::string(command.summary)});
        for (const auto& group : groups())
            found.words.push_back({std::string(group.keyword), std::string(group.title)});
        return;
    default:
        if (!names) return;
        for (auto& name : names(option.complete, pool)) found.words.push_back({std::move(name)});
    }
}

void offer_options(const Command& command, const Progress& progress, Candidates& found) {
    for (const auto& option : command.options)
        if (!progress.given.contains(option.name))
            found.words.push_back({"--" + std::string(option.name), std::string(option.help)});
    found.words.push_back({"--help", "how to use it"});
}

/// "image" may go on with "info", since there is "image-info".
void offer_second_words(const std::string& first, Candidates& found) {
    for (const auto& command : command_table())
        if (!command.hidden && command.name.starts_with(first))
            found.words.push_back({std::string(command.name.substr(first.size())), std::string(command.summary)});
}

void keep_matching(Candidates& found, const std::string& begun) {
    std::erase_if(found.words, [&](const Candidate& candidate) { return !candidate.word.starts_with(begun); });
}

} // namespace

Candidates complete(const Words& typed, const std::string& begun, const NameSource& names) {
    Candidates found;
    const auto words = join_command(typed);
    if (words.empty()) {
        for (const auto& command : command_table())
            if (!command.hidden) found.words.push_back({std::string(command.name), std::string(command.summary)});
        keep_matching(found, begun);
        return found;
    }
    const auto* command = find_command(words.front());
    if (!command) {
        if (words.size() == 1) offer_second_words(words.front() + "-", found);
        keep_matching(found, begun);
        return found;
    }
    Progress progress;
    for (std::size_t i = 1; i < words.size(); ++i) progress.take(*command, words[i]);

    if (progress.wants_value) {
        offer_value(*progress.wants_value, names, progress.pool, found);
    } else if (begun.starts_with("-") && !progress.only_data) {
        offer_options(*command, progress, found);
    } else {
        const auto* option = progress.by_place(*command);
        // "pool" is a command with a word of its own and the beginning of others.
        if (words.size() == 1 && option && option->complete == Complete::words)
            offer_second_words(words.front() + "-", found);
        if (option) offer_value(*option, names, progress.pool, found);
        if (found.words.empty() && !found.files && !found.folders) offer_options(*command, progress, found);
    }
    keep_matching(found, begun);
    return found;
}

namespace {

// All three ask `domus __complete` with the words before the cursor. Its first line tells whether file names fit too.

constexpr std::string_view bash_script =
    R"SCRIPT(# bash completion for domus; load it with: source <(domus completion bash)
_domus() {
    local current=${COMP_WORDS[COMP_CWORD]} kind line
    local -a words=()
    COMPREPLY=()
    {
        read -r kind
        while IFS=$'\t' read -r line _; do words+=("$line"); done
    } < <("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
    for line in "${words[@]}"; do COMPREPLY+=("$(printf %q "$line")"); done
    case $kind in
        files) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current") ;;
        folders) compopt -o filenames 2>/dev/null; while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$current") ;;
    esac
}
complete -F _domus domus
)SCRIPT";

constexpr std::string_view zsh_script = R"SCRIPT(#compdef domus
# zsh completion for domus; load it with: source <(domus completion zsh)
_domus() {
    local kind line
    local -a described
    {
        read -r kind
        while IFS=$'\t' read -r line help; do described+=("${line//:/\\:}${help:+:$help}"); done
    } < <("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
    (( ${#described} )) && _describe 'domus' described
    case $kind in
        files) _files ;;
        folders) _files -/ ;;
    esac
}
compdef _domus domus
)SCRIPT";

constexpr std::string_view fish_script =
    R"SCRIPT(# fish completion for domus; load it with: domus completion fish | source
function __domus_complete
    set -l words (commandline -opc)
    set -l answer ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    for line in $answer[2..-1]
        echo $line
    end
    switch "$answer[1]"
        case files
            __fish_complete_path (commandline -ct)
        case folders
            __fish_complete_directories (commandline -ct)
    end
end
complete -c domus -f -a '(__domus_complete)'
)SCRIPT";

} // namespace

std::string completion_script(std::string_view shell) {
    if (shell == "bash") return std::string(bash_script);
    if (shell == "zsh") return std::string(zsh_script);
    if (shell == "fish") return std::string(fish_script);
    return {};
}

} // namespace domus::cli
