// Unix sockets: those of programs that the daemon runs, and those on which it listens.
#pragma once

#include "os/unique_fd.hpp"

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>

namespace domus {

/// To a Unix socket. Does not wait.
UniqueFd connect_to(const std::string& path);

/// Whether somebody who lives listens on the Unix socket at `path`: what a process forked just before it was killed may
/// still hold for a moment.
bool answers(const std::filesystem::path& path);

/// A listening Unix socket at a path; a stale one is replaced, one that answers is an Error naming the path. It has its
/// mode and group before anybody can connect.
UniqueFd listen_unix(const std::filesystem::path& path, mode_t mode, std::optional<gid_t> group = std::nullopt);

} // namespace domus
