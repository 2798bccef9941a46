// What a machine derives from its definition when it is made, and what saved memory therefore depends on: written into the
// live definition once the machine is there (engine::Machine::learn), so that whoever loads that memory makes the same one.
#pragma once

#include "model/domain.hpp"

namespace domus::compute {

/// Takes from `saved` what `wanted` leaves open of the same devices.
void adopt_derived(model::Domain& wanted, const model::Domain& saved);

/// Notes which vCPUs the machine began with and which are plugged in: the first `booted`, and those up to `present`.
void note_vcpus(model::Domain& live, unsigned booted, unsigned present);

} // namespace domus::compute
