// Lists of the kernel as the messages that it sends, for what libnl's objects do not hold. For the sources of this folder.
#pragma once

#include "os/netlink/socket.hpp"

#include <string>
#include <vector>

namespace domus::netlink {

/// The payloads of what answers a request of that type (RTM_GETADDR...), of all families. Asked again while the list
/// changes under the kernel's hands. Throws Error.
std::vector<std::string> dump(int type, const std::string& what);

/// The payload of the answer for one device (RTM_GETLINK).
std::string link_message(const std::string& device);

} // namespace domus::netlink
