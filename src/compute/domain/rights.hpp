// What a caller may ask of the daemon: the rules of the configuration for what gives more than a user has anyway
// (emulators, arguments for QEMU, devices of the host), and for every path that a definition names, whether the caller
// could use it without us. docs/security.md has the table.
#pragma once

#include "compute/domain/opener.hpp"
#include "model/domain.hpp"
#include "os/credentials.hpp"

#include <string>
#include <vector>

namespace domus::compute {

struct Rules {
    std::vector<std::string> emulators; ///< that everybody may name; empty: those of the system
    Granted command_line;               ///< who may hand QEMU arguments and monitor commands of their own
    Granted host_devices;               ///< who may hand devices of the host to guests
    bool operator==(const Rules&) const = default;
};

/// Throws operation_denied unless `who` may have this program run as an emulator. An empty path is the system's.
void require_emulator(const Rules& rules, const Credentials& who, const std::string& path);

/// Throws operation_denied unless `who` may give QEMU commands of their own. `what` names them.
void require_command_line(const Rules& rules, const Credentials& who, std::string_view what);

/// Both, and the devices of the host.
void require_allowed(const Rules& rules, const Credentials& who, const model::Domain& domain);

/// How a guest uses a path.
enum class Use {
    read,
    write,   ///< what is there
    create,  ///< a file that is made where there is none
    connect, ///< a socket that somebody else has
    listen,  ///< a socket that is made
    folder,  ///< all below it, for reading
    tree,    ///< all below it, for changes
    helper,  ///< a program that root alone can have changed
};

struct NamedPath {
    std::string path;
    Use use;
    std::string element; ///< "<serial>"
};

/// Every path of the host that the definition names, without those of the daemon's own choice.
std::vector<NamedPath> named_paths(const model::Domain& domain);

/// Throws where the caller could not use one of them so. What does not exist is left to whoever opens it. Blocks.
void judge_paths(const Opener& caller, const model::Domain& domain);

} // namespace domus::compute
