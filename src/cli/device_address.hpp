// Where a device is to be in the guest, as `attach-disk --address` takes it: "pci:0000.00.05.0", "scsi:0.0.1".
#pragma once

#include <pugixml.hpp>

#include <string>
#include <string_view>

namespace domus::cli {

/// Adds <address> to a disk; the prefix of the target (vd, sd, hd) says which forms it may have. Throws Failure.
void add_disk_address(pugi::xml_node disk, std::string_view target, const std::string& text, bool multifunction);

/// Adds the <address> of a host's PCI device, "0000:00:1f.2". False if the text is none.
bool add_pci_address(pugi::xml_node parent, const std::string& text);

} // namespace domus::cli
