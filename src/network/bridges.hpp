// What networks ask of the host's devices: which bridges are ours, and which subnets are in use. Everything here blocks:
// call it in a lane. Throws Error.
#pragma once

#include "base/subnet.hpp"
#include "model/network.hpp"
#include "os/netlink/bridge.hpp"

#include <map>
#include <string>
#include <vector>

namespace domus::network {

/// The bridge of a network that has one of its own.
netlink::NewBridge bridge_of(const model::Network& live, std::string alias);
/// Whether there is a bridge of this name that has this alias or this address.
bool is_bridge_of(const netlink::NewBridge& wish);
/// The ports of that bridge.
std::vector<std::string> bridge_ports(const std::string& name);
/// The alias of each bridge whose alias begins so.
std::map<std::string, std::string> bridges_with_alias(const std::string& beginning);
std::vector<std::string> link_names();

/// Addresses and routes of the host, IPv4 and IPv6: what a new network must not overlap.
std::vector<Subnet> subnets_in_use();

} // namespace domus::network
