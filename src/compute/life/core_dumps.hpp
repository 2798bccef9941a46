// Dumps of crashed guests: LIBRARY/dump/NAME-DATE.core. A guest may crash as often as it likes, so it is bounded how many
// there are of each domain, and how much of the disk they may take. Blocks.
#pragma once

#include "base/bytes.hpp"
#include "os/unique_fd.hpp"

#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>

namespace domus::compute {

/// Whether a file of that name is a dump of the domain.
bool is_core_dump(std::string_view file_name, std::string_view domain);

/// What stays free of a disk of that size: a tenth of it, at most 10 GiB.
ByteCount kept_free(ByteCount disk);

struct CoreDump {
    UniqueFd fd; ///< empty, for writing
    std::filesystem::path path;
};

/// Makes the file for a dump of `size` bytes. The oldest dumps of the domain go first, so that with this one there are `kept`
/// of them, one at least. Throws operation_failed, and removes none, if the disk has no room for it.
CoreDump open_core_dump(const std::filesystem::path& folder, const std::string& domain, ByteCount size, unsigned kept,
                        std::time_t now);

} // namespace domus::compute
