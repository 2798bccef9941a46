// What plugging and changing devices have in common.
#pragma once

#include "compute/devices/device_list.hpp"
#include "compute/devices/devices.hpp"
#include "compute/life/images.hpp"
#include "engine/launch.hpp"

#include <string>
#include <utility>

namespace domus::compute {

/// Refuses what this version does not do, whether or not the definition has more of it.
void require_supported(const OneDevice& device, const model::Devices& beside);
/// Throws unless the caller may have the devices that come, and the rest of the definition that they come into.
Task<> require_rights_of_change(DomainPtr domain, Credentials caller, model::Devices devices,
                                std::optional<model::Domain> config);
Error cannot_plug(std::string what, std::string hint = "use --config: it is there after the next start");

/// Bytes that a memory module has; 0 for other devices. The domain's memory counts its modules.
std::uint64_t module_size(const model::Devices& devices, const std::string& alias);
/// A disk's images, opened with the rights of the caller in a lane of their own: what hangs there holds up nobody.
Task<std::pair<model::Disk, engine::Launch>> open_in_lane(Environment& environment, model::Disk disk,
                                                          Credentials caller, std::string domain,
                                                          Locking locking = Locking::now);

Task<> plug(DomainPtr domain, OneDevice device, Credentials caller);
Task<> unplug(DomainPtr domain, std::string alias, bool wait);
Task<> update_live(DomainPtr domain, OneDevice device, bool force, Credentials caller);

} // namespace domus::compute
