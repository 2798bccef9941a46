#include "daemon/daemon.hpp"

#include <cstdlib>
#include <unistd.h>

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
    const auto runtime = variable("XDG_RUNTIME_DIR", "/tmp/domus-" + std::to_string(::getuid()));
    return {variable("XDG_CONFIG_HOME", home / ".config") / "domus", variable("XDG_DATA_HOME", home / ".local/share") / "domus",
            runtime / "domus", variable("XDG_CACHE_HOME", home / ".cache") / "domus",
            variable("XDG_STATE_HOME", home / ".local/state") / "domus"};
}

} // namespace domus::daemon
