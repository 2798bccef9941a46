// What networks ask of the host's devices: which bridges are ours, and which subnets are in use. Everything here blocks:
// call it in a lane. Throws Error.
#pragma once

#include "base/subnet.hpp"
#include "os/netlink/bridge.hpp"

#include <map>
#include <string>
#include <vector>

namespace domus::network {

/// Whether there is a bridge of this name that has this alias or this address.
bool is_bridge_of(const netlink::NewBridge& wish);
/// The ports of that bridge.
std::vector<std::string> bridge_ports(const std::string& name);
/// The alias of each bridge whose alias begins so.
std::map<std::string, std::string> bridges_with_alias(const std::string& beginning);
std::vector<std::string> link_names();

/// The guest's address with 0xfe as its first byte: a bridge without an address of its own takes the least of its ports,
/// which is then never that of a guest that comes and goes.
std::string tap_mac(const std::string& guest);

/// Addresses and routes of the host, IPv4 and IPv6: what a new network must not overlap.
std::vector<Subnet> subnets_in_use();

} // namespace domus::network
