#include "os/netlink/bridge_port.hpp"

#include "base/error.hpp"
#include "os/netlink/dump.hpp"
#include "os/netlink/socket.hpp"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <algorithm>

namespace domus::netlink {

namespace {

constexpr std::string_view putting = "put into its VLANs";

/// By hand, as all that follows: libnl 3.7 knows neither isolation nor the removal of a port's VLAN.
Message of_port(int type, const rtnl_link* link) {
    Message message(nlmsg_alloc_simple(type, 0));
    ifinfomsg which{};
    which.ifi_family = AF_BRIDGE;
    which.ifi_index = rtnl_link_get_ifindex(const_cast<rtnl_link*>(link));
    require(nlmsg_append(message.get(), &which, sizeof which, NLMSG_ALIGNTO), "change", "a port");
    return message;
}

bool is_bridge(const rtnl_link* link) {
    const char* kind = rtnl_link_get_type(const_cast<rtnl_link*>(link));
    return kind && std::string_view(kind) == "bridge";
}

/// RTM_SETLINK adds VLANs, RTM_DELLINK removes them.
void send_vlans(nl_sock* socket, int type, const rtnl_link* link, const std::vector<bridge_vlan_info>& vlans,
                const std::string& name) {
    if (vlans.empty()) return;
    auto message = of_port(type, link);
    auto* spec = nla_nest_start(message.get(), IFLA_AF_SPEC);
    if (is_bridge(link)) require(nla_put_u16(message.get(), IFLA_BRIDGE_FLAGS, BRIDGE_FLAGS_SELF), putting, name);
    for (const auto& vlan : vlans)
        require(nla_put(message.get(), IFLA_BRIDGE_VLAN_INFO, sizeof vlan, &vlan), putting, name);
    nla_nest_end(message.get(), spec);
    request(socket, std::move(message), putting, name);
}

std::vector<bridge_vlan_info> wanted_of(const PortVlans& wanted) {
    std::vector<bridge_vlan_info> all;
    for (const auto id : wanted.tagged)
        if (id != wanted.native) all.push_back({0, id});
    if (!wanted.native) return all;
    const std::uint16_t untagged = wanted.native_tagged ? 0 : BRIDGE_VLAN_INFO_UNTAGGED;
    all.push_back({static_cast<std::uint16_t>(BRIDGE_VLAN_INFO_PVID | untagged), *wanted.native});
    return all;
}

struct PortDump {
    int index; ///< of the port
    std::vector<bridge_vlan_info> vlans;
};

/// Takes one message of the kernel's dump of all ports.
int collect_vlans(nl_msg* message, void* out) {
    auto& dump = *static_cast<PortDump*>(out);
    auto* header = nlmsg_hdr(message);
    if (static_cast<const ifinfomsg*>(nlmsg_data(header))->ifi_index != dump.index) return NL_OK;
    auto* spec = nlmsg_find_attr(header, sizeof(ifinfomsg), IFLA_AF_SPEC);
    if (!spec) return NL_OK;
    nlattr* each = nullptr;
    int rest = 0;
    nla_for_each_nested(each, spec, rest) {
        bridge_vlan_info info{};
        if (nla_type(each) != IFLA_BRIDGE_VLAN_INFO || nla_len(each) < static_cast<int>(sizeof info)) continue;
        nla_memcpy(&info, each, sizeof info);
        dump.vlans.push_back(info);
    }
    return NL_OK;
}

/// The kernel lists those of all ports only.
std::vector<bridge_vlan_info> vlans_now(const rtnl_link* link, const std::string& name) {
    constexpr std::string_view reading = "read the VLANs of";
    PortDump dump{rtnl_link_get_ifindex(const_cast<rtnl_link*>(link)), {}};
    Message message(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_DUMP));
    ifinfomsg header{};
    header.ifi_family = AF_BRIDGE;
    require(nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO), reading, name);
    require(nla_put_u32(message.get(), IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN), reading, name);
    const auto socket = connect();
    require(nl_socket_modify_cb(socket.get(), NL_CB_VALID, NL_CB_CUSTOM, collect_vlans, &dump), reading, name);
    require(nl_send_auto(socket.get(), message.get()), reading, name);
    require(nl_recvmsgs_default(socket.get()), reading, name);
    return dump.vlans;
}

} // namespace

void set_isolated(const std::string& port, bool isolated) {
    const auto socket = connect();
    const auto link = get_object(socket.get(), port);
    auto message = of_port(RTM_SETLINK, link.get());
    auto* info = nla_nest_start(message.get(), IFLA_PROTINFO | NLA_F_NESTED);
    require(nla_put_u8(message.get(), IFLA_BRPORT_ISOLATED, isolated ? 1 : 0), "isolate", port);
    nla_nest_end(message.get(), info);
    request(socket.get(), std::move(message), "isolate", port);
}

void set_vlans(const std::string& port, const PortVlans& wanted) {
    const auto socket = connect();
    const auto link = get_object(socket.get(), port);
    const auto add = wanted_of(wanted);
    std::vector<bridge_vlan_info> remove;
    for (auto now : vlans_now(link.get(), port)) {
        now.flags = 0;
        if (std::ranges::none_of(add, [&](const auto& each) { return each.vid == now.vid; })) remove.push_back(now);
    }
    send_vlans(socket.get(), RTM_SETLINK, link.get(), add, port);
    send_vlans(socket.get(), RTM_DELLINK, link.get(), remove, port);
}

PortVlans vlans_of(const std::string& port) {
    const auto socket = connect();
    const auto link = get_object(socket.get(), port);
    PortVlans vlans;
    for (const auto& each : vlans_now(link.get(), port)) {
        if (!(each.flags & BRIDGE_VLAN_INFO_PVID)) {
            vlans.tagged.push_back(each.vid);
            continue;
        }
        vlans.native = each.vid;
        vlans.native_tagged = !(each.flags & BRIDGE_VLAN_INFO_UNTAGGED);
    }
    return vlans;
}

bool filters_vlans(const std::string& bridge) {
    // By hand: libnl 3.7 does not read it.
    const auto message = link_message(bridge);
    constexpr auto header = NLMSG_ALIGN(sizeof(ifinfomsg));
    if (message.size() < header) return false;
    const auto* first = reinterpret_cast<const nlattr*>(message.data() + header);
    const auto* info = nla_find(first, static_cast<int>(message.size() - header), IFLA_LINKINFO);
    const auto inside = [](const nlattr* around, int type) {
        return around ? nla_find(static_cast<const nlattr*>(nla_data(around)), nla_len(around), type) : nullptr;
    };
    const auto* value = inside(inside(info, IFLA_INFO_DATA), IFLA_BR_VLAN_FILTERING);
    return value && nla_get_u8(value) != 0;
}

void set_vlan_filtering(const std::string& bridge, bool on) {
    const auto socket = connect();
    const auto link = get_object(socket.get(), bridge);
    Message message(nlmsg_alloc_simple(RTM_NEWLINK, 0));
    ifinfomsg which{};
    which.ifi_index = rtnl_link_get_ifindex(link.get());
    const auto put = [&](int result) { require(result, "keep VLANs apart on", bridge); };
    put(nlmsg_append(message.get(), &which, sizeof which, NLMSG_ALIGNTO));
    auto* info = nla_nest_start(message.get(), IFLA_LINKINFO);
    put(nla_put_string(message.get(), IFLA_INFO_KIND, "bridge"));
    auto* data = nla_nest_start(message.get(), IFLA_INFO_DATA);
    put(nla_put_u8(message.get(), IFLA_BR_VLAN_FILTERING, on ? 1 : 0));
    nla_nest_end(message.get(), data);
    nla_nest_end(message.get(), info);
    request(socket.get(), std::move(message), "keep VLANs apart on", bridge);
}

} // namespace domus::netlink
