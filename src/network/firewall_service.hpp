// The rules of one network in the host's firewall: a table of its own, and what the chains of others need to let its
// packets pass.
#pragma once

#include "async/lane.hpp"
#include "model/network.hpp"
#include "os/nft.hpp"

#include <memory>
#include <string>

namespace domus::network {

class FirewallService {
public:
    explicit FirewallService(Lane& lane) : lane_(lane) {}

    /// The network's own table, in one transaction, also over an older one. Throws Error.
    Task<> apply(std::shared_ptr<const model::Network> live);
    /// Rules in foreign chains whose policy is to drop. A chain that cannot be opened (a table may belong to one process
    /// alone) is logged: the network runs, and guests may be cut off.
    Task<> open_foreign_chains(std::shared_ptr<const model::Network> live);
    /// Takes all away. Throws Error.
    Task<> remove(std::shared_ptr<const model::Network> live);

private:
    Task<> apply_script(std::string script);
    Task<nft::Ruleset> list_rules();

    Lane& lane_;
};

} // namespace domus::network
