#include "cli/progress.hpp"

#include "base/bytes.hpp"
#include "cli/output.hpp"
#include "cli/sizes.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace domus::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto timeout = 1s; // what is faster needs no bar
constexpr auto redrawing = 100ms;

std::string time_text(double seconds) {
    const auto whole = static_cast<std::uint64_t>(std::min(std::ceil(seconds), 359999.0)); // 99:59:59
    if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string rate_text(double bytes_per_second) {
    constexpr double mib = 1 << 20;
    return fmt::format("{:.{}f} MiB/s", bytes_per_second / mib, bytes_per_second < 10 * mib ? 1 : 0);
}

/// What fits into a line; some terminals do not know their width.
std::size_t columns() {
    constexpr std::size_t usual = 80;
    const auto width = terminal_width(STDERR_FILENO);
    return (width > 1 ? width : usual) - 1;
}

} // namespace

std::string progress_line(std::string_view label, double part, std::chrono::duration<double> taken, std::uint64_t bytes,
                          std::size_t width) {
    part = std::clamp(part, 0.0, 1.0);
    std::string numbers = fmt::format("{:3.0f} %", std::floor(part * 100));
    const auto seconds = taken.count();
    if (bytes > 0 && seconds > 0) numbers += "   " + rate_text(static_cast<double>(bytes) * part / seconds);
    if (part > 0) numbers += fmt::format("   {} left", time_text(seconds * (1 - part) / part));
    const auto beside = display_width(label) + numbers.size() + 4; // blanks and brackets
    const auto room = beside < width ? std::min<std::size_t>(width - beside, 40) : 0;
    if (room < 5 && beside - 3 > width) return numbers.substr(0, width);
    if (room < 5) return fmt::format("{} {}", label, numbers);
    const auto full = static_cast<std::size_t>(part * static_cast<double>(room));
    return fmt::format("{} [{}{}] {}", label, std::string(full, '#'), std::string(room - full, ' '), numbers);
}

std::string progress_line_without_end(std::string_view label, std::uint64_t done, std::chrono::duration<double> taken,
                                      std::size_t width) {
    std::string numbers;
    if (done > 0)
        numbers = fmt::format("{}   {}   ", pretty_size(done), rate_text(static_cast<double>(done) / taken.count()));
    numbers += time_text(std::floor(taken.count()));
    if (display_width(label) + numbers.size() + 1 > width) return numbers.substr(0, width);
    return fmt::format("{} {}", label, numbers);
}

ProgressBar::ProgressBar(std::string_view label, std::uint64_t bytes, bool wanted)
    : label_(printable(label)), bytes_(bytes),
      wanted_(wanted && is_terminal(STDOUT_FILENO) && is_terminal(STDERR_FILENO)) {}

ProgressBar::ProgressBar(const Output& out, std::string_view label, std::uint64_t bytes)
    : ProgressBar(label, bytes, !out.json() && !out.quiet()) {}

ProgressBar::~ProgressBar() {
    if (drawn_) std::fputs("\r\033[K", stderr);
}

bool ProgressBar::due(Clock::time_point now) {
    if (!wanted_ || now - begun_ < timeout || now - last_ < redrawing) return false;
    last_ = now;
    return true;
}

void ProgressBar::draw(const std::string& line) {
    drawn_ = true;
    fmt::print(stderr, "\r{}\033[K", line);
    std::fflush(stderr);
}

void ProgressBar::show(double part) {
    const auto now = Clock::now();
    part_ = part;
    if (due(now)) draw(progress_line(label_, part, now - begun_, bytes_, columns()));
}

void ProgressBar::show_bytes(std::uint64_t done) {
    const auto now = Clock::now();
    done_ = std::max(done, done_);
    if (bytes_ > 0 && done_ > 0) return show(static_cast<double>(done_) / static_cast<double>(bytes_));
    if (due(now)) draw(progress_line_without_end(label_, done_, now - begun_, columns()));
}

} // namespace domus::cli
