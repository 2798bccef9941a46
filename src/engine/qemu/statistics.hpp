// What QEMU counts: of disks (query-blockstats), the balloon and the memory of the guest (qapi/block-core.json,
// qapi/machine.json; guest-stats of the balloon in docs/interop/virtio-balloon-stats).
#pragma once

#include "engine/machine.hpp"
#include "engine/qemu/monitor.hpp"

#include <map>
#include <memory>

namespace domus::engine::qemu {

/// Of an answer of query-blockstats, what belongs to disks of the domain, by alias. Nothing for an answer with more drives
/// than a domain can have: it would be looked through for each disk.
std::map<std::string, DiskStatistics> disk_statistics(const model::Devices& devices, const json::value& answer);

Task<MachineStatistics> ask_statistics(MonitorPtr monitor, StatisticsWish wish);

} // namespace domus::engine::qemu
