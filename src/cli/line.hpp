// Cuts a line as one types it (in the interactive shell, or as `domus 'list; uri'`) into commands and words. The rules
// are virsh's: blanks divide words, ';' and the end of a line divide commands, '#' before a word starts a comment,
// '...' keeps all, "..." keeps all but backslashes, a backslash keeps the next character.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace domus::cli {

using Words = std::vector<std::string>;

/// Throws UsageError for a quote that is not closed or a backslash before nothing.
std::vector<Words> split_line(std::string_view text);

/// Where the completion stands: the finished words of the last command, and the begun one.
struct Unfinished {
    Words words;
    std::string begun;
    std::size_t start = 0; ///< where the begun word starts in the text, with its quotes
};
Unfinished split_unfinished(std::string_view text);

/// The word in quotes if it needs them to be read back as one.
std::string quote(std::string_view word);

} // namespace domus::cli
