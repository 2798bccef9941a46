// Rules of a network in a table of its own, which lives beside those of Docker, firewalld and others: made and removed
// in one transaction each.
#pragma once

#include "base/subnet.hpp"
#include "model/network.hpp"

#include <string>
#include <vector>

namespace domus::network {

/// The script that makes the table of a network (nft(8)); replaces what was there.
std::string firewall_rules(const model::Network& network, const std::vector<Subnet>& subnets);
/// The script that removes it, there or not.
std::string firewall_removal(const model::Network& network);

} // namespace domus::network
