// Names of a running domain's devices, as libvirt gives them (virtio-disk0, net0, pci.1, ...): QEMU's device ids, and
// what clients see in <alias>. A device that has a name keeps it (the user's own "ua-...", and those of a running
// domain), so that it also names what was just attached.
#pragma once

#include "model/domain.hpp"

namespace domus::engine::qemu {

/// Needs a completed domain: names of disks and controllers follow from their addresses and indexes.
void assign_aliases(model::Domain& live);

} // namespace domus::engine::qemu
