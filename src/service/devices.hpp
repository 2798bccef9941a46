// Operations on the devices of a domain: they come, go and change, now or in the definition of the next boot.
#pragma once

#include "compute/domain/domains.hpp"
#include "service/caller.hpp"
#include "service/domain_flags.hpp"

#include <string>

namespace domus::service {

class DeviceOperations {
public:
    explicit DeviceOperations(compute::Domains& domains) : domains_(domains) {}

    /// Images are opened with the rights of the caller.
    Task<> attach(Caller caller, compute::DomainRef ref, std::string xml, Flags<DeviceFlag> flags);
    Task<> detach(compute::DomainRef ref, std::string xml, Flags<DeviceFlag> flags);
    Task<> detach_alias(compute::DomainRef ref, std::string alias, Flags<DeviceFlag> flags);
    Task<> update(Caller caller, compute::DomainRef ref, std::string xml, Flags<DeviceUpdateFlag> flags);
    /// `disk` by target or source; `size` in KiB, or in bytes with BlockResizeFlag::bytes.
    Task<> resize_disk(compute::DomainRef ref, std::string disk, std::uint64_t size, Flags<BlockResizeFlag> flags);

private:
    compute::Domains& domains_;
};

} // namespace domus::service
