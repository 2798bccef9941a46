// What the host's SMBIOS says of it (DMTF DSP0134, types 0 to 3), as the kernel shows it in /sys/class/dmi/id.
#pragma once

#include <string>

namespace domus::host {

/// <sysinfo type='smbios'>. Throws config_unsupported on a host that has none. `root` is "" for the real tree.
std::string sysinfo_xml(const std::string& root = "");

} // namespace domus::host
