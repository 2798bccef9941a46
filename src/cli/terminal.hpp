// The terminal of the person: its width, and raw mode for consoles.
#pragma once

#include <termios.h>

#include <cstddef>

namespace domus::cli {

bool is_terminal(int fd);
/// Columns, or 0 when `fd` is no terminal.
std::size_t terminal_width(int fd);

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
