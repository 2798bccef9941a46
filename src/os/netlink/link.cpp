#include "os/netlink/link.hpp"

#include "os/netlink/socket.hpp"

#include <fmt/format.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/link/vlan.h>

#include <algorithm>
#include <array>

namespace domus::netlink {

namespace {

std::string text(const char* words) { return words ? words : ""; }

std::string hardware_address(const nl_addr* address) {
    if (!address) return {};
    const auto* bytes = static_cast<const unsigned char*>(nl_addr_get_binary_addr(address));
    std::string mac;
    for (unsigned i = 0; i < nl_addr_get_len(address); ++i) mac += fmt::format("{}{:02x}", i == 0 ? "" : ":", bytes[i]);
    return mac;
}

Link to_link(rtnl_link* object) {
    std::array<char, 32> state{};
    Link link;
    link.index = rtnl_link_get_ifindex(object);
    link.name = text(rtnl_link_get_name(object));
    link.kind = text(rtnl_link_get_type(object));
    link.mac = hardware_address(rtnl_link_get_addr(object));
    link.alias = text(rtnl_link_get_ifalias(object));
    link.state = rtnl_link_operstate2str(rtnl_link_get_operstate(object), state.data(), state.size());
    link.mtu = rtnl_link_get_mtu(object);
    link.up = rtnl_link_get_flags(object) & IFF_UP;
    link.master = rtnl_link_get_master(object);
    link.loopback = rtnl_link_get_flags(object) & IFF_LOOPBACK;
    if (!rtnl_link_is_vlan(object)) return link;
    link.parent = rtnl_link_get_link(object);
    link.tag = static_cast<unsigned>(std::max(rtnl_link_vlan_get_id(object), 0));
    return link;
}

void change(const std::string& name, std::string_view what, const auto& set) {
    const auto socket = connect();
    const auto link = get_object(socket.get(), name);
    const LinkObject wanted(rtnl_link_alloc());
    set(wanted.get());
    require(rtnl_link_change(socket.get(), link.get(), wanted.get(), 0), what, name);
}

} // namespace

std::vector<Link> links() {
    const auto socket = connect();
    nl_cache* raw = nullptr;
    require(rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &raw), "list", "network devices");
    const Cache cache(raw);
    std::vector<Link> all;
    each(raw, [&](nl_object* object) { all.push_back(to_link(reinterpret_cast<rtnl_link*>(object))); });
    return all;
}

std::optional<Link> find_link(const std::string& name) {
    const auto socket = connect();
    const auto found = find_object(socket.get(), name);
    if (!found) return std::nullopt;
    return to_link(found.get());
}

std::string link_name(int index) {
    std::array<char, IF_NAMESIZE> name{};
    return ::if_indextoname(static_cast<unsigned>(index), name.data()) ? name.data() : "";
}

std::vector<std::string> ports_of(const Link& bridge, const std::vector<Link>& all) {
    std::vector<std::string> ports;
    for (const auto& link : all)
        if (link.master == bridge.index && bridge.index != 0) ports.push_back(link.name);
    return ports;
}

void delete_link(const std::string& name) {
    const auto socket = connect();
    const auto link = find_object(socket.get(), name);
    if (link) require(rtnl_link_delete(socket.get(), link.get()), "delete", name);
}

void set_mac(const std::string& name, const std::string& mac) {
    const auto address = to_plain_mac(mac, name);
    change(name, "set the MAC address of", [&](rtnl_link* link) { rtnl_link_set_addr(link, address.get()); });
}

void set_mtu(const std::string& name, unsigned mtu) {
    change(name, "set the MTU of", [&](rtnl_link* link) { rtnl_link_set_mtu(link, mtu); });
}

void set_up(const std::string& name) {
    change(name, "bring up", [](rtnl_link* link) { rtnl_link_set_flags(link, IFF_UP); });
}

void set_down(const std::string& name) {
    change(name, "bring down", [](rtnl_link* link) { rtnl_link_unset_flags(link, IFF_UP); });
}

void set_alias(const std::string& name, const std::string& alias) {
    // By hand: libnl 3.7 sends no alias.
    const auto socket = connect();
    const auto link = get_object(socket.get(), name);
    Message message(nlmsg_alloc_simple(RTM_SETLINK, 0));
    ifinfomsg which{};
    which.ifi_index = rtnl_link_get_ifindex(link.get());
    require(nlmsg_append(message.get(), &which, sizeof which, NLMSG_ALIGNTO), "set the alias of", name);
    require(nla_put(message.get(), IFLA_IFALIAS, static_cast<int>(alias.size()), alias.data()), "set the alias of",
            name);
    request(socket.get(), std::move(message), "set the alias of", name);
}

void set_master(const std::string& device, const std::string& bridge) {
    const auto socket = connect();
    const auto master = get_object(socket.get(), bridge);
    const auto slave = get_object(socket.get(), device);
    require(rtnl_link_enslave(socket.get(), master.get(), slave.get()), fmt::format("put into the bridge '{}'", bridge),
            device);
}

void release_from_master(const std::string& device) {
    const auto socket = connect();
    const auto link = get_object(socket.get(), device);
    require(rtnl_link_release(socket.get(), link.get()), "take from its bridge or bond", device);
}

} // namespace domus::netlink
