// What the sources of this folder share: a socket of rtnetlink(7), owners for libnl's objects, and its errors.
#pragma once

#include "base/subnet.hpp"

#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace domus::netlink {

template <auto Release> struct Releaser {
    template <class T> void operator()(T* object) const { Release(object); }
};
using Socket = std::unique_ptr<nl_sock, Releaser<nl_socket_free>>;
using Message = std::unique_ptr<nl_msg, Releaser<nlmsg_free>>;
using Cache = std::unique_ptr<nl_cache, Releaser<nl_cache_free>>;
using PlainAddress = std::unique_ptr<nl_addr, Releaser<nl_addr_put>>;
using LinkObject = std::unique_ptr<rtnl_link, Releaser<rtnl_link_put>>;

/// Throws system_error for a result of libnl that is one: "cannot bring up 'eth0': Operation not permitted".
void require(int result, std::string_view what, const std::string& name);
Socket connect();
/// Sends a request and waits for the kernel's answer.
void request(nl_sock* socket, Message message, std::string_view what, const std::string& name);

/// Null if there is no such device.
LinkObject find_object(nl_sock* socket, const std::string& name);
/// Throws operation_failed, naming it.
LinkObject get_object(nl_sock* socket, const std::string& name);

/// Nothing for an address that is of neither family.
std::optional<Subnet> from_plain(const nl_addr* address);
PlainAddress to_plain(const IpAddress& address, unsigned prefix);
/// Of "52:54:00:12:34:56"; throws for what is none.
PlainAddress to_plain_mac(const std::string& mac, const std::string& name);

template <class Visit> void each(nl_cache* cache, const Visit& visit) {
    for (auto* object = nl_cache_get_first(cache); object; object = nl_cache_get_next(object)) visit(object);
}

} // namespace domus::netlink
