// What a guest's place on a network is to be.
#pragma once

#include "model/interface.hpp"
#include "model/network.hpp"

#include <optional>
#include <string>

namespace domus::network {

struct PortSettings {
    std::string device;    ///< the name that is wanted; empty: any
    bool prepared = false; ///< whoever wants it has made the device, and joined it to what it belongs to
    unsigned queues = 1;
    std::optional<std::string> mac; ///< the guest's
    std::optional<unsigned> mtu;
    std::optional<model::Vlan> vlan;
    model::Bandwidth bandwidth;
    bool held = false;     ///< stays down, until its filter is in force
    bool isolated = false; ///< reaches no other isolated port of its bridge
};

/// The interface's own, or else those of its port group, or else of its network; `network` is null for one that is on none.
/// Throws config_unsupported for a port group that the network does not have.
PortSettings port_settings(const model::Interface& interface, const model::Network* network);

} // namespace domus::network
