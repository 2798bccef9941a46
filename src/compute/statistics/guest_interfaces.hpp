// The network interfaces of a guest as its agent lists them (guest-network-get-interfaces). The guest writes that answer:
// it may be anything.
#pragma once

#include <boost/json/value.hpp>

#include <string>
#include <utility>
#include <vector>

namespace domus::compute {

struct GuestInterface {
    std::string name, mac;
    std::vector<std::pair<std::string, unsigned>> addresses; ///< with prefix
};

/// Throws internal_error for an answer that is no such list.
std::vector<GuestInterface> read_guest_interfaces(const boost::json::value& answer);

} // namespace domus::compute
