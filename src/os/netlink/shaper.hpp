// How fast a device of the host sends: a token bucket as its root queueing discipline (tc-tbf(8)). Blocks: call it in a lane.
#pragma once

#include <cstdint>
#include <string>

namespace domus::netlink {

struct Shaper {
    std::uint64_t bytes_per_second = 0;
    std::uint64_t peak_bytes_per_second = 0; ///< while tokens of the burst are left; 0: as fast as the device can
    std::uint64_t burst = 0;                 ///< bytes; not less than the largest packet
    bool operator==(const Shaper&) const = default;
};

/// Replaces the one that the device has. Throws operation_failed if there is no such device, system_error.
void set_shaper(const std::string& device, const Shaper& wanted);
/// The device's default discipline is back. Nothing happens if it has that, or if there is no such device.
void clear_shaper(const std::string& device);

} // namespace domus::netlink
