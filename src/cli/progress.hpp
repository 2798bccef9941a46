// A progress bar for what takes longer than a second, on a terminal only:
//
//     convert [###########             ]  45 %   112 MiB/s   0:42 left
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace domus::cli {

class ProgressBar {
public:
    /// `bytes`: of all the work, for the rate; 0 where nobody knows. It is drawn on standard error, and only if
    /// `wanted`.
    ProgressBar(std::string_view label, std::uint64_t bytes, bool wanted);
    ~ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    /// So much is done, of 1.
    void show(double part);
    /// Some time has gone by, and nothing else is known.
    void again() { show(part_); }
    bool wanted() const { return wanted_; }

private:
    using Clock = std::chrono::steady_clock;

    std::string label_;
    std::uint64_t bytes_;
    bool wanted_, drawn_ = false;
    double part_ = 0;
    Clock::time_point begun_ = Clock::now(), last_;
};

/// One line of it, without the line's end, at most `width` columns.
std::string progress_line(std::string_view label, double part, std::chrono::duration<double> taken, std::uint64_t bytes,
                          std::size_t width);

} // namespace domus::cli
