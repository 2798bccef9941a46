// A guest's tap device, with all that its port has: made before the guest runs, gone with the guest.
#pragma once

#include "network/port/settings.hpp"
#include "network/ports.hpp"

#include <string>

namespace domus::network {

/// Whole or not at all. `bridge`: what it is joined to; empty: nothing. Blocks. Throws Error.
Port open_tap_port(const PortSettings& settings, const std::string& bridge);

/// The same of the device that `settings` names, which the guest has already: it hears nothing while it is moved.
/// `was_limited`: its bandwidth was. Blocks. Throws Error, and it is where it was.
Port change_tap_port(const PortSettings& settings, const std::string& bridge, bool was_limited);

/// The guest's address with 0xfe as its first byte: a bridge without an address of its own takes the least of its ports,
/// which is then never that of a guest that comes and goes.
std::string tap_mac(const std::string& guest);

} // namespace domus::network
