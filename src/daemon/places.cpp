#include "daemon/daemon.hpp"

#include "os/own_folder.hpp"

#include <cstdlib>

namespace domus::daemon {

namespace fs = std::filesystem;

namespace {

fs::path variable(const char* name, const fs::path& otherwise) {
    const char* value = std::getenv(name);
    return value && *value ? fs::path(value) : otherwise;
}

} // namespace

Places places(const Options& options) {
    const bool own_root = options.root != "/";
    if (!options.session || own_root)
        return {options.root / "etc/domus", options.root / "var/lib/domus", options.root / "run/domus",
                options.root / "var/cache/domus", options.root / "var/log/domus"};
    const auto home = variable("HOME", "/");
    const auto cache = variable("XDG_CACHE_HOME", home / ".cache");
    // As stock clients look for their sockets. Never below /tmp, where others may come first.
    const auto runtime = variable("XDG_RUNTIME_DIR", cache);
    return {variable("XDG_CONFIG_HOME", home / ".config") / "domus",
            variable("XDG_DATA_HOME", home / ".local/share") / "domus", runtime / "domus", cache / "domus",
            variable("XDG_STATE_HOME", home / ".local/state") / "domus"};
}

void prepare(const Places& places, const Options& options) {
    const mode_t mode = options.session ? 0700 : 0755;
    for (const auto* folder : {&places.configuration, &places.library, &places.state, &places.cache, &places.logs})
        require_own_folder(*folder, mode, options.root, NewFolders::synced);
}

} // namespace domus::daemon
