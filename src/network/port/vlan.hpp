// VLANs of the ports of a bridge: one tag makes an access port, several or trunk='yes' a trunk port whose native VLAN is that of
// packets without a tag.
#pragma once

#include "model/network.hpp"
#include "os/netlink/bridge_port.hpp"

#include <string>

namespace domus::network {

/// What the definition says, for the kernel.
netlink::PortVlans port_vlans(const model::Vlan& vlan);
/// Whether any port of the network is in a VLAN by its definition.
bool wants_vlans(const model::Network& network);
/// The device, a port of a bridge or a bridge itself, is in these VLANs and no other. Blocks. Throws Error.
void join_vlans(const std::string& device, const model::Vlan& vlan);
/// Throws operation_failed, with what to do, if a bridge of the host does not keep VLANs apart. Blocks.
void require_vlan_filtering(const std::string& bridge);

} // namespace domus::network
