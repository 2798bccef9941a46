#include "os/netlink/route.hpp"

#include "os/netlink/socket.hpp"

#include <fmt/format.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

namespace domus::netlink {

namespace {

using RouteObject = std::unique_ptr<rtnl_route, Releaser<rtnl_route_put>>;

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

void add_route(const std::string& device, const Subnet& destination, const IpAddress& gateway, unsigned metric) {
    const auto socket = connect();
    const auto link = get_object(socket.get(), device);
    const RouteObject route(rtnl_route_alloc());
    const auto to = to_plain(destination.first(), destination.prefix);
    const auto what = fmt::format("add a route to {} through", destination.text());
    require(rtnl_route_set_dst(route.get(), to.get()), what, device);
    rtnl_route_set_priority(route.get(), metric);
    auto* hop = rtnl_route_nh_alloc();
    rtnl_route_nh_set_ifindex(hop, rtnl_link_get_ifindex(link.get()));
    const auto by = to_plain(gateway, gateway.width());
    rtnl_route_nh_set_gateway(hop, by.get());
    rtnl_route_add_nexthop(route.get(), hop); // owns it
    require(rtnl_route_add(socket.get(), route.get(), NLM_F_EXCL), what, device);
}

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
