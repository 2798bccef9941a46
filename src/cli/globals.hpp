// The options before the command: virsh's, and our own --json and --no-color.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::cli {

struct GlobalOption {
    char letter; ///< 0: none
    std::string_view name;
    std::string_view value; ///< empty: takes none
    std::string_view help;
};
const std::vector<GlobalOption>& global_options();

struct Settings {
    std::string uri;        ///< empty: the environment's, then the default
    bool uri_given = false; ///< by --connect, not by the environment
    bool readonly = false;
    bool quiet = false;
    bool timing = false;
    bool json = false;
    bool colour = true;
    int debug = 4; ///< 0 tells most
    std::string log_file;
    std::optional<int> keepalive_interval;
    std::optional<int> keepalive_count;
    char escape = 0x1d; ///< ^]

    enum class Task { run, help, version, long_version } task = Task::run;
    std::vector<std::string> words; ///< the command, or one line of commands; empty: interactive
};

/// Throws UsageError. Reads VIRSH_DEFAULT_CONNECT_URI, VIRSH_DEBUG and VIRSH_LOG_FILE, as scripts set them for virsh.
Settings read_globals(int argc, char** argv);

} // namespace domus::cli
