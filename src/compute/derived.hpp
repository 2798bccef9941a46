// What QEMU derives when it makes a machine, and what saved memory therefore depends on: written into the live definition
// once the machine is there, so that whoever loads that memory makes the same one.
//
// The number of queues of virtio disks and SCSI controllers follows from the number of vCPUs at that moment, which later
// changes; the place of a memory module follows from those that were there before.
#pragma once

#include "async/task.hpp"
#include "compute/running.hpp"

namespace domus::compute {

/// Asks QEMU for what the definition leaves open, and notes it there.
Task<> learn_derived(std::shared_ptr<Running> running, std::shared_ptr<model::Domain> live);

/// Plugs processors in until there are so many (vcpus.cpp).
Task<> plug_first_vcpus(std::shared_ptr<Running> running, unsigned count);

/// Takes from `saved` what `wanted` leaves open of the same devices.
void adopt_derived(model::Domain& wanted, const model::Domain& saved);

/// Notes which vCPUs the machine began with and which are plugged in: the first `booted`, and those up to `present`.
void note_vcpus(model::Domain& live, unsigned booted, unsigned present);

} // namespace domus::compute
