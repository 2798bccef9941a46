// Network filters: rules over packets that a guest sends and gets, and the binding of a filter to a port.
// https://libvirt.org/formatnwfilter.html, https://libvirt.org/formatnwfilterbinding.html
#pragma once

#include "format/xml.hpp"
#include "model/interface.hpp"

#include <array>
#include <utility>

namespace domus::model {

enum class FilterAction { drop, accept, reject, return_, continue_ };
/// As the guest sees it: `out` is what it sends.
enum class FilterDirection { in, out, inout };
enum class FilterProtocol {
    mac,
    vlan,
    stp,
    arp,
    rarp,
    ip,
    ipv6,
    tcp,
    icmp,
    igmp,
    udp,
    udplite,
    esp,
    ah,
    sctp,
    all,
    tcp_ipv6,
    icmpv6,
    udp_ipv6,
    udplite_ipv6,
    esp_ipv6,
    ah_ipv6,
    sctp_ipv6,
    all_ipv6,
};
constexpr std::size_t filter_protocols = static_cast<std::size_t>(FilterProtocol::all_ipv6) + 1;

/// What a rule compares. Each text is a value, or names a variable: $IP, $IP[2], $PORT[@1]. Which of them a protocol has, and
/// what they mean, is in nwfilter_values.hpp.
struct FilterMatch {
    using Text = std::optional<std::string>;

    std::optional<bool> match; ///< no: each comparison is turned round
    Text src_mac, src_mac_mask, dst_mac, dst_mac_mask;
    Text protocol_id, vlan_id, encap_protocol;
    Text stp_type, stp_flags, root_priority, root_priority_hi, root_address, root_address_mask, root_cost, root_cost_hi;
    Text sender_priority, sender_priority_hi, sender_address, sender_address_mask, port, port_hi;
    Text age, age_hi, max_age, max_age_hi, hello_time, hello_time_hi, forward_delay, forward_delay_hi;
    Text hw_type, protocol_type, opcode, arp_src_mac, arp_dst_mac, gratuitous;
    Text arp_src_ip, arp_src_ip_mask, arp_dst_ip, arp_dst_ip_mask;
    Text src_ip, src_ip_mask, dst_ip, dst_ip_mask, src_ip_from, src_ip_to, dst_ip_from, dst_ip_to;
    Text protocol, src_port_start, src_port_end, dst_port_start, dst_port_end;
    Text type, type_end, code, code_end;
    Text dscp, option, tcp_flags, state, connlimit_above, ipset, ipset_flags, comment;
    format::Rest rest;
    bool operator==(const FilterMatch&) const = default;
};

template <FilterProtocol Protocol> struct FilterMatchOf : FilterMatch {
    static const format::Schema& schema();
    bool operator==(const FilterMatchOf&) const = default;
};

namespace detail {
/// A vector, since a rule has one protocol and 24 empty ones.
template <FilterProtocol Protocol> struct MatchSlot {
    std::vector<FilterMatchOf<Protocol>> matches;
    bool operator==(const MatchSlot&) const = default;
};
template <class> struct MatchSlots;
template <std::size_t... Index>
struct MatchSlots<std::index_sequence<Index...>> : MatchSlot<static_cast<FilterProtocol>(Index)>... {
    bool operator==(const MatchSlots&) const = default;
};
} // namespace detail

struct FilterRule : detail::MatchSlots<std::make_index_sequence<filter_protocols>> {
    static constexpr int usual_priority = 500, lowest_priority = -1000, highest_priority = 1000;

    FilterAction action = FilterAction::drop;
    FilterDirection direction = FilterDirection::inout;
    int priority = usual_priority;
    std::optional<std::string> state_match; ///< "false" or "0": no connection tracking
    format::Rest rest;

    bool is_stateless() const;
    /// Calls with the protocol of each element that the rule has, and what it compares.
    template <class Visit> void each_match(const Visit& visit) const { visit_matches(*this, visit); }
    template <class Visit> void each_match(const Visit& visit) { visit_matches(*this, visit); }

    static const format::Schema& schema();
    bool operator==(const FilterRule&) const = default;

private:
    template <class Self, class Visit> static void visit_matches(Self& self, const Visit& visit) {
        [&]<std::size_t... Index>(std::index_sequence<Index...>) {
            (visit_slot<static_cast<FilterProtocol>(Index)>(self, visit), ...);
        }(std::make_index_sequence<filter_protocols>());
    }
    template <FilterProtocol Protocol, class Self, class Visit> static void visit_slot(Self& self, const Visit& visit) {
        using Slot =
            std::conditional_t<std::is_const_v<Self>, const detail::MatchSlot<Protocol>, detail::MatchSlot<Protocol>>;
        for (auto& match : static_cast<Slot&>(self).matches) visit(Protocol, match);
    }
};

struct NwFilter {
    std::string name;
    std::optional<std::string> chain; ///< "root", or one that begins with a protocol's name: "ipv4", "arp-mac"
    std::optional<int> priority;      ///< of the chain among its neighbours and rules
    std::optional<Uuid> uuid;
    std::vector<FilterRule> rules;
    std::vector<FilterReference> includes;
    format::Rest rest;

    static const format::Schema& schema();
    bool operator==(const NwFilter&) const = default;
};

/// A filter in force on a port of a bridge.
struct FilterBinding {
    std::string owner_name;
    Uuid owner_uuid;
    std::string port_dev; ///< network device on the host
    std::string mac;      ///< of the guest
    FilterReference filter;
    format::Rest rest;

    static const format::Schema& schema();
    bool operator==(const FilterBinding&) const = default;
};

/// Rules over several fields; adds each breach with its line and what to do.
void check(const NwFilter& filter, format::Findings& findings);
void check(const FilterBinding& binding, format::Findings& findings);
/// Fills in the chain and its priority, and writes values as libvirt does: a mask as a number of bits, for example. Of a
/// filter that check() has passed.
void normalize(NwFilter& filter);

/// The protocol whose name the chain's begins with: "ipv4" for "ipv4-mine". Nothing if there is none.
std::optional<std::string_view> chain_protocol(std::string_view chain);
/// For those who look for filters that refer to a name.
bool includes(const NwFilter& filter, std::string_view name);

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::FilterAction> = word_list("drop", "accept", "reject", "return", "continue");
template <> inline constexpr auto words<model::FilterDirection> = word_list("in", "out", "inout");
template <>
inline constexpr auto words<model::FilterProtocol> =
    word_list("mac", "vlan", "stp", "arp", "rarp", "ip", "ipv6", "tcp", "icmp", "igmp", "udp", "udplite", "esp", "ah",
              "sctp", "all", "tcp-ipv6", "icmpv6", "udp-ipv6", "udplite-ipv6", "esp-ipv6", "ah-ipv6", "sctp-ipv6",
              "all-ipv6");
} // namespace domus::format
