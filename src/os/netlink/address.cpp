#include "os/netlink/address.hpp"

#include "os/netlink/socket.hpp"

#include <linux/if_addr.h>
#include <netlink/route/addr.h>

namespace domus::netlink {

namespace {

using AddressObject = std::unique_ptr<rtnl_addr, Releaser<rtnl_addr_put>>;

} // namespace

std::vector<LinkAddress> addresses() {
    const auto socket = connect();
    nl_cache* raw = nullptr;
    require(rtnl_addr_alloc_cache(socket.get(), &raw), "list", "addresses");
    const Cache cache(raw);
    std::vector<LinkAddress> all;
    each(raw, [&](nl_object* object) {
        auto* address = reinterpret_cast<rtnl_addr*>(object);
        if (const auto subnet = from_plain(rtnl_addr_get_local(address)))
            all.push_back({rtnl_addr_get_ifindex(address), *subnet});
    });
    return all;
}

void add_address(const std::string& device, const Subnet& wanted) {
    const auto socket = connect();
    const auto link = get_object(socket.get(), device);
    const AddressObject address(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(address.get(), rtnl_link_get_ifindex(link.get()));
    const auto local = to_plain(wanted.address, wanted.prefix);
    require(rtnl_addr_set_local(address.get(), local.get()), "give an address to", device);
    if (wanted.address.v6) {
        // Usable at once, also while the device has no carrier (RFC 4862, section 5.4): nobody else has it.
        rtnl_addr_set_flags(address.get(), IFA_F_NODAD);
    } else {
        const auto broadcast = to_plain(wanted.last(), wanted.address.width());
        rtnl_addr_set_broadcast(address.get(), broadcast.get());
    }
    require(rtnl_addr_add(socket.get(), address.get(), 0), "give an address to", device);
}

} // namespace domus::netlink
