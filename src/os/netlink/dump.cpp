#include "os/netlink/dump.hpp"

#include "base/error.hpp"

#include <linux/rtnetlink.h>
#include <netlink/errno.h>

namespace domus::netlink {

namespace {

int collect(nl_msg* message, void* into) {
    auto* header = nlmsg_hdr(message);
    static_cast<std::vector<std::string>*>(into)->emplace_back(static_cast<const char*>(nlmsg_data(header)),
                                                               static_cast<std::size_t>(nlmsg_datalen(header)));
    return NL_OK;
}

std::vector<std::string> answers(nl_sock* socket, int& result) {
    std::vector<std::string> payloads;
    nl_socket_modify_cb(socket, NL_CB_VALID, NL_CB_CUSTOM, collect, &payloads);
    result = nl_recvmsgs_default(socket);
    return payloads;
}

} // namespace

std::vector<std::string> dump(int type, const std::string& what) {
    constexpr int attempts = 20;
    int result = 0;
    for (int i = 0; i < attempts; ++i) {
        const auto socket = connect();
        rtgenmsg everything{};
        require(nl_send_simple(socket.get(), type, NLM_F_DUMP, &everything, sizeof everything), "list", what);
        auto payloads = answers(socket.get(), result);
        if (result >= 0) return payloads;
        if (result != -NLE_DUMP_INTR) break;
    }
    require(result, "list", what);
    return {};
}

std::string link_message(const std::string& device) {
    const auto socket = connect();
    nl_socket_disable_auto_ack(socket.get());
    Message message(nlmsg_alloc_simple(RTM_GETLINK, 0));
    const ifinfomsg header{};
    nlmsg_append(message.get(), const_cast<ifinfomsg*>(&header), sizeof header, NLMSG_ALIGNTO);
    nla_put_string(message.get(), IFLA_IFNAME, device.c_str());
    require(nl_send_auto(socket.get(), message.get()), "look at", device);
    int result = 0;
    const auto payloads = answers(socket.get(), result);
    require(result, "look at", device);
    return payloads.empty() ? std::string() : payloads.front();
}

} // namespace domus::netlink
