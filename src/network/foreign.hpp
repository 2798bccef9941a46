// Chains of others through which the guests' packets also go: Docker, ufw and plain iptables set the policy of theirs to
// drop, and what no chain may drop must be accepted in each. Rules of ours there judge nothing: that our own table does.
#pragma once

#include "os/nft.hpp"

#include <string>

namespace domus::network {

/// nft's script that lets the bridge's packets, and DHCP and DNS of its guests, through each chain of others with the
/// policy drop; an empty script if there is none. `v6`: also those of IPv6.
std::string foreign_acceptance(const nft::Ruleset& ruleset, const std::string& bridge, bool v6);
/// The script that removes these rules again, from the chains that still have them.
std::string foreign_removal(const nft::Ruleset& ruleset, const std::string& bridge);

} // namespace domus::network
