// What the shell may offer next, computed from the command table, for bash, zsh, fish and our own shell alike.
#pragma once

#include "cli/command.hpp"
#include "cli/line.hpp"

#include <functional>
#include <string>
#include <vector>

namespace domus::cli {

struct Candidate {
    std::string word;
    std::string help = {};
};

struct Candidates {
    std::vector<Candidate> words;
    bool files = false; ///< the shell's own completion of file names fits as well
    bool folders = false;
};

/// Names that only the daemon knows; may return nothing. `pool` is the one that the words name so far, or empty.
using NameSource = std::function<std::vector<std::string>(Complete kind, const std::string& pool)>;

/// `words` are the finished words of a command (without the options before it), `begun` is what is being typed.
Candidates complete(const Words& words, const std::string& begun, const NameSource& names);

/// The script for a shell: "bash", "zsh" or "fish"; empty for others.
std::string completion_script(std::string_view shell);

} // namespace domus::cli
