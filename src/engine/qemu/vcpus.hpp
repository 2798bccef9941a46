// Processors that come and go while QEMU runs (qapi/machine.json, query-hotpluggable-cpus).
#pragma once

#include "engine/machine.hpp"
#include "engine/qemu/monitor.hpp"

#include <memory>
#include <vector>

namespace domus::engine::qemu {

/// The threads that an answer of query-cpus-fast names. Throws internal_error for more than a domain of `most` vCPUs has:
/// each is looked at whenever statistics are asked for.
std::vector<int> threads_of(const json::value& cpus, std::size_t most);

/// Plugs processors in until there are so many, before the guest runs.
Task<> plug_first_vcpus(MonitorPtr monitor, unsigned count);

/// As Machine::set_vcpus.
Task<Vcpus> set_vcpus(MonitorPtr monitor, std::shared_ptr<const model::Domain> live, unsigned count);

} // namespace domus::engine::qemu
