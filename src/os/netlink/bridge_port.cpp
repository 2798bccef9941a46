#include "os/netlink/bridge_port.hpp"

#include "base/error.hpp"
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
int collect(nl_msg* message, void* out) {
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

void ask(nl_sock* socket, Message message, int (*take)(nl_msg*, void*), void* out, std::string_view what,
         const std::string& name) {
    require(nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, take, out), what, name);
    require(nl_send_auto(socket, message.get()), what, name);
    require(nl_recvmsgs_default(socket), what, name);
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
    ask(connect().get(), std::move(message), collect, &dump, reading, name);
    return dump.vlans;
}

int take_filtering(nl_msg* message, void* out) {
    auto* info = nlmsg_find_attr(nlmsg_hdr(message), sizeof(ifinfomsg), IFLA_LINKINFO);
    auto* data = info ? nla_find(static_cast<nlattr*>(nla_data(info)), nla_len(info), IFLA_INFO_DATA) : nullptr;
    auto* value =
        data ? nla_find(static_cast<nlattr*>(nla_data(data)), nla_len(data), IFLA_BR_VLAN_FILTERING) : nullptr;
    if (value) *static_cast<bool*>(out) = nla_get_u8(value) != 0;
    return NL_OK;
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
    const auto socket = connect();
    const auto link = get_object(socket.get(), bridge);
    if (!is_bridge(link.get())) return false;
    Message message(nlmsg_alloc_simple(RTM_GETLINK, 0));
    ifinfomsg which{};
    which.ifi_index = rtnl_link_get_ifindex(link.get());
    constexpr std::string_view reading = "read the settings of";
    require(nlmsg_append(message.get(), &which, sizeof which, NLMSG_ALIGNTO), reading, bridge);
    bool on = false;
    ask(socket.get(), std::move(message), take_filtering, &on, reading, bridge);
    return on;
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
