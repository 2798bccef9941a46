// How much of the host a domain gets: what of it this version applies, and what it refuses by name.
#pragma once

#include "model/domain.hpp"

#include <vector>

namespace domus::compute {

/// Throws config_unsupported for what this version does not do: better no start than a domain without it.
void require_supported(const model::Domain& domain);

/// Pins the threads of a running domain (<vcpu cpuset>, <vcpupin>, <emulatorpin>): sched_setaffinity(2). Threads that are not
/// of that process stay as they are: QEMU says which ones it has, and may lie.
void pin_threads(const model::Domain& domain, int pid, const std::vector<int>& vcpu_threads);

/// CPUs of "0-3,^2,8". Throws xml_error for anything else.
std::vector<unsigned> parse_cpuset(const std::string& text);

} // namespace domus::compute
