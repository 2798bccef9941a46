#include "compute/devices/device_change.hpp"

#include "compute/domain/judge.hpp"
#include "compute/life/streams.hpp"
#include "format/xml.hpp"
#include "model/unsupported.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace domus::compute {

void require_supported(const OneDevice& device, const model::Devices& beside) {
    model::Domain alone;
    alone.devices = device.devices;
    std::ranges::copy(beside.graphics, std::back_inserter(alone.devices.graphics));
    format::Findings findings;
    model::find_unsupported(alone, findings);
    format::throw_findings(findings, ErrorDomain::domain, fmt::format("<{}>", device.element));
}

Task<> require_rights_of_change(DomainPtr domain, Credentials caller, model::Devices devices,
                                std::optional<model::Domain> config) {
    if (caller.unrestricted()) co_return;
    model::Domain coming;
    if (config)
        coming = std::move(*config);
    else
        coming.devices = std::move(devices);
    co_await require_rights(domain->environment(), std::move(caller), std::move(coming));
}

Error cannot_plug(std::string what, std::string hint) {
    return Error(ErrorCode::operation_unsupported, ErrorDomain::qemu, std::move(what)).hint(std::move(hint));
}

std::uint64_t module_size(const model::Devices& devices, const std::string& alias) {
    const auto found = std::ranges::find(devices.memories, std::optional(alias), &model::MemoryDevice::alias);
    return found == devices.memories.end() ? 0 : found->size.bytes;
}

Task<std::pair<model::Disk, engine::Launch>> open_in_lane(Environment& environment, model::Disk disk,
                                                          Credentials caller, std::string domain, Locking locking) {
    Lane lane(environment.executor, fmt::format("an image of domain '{}'", domain), 1);
    auto work = [disk, opener = opener_for(environment, caller), locking,
                 locks = environment.store.folders().locks]() mutable {
        engine::Launch opened;
        open_disk(opener, disk, opened, locks, locking);
        model::Devices one;
        one.disks.push_back(disk);
        open_streams(opener.who, one, opened);
        return std::pair(std::move(disk), std::move(opened));
    };
    auto opened = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    co_return opened;
}

} // namespace domus::compute
