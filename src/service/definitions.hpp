// Judging a definition without keeping it: what `domus import --dry-run` asks.
#pragma once

#include "compute/domain/domains.hpp"
#include "filter/filters.hpp"
#include "network/networks.hpp"
#include "secret/secrets.hpp"
#include "service/caller.hpp"
#include "storage/pools.hpp"

#include <string>

namespace domus::service {

class DefinitionOperations {
public:
    /// `networks` and `filters` are null in an unprivileged daemon.
    DefinitionOperations(compute::Domains& domains, network::Networks* networks, filter::Filters* filters,
                         secret::Secrets& secrets, storage::Pools& pools)
        : domains_(domains), networks_(networks), filters_(filters), secrets_(secrets), pools_(pools) {}

    /// Throws what defining the domain, network, filter, pool or secret would throw, and changes nothing.
    Task<> check(Caller caller, std::string xml);

private:
    compute::Domains& domains_;
    network::Networks* networks_;
    filter::Filters* filters_;
    secret::Secrets& secrets_;
    storage::Pools& pools_;
};

} // namespace domus::service
