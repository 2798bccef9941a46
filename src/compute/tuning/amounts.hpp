// How much memory and how many processors a domain has, now and at its next boot. One job each.
#pragma once

#include "compute/domain/domain.hpp"

#include <chrono>

namespace domus::compute {

Task<> set_memory(DomainPtr domain, ByteCount amount, bool maximum, Impact impact);
/// How often the balloon asks the guest for its statistics; 0: never.
Task<> set_memory_stats_period(DomainPtr domain, std::chrono::seconds period, Impact impact);
Task<> set_vcpus(DomainPtr domain, unsigned count, bool maximum, Impact impact);

} // namespace domus::compute
