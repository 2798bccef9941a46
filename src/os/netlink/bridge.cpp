#include "os/netlink/bridge.hpp"

#include "base/error.hpp"
#include "os/netlink/link.hpp"
#include "os/netlink/socket.hpp"

#include <fmt/format.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

namespace domus::netlink {

namespace {

constexpr std::string_view creating = "create the bridge";

/// By hand: libnl 3.7 sends neither the forward delay nor whether there is STP. The kernel takes the delay first, and so
/// also one below the 2 s that it requires once STP is on; a guest would wait 30 s for its lease otherwise.
Message creation_of(const NewBridge& wanted) {
    constexpr unsigned hundredths = 100;
    Message message(nlmsg_alloc_simple(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL));
    auto* raw = message.get();
    const auto put = [&](int result) { require(result, creating, wanted.name); };
    const ifinfomsg header{};
    put(nlmsg_append(raw, const_cast<ifinfomsg*>(&header), sizeof header, NLMSG_ALIGNTO));
    put(nla_put_string(raw, IFLA_IFNAME, wanted.name.c_str()));
    if (!wanted.mac.empty()) {
        const auto mac = to_plain_mac(wanted.mac, wanted.name);
        put(nla_put_addr(raw, IFLA_ADDRESS, mac.get()));
    }
    if (wanted.mtu) put(nla_put_u32(raw, IFLA_MTU, *wanted.mtu));
    auto* info = nla_nest_start(raw, IFLA_LINKINFO);
    put(nla_put_string(raw, IFLA_INFO_KIND, "bridge"));
    auto* data = nla_nest_start(raw, IFLA_INFO_DATA);
    put(nla_put_u32(raw, IFLA_BR_FORWARD_DELAY, wanted.delay_s * hundredths));
    put(nla_put_u32(raw, IFLA_BR_STP_STATE, wanted.stp ? 1 : 0));
    nla_nest_end(raw, data);
    nla_nest_end(raw, info);
    return message;
}

} // namespace

void create_bridge(const NewBridge& wanted) {
    const auto socket = connect();
    if (find_object(socket.get(), wanted.name))
        throw Error(ErrorCode::operation_failed, ErrorDomain::network,
                    fmt::format("a network device '{}' exists already", wanted.name))
            .hint(fmt::format("choose another name, or remove it with 'ip link delete {}'", wanted.name));
    request(socket.get(), creation_of(wanted), creating, wanted.name);
    if (wanted.alias.empty()) return;
    try {
        set_alias(wanted.name, wanted.alias); // the kernel takes none when it makes a device
    } catch (...) {
        delete_link(wanted.name);
        throw;
    }
}

} // namespace domus::netlink
