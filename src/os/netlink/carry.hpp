// What a device carries, its addresses and routes, in the kernel's own words: so it can be put on another device, or on
// the same one later, without losing lifetimes, scopes, labels, metrics or tables that nobody here knows of. By the
// messages of rtnetlink(7): RTM_NEWADDR, RTM_NEWROUTE. Blocks: call it in a lane. All throw Error.
#pragma once

#include "base/subnet.hpp"

#include <optional>
#include <string>
#include <vector>

namespace domus::netlink {

struct CarriedAddress {
    Subnet address;
    bool permanent = false;  ///< it has no lifetime; one of DHCP or of a router advertisement has
    bool link_local = false; ///< IPv6: the kernel makes it
    bool temporary = false;  ///< IPv6 privacy extensions (RFC 8981)
    std::string message;     ///< the payload
};

struct CarriedRoute {
    Subnet destination; ///< prefix 0: the default route
    std::optional<IpAddress> gateway;
    unsigned table = 0;
    unsigned metric = 0;
    unsigned protocol = 0; ///< RTPROT_STATIC, RTPROT_DHCP, RTPROT_RA...
    std::string message;
};

/// Of both families, in the order in which the kernel has them.
std::vector<CarriedAddress> addresses_of(const std::string& device);
/// Those that go over this device alone, without those that the kernel makes for its addresses (RTPROT_KERNEL); those
/// without a gateway come first, since others may need them.
std::vector<CarriedRoute> routes_of(const std::string& device);

/// Puts on `device` what `from` carries; one that is there already gets its lifetimes. IPv6 skips the search for duplicates:
/// the address is in use. A label that begins with the name of `from` begins with that of `device`.
void put_address(const std::string& device, const std::string& message, const std::string& from);
/// Nothing happens if it is not there.
void delete_address(const std::string& device, const std::string& message);
/// Takes the place of a route with the same destination, metric and table, whatever device that goes over.
void put_route(const std::string& device, const std::string& message);
/// Nothing happens if it is not there.
void delete_route(const std::string& device, const std::string& message);
/// What a message says that one of the above returned.
CarriedAddress read_address(std::string message);
CarriedRoute read_route(std::string message);
/// New ones, to be put on a device: permanent, in the main table.
CarriedAddress static_address(const Subnet& address);
CarriedRoute static_route(const Subnet& destination, const IpAddress& gateway, std::optional<unsigned> metric);

} // namespace domus::netlink
