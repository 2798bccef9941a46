// The terminal of the person: its width, and raw mode for consoles.
#pragma once

#include "base/sensitive.hpp"

#include <termios.h>

#include <cstddef>
#include <optional>
#include <string_view>

namespace domus::cli {

bool is_terminal(int fd);
/// Columns, or 0 when `fd` is no terminal.
std::size_t terminal_width(int fd);

/// A line that the person types without seeing it, after the prompt; from standard input where that is no terminal.
/// Nothing at its end.
std::optional<Sensitive> ask_hidden(std::string_view prompt);

/// Every key goes through as it is while this lives; the old state comes back with its end.
class RawTerminal {
public:
    explicit RawTerminal(int fd);
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

private:
    int fd_;
    termios before_{};
};

} // namespace domus::cli
