#include "os/netlink/route.hpp"

#include "os/netlink/socket.hpp"

#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

namespace domus::netlink {

namespace {

std::optional<Route> to_route(rtnl_route* object) {
    const auto destination = from_plain(rtnl_route_get_dst(object));
    if (!destination) return std::nullopt;
    Route route;
    route.destination = *destination;
    route.table = rtnl_route_get_table(object);
    if (rtnl_route_get_nnexthops(object) != 1) return route;
    auto* hop = rtnl_route_nexthop_n(object, 0);
    route.link = rtnl_route_nh_get_ifindex(hop);
    if (const auto gateway = from_plain(rtnl_route_nh_get_gateway(hop))) route.gateway = gateway->address;
    return route;
}

} // namespace

std::vector<Route> routes() {
    const auto socket = connect();
    nl_cache* raw = nullptr;
    require(rtnl_route_alloc_cache(socket.get(), AF_UNSPEC, 0, &raw), "list", "routes");
    const Cache cache(raw);
    std::vector<Route> all;
    each(raw, [&](nl_object* object) {
        if (auto route = to_route(reinterpret_cast<rtnl_route*>(object))) all.push_back(std::move(*route));
    });
    return all;
}

} // namespace domus::netlink
