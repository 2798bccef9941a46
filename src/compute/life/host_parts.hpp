// What a domain needs of the host that must be there before QEMU is started: devices that are handed over, huge pages,
// and a processor of the maker that it names. QEMU itself starts without a USB device that is missing, and says little about the others.
#pragma once

#include "model/domain.hpp"

#include <filesystem>

namespace domus::compute {

/// Throws Error for the first part that is missing. A USB device with startupPolicy='optional' that is missing is taken
/// out of `domain`. Reads below `sys`; may block.
void require_host_parts(model::Domain& domain, const std::filesystem::path& sys = "/sys",
                        const std::filesystem::path& cpuinfo = "/proc/cpuinfo");

/// Whether there is anything to look for.
bool needs_host_parts(const model::Domain& domain);

} // namespace domus::compute
