// Devices that come and go while a QEMU runs: the plans of plug.hpp, carried out by its monitor.
#pragma once

#include "engine/machine.hpp"
#include "engine/qemu/capabilities.hpp"
#include "engine/qemu/monitor.hpp"

#include <map>
#include <memory>
#include <string>

namespace domus::engine::qemu {

/// All of it, or nothing. Returns the paths of the terminals that QEMU made, by the alias of their device.
Task<std::map<std::string, std::string>> plug_devices(MonitorPtr monitor, CapabilitiesPtr capabilities, Plugging what);
Task<> unplug_device(MonitorPtr monitor, std::string alias);
/// As Machine::missing_devices.
Task<std::vector<std::string>> missing_devices(MonitorPtr monitor, CapabilitiesPtr capabilities,
                                               std::shared_ptr<const model::Domain> live);
/// What QEMU keeps for a device that the guest has let go.
Task<> release_device(MonitorPtr monitor, CapabilitiesPtr capabilities, std::shared_ptr<const model::Domain> live,
                      std::string alias);
/// As Machine::change_medium.
Task<std::exception_ptr> change_medium(MonitorPtr monitor, CapabilitiesPtr capabilities, MediumChange what);

} // namespace domus::engine::qemu
