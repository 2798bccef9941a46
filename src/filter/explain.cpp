#include "filter/explain.hpp"

#include "model/nwfilter_values.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::filter {

using model::FilterAction;
using model::FilterDirection;
using model::FilterMatch;
using model::FilterProtocol;

namespace {

std::string_view packets(FilterProtocol protocol) {
    using enum FilterProtocol;
    switch (protocol) {
    case mac:
        return "frames";
    case vlan:
        return "frames with a VLAN tag";
    case stp:
        return "spanning tree messages";
    case arp:
        return "ARP messages";
    case rarp:
        return "RARP messages";
    case ip:
    case all:
        return "IPv4 packets";
    case ipv6:
    case all_ipv6:
        return "IPv6 packets";
    case tcp:
        return "TCP packets";
    case icmp:
        return "ICMP messages";
    case igmp:
        return "IGMP messages";
    case udp:
        return "UDP packets";
    case udplite:
        return "UDP-Lite packets";
    case esp:
        return "ESP packets";
    case ah:
        return "AH packets";
    case sctp:
        return "SCTP packets";
    case tcp_ipv6:
        return "TCP packets over IPv6";
    case icmpv6:
        return "ICMPv6 messages";
    case udp_ipv6:
        return "UDP packets over IPv6";
    case udplite_ipv6:
        return "UDP-Lite packets over IPv6";
    case esp_ipv6:
        return "ESP packets over IPv6";
    case ah_ipv6:
        return "AH packets over IPv6";
    case sctp_ipv6:
        return "SCTP packets over IPv6";
    }
    return "packets";
}

std::string_view verb(FilterAction action) {
    switch (action) {
    case FilterAction::accept:
        return "accept";
    case FilterAction::reject:
        return "reject";
    case FilterAction::return_:
        return "leave the chain with";
    case FilterAction::continue_:
        return "count";
    case FilterAction::drop:
        break;
    }
    return "drop";
}

struct Phrase {
    std::string_view is; ///< "from the address"
    FilterMatch::Text FilterMatch::* value;
    FilterMatch::Text FilterMatch::* mask = nullptr; ///< or the last value of a range
    std::string_view joint = "/";
};

using M = FilterMatch;
constexpr Phrase phrases[]{
    {"from MAC", &M::src_mac, &M::src_mac_mask},
    {"to MAC", &M::dst_mac, &M::dst_mac_mask},
    {"of protocol", &M::protocol_id},
    {"of VLAN", &M::vlan_id},
    {"carrying", &M::encap_protocol},
    {"of type", &M::stp_type},
    {"with flags", &M::stp_flags},
    {"with root priority", &M::root_priority, &M::root_priority_hi, " to "},
    {"with root", &M::root_address, &M::root_address_mask},
    {"with root cost", &M::root_cost, &M::root_cost_hi, " to "},
    {"with sender priority", &M::sender_priority, &M::sender_priority_hi, " to "},
    {"with sender", &M::sender_address, &M::sender_address_mask},
    {"with port", &M::port, &M::port_hi, " to "},
    {"of age", &M::age, &M::age_hi, " to "},
    {"with maximum age", &M::max_age, &M::max_age_hi, " to "},
    {"with hello time", &M::hello_time, &M::hello_time_hi, " to "},
    {"with forward delay", &M::forward_delay, &M::forward_delay_hi, " to "},
    {"of hardware type", &M::hw_type},
    {"of protocol type", &M::protocol_type},
    {"of operation", &M::opcode},
    {"whose sender says its MAC is", &M::arp_src_mac},
    {"for the MAC", &M::arp_dst_mac},
    {"whose sender says its address is", &M::arp_src_ip, &M::arp_src_ip_mask},
    {"for the address", &M::arp_dst_ip, &M::arp_dst_ip_mask},
    {"from", &M::src_ip, &M::src_ip_mask},
    {"to", &M::dst_ip, &M::dst_ip_mask},
    {"from", &M::src_ip_from, &M::src_ip_to, " to "},
    {"to", &M::dst_ip_from, &M::dst_ip_to, " to "},
    {"carrying", &M::protocol},
    {"from port", &M::src_port_start, &M::src_port_end, " to "},
    {"to port", &M::dst_port_start, &M::dst_port_end, " to "},
    {"of type", &M::type, &M::type_end, " to "},
    {"of code", &M::code, &M::code_end, " to "},
    {"with DSCP", &M::dscp},
    {"with TCP option", &M::option},
    {"with TCP flags", &M::tcp_flags},
    {"of connections that are", &M::state},
    {"beyond this number of connections:", &M::connlimit_above},
};

std::string conditions(const FilterMatch& match) {
    std::string out;
    for (const auto& phrase : phrases) {
        const auto& value = match.*phrase.value;
        if (!value) continue;
        const auto* second = phrase.mask && match.*phrase.mask ? &*(match.*phrase.mask) : nullptr;
        out += fmt::format("{} {} {}{}{}", out.empty() ? "" : " and", phrase.is, *value, second ? phrase.joint : "",
                           second ? *second : "");
    }
    return out;
}

std::string words(const Rule& rule) {
    const auto what = conditions(rule.match);
    auto text = fmt::format("{} {}", verb(rule.action), packets(rule.protocol));
    if (what.empty()) return text;
    if (rule.match.match == false) return text + ", each unless it is" + what;
    return text + what;
}

/// A rule for both ways is written as it comes in; from the guest, sender and receiver change places.
bool turned(const Rule& rule, Way way) { return rule.direction == FilterDirection::inout && way == Way::from_guest; }

Rule reversed(Rule rule) {
    auto& match = rule.match;
    std::swap(match.src_mac, match.dst_mac);
    std::swap(match.src_mac_mask, match.dst_mac_mask);
    std::swap(match.arp_src_mac, match.arp_dst_mac);
    std::swap(match.arp_src_ip, match.arp_dst_ip);
    std::swap(match.arp_src_ip_mask, match.arp_dst_ip_mask);
    std::swap(match.src_ip, match.dst_ip);
    std::swap(match.src_ip_mask, match.dst_ip_mask);
    std::swap(match.src_ip_from, match.dst_ip_from);
    std::swap(match.src_ip_to, match.dst_ip_to);
    std::swap(match.src_port_start, match.dst_port_start);
    std::swap(match.src_port_end, match.dst_port_end);
    return rule;
}

/// In the order of the chains that packets go through.
struct Place {
    bool above_frames;
    int entered;
    bool inner;
    int priority;
    auto operator<=>(const Place&) const = default;
};

Place place_of(const Expanded& rules, const Rule& rule) {
    const bool above = !model::is_layer2(rule.protocol);
    const auto chain = rules.chains.find(rule.chain);
    if (above || chain == rules.chains.end()) return {above, rule.priority, false, rule.priority};
    return {above, chain->second, true, rule.priority};
}

std::vector<Explanation::Line> lines(const Expanded& rules, Way way) {
    std::vector<std::pair<Place, Explanation::Line>> found;
    for (const auto& rule : rules.rules) {
        const bool counts = rule.direction == FilterDirection::inout
                            || (rule.direction == FilterDirection::out) == (way == Way::from_guest);
        if (!counts) continue;
        found.push_back({place_of(rules, rule),
                         {words(turned(rule, way) ? reversed(rule) : rule), rule.filter, rule.chain, rule.priority}});
    }
    std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first; });
    std::vector<Explanation::Line> out;
    for (auto& [place, line] : found) out.push_back(std::move(line));
    return out;
}

} // namespace

Explanation explain(const PortRules& port) {
    if (port.sealed) return {{{"drop all frames", "", "root", 0}}, {{"drop all frames", "", "root", 0}}};
    return {lines(port.rules, Way::from_guest), lines(port.rules, Way::to_guest)};
}

} // namespace domus::filter
