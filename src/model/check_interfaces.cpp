#include "model/checks.hpp"

#include <algorithm>
#include <set>

namespace domus::model::checks {

namespace {

constexpr std::size_t longest_device_name = 15; // IFNAMSIZ without its end

bool is_hexadecimal(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/// What a source of the type must have, as it stands in the document; empty if it has it.
std::string_view lacks(const Interface& interface) {
    const auto& source = interface.source;
    switch (interface.type) {
    case InterfaceType::network:
        return source.network ? "" : "network='default'";
    case InterfaceType::bridge:
        return source.bridge ? "" : "bridge='br0'";
    case InterfaceType::direct:
    case InterfaceType::vdpa:
        return source.dev ? "" : "dev='...'";
    case InterfaceType::hostdev:
        return source.host_address || !source.rest.items.empty() ? "" : "><address type='pci' .../";
    case InterfaceType::vhostuser:
        return source.path && source.mode ? "" : "type='unix' path='...' mode='server'";
    case InterfaceType::mcast:
    case InterfaceType::client:
        return source.address && source.port ? "" : "address='...' port='...'";
    case InterfaceType::server:
        return source.port ? "" : "port='...'";
    case InterfaceType::udp:
        return source.address && source.port && source.local_port
                   ? ""
                   : "address='...' port='...'><local address='...' port='...'/";
    case InterfaceType::internal:
        return source.name ? "" : "name='...'";
    case InterfaceType::user:
    case InterfaceType::ethernet:
    case InterfaceType::null:
    case InterfaceType::vds:
        return "";
    }
    return "";
}

void mac(const Interface& interface, Report& report) {
    if (!interface.mac) return;
    if (!is_mac(*interface.mac))
        return report.add(interface.rest, "'{}' is no MAC address; write it as 52:54:00:12:34:56", *interface.mac);
    if (is_multicast(*interface.mac))
        report.add(interface.rest, "the MAC address {} is one for groups; its first byte must be even", *interface.mac);
}

void limits(const Interface& interface, Report& report) {
    for (const auto* limit : {&interface.bandwidth.inbound, &interface.bandwidth.outbound})
        if (*limit && !(*limit)->average && !(*limit)->floor)
            report.add((*limit)->rest, "a limit in <bandwidth> needs the attribute 'average'");
    if (interface.mtu && (*interface.mtu < 68 || *interface.mtu > 65535))
        report.add(interface.rest, "<mtu size='{}'> must be 68 to 65535", *interface.mtu);
    if (interface.target_dev
        && (interface.target_dev->empty() || interface.target_dev->size() > longest_device_name
            || interface.target_dev->find_first_of("/ \t") != std::string::npos))
        report.add(interface.rest, "'{}' is no name for a device of the host: 1 to {} characters, no blanks, no '/'",
                   *interface.target_dev, longest_device_name);
}

} // namespace

bool is_mac(std::string_view text) {
    if (text.size() != 17) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (i % 3 == 2 ? text[i] != ':' : !is_hexadecimal(text[i])) return false;
    return true;
}

bool is_multicast(std::string_view mac) {
    std::uint64_t first = 0;
    format::detail::parse_unsigned(fmt::format("0x{}", mac.substr(0, 2)), first);
    return first & 1;
}

void vlan(const Vlan& vlan, Report& report) {
    std::set<unsigned> ids;
    if (vlan.tags.empty()) report.add(vlan.rest, "<vlan> has no <tag id='...'/>; name at least one");
    for (const auto& tag : vlan.tags) {
        if (tag.id < 1 || tag.id > 4094) report.add(tag.rest, "the VLAN {} must be 1 to 4094", tag.id);
        if (!ids.insert(tag.id).second) report.add(tag.rest, "the VLAN {} stands twice", tag.id);
    }
    if (vlan.tags.size() > 1 && vlan.trunk == false)
        report.add(vlan.rest, "<vlan trunk='no'> has {} tags; a port that is no trunk has one", vlan.tags.size());
}

void interfaces(const Domain& domain, Report& report) {
    for (const auto& interface : domain.devices.interfaces) {
        const auto missing = lacks(interface);
        if (!missing.empty())
            report.add(interface.rest, "an interface of type '{}' needs <source {}>", format::word(interface.type),
                       missing);
        mac(interface, report);
        if (interface.vlan) vlan(*interface.vlan, report);
        limits(interface, report);
    }
}

} // namespace domus::model::checks
