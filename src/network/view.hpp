// What readers see of virtual networks.
#pragma once

#include "base/uuid.hpp"
#include "model/network.hpp"

#include <memory>
#include <string>

namespace domus::network {

/// virNetworkEventLifecycleType.
enum class NetworkEvent : int { defined, undefined, started, stopped };

/// Immutable.
struct NetworkView {
    std::string name;
    Uuid uuid;
    bool active = false, autostart = false, persistent = false;
    std::shared_ptr<const model::Network> live, definition;
    const model::Network& current() const { return live ? *live : *definition; }
};

} // namespace domus::network
