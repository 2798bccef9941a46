// Lets a person change a text in $VISUAL or $EDITOR.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace domus::cli {

/// Writes the text to a private temporary file named *.xml, runs the editor on it and returns what it left there.
/// Throws Failure when the editor cannot be run or fails.
std::string edit_text(std::string_view text);

/// What `edit` and its kin do, whatever they edit.
struct Editing {
    std::function<std::string()> fetch;                           ///< the text as the daemon has it
    std::function<void(const std::string&, bool validate)> store; ///< throws Error or Failure if refused
    bool validate = true;
};
/// False if the person changed nothing. A refused text can be edited again, forced, or thrown away.
bool edit_object(const Editing& editing);

} // namespace domus::cli
