// What a guest reports of itself, through its agent or by what it sends.
#pragma once

#include "compute/domain/domains.hpp"
#include "compute/statistics/machine_statistics.hpp"
#include "network/networks.hpp"
#include "service/domain_flags.hpp"

#include <vector>

namespace domus::service {

class GuestOperations {
public:
    /// `networks` is null in an unprivileged daemon.
    GuestOperations(compute::Domains& domains, network::Networks* networks) : domains_(domains), networks_(networks) {}

    /// Its interfaces with their addresses: as leased to it, as its agent lists them, or as the host's neighbours.
    Task<std::vector<compute::GuestInterface>> addresses(compute::DomainRef ref, AddressSource source);

private:
    /// The entry is the caller's, who waits.
    Task<> add_leases(std::string network, compute::GuestInterface& entry);

    compute::Domains& domains_;
    network::Networks* networks_;
};

} // namespace domus::service
