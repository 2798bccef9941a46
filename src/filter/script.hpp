// The rules of ports as a script for nft(8), all in the table `bridge domus_filter`:
//
//     from_frames, to_frames    hooks: what ports send and get goes to the port's own chain through a map by device, so
//     from_packets, to_packets  that a packet costs the same however many ports there are
//     from_frames-vnet0         the root chain of a port; chains of the filter's beside it: from_frames-vnet0-arp-mac
//
// As in libvirt a packet passes two sets of rules: those that look at the frame (mac, vlan, stp, arp, rarp, ip, ipv6), then those
// above IP (tcp, udp, all, ...), which may ask for the state of its connection. To accept it in the first ends only that.
#pragma once

#include "filter/statements.hpp"

#include <set>
#include <string>

namespace domus::filter {

struct PortRules {
    std::string device;
    Expanded rules;
    bool sealed = false; ///< nothing passes, whatever the rules: they could not be made
};

/// The chains that a port has in the kernel.
using Chains = std::set<std::string>;

struct PortScript {
    std::string text;
    Chains chains;
};

/// Throws config_unsupported for what the kernel lacks.
PortScript port_script(const PortRules& port, const Abilities& abilities, const Chains& before);
/// The table, its hooks and its maps; changes nothing that is there.
std::string table_script();
/// Takes the table away, so that what follows makes it anew: all in one transaction.
std::string reset_script();
/// `last`: no other port is left, and the table goes.
std::string removal_script(const std::string& device, const Chains& chains, bool last);

/// For a test of what the kernel can do: a rule that needs it.
std::string probe_script(std::string_view statement);

} // namespace domus::filter
