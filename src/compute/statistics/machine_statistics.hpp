// Statistics that only a machine has: asked of it at most now and then, and kept for all who want them.
#pragma once

#include "compute/domain/domain.hpp"
#include "compute/statistics/guest_interfaces.hpp"

#include <chrono>
#include <memory>
#include <vector>

namespace domus::compute {

using MachineStatisticsPtr = std::shared_ptr<const engine::MachineStatistics>;

/// Refreshed if older than `age`, kept otherwise, and whoever asks does not wait longer than `by`. Null if there are none
/// in time.
Task<MachineStatisticsPtr> machine_statistics(DomainPtr domain, std::chrono::milliseconds age, Deadline by);
MachineStatisticsPtr latest_statistics(const Domain& domain);

/// As the guest's agent lists them.
Task<std::vector<GuestInterface>> guest_interfaces(DomainPtr domain);

} // namespace domus::compute
