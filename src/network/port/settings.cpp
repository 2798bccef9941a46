#include "network/port/settings.hpp"

#include "base/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::network {

namespace {

/// The one that the interface names, or the network's default; null if there is none.
const model::PortGroup* group_of(const model::Interface& interface, const model::Network& network) {
    const auto& wanted = interface.source.portgroup;
    const auto is_it = [&](const model::PortGroup& group) {
        return wanted ? group.name == *wanted : group.is_default.value_or(false);
    };
    const auto found = std::ranges::find_if(network.portgroups, is_it);
    if (found != network.portgroups.end()) return &*found;
    if (!wanted) return nullptr;
    throw Error(ErrorCode::config_unsupported, ErrorDomain::network,
                fmt::format("network '{}' does not have a portgroup '{}'", network.name, *wanted))
        .hint(fmt::format("'domus net-dumpxml {}' lists its port groups", network.name));
}

} // namespace

PortSettings port_settings(const model::Interface& interface, const model::Network* network) {
    PortSettings settings;
    settings.device = interface.target_dev.value_or("");
    settings.prepared = interface.target_managed == false;
    settings.queues = std::max(1u, interface.driver.queues.value_or(1));
    settings.mac = interface.mac;
    settings.mtu = interface.mtu;
    settings.vlan = interface.vlan;
    settings.held = interface.filter.has_value();
    settings.bandwidth = interface.bandwidth;
    settings.isolated = interface.port_isolated.value_or(false);
    if (!network) return settings;
    const auto* group = group_of(interface, *network);
    if (!settings.vlan && group) settings.vlan = group->vlan;
    if (!settings.vlan) settings.vlan = network->vlan;
    if (group && !settings.bandwidth.inbound && !settings.bandwidth.outbound) settings.bandwidth = group->bandwidth;
    if (!settings.mtu) settings.mtu = network->mtu;
    if (!interface.port_isolated) settings.isolated = network->port_isolated.value_or(false);
    return settings;
}

} // namespace domus::network
