// The TCP ports of displays. A port is reserved from the moment it is chosen until its guest ends, so that starts side
// by side never get the same one; probing finds what other programs listen on.
//
//     auto reservation = ports.choose("127.0.0.1", first_vnc_port, "web"); // reservation->port
#pragma once

#include <boost/asio/ip/address.hpp>

#include <map>
#include <memory>
#include <string>

namespace domus::compute {

constexpr int first_display_port = 5900;
constexpr int first_websocket_port = 5700;

struct ReservedPort {
    boost::asio::ip::address address;
    int port = 0;
    std::string domain;
};

/// Holding it keeps the port.
using PortReservation = std::shared_ptr<const ReservedPort>;

class PortTable {
public:
    /// The first free port from `first` on. Throws an Error where nobody can listen at the address.
    PortReservation choose(const std::string& address, int first, const std::string& domain);
    /// Throws an Error that says who has the port.
    PortReservation take(const std::string& address, int port, const std::string& domain);
    /// That of a guest which listens already. A host's name counts as all addresses.
    PortReservation adopt(const std::string& address, int port, const std::string& domain);

private:
    /// The reservation in the way of this one; null if there is none.
    PortReservation rival(const boost::asio::ip::address& address, int port);
    PortReservation reserve(const boost::asio::ip::address& address, int port, const std::string& domain);

    std::multimap<int, std::weak_ptr<const ReservedPort>> reserved_;
};

bool is_ip_address(const std::string& text);
/// The address of a host's name. Blocks as the resolver does.
std::string resolve_host_name(const std::string& name);

} // namespace domus::compute
