// What a bridge does with the packets of one port: isolation, VLANs (IEEE 802.1Q; bridge(8)). Blocks: call it in a lane. All
// throw Error: operation_failed if there is no such device, system_error.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace domus::netlink {

/// An isolated port reaches no other that is.
void set_isolated(const std::string& port, bool isolated);

struct PortVlans {
    std::vector<std::uint16_t> tagged;     ///< 1 to 4094
    std::optional<std::uint16_t> native{}; ///< that of packets without a tag
    bool native_tagged = false;            ///< packets of the native VLAN leave with a tag all the same
    bool operator==(const PortVlans&) const = default;
};

/// Replaces the port's VLANs. Those of a bridge itself: `port` is the bridge.
void set_vlans(const std::string& port, const PortVlans& wanted);
PortVlans vlans_of(const std::string& port);
/// Whether the bridge keeps VLANs apart.
bool filters_vlans(const std::string& bridge);
void set_vlan_filtering(const std::string& bridge, bool on);

} // namespace domus::netlink
