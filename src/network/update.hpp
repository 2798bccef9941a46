// What virNetworkUpdate changes: one entry of one section of a network's definition.
#pragma once

#include "model/network.hpp"

#include <string>

namespace domus::network {

/// virNetworkUpdateCommand.
enum class UpdateCommand { none, modify, remove, add_last, add_first };

/// virNetworkUpdateSection.
enum class UpdateSection {
    none,
    bridge,
    domain,
    ip,
    ip_dhcp_host,
    ip_dhcp_range,
    forward,
    forward_interface,
    forward_pf,
    portgroup,
    dns_host,
    dns_txt,
    dns_srv,
};

struct Update {
    UpdateCommand command = UpdateCommand::none;
    UpdateSection section = UpdateSection::none;
    int parent = -1; ///< index of the <ip> that it is in; -1: the first that fits
    std::string xml; ///< the entry; to remove one, as much of it as names it
};

/// The definition with that change. Throws Error: xml_error, operation_invalid for an entry that is missing or there already,
/// operation_unsupported for one that is only added and removed, no_support for a section that cannot be changed.
model::Network updated(const model::Network& network, const Update& update);

} // namespace domus::network

namespace domus::format {

template <>
inline constexpr auto words<network::UpdateCommand> = word_list("none", "modify", "delete", "add-last", "add-first");
template <>
inline constexpr auto words<network::UpdateSection> =
    word_list("none", "bridge", "domain", "ip", "ip-dhcp-host", "ip-dhcp-range", "forward", "forward-interface",
              "forward-pf", "portgroup", "dns-host", "dns-txt", "dns-srv");

} // namespace domus::format
