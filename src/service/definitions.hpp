// Judging a definition without keeping it: what `domus import --dry-run` asks.
#pragma once

#include "compute/domain/domains.hpp"
#include "network/networks.hpp"
#include "secret/secrets.hpp"
#include "service/caller.hpp"
#include "storage/pools.hpp"

#include <string>

namespace domus::service {

class DefinitionOperations {
public:
    /// `networks` is null in an unprivileged daemon.
    DefinitionOperations(compute::Domains& domains, network::Networks* networks, secret::Secrets& secrets,
                         storage::Pools& pools)
        : domains_(domains), networks_(networks), secrets_(secrets), pools_(pools) {}

    /// Throws what defining the domain, network, pool or secret would throw, and changes nothing.
    Task<> check(Caller caller, std::string xml);

private:
    compute::Domains& domains_;
    network::Networks* networks_;
    secret::Secrets& secrets_;
    storage::Pools& pools_;
};

} // namespace domus::service
