// Plugging devices into a running QEMU and out of it: the same parts that write a device's arguments for a new QEMU
// write them here, and they become commands of the monitor.
//
//     for (auto& step : plug_steps(live, "virtio-disk1", capabilities, launch, free_set)) ...
//
// A plan is run from its first step; if one fails, the undoing of those before it is run backwards. What a device
// leaves behind when the guest has let it go (DEVICE_DELETED) is the undoing of its plan without the device itself.
#pragma once

#include "engine/capabilities.hpp"
#include "engine/launch.hpp"
#include "model/domain.hpp"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace domus::engine::qemu {

struct MonitorCommand {
    std::string name; ///< empty: nothing to do
    boost::json::object arguments;
};

struct PlugStep {
    MonitorCommand command;
    SharedFd fd; ///< goes beside the command
    MonitorCommand undo;
    /// The argument by which QEMU itself opens the descriptor that the step before passed: as /dev/fd/N, N being what was
    /// answered. Empty: none.
    std::string opens_passed{};
};

/// Whether devices of that element ("disk") can be plugged into a running domain at all. Throws operation_unsupported.
void require_pluggable(std::string_view element, int line);

/// What plugs in the device with that alias, which `live` already has, addresses and all. `launch` holds what was
/// opened for it; descriptors go into sets from `free_set` on, marked with the alias. Throws config_unsupported like
/// build_command().
std::vector<PlugStep> plug_steps(const model::Domain& live, const std::string& alias, const Capabilities& capabilities,
                                 const Launch& launch, unsigned free_set);

/// The images of a disk alone, for a change of medium.
std::vector<PlugStep> medium_steps(const model::Domain& live, const std::string& alias,
                                   const Capabilities& capabilities, const Launch& launch, unsigned free_set);

/// Aliases of the devices that QEMU can plug in and out and knows by these names: a PS/2 mouse, say, is none.
std::vector<std::string> own_devices(const model::Domain& live, const Capabilities& capabilities);

/// What frees the host's side of a device that is gone (or of a medium that was taken out), in order. Sets of
/// descriptors are not among it: they are found by the alias that they are marked with.
std::vector<MonitorCommand> leftovers(const model::Domain& live, const std::string& alias,
                                      const Capabilities& capabilities);

} // namespace domus::engine::qemu
