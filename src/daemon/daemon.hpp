// The daemon: puts the parts together, opens the sockets, and ends cleanly. The only folder that knows all others.
#pragma once

#include "daemon/configuration.hpp"

#include <filesystem>
#include <string>

namespace domus::daemon {

/// Where everything lies; below `root` in every mode.
struct Places {
    std::filesystem::path configuration; ///< /etc/domus
    std::filesystem::path library;       ///< /var/lib/domus
    std::filesystem::path state;         ///< /run/domus
    std::filesystem::path cache;         ///< /var/cache/domus
    std::filesystem::path logs;          ///< /var/log/domus
};

struct Options {
    std::filesystem::path root = "/"; ///< every path is below it
    bool session = false;
    std::filesystem::path configuration_file; ///< empty: domus.toml in the configuration's folder, if it is there
};

/// System mode: the folders above. Session mode: the user's (XDG base directories). With a root, both below it.
Places places(const Options& options);

/// Makes these folders, and throws an Error where somebody else than we and root could change what lies there. What is above
/// a root that was asked for is the choice of who asked.
void prepare(const Places& places, const Options& options);

/// Serves until SIGTERM or SIGINT. Returns the exit status.
int run(const Options& options);

} // namespace domus::daemon
