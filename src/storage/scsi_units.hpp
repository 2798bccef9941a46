// The logical units of a SCSI host of this machine, as volumes: for pools of an adapter and for iSCSI sessions, which are SCSI
// hosts too. Read from sysfs (Linux Documentation/ABI/testing/sysfs-bus-scsi). Blocks.
#pragma once

#include "storage/kind.hpp"

namespace domus::storage {

/// Numbers of the SCSI hosts that are there.
std::vector<unsigned> scsi_hosts();
/// Looks for new units on a host.
void scan_scsi_host(unsigned host);
/// Disks only. `folder` is where their stable names are looked for: "/dev/disk/by-path"; a unit without one there has
/// its kernel name. A volume's name is "unit:BUS:TARGET:LUN", its key what the unit says of itself.
Contents scsi_units(unsigned host, const std::string& folder);

} // namespace domus::storage
