// Images on servers that are written to by one alone. They have no file whose locks would tell who uses them, so that one of
// ours stands for each on this host (image/network_lock.hpp).
#pragma once

#include "model/disk.hpp"

#include <optional>
#include <string>

namespace domus::model {

/// What names such an image, with standard ports filled in: "nbd://192.0.2.1:10809/export". Nothing for other sources, and
/// for what is only read (http, ftp).
std::optional<std::string> network_source(DiskType type, const DiskSource& source);

} // namespace domus::model
