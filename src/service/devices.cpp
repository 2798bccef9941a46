#include "service/devices.hpp"

#include "compute/devices/devices.hpp"
#include "compute/disks/resize.hpp"
#include "service/domains.hpp"

#include <fmt/format.h>

#include <limits>

namespace domus::service {

Task<> DeviceOperations::attach(Caller caller, DomainRef ref, std::string xml, Flags<DeviceFlag> flags) {
    const auto domain = domains_.get(ref.uuid, ref.name);
    co_await compute::attach_device(domain, std::move(xml), impact_of(flags), caller.who);
}

Task<> DeviceOperations::detach(DomainRef ref, std::string xml, Flags<DeviceFlag> flags) {
    const auto domain = domains_.get(ref.uuid, ref.name);
    co_await compute::detach_device(domain, std::move(xml), impact_of(flags));
}

Task<> DeviceOperations::detach_alias(DomainRef ref, std::string alias, Flags<DeviceFlag> flags) {
    const auto domain = domains_.get(ref.uuid, ref.name);
    co_await compute::detach_alias(domain, std::move(alias), impact_of(flags));
}

Task<> DeviceOperations::update(Caller caller, DomainRef ref, std::string xml, Flags<DeviceUpdateFlag> flags) {
    const auto domain = domains_.get(ref.uuid, ref.name);
    co_await compute::update_device(domain, std::move(xml), impact_of(flags), flags.has(DeviceUpdateFlag::force),
                                    caller.who);
}

Task<> DeviceOperations::resize_disk(DomainRef ref, std::string disk, std::uint64_t size,
                                     Flags<BlockResizeFlag> flags) {
    constexpr std::uint64_t kib = 1024, most = std::numeric_limits<std::int64_t>::max();
    const auto unit = flags.has(BlockResizeFlag::bytes) ? 1 : kib;
    if (size > most / unit)
        throw Error(ErrorCode::overflow, ErrorDomain::qemu,
                    fmt::format("numerical overflow: size must be less than {}", most / unit));
    const auto domain = domains_.get(ref.uuid, ref.name);
    for (const auto& one : domain->view()->summary().disks)
        if (!one.source.empty() && one.source == disk) disk = one.target;
    co_await compute::resize_disk(domain, std::move(disk), ByteCount{size * unit});
}

} // namespace domus::service
