// Devices that come and go.
#include "service/domains.hpp"

#include "base/log.hpp"
#include "compute/disks/resize.hpp"
#include "service/flags.hpp"

#include <fmt/format.h>

#include <limits>

namespace domus::service {

namespace {

namespace modify { // virDomainDeviceModifyFlags
constexpr unsigned live = 1, config = 2, force = 4;
}

compute::Impact impact_of(unsigned flags) {
    return {.live = (flags & modify::live) != 0, .config = (flags & modify::config) != 0};
}

void audit(const Caller& caller, std::string_view what, const std::string& name) {
    log::info("{} domain '{}' asked by uid {} (connection {})", what, name, caller.who.uid, caller.connection);
}

} // namespace

Task<> DomainOperations::attach_device(Caller caller, DomainRef ref, std::string xml, unsigned flags) {
    require_flags(flags, modify::live | modify::config, "virDomainAttachDeviceFlags");
    const auto domain = find(ref);
    audit(caller, "attach a device to", domain->name());
    co_await compute::attach_device(domain, std::move(xml), impact_of(flags), caller.who);
}

Task<> DomainOperations::detach_device(Caller caller, DomainRef ref, std::string xml, unsigned flags) {
    require_flags(flags, modify::live | modify::config, "virDomainDetachDeviceFlags");
    const auto domain = find(ref);
    audit(caller, "detach a device from", domain->name());
    co_await compute::detach_device(domain, std::move(xml), impact_of(flags));
}

Task<> DomainOperations::detach_alias(Caller caller, DomainRef ref, std::string alias, unsigned flags) {
    require_flags(flags, modify::live | modify::config, "virDomainDetachDeviceAlias");
    const auto domain = find(ref);
    audit(caller, "detach a device from", domain->name());
    co_await compute::detach_alias(domain, std::move(alias), impact_of(flags));
}

Task<> DomainOperations::update_device(Caller caller, DomainRef ref, std::string xml, unsigned flags) {
    require_flags(flags, modify::live | modify::config | modify::force, "virDomainUpdateDeviceFlags");
    const auto domain = find(ref);
    audit(caller, "update a device of", domain->name());
    co_await compute::update_device(domain, std::move(xml), impact_of(flags), flags & modify::force, caller.who);
}

Task<> DomainOperations::resize_disk(Caller caller, DomainRef ref, std::string disk, std::uint64_t size,
                                     unsigned flags) {
    constexpr unsigned in_bytes = 1; // virDomainBlockResizeFlags
    require_flags(flags, in_bytes, "virDomainBlockResize");
    constexpr std::uint64_t kib = 1024, most = std::numeric_limits<std::int64_t>::max();
    const auto unit = flags & in_bytes ? 1 : kib;
    if (size > most / unit)
        throw Error(ErrorCode::overflow, ErrorDomain::qemu,
                    fmt::format("numerical overflow: size must be less than {}", most / unit));
    const auto domain = find(ref);
    for (const auto& one : domain->view()->summary().disks)
        if (!one.source.empty() && one.source == disk) disk = one.target;
    audit(caller, "resize a disk of", domain->name());
    co_await compute::resize_disk(domain, std::move(disk), ByteCount{size * unit});
}

} // namespace domus::service
