#include "network/bridges.hpp"

#include "os/netlink/address.hpp"
#include "os/netlink/link.hpp"
#include "os/netlink/route.hpp"

#include <algorithm>

namespace domus::network {

netlink::NewBridge bridge_of(const model::Network& live, std::string alias) {
    return {live.bridge.name.value_or(""),
            live.mac.value_or(""),
            live.bridge.stp != model::OnOff::off,
            live.bridge.delay.value_or(0),
            live.mtu,
            std::move(alias)};
}

bool is_bridge_of(const netlink::NewBridge& wish) {
    const auto found = netlink::find_link(wish.name);
    return found && found->is_bridge() && (found->alias == wish.alias || found->mac == wish.mac);
}

std::vector<std::string> bridge_ports(const std::string& name) {
    const auto all = netlink::links();
    const auto bridge = std::ranges::find(all, name, &netlink::Link::name);
    return bridge == all.end() ? std::vector<std::string>() : netlink::ports_of(*bridge, all);
}

std::map<std::string, std::string> bridges_with_alias(const std::string& beginning) {
    std::map<std::string, std::string> found;
    for (auto& link : netlink::links())
        if (link.is_bridge() && link.alias.starts_with(beginning)) found.emplace(link.name, std::move(link.alias));
    return found;
}

std::vector<std::string> link_names() {
    std::vector<std::string> names;
    for (auto& link : netlink::links()) names.push_back(std::move(link.name));
    return names;
}

std::vector<Subnet> subnets_in_use() {
    std::vector<Subnet> all;
    for (const auto& each : netlink::addresses()) all.push_back(each.address);
    for (const auto& route : netlink::routes()) all.push_back(route.destination);
    return all;
}

} // namespace domus::network
