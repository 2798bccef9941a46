#include "os/netlink/shaper.hpp"

#include "os/netlink/socket.hpp"

#include <linux/pkt_sched.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/tbf.h>
#include <netlink/route/tc.h>

#include <algorithm>
#include <limits>

namespace domus::netlink {

namespace {

using QdiscObject = std::unique_ptr<rtnl_qdisc, Releaser<rtnl_qdisc_put>>;

constexpr std::string_view limiting = "limit the bandwidth of";
constexpr std::uint64_t queued_part = 20; ///< of a second, that the queue holds beside a burst
constexpr std::uint64_t largest_packet = 65536;
constexpr int cell = largest_packet / 256; ///< of the kernel's table of 256 packet sizes

/// tc_ratespec has 32 bits for bytes per second.
int clamped(std::uint64_t value) {
    return static_cast<int>(std::min<std::uint64_t>(value, std::numeric_limits<int>::max()));
}

QdiscObject root_of(const rtnl_link* link) {
    QdiscObject qdisc(rtnl_qdisc_alloc());
    rtnl_tc_set_ifindex(TC_CAST(qdisc.get()), rtnl_link_get_ifindex(const_cast<rtnl_link*>(link)));
    rtnl_tc_set_parent(TC_CAST(qdisc.get()), TC_H_ROOT);
    return qdisc;
}

} // namespace

void set_shaper(const std::string& device, const Shaper& wanted) {
    const auto socket = connect();
    const auto link = get_object(socket.get(), device);
    const auto qdisc = root_of(link.get());
    rtnl_tc_set_handle(TC_CAST(qdisc.get()), TC_HANDLE(1, 0));
    require(rtnl_tc_set_kind(TC_CAST(qdisc.get()), "tbf"), limiting, device);
    rtnl_qdisc_tbf_set_rate(qdisc.get(), clamped(wanted.bytes_per_second), clamped(wanted.burst), cell);
    if (wanted.peak_bytes_per_second > wanted.bytes_per_second)
        require(rtnl_qdisc_tbf_set_peakrate(qdisc.get(), clamped(wanted.peak_bytes_per_second), largest_packet, cell),
                limiting, device);
    rtnl_qdisc_tbf_set_limit(qdisc.get(), clamped(wanted.burst + wanted.bytes_per_second / queued_part));
    require(rtnl_qdisc_add(socket.get(), qdisc.get(), NLM_F_CREATE | NLM_F_REPLACE), limiting, device);
}

void clear_shaper(const std::string& device) {
    const auto socket = connect();
    const auto link = find_object(socket.get(), device);
    if (!link) return;
    const auto qdisc = root_of(link.get());
    const int result = rtnl_qdisc_delete(socket.get(), qdisc.get());
    // Only one that was set can be deleted.
    if (result != -NLE_OBJ_NOTFOUND && result != -NLE_INVAL) require(result, "stop limiting the bandwidth of", device);
}

} // namespace domus::netlink
