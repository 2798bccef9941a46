// The kernel's part of a virtio network card, which spares QEMU the copying between guest and tap device.
#pragma once

#include "engine/launch.hpp"
#include "model/domain.hpp"

#include <vector>

namespace domus::compute {

/// One descriptor for each queue. None where the definition does not want it, or leaves the choice to this host, which
/// has no vhost-net. Throws config_unsupported where the definition demands it. Blocks while the kernel loads its module.
std::vector<engine::SharedFd> open_vhost_net(const model::Interface& interface, model::DomainType type,
                                             std::size_t queues);

} // namespace domus::compute
