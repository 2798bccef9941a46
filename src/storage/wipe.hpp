// Overwriting what a volume holds.
#pragma once

#include "storage/site.hpp"

namespace domus::storage {

/// virStorageVolWipeAlgorithm: zeros and random data by ourselves, discarding for `trim`, the other patterns by
/// scrub(1). The volume keeps its size. Throws argument_unsupported for an algorithm that is none.
Task<> wipe(std::string path, unsigned algorithm, Site site);

} // namespace domus::storage
