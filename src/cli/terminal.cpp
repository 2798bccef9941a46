#include "cli/terminal.hpp"

#include "base/error.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace domus::cli {

bool is_terminal(int fd) { return isatty(fd) == 1; }

std::size_t terminal_width(int fd) {
    winsize size{};
    if (!is_terminal(fd) || ioctl(fd, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

RawTerminal::RawTerminal(int fd) : fd_(fd) {
    if (tcgetattr(fd_, &before_) != 0) throw system_error(errno, "unable to get tty attributes");
    termios raw = before_;
    cfmakeraw(&raw);
    if (tcsetattr(fd_, TCSAFLUSH, &raw) != 0) throw system_error(errno, "unable to set tty attributes");
}

RawTerminal::~RawTerminal() { tcsetattr(fd_, TCSAFLUSH, &before_); }

} // namespace domus::cli
