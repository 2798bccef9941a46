#include "os/netlink/stacked.hpp"

#include "base/error.hpp"
#include "os/netlink/dump.hpp"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>

#include <cstring>

namespace domus::netlink {

namespace {

/// Reads the attributes of IFLA_INFO_DATA, which say what the device's kind makes of it.
void each_setting(const std::string& device, const auto& visit) {
    const auto message = link_message(device);
    constexpr std::size_t begin = NLMSG_ALIGN(sizeof(ifinfomsg));
    if (message.size() <= begin) return;
    auto* first = reinterpret_cast<nlattr*>(const_cast<char*>(message.data()) + begin);
    const auto* info = nla_find(first, static_cast<int>(message.size() - begin), IFLA_LINKINFO);
    if (!info) return;
    auto* data = nla_find(static_cast<nlattr*>(nla_data(info)), nla_len(info), IFLA_INFO_DATA);
    if (!data) return;
    auto* setting = static_cast<nlattr*>(nla_data(data));
    int left = nla_len(data);
    for (; nla_ok(setting, left); setting = nla_next(setting, &left)) visit(nla_type(setting), setting);
}

/// Of one, two or four bytes.
unsigned number(const nlattr* attribute) {
    std::uint32_t value = 0; // little endian, as all hosts that this runs on
    std::memcpy(&value, nla_data(attribute),
                std::min<std::size_t>(sizeof value, static_cast<std::size_t>(nla_len(attribute))));
    return value;
}

Message creation(const std::string& name, std::string_view kind, int parent, const auto& put_settings) {
    Message message(nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL));
    auto* raw = message.get();
    const ifinfomsg header{};
    nlmsg_append(raw, const_cast<ifinfomsg*>(&header), sizeof header, NLMSG_ALIGNTO);
    nla_put_string(raw, IFLA_IFNAME, name.c_str());
    if (parent != 0) nla_put_u32(raw, IFLA_LINK, static_cast<std::uint32_t>(parent));
    auto* info = nla_nest_start(raw, IFLA_LINKINFO);
    nla_put_string(raw, IFLA_INFO_KIND, std::string(kind).c_str());
    auto* data = nla_nest_start(raw, IFLA_INFO_DATA);
    put_settings(raw);
    nla_nest_end(raw, data);
    nla_nest_end(raw, info);
    return message;
}

void create(nl_sock* socket, Message message, const std::string& name, std::string_view kind, std::string_view module) {
    const int result = nl_send_sync(socket, message.release());
    if (result == -NLE_OPNOTSUPP)
        throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                    fmt::format("cannot create the {} '{}': this kernel has none", kind, name))
            .hint(fmt::format("load its module: 'modprobe {}'", module));
    require(result, fmt::format("create the {}", kind), name);
}

} // namespace

BridgeSettings bridge_settings(const std::string& bridge) {
    BridgeSettings settings;
    each_setting(bridge, [&](int type, const nlattr* setting) {
        if (type == IFLA_BR_STP_STATE) settings.stp = number(setting) != 0;
        if (type == IFLA_BR_FORWARD_DELAY) settings.delay_cs = number(setting);
    });
    return settings;
}

BondSettings bond_settings(const std::string& bond) {
    BondSettings settings;
    each_setting(bond, [&](int type, const nlattr* setting) {
        if (type == IFLA_BOND_MODE) settings.mode = number(setting);
        if (type == IFLA_BOND_MIIMON) settings.miimon = number(setting);
        if (type == IFLA_BOND_UPDELAY) settings.updelay = number(setting);
        if (type == IFLA_BOND_DOWNDELAY) settings.downdelay = number(setting);
        if (type == IFLA_BOND_USE_CARRIER) settings.use_carrier = number(setting);
        if (type == IFLA_BOND_ARP_INTERVAL) settings.arp_interval = number(setting);
        if (type == IFLA_BOND_ARP_VALIDATE) settings.arp_validate = number(setting);
        if (type == IFLA_BOND_ARP_IP_TARGET && nla_len(setting) > NLA_HDRLEN) {
            IpAddress target;
            const auto* first = static_cast<const nlattr*>(nla_data(setting));
            std::memcpy(target.bytes.data(), nla_data(first), sizeof(std::uint32_t));
            settings.arp_target = target;
        }
    });
    return settings;
}

void create_vlan(const std::string& name, const std::string& parent, unsigned tag) {
    const auto socket = connect();
    const auto on = get_object(socket.get(), parent);
    create(socket.get(),
           creation(name, "vlan", rtnl_link_get_ifindex(on.get()),
                    [&](nl_msg* raw) { nla_put_u16(raw, IFLA_VLAN_ID, static_cast<std::uint16_t>(tag)); }),
           name, "VLAN", "8021q");
}

void create_bond(const std::string& name, const BondSettings& settings) {
    const auto socket = connect();
    const auto put = [&](nl_msg* raw) {
        nla_put_u8(raw, IFLA_BOND_MODE, static_cast<std::uint8_t>(settings.mode));
        const auto number = [&](int type, const std::optional<unsigned>& value) {
            if (value) nla_put_u32(raw, type, *value);
        };
        // One way of watching excludes the other, also where the other's numbers are 0.
        if (settings.miimon.value_or(0) != 0) {
            number(IFLA_BOND_MIIMON, settings.miimon);
            number(IFLA_BOND_UPDELAY, settings.updelay);
            number(IFLA_BOND_DOWNDELAY, settings.downdelay);
            if (settings.use_carrier)
                nla_put_u8(raw, IFLA_BOND_USE_CARRIER, static_cast<std::uint8_t>(*settings.use_carrier));
        }
        if (settings.arp_interval.value_or(0) == 0) return;
        number(IFLA_BOND_ARP_INTERVAL, settings.arp_interval);
        if (settings.arp_validate.value_or(0) != 0) number(IFLA_BOND_ARP_VALIDATE, settings.arp_validate);
        if (!settings.arp_target) return;
        auto* targets = nla_nest_start(raw, IFLA_BOND_ARP_IP_TARGET);
        nla_put(raw, 0, sizeof(std::uint32_t), settings.arp_target->bytes.data());
        nla_nest_end(raw, targets);
    };
    create(socket.get(), creation(name, "bond", 0, put), name, "bond", "bonding");
}

} // namespace domus::netlink
