// Addresses of hosts in text.
#pragma once

#include <string>
#include <string_view>

namespace domus {

/// The host as it stands before a colon: an IPv6 address gets brackets, unless it has them (RFC 3986, section 3.2.2).
inline std::string bracketed(std::string_view host) {
    if (host.find(':') == host.npos || host.starts_with('[')) return std::string(host);
    return '[' + std::string(host) + ']';
}

} // namespace domus
