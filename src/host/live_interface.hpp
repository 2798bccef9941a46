// The host's network devices as they are, in the form of definitions. Reading blocks: use a lane. Throws Error.
#pragma once

#include "model/host_interface.hpp"
#include "os/netlink/link.hpp"

#include <vector>

namespace domus::host {

/// In the order of their names.
std::vector<netlink::Link> read_links();
/// With addresses, routes and the state of links; bridges and bonds with what is in them. `all`: what read_links() returned.
model::HostInterface live_interface(const netlink::Link& link, const std::vector<netlink::Link>& all);
/// How a device that is configured nowhere would be defined to be as it is: without what the kernel does by itself, and with
/// DHCP where an address has a lifetime.
model::HostInterface definition_of(const netlink::Link& link, const std::vector<netlink::Link>& all);

} // namespace domus::host
