// Devices that stand on others: VLANs (IEEE 802.1Q) and bonds (Linux Documentation/networking/bonding.rst); and the
// settings of bonds and bridges. Blocks: call it in a lane. All throw Error.
#pragma once

#include "base/ip_address.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::netlink {

struct BridgeSettings {
    bool stp = false;
    unsigned delay_cs = 0; ///< forward delay in hundredths of a second
};
BridgeSettings bridge_settings(const std::string& bridge);

/// By the kernel's numbers: linux/if_bonding.h, IFLA_BOND_*.
struct BondSettings {
    unsigned mode = 0;                                               ///< 0 balance-rr ... 6 balance-alb
    std::optional<unsigned> miimon, updelay, downdelay, use_carrier; ///< ms; use_carrier 0 or 1
    std::optional<unsigned> arp_interval, arp_validate;              ///< ms
    std::optional<IpAddress> arp_target;
};
BondSettings bond_settings(const std::string& bond);

/// operation_failed where the kernel has no VLANs.
void create_vlan(const std::string& name, const std::string& parent, unsigned tag);
/// Down, without members. operation_failed where the kernel has no bonds.
void create_bond(const std::string& name, const BondSettings& settings);

} // namespace domus::netlink
