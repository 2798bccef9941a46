#include "cli/terminal.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

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

namespace {

/// Nothing that is typed is shown while this lives.
class HiddenTerminal {
public:
    explicit HiddenTerminal(int fd) : fd_(fd) {
        if (tcgetattr(fd_, &before_) != 0) throw system_error(errno, "unable to get tty attributes");
        termios hidden = before_;
        hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        if (tcsetattr(fd_, TCSAFLUSH, &hidden) != 0) throw system_error(errno, "unable to set tty attributes");
    }
    ~HiddenTerminal() { tcsetattr(fd_, TCSAFLUSH, &before_); }
    HiddenTerminal(const HiddenTerminal&) = delete;
    HiddenTerminal& operator=(const HiddenTerminal&) = delete;

private:
    int fd_;
    termios before_{};
};

/// Byte by byte, so that nothing of what comes behind the line is taken.
std::optional<Sensitive> read_line(int fd) {
    constexpr std::size_t longest = 65536;
    Sensitive line(longest);
    std::size_t size = 0;
    bool ended = false;
    while (!ended && size < longest) {
        const auto count = ::read(fd, line.data() + size, 1);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0 && size == 0) return std::nullopt;
        ended = count <= 0 || line.data()[size] == '\n';
        if (!ended) ++size;
    }
    line.shorten(size);
    return line;
}

} // namespace

std::optional<Sensitive> ask_hidden(std::string_view prompt) {
    std::optional<HiddenTerminal> hidden;
    if (is_terminal(STDIN_FILENO)) hidden.emplace(STDIN_FILENO);
    fmt::print(stderr, "{}", prompt);
    auto line = read_line(STDIN_FILENO);
    if (hidden) fmt::print(stderr, "\n");
    return line;
}

RawTerminal::RawTerminal(int fd) : fd_(fd) {
    if (tcgetattr(fd_, &before_) != 0) throw system_error(errno, "unable to get tty attributes");
    termios raw = before_;
    cfmakeraw(&raw);
    if (tcsetattr(fd_, TCSAFLUSH, &raw) != 0) throw system_error(errno, "unable to set tty attributes");
}

RawTerminal::~RawTerminal() { tcsetattr(fd_, TCSAFLUSH, &before_); }

} // namespace domus::cli
