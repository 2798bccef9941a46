// The size of a disk while the guest runs.
#pragma once

#include "compute/domain/domain.hpp"

#include <string>

namespace domus::compute {

/// Of the image of a disk while the guest runs, who sees it at once. `target` as in its <target>.
Task<> resize_disk(DomainPtr domain, std::string target, ByteCount size);

} // namespace domus::compute
