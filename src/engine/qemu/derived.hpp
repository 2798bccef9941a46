// What QEMU derives when it makes a machine: the number of queues of virtio disks and SCSI controllers follows from the
// number of vCPUs at that moment, the place of a memory module from those that were there before.
#pragma once

#include "engine/qemu/monitor.hpp"
#include "model/domain.hpp"

namespace domus::engine::qemu {

/// Asks QEMU for what the definition leaves open, and notes it there.
Task<model::Domain> learn_derived(MonitorPtr monitor, model::Domain live);

} // namespace domus::engine::qemu
