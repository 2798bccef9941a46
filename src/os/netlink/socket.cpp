#include "os/netlink/socket.hpp"

#include "base/error.hpp"

#include <fmt/format.h>
#include <netlink/errno.h>
#include <sys/socket.h>

#include <cstring>

namespace domus::netlink {

void require(int result, std::string_view what, const std::string& name) {
    if (result >= 0) return;
    throw Error(ErrorCode::system_error, ErrorDomain::network,
                fmt::format("cannot {} '{}': {}", what, name, nl_geterror(result)));
}

Socket connect() {
    Socket socket(nl_socket_alloc());
    if (!socket) require(-NLE_NOMEM, "open", "rtnetlink");
    require(nl_connect(socket.get(), NETLINK_ROUTE), "open", "rtnetlink");
    return socket;
}

void request(nl_sock* socket, Message message, std::string_view what, const std::string& name) {
    require(nl_send_sync(socket, message.release()), what, name); // it takes the message, whatever happens
}

LinkObject find_object(nl_sock* socket, const std::string& name) {
    rtnl_link* found = nullptr;
    if (rtnl_link_get_kernel(socket, 0, name.c_str(), &found) < 0) return nullptr;
    return LinkObject(found);
}

LinkObject get_object(nl_sock* socket, const std::string& name) {
    auto link = find_object(socket, name);
    if (!link)
        throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                    fmt::format("there is no network device '{}'", name))
            .hint("see 'ip link'");
    return link;
}

std::optional<Subnet> from_plain(const nl_addr* address) {
    const int family = address ? nl_addr_get_family(address) : AF_UNSPEC;
    if (family != AF_INET && family != AF_INET6) return std::nullopt;
    Subnet subnet;
    subnet.address.v6 = family == AF_INET6;
    subnet.prefix = nl_addr_get_prefixlen(address);
    const auto bytes = nl_addr_get_len(address); // of a default route: none
    if (bytes != 0 && bytes != subnet.address.width() / 8) return std::nullopt;
    std::memcpy(subnet.address.bytes.data(), nl_addr_get_binary_addr(address), bytes);
    return subnet;
}

PlainAddress to_plain(const IpAddress& address, unsigned prefix) {
    PlainAddress plain(nl_addr_build(address.v6 ? AF_INET6 : AF_INET, address.bytes.data(), address.width() / 8));
    nl_addr_set_prefixlen(plain.get(), static_cast<int>(prefix));
    return plain;
}

PlainAddress to_plain_mac(const std::string& mac, const std::string& name) {
    nl_addr* parsed = nullptr;
    require(nl_addr_parse(mac.c_str(), AF_LLC, &parsed), "use the address of", name);
    return PlainAddress(parsed);
}

} // namespace domus::netlink
