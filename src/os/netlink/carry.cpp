#include "os/netlink/carry.hpp"

#include "os/netlink/dump.hpp"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/errno.h>

#include <algorithm>
#include <cstring>

namespace domus::netlink {

namespace {

template <class Header> Header header_of(const std::string& message) {
    Header header{};
    std::memcpy(&header, message.data(), std::min(sizeof header, message.size()));
    return header;
}

/// Calls `visit(type, data, length)` for each attribute behind the header.
template <class Header> void each_attribute(const std::string& message, const auto& visit) {
    constexpr std::size_t begin = NLMSG_ALIGN(sizeof(Header));
    if (message.size() <= begin) return;
    auto* attribute = reinterpret_cast<nlattr*>(const_cast<char*>(message.data()) + begin);
    auto left = static_cast<int>(message.size() - begin);
    for (; nla_ok(attribute, left); attribute = nla_next(attribute, &left))
        visit(nla_type(attribute), nla_data(attribute), nla_len(attribute));
}

IpAddress address_from(bool v6, const void* data, int length) {
    IpAddress address;
    address.v6 = v6;
    std::memcpy(address.bytes.data(), data,
                std::min<std::size_t>(static_cast<std::size_t>(length), address.width() / 8));
    return address;
}

std::uint32_t number_from(const void* data) {
    std::uint32_t number = 0;
    std::memcpy(&number, data, sizeof number);
    return number;
}

int index_of(nl_sock* socket, const std::string& device) {
    return rtnl_link_get_ifindex(get_object(socket, device).get());
}

// ---- addresses ----------------------------------------------------------------------------------------------------

std::string renamed_label(const void* data, int length, const std::string& from, const std::string& to) {
    std::string label(static_cast<const char*>(data),
                      ::strnlen(static_cast<const char*>(data), static_cast<std::size_t>(length)));
    if (!label.starts_with(from) || (label.size() > from.size() && label[from.size()] != ':')) return label;
    constexpr std::size_t most = 15; // IFNAMSIZ, without the 0
    return (to + label.substr(from.size())).substr(0, most);
}

Message address_message(int type, int flags, int index, const std::string& message, const std::string& from,
                        const std::string& to) {
    Message out(nlmsg_alloc_simple(type, flags));
    auto* raw = out.get();
    auto header = header_of<ifaddrmsg>(message);
    const auto given = header.ifa_flags;
    header.ifa_index = static_cast<unsigned>(index);
    // What the kernel finds out by itself does not travel: tentative, deprecated, secondary...
    constexpr std::uint32_t kept = IFA_F_NOPREFIXROUTE | IFA_F_MANAGETEMPADDR | IFA_F_HOMEADDRESS | IFA_F_MCAUTOJOIN;
    std::uint32_t all = given;
    each_attribute<ifaddrmsg>(message, [&](int attribute, const void* data, int) {
        if (attribute == IFA_FLAGS) all = number_from(data);
    });
    all = (all & kept) | (header.ifa_family == AF_INET6 ? IFA_F_NODAD : 0u);
    header.ifa_flags = static_cast<unsigned char>(all);
    nlmsg_append(raw, &header, sizeof header, NLMSG_ALIGNTO);
    each_attribute<ifaddrmsg>(message, [&](int attribute, const void* data, int length) {
        if (attribute == IFA_FLAGS) return;
        if (attribute == IFA_LABEL)
            nla_put_string(raw, IFA_LABEL, renamed_label(data, length, from, to).c_str());
        else
            nla_put(raw, attribute, length, data);
    });
    nla_put_u32(raw, IFA_FLAGS, all);
    return out;
}

// ---- routes -------------------------------------------------------------------------------------------------------

/// Every nexthop of RTA_MULTIPATH; false where the attribute is damaged.
bool each_hop(void* data, int length, const auto& visit) {
    auto* hop = static_cast<rtnexthop*>(data);
    while (RTNH_OK(hop, length)) {
        visit(*hop);
        length -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
        hop = RTNH_NEXT(hop);
    }
    return length == 0;
}

/// Whether it goes over this device alone, and is none that the kernel makes.
bool is_carried(const std::string& message, int device) {
    const auto header = header_of<rtmsg>(message);
    const bool of_ip = header.rtm_family == AF_INET || header.rtm_family == AF_INET6;
    if (!of_ip || header.rtm_protocol == RTPROT_KERNEL || (header.rtm_flags & RTM_F_CLONED)) return false;
    bool over = false, elsewhere = false;
    each_attribute<rtmsg>(message, [&](int type, void* data, int length) {
        if (type == RTA_OIF) over |= static_cast<int>(number_from(data)) == device;
        if (type != RTA_MULTIPATH) return;
        each_hop(data, length, [&](const rtnexthop& hop) {
            over |= hop.rtnh_ifindex == device;
            elsewhere |= hop.rtnh_ifindex != device;
        });
    });
    return over && !elsewhere;
}

Message route_message(int type, int flags, int index, const std::string& message) {
    Message out(nlmsg_alloc_simple(type, flags));
    auto* raw = out.get();
    auto header = header_of<rtmsg>(message);
    header.rtm_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE; // not what the kernel tells of the link
    nlmsg_append(raw, &header, sizeof header, NLMSG_ALIGNTO);
    each_attribute<rtmsg>(message, [&](int attribute, void* data, int length) {
        switch (attribute) {
        case RTA_OIF:
            nla_put_u32(raw, RTA_OIF, static_cast<std::uint32_t>(index));
            break;
        case RTA_MULTIPATH: {
            std::string hops(static_cast<const char*>(data), static_cast<std::size_t>(length));
            each_hop(hops.data(), length, [&](rtnexthop& hop) {
                hop.rtnh_ifindex = index;
                hop.rtnh_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
            });
            nla_put(raw, RTA_MULTIPATH, length, hops.data());
            break;
        }
        case RTA_CACHEINFO: { // of IPv6: in hundredths of a second; a lifetime is given in another attribute
            rta_cacheinfo info{};
            std::memcpy(&info, data, std::min(sizeof info, static_cast<std::size_t>(length)));
            constexpr int hundredths = 100;
            if (header.rtm_family == AF_INET6 && info.rta_expires > 0)
                nla_put_u32(raw, RTA_EXPIRES, static_cast<std::uint32_t>(info.rta_expires / hundredths));
            break;
        }
        case RTA_NH_ID: // the nexthops stand beside it
        case RTA_EXPIRES:
            break;
        default:
            nla_put(raw, attribute, length, data);
        }
    });
    return out;
}

/// What is not there need not be deleted.
void request_deletion(nl_sock* socket, Message message, std::string_view what, const std::string& name) {
    const int result = nl_send_sync(socket, message.release());
    if (result == -NLE_OBJ_NOTFOUND || result == -NLE_NOADDR || result == -NLE_NODEV) return;
    require(result, what, name);
}

} // namespace

CarriedAddress read_address(std::string message) {
    const auto header = header_of<ifaddrmsg>(message);
    CarriedAddress carried;
    const bool v6 = header.ifa_family == AF_INET6;
    std::uint32_t flags = header.ifa_flags;
    bool local = false;
    each_attribute<ifaddrmsg>(message, [&](int type, const void* data, int length) {
        if (type == IFA_LOCAL || (type == IFA_ADDRESS && !local))
            carried.address.address = address_from(v6, data, length);
        local |= type == IFA_LOCAL;
        if (type == IFA_FLAGS) flags = number_from(data);
    });
    carried.address.prefix = header.ifa_prefixlen;
    carried.permanent = flags & IFA_F_PERMANENT;
    carried.temporary = v6 && (flags & IFA_F_TEMPORARY);
    carried.link_local = v6 && header.ifa_scope == RT_SCOPE_LINK;
    carried.message = std::move(message);
    return carried;
}

CarriedRoute read_route(std::string message) {
    const auto header = header_of<rtmsg>(message);
    const bool v6 = header.rtm_family == AF_INET6;
    CarriedRoute route;
    route.destination.address.v6 = v6;
    route.destination.prefix = header.rtm_dst_len;
    route.table = header.rtm_table;
    route.protocol = header.rtm_protocol;
    each_attribute<rtmsg>(message, [&](int type, const void* data, int length) {
        if (type == RTA_DST) route.destination.address = address_from(v6, data, length);
        if (type == RTA_GATEWAY) route.gateway = address_from(v6, data, length);
        if (type == RTA_TABLE) route.table = number_from(data);
        if (type == RTA_PRIORITY) route.metric = number_from(data);
    });
    route.message = std::move(message);
    return route;
}

std::vector<CarriedAddress> addresses_of(const std::string& device) {
    const auto socket = connect();
    const auto index = static_cast<unsigned>(index_of(socket.get(), device));
    std::vector<CarriedAddress> all;
    for (auto& message : dump(RTM_GETADDR, "addresses")) {
        const auto header = header_of<ifaddrmsg>(message);
        if (header.ifa_index == index && (header.ifa_family == AF_INET || header.ifa_family == AF_INET6))
            all.push_back(read_address(std::move(message)));
    }
    return all;
}

std::vector<CarriedRoute> routes_of(const std::string& device) {
    const auto socket = connect();
    const auto index = index_of(socket.get(), device);
    std::vector<CarriedRoute> all;
    for (auto& message : dump(RTM_GETROUTE, "routes"))
        if (is_carried(message, index)) all.push_back(read_route(std::move(message)));
    std::ranges::stable_partition(all, [](const CarriedRoute& route) { return !route.gateway; });
    return all;
}

void put_address(const std::string& device, const std::string& message, const std::string& from) {
    const auto socket = connect();
    const auto index = index_of(socket.get(), device);
    request(socket.get(), address_message(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, index, message, from, device),
            "give an address to", device);
}

void delete_address(const std::string& device, const std::string& message) {
    const auto socket = connect();
    const auto index = index_of(socket.get(), device);
    request_deletion(socket.get(), address_message(RTM_DELADDR, 0, index, message, device, device),
                     "take an address from", device);
}

void put_route(const std::string& device, const std::string& message) {
    const auto socket = connect();
    const auto index = index_of(socket.get(), device);
    request(socket.get(), route_message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, index, message), "set a route over",
            device);
}

void delete_route(const std::string& device, const std::string& message) {
    const auto socket = connect();
    const auto index = index_of(socket.get(), device);
    request_deletion(socket.get(), route_message(RTM_DELROUTE, 0, index, message), "take a route from", device);
}

namespace {

/// The payload of a message that was never sent.
std::string payload_of(const Message& message) {
    auto* header = nlmsg_hdr(message.get());
    return {static_cast<const char*>(nlmsg_data(header)), static_cast<std::size_t>(nlmsg_datalen(header))};
}

} // namespace

CarriedAddress static_address(const Subnet& address) {
    const bool v6 = address.address.v6;
    Message message(nlmsg_alloc_simple(RTM_NEWADDR, 0));
    ifaddrmsg header{};
    header.ifa_family = v6 ? AF_INET6 : AF_INET;
    header.ifa_prefixlen = static_cast<unsigned char>(address.prefix);
    header.ifa_flags = IFA_F_PERMANENT;
    nlmsg_append(message.get(), &header, sizeof header, NLMSG_ALIGNTO);
    const auto bytes = static_cast<int>(address.address.width() / 8);
    nla_put(message.get(), IFA_LOCAL, bytes, address.address.bytes.data());
    nla_put(message.get(), IFA_ADDRESS, bytes, address.address.bytes.data());
    constexpr unsigned with_broadcast = 30; // RFC 3021: a prefix of 31 has none
    if (!v6 && address.prefix <= with_broadcast)
        nla_put(message.get(), IFA_BROADCAST, bytes, address.last().bytes.data());
    return read_address(payload_of(message));
}

CarriedRoute static_route(const Subnet& destination, const IpAddress& gateway, std::optional<unsigned> metric) {
    Message message(nlmsg_alloc_simple(RTM_NEWROUTE, 0));
    auto* raw = message.get();
    rtmsg header{};
    header.rtm_family = gateway.v6 ? AF_INET6 : AF_INET;
    header.rtm_dst_len = static_cast<unsigned char>(destination.prefix);
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    nlmsg_append(raw, &header, sizeof header, NLMSG_ALIGNTO);
    const auto bytes = static_cast<int>(gateway.width() / 8);
    if (destination.prefix != 0) nla_put(raw, RTA_DST, bytes, destination.first().bytes.data());
    nla_put(raw, RTA_GATEWAY, bytes, gateway.bytes.data());
    nla_put_u32(raw, RTA_OIF, 0);          // that of the device on which it is put
    constexpr unsigned ipv6_metric = 1024; // the kernel's
    if (metric || gateway.v6) nla_put_u32(raw, RTA_PRIORITY, metric.value_or(ipv6_metric));
    return read_route(payload_of(message));
}

} // namespace domus::netlink
