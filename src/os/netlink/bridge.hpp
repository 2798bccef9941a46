// Making a bridge. Blocks: call it in a lane.
#pragma once

#include <optional>
#include <string>

namespace domus::netlink {

struct NewBridge {
    std::string name;
    std::string mac; ///< empty: the kernel chooses one
    bool stp = true;
    unsigned delay_s = 0; ///< forward delay
    std::optional<unsigned> mtu{};
    std::string alias{}; ///< see Link; at most 255 bytes
};

/// Whole or not at all. Throws operation_failed if a device has the name, system_error.
void create_bridge(const NewBridge& wanted);

} // namespace domus::netlink
