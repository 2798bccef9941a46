// File systems that pools mount. The table of mounts is read from /proc/self/mountinfo (proc(5)), which asks no file
// system anything and so answers although a server is gone.
#pragma once

#include "storage/site.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace domus::storage {

struct Mount {
    std::string source; ///< "/dev/sdb1", "server:/export"
    std::string folder;
    std::string type;
};

/// From the text of a mountinfo file.
std::vector<Mount> parse_mounts(std::string_view text);
/// What is mounted there now, topmost. Blocks for a moment.
std::optional<Mount> mounted_at(const std::string& folder);

/// Mounts it, by mount(8). Nothing is done if that very source is there already; throws operation_failed if another is.
/// `type` may be empty: mount finds out.
Task<> mount(std::string source, std::string folder, std::string type, std::vector<std::string> options, Site site);
/// Nothing is done if nothing is mounted there.
Task<> unmount(std::string folder, Site site);

} // namespace domus::storage
