#include "compute/disks/resize.hpp"

#include "image/formats.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace domus::compute {

Task<> resize_disk(DomainPtr domain, std::string target, ByteCount size) {
    const auto turn = co_await domain->turn("resize a disk");
    const auto running = domain->require_running();
    const auto& disks = running->domain->devices.disks;
    const auto disk = std::ranges::find(disks, target, [](const auto& one) { return one.target.dev; });
    if (disk == disks.end())
        throw Error(ErrorCode::invalid_arg, ErrorDomain::qemu,
                    fmt::format("invalid argument: disk '{}' was not found in the domain config", target));
    if (disk->source.empty() || disk->readonly)
        throw Error(ErrorCode::operation_unsupported, ErrorDomain::qemu,
                    fmt::format("Operation not supported: can't resize empty or readonly disk '{}'", target));
    constexpr std::uint64_t sector = 512;
    if (const auto* format = image::find_format(disk->driver.type.value_or("")); format && format->whole_sectors)
        size.bytes = (size.bytes + sector - 1) / sector * sector;
    co_await running->guest().resize_disk(*disk, size);
}

} // namespace domus::compute
