// Nodes of the host's devices that a running guest gets with a device that is plugged in, and loses with it.
#pragma once

#include "compute/domain/environment.hpp"
#include "compute/domain/running.hpp"

#include <memory>
#include <string>
#include <vector>

namespace domus::compute {

/// What the devices with these aliases need; `live` has them.
Task<> give_nodes(Environment& environment, std::shared_ptr<Running> running, std::shared_ptr<const model::Domain> live,
                  std::vector<std::string> aliases);

/// What they needed and no other device of the domain needs.
Task<> take_nodes(Environment& environment, std::shared_ptr<Running> running, std::shared_ptr<const model::Domain> live,
                  std::vector<std::string> aliases);

} // namespace domus::compute
