// A progress bar for what takes longer than a second, on a terminal only:
//
//     convert [###########             ]  45 %   112 MiB/s   0:42 left
//
// Where it is not known how much is to come, it tells what is done and since when. With its end the line is gone: what
// is printed stays what it is without it.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace domus::cli {

class Output;

class ProgressBar {
public:
    /// `bytes`: of all the work, for the rate; 0 where nobody knows. It is drawn on standard error, and only if
    /// `wanted` and somebody looks at what is printed.
    ProgressBar(std::string_view label, std::uint64_t bytes, bool wanted);
    /// Wanted, unless by --quiet or --json.
    ProgressBar(const Output& out, std::string_view label, std::uint64_t bytes = 0);
    ~ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    /// So much is done, of 1.
    void show(double part);
    /// Some time has gone by, and nothing else is known.
    void again() { show(part_); }
    /// So many bytes are done, of those of all the work if they are known.
    void show_bytes(std::uint64_t done);
    void expect(std::uint64_t bytes) { bytes_ = bytes; }
    bool wanted() const { return wanted_; }

    static constexpr std::chrono::milliseconds pace{200}; ///< between two looks at what others do

private:
    using Clock = std::chrono::steady_clock;

    bool due(Clock::time_point now);
    void draw(const std::string& line);

    std::string label_;
    std::uint64_t bytes_;
    bool wanted_, drawn_ = false;
    double part_ = 0;
    std::uint64_t done_ = 0;
    Clock::time_point begun_ = Clock::now(), last_;
};

/// One line of it, without the line's end, at most `width` columns.
std::string progress_line(std::string_view label, double part, std::chrono::duration<double> taken, std::uint64_t bytes,
                          std::size_t width);
/// The same where nobody knows how much is to come; `done` may be 0, and then only the time is told.
std::string progress_line_without_end(std::string_view label, std::uint64_t done, std::chrono::duration<double> taken,
                                      std::size_t width);

} // namespace domus::cli
