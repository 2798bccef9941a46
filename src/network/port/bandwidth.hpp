// How fast a guest may receive and send. What it receives is queued (a token bucket on its device); what it sends too fast
// is dropped where it comes in (a rule of nft), as there is no queue; a burst of it is never less than what a second allows.
#pragma once

#include "model/network_parts.hpp"
#include "os/netlink/shaper.hpp"

#include <optional>
#include <string>

namespace domus::network {

/// Whether it limits anything.
bool is_limited(const model::Bandwidth& bandwidth);
/// Replaces what the device had. Blocks. Throws Error.
void set_bandwidth(const std::string& device, const model::Bandwidth& bandwidth);
/// Takes away what stays when a device has gone. Blocks. Throws Error.
void forget_bandwidth(const std::string& device);

/// What the guest receives; nothing without a limit.
std::optional<netlink::Shaper> shaper_of(const model::Bandwidth& bandwidth);
/// The script of nft for what comes in from the device: that it sends no more than this, or without a limit.
std::string outbound_script(const std::string& device, const std::optional<model::BandwidthLimit>& limit);

} // namespace domus::network
