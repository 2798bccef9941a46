// The log: levels and targets of the whole process, set at start and at run time. spdlog writes asynchronously and
// drops the oldest lines when the disk is stuck, so that logging never stops the loop.
//
//     log::info("domain '{}' started, pid {}", name, pid);
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace domus::log {

enum class Level { debug, info, warning, error };

struct Settings {
    Level level = Level::info;
    std::string file;  ///< empty: standard error
    bool json = false; ///< one JSON object a line
};

/// Also while it runs: then the file is opened anew, as after a rotation. Throws what opening it throws.
void start(const Settings& settings);
/// Writes what is waiting and stops the writer's thread.
void stop();
void set_level(Level level);
Level level();

void write(Level level, std::string_view text);

template <class... Args> void line(Level at, fmt::format_string<Args...> format, Args&&... args) {
    if (at >= level()) write(at, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args> void debug(fmt::format_string<Args...> format, Args&&... args) {
    line(Level::debug, format, std::forward<Args>(args)...);
}
template <class... Args> void info(fmt::format_string<Args...> format, Args&&... args) {
    line(Level::info, format, std::forward<Args>(args)...);
}
template <class... Args> void warning(fmt::format_string<Args...> format, Args&&... args) {
    line(Level::warning, format, std::forward<Args>(args)...);
}
template <class... Args> void error(fmt::format_string<Args...> format, Args&&... args) {
    line(Level::error, format, std::forward<Args>(args)...);
}

} // namespace domus::log
