// Network interfaces of the host as clients see them. Reading blocks (os/netlink/link.hpp): call it in a lane.
#pragma once

#include "os/netlink/link.hpp"

#include <string>
#include <vector>

namespace domus::host {

/// In the order of their names. Throws Error.
std::vector<netlink::Link> read_interfaces();

/// <interface> of one, as libvirt's udev back end writes it. `all`: what read_interfaces() returned.
std::string interface_xml(const netlink::Link& interface, const std::vector<netlink::Link>& all);

} // namespace domus::host
