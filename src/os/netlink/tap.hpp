// Tap devices (Linux Documentation/networking/tuntap.rst). Blocks: call it in a lane.
#pragma once

#include "os/unique_fd.hpp"

#include <string>
#include <vector>

namespace domus::netlink {

struct Tap {
    std::string name;
    std::vector<UniqueFd> queues;
};

/// What happens if a device of the wanted name exists.
enum class Existing { refused, joined };

/// A new tap device "vnetN" (or of this name); it goes with its last descriptor. Throws system_error, with EBUSY if another
/// device has the name, unless it may be joined.
Tap open_tap(const std::string& name, unsigned queues, Existing existing = Existing::refused);

} // namespace domus::netlink
