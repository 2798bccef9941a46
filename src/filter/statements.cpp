#include "filter/statements.hpp"

#include "base/number.hpp"
#include "base/subnet.hpp"
#include "base/text.hpp"
#include "model/nwfilter_values.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::filter {

using model::FilterAction;
using model::FilterDirection;
using model::FilterMatch;
using model::FilterProtocol;
using model::FilterValue;
using Text = FilterMatch::Text;

namespace {

constexpr std::string_view bridge_group = "01:80:c2:00:00:00"; ///< IEEE 802.1D, table 7-10
constexpr std::size_t longest_comment = 120;                   ///< NFTNL_UDATA_COMMENT_MAXLEN is 128

std::uint64_t number(FilterValue kind, const std::string& text) { return model::filter_number(kind, text).value_or(0); }
std::uint64_t number(const std::string& text) { return number(FilterValue::number, text); }

/// "52:54:00:00:00:01" as a number.
std::uint64_t mac_number(std::string_view text) {
    std::uint64_t value = 0;
    for (; !text.empty(); text.remove_prefix(std::min<std::size_t>(3, text.size())))
        value = value << 8 | parse_number<unsigned>(text.substr(0, 2), 16).value_or(0);
    return value;
}

std::string mac_text(std::uint64_t value) {
    std::string out;
    for (int shift = 40; shift >= 0; shift -= 8)
        out += fmt::format("{}{:02x}", out.empty() ? "" : ":", value >> shift & 0xff);
    return out;
}

/// An address of which `mask` bits count, as nft takes it.
std::string subnet_text(const std::string& address, const Text& mask) {
    const auto parsed = IpAddress::parse(address).value_or(IpAddress{});
    if (!mask) return address;
    const auto bits = parse_number<unsigned>(*mask).value_or(parsed.width());
    return fmt::format("{}/{}", Subnet{parsed, bits}.first().text(), bits);
}

std::uint32_t v4_number(const IpAddress& address) {
    std::uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8 | address.bytes[static_cast<std::size_t>(i)];
    return value;
}

/// What the packets of a line are to a rule.
enum class Role {
    meant,    ///< it is written for them
    reversed, ///< so that sender and receiver change places
    answers,  ///< they answer those that it is written for
};

/// Puts together the comparisons of one rule.
class Comparisons {
public:
    Comparisons(const Rule& rule, Role role)
        : rule_(rule), match_(rule.match), reversed_(role != Role::meant), answers_(role == Role::answers),
          equal_(match_.match == false ? "!= " : ""), masked_(match_.match == false ? "!=" : "==") {}

    std::string text() {
        protocol();
        macs();
        switch (rule_.protocol) {
        case FilterProtocol::mac:
            if (match_.protocol_id)
                compare("ether type", hex(number(FilterValue::ethernet_protocol, *match_.protocol_id)));
            break;
        case FilterProtocol::vlan:
            vlan();
            break;
        case FilterProtocol::stp:
            stp();
            break;
        case FilterProtocol::arp:
        case FilterProtocol::rarp:
            arp();
            break;
        default:
            above_frames();
        }
        return std::move(out_);
    }

private:
    static std::string hex(std::uint64_t value) { return fmt::format("{:#x}", value); }

    void put(std::string_view words) { out_ += fmt::format("{}{}", out_.empty() ? "" : " ", words); }
    void compare(std::string_view field, std::string_view value) { put(fmt::format("{} {}{}", field, equal_, value)); }
    void compare_masked(std::string_view field, std::string_view mask, std::string_view value) {
        put(fmt::format("{} & {} {} {}", field, mask, masked_, value));
    }
    void compare_range(std::string_view field, const Text& low, const Text& high) {
        if (!low && !high) return;
        const auto first = number(low ? *low : *high), last = number(high ? *high : *low);
        compare(field, first == last ? fmt::format("{}", first) : fmt::format("{}-{}", first, last));
    }

    std::string_view source() const { return reversed_ ? "daddr" : "saddr"; }
    std::string_view target() const { return reversed_ ? "saddr" : "daddr"; }

    // ---- what the rule is about, whatever is compared -----------------------------------------------------------------

    void protocol() {
        using enum FilterProtocol;
        switch (rule_.protocol) {
        case mac:
            break;
        case vlan:
            return put("ether type vlan");
        case stp:
            return put(fmt::format("ether daddr {}", bridge_group));
        case arp:
            return put("ether type arp");
        case rarp:
            return put("ether type 0x8035");
        default:
            put(model::is_ipv6(rule_.protocol) ? "ether type ip6" : "ether type ip");
            if (const auto carried = carried_protocol()) put(fmt::format("meta l4proto {}", *carried));
        }
    }

    /// Above IP.
    std::optional<unsigned> carried_protocol() const {
        using enum FilterProtocol;
        switch (rule_.protocol) {
        case tcp:
        case tcp_ipv6:
            return 6;
        case udp:
        case udp_ipv6:
            return 17;
        case icmp:
            return 1;
        case icmpv6:
            return 58;
        case igmp:
            return 2;
        case udplite:
        case udplite_ipv6:
            return 136;
        case esp:
        case esp_ipv6:
            return 50;
        case ah:
        case ah_ipv6:
            return 51;
        case sctp:
        case sctp_ipv6:
            return 132;
        default:
            return std::nullopt;
        }
    }

    // ---- frames -------------------------------------------------------------------------------------------------------

    void mac(std::string_view field, const Text& address, const Text& mask) {
        if (!address) return;
        if (!mask) return compare(fmt::format("ether {}", field), *address);
        compare_masked(fmt::format("ether {}", field), *mask, mac_text(mac_number(*address) & mac_number(*mask)));
    }

    void macs() {
        if (answers_) return; // a router may send them
        mac(source(), match_.src_mac, match_.src_mac_mask);
        mac(target(), match_.dst_mac, match_.dst_mac_mask);
    }

    void vlan() {
        if (match_.vlan_id) compare("vlan id", fmt::format("{}", number(*match_.vlan_id)));
        if (match_.encap_protocol)
            compare("vlan type", hex(number(FilterValue::ethernet_protocol, *match_.encap_protocol)));
    }

    /// Bits of a BPDU behind its LLC header, IEEE 802.1D section 9.3.1.
    void stp() {
        const auto at = [](unsigned begin, unsigned bits) { return fmt::format("@nh,{},{}", begin, bits); };
        const auto address = [&](unsigned begin, const Text& value, const Text& mask) {
            if (!value) return;
            const auto bits = mask ? mac_number(*mask) : 0xffffffffffff;
            compare_masked(at(begin, 48), hex(bits), hex(mac_number(*value) & bits));
        };
        if (match_.stp_type) compare(at(48, 8), hex(number(*match_.stp_type)));
        if (match_.stp_flags) compare(at(56, 8), hex(number(*match_.stp_flags)));
        compare_range(at(64, 16), match_.root_priority, match_.root_priority_hi);
        address(80, match_.root_address, match_.root_address_mask);
        compare_range(at(128, 32), match_.root_cost, match_.root_cost_hi);
        compare_range(at(160, 16), match_.sender_priority, match_.sender_priority_hi);
        address(176, match_.sender_address, match_.sender_address_mask);
        compare_range(at(224, 16), match_.port, match_.port_hi);
        compare_range(at(240, 16), match_.age, match_.age_hi);
        compare_range(at(256, 16), match_.max_age, match_.max_age_hi);
        compare_range(at(272, 16), match_.hello_time, match_.hello_time_hi);
        compare_range(at(288, 16), match_.forward_delay, match_.forward_delay_hi);
    }

    /// Bits of a message for IPv4 over Ethernet, RFC 826; nft's own names for them are tied to ARP, and RARP has the same.
    void arp() {
        const auto address = [&](unsigned begin, const Text& value, const Text& mask) {
            if (!value) return;
            const auto bits =
                mask ? v4_number(IpAddress::netmask(false, parse_number<unsigned>(*mask).value_or(32))) : 0xffffffffu;
            const auto wanted = v4_number(IpAddress::parse(*value).value_or(IpAddress{}));
            compare_masked(fmt::format("@nh,{},32", begin), hex(bits), hex(wanted & bits));
        };
        const auto mac_at = [&](unsigned begin, const Text& value) {
            if (value) compare(fmt::format("@nh,{},48", begin), hex(mac_number(*value)));
        };
        constexpr unsigned sender_mac = 64, sender_ip = 112, target_mac = 144, target_ip = 192;
        if (match_.hw_type) compare("@nh,0,16", hex(number(*match_.hw_type)));
        if (match_.protocol_type) compare("@nh,16,16", hex(number(*match_.protocol_type)));
        if (match_.opcode) compare("@nh,48,16", hex(number(FilterValue::arp_opcode, *match_.opcode)));
        mac_at(reversed_ ? target_mac : sender_mac, match_.arp_src_mac);
        mac_at(reversed_ ? sender_mac : target_mac, match_.arp_dst_mac);
        address(reversed_ ? target_ip : sender_ip, match_.arp_src_ip, match_.arp_src_ip_mask);
        address(reversed_ ? sender_ip : target_ip, match_.arp_dst_ip, match_.arp_dst_ip_mask);
    }

    // ---- IP and above -------------------------------------------------------------------------------------------------

    void above_frames() {
        const std::string_view family = model::is_ipv6(rule_.protocol) ? "ip6" : "ip";
        const auto source_field = fmt::format("{} {}", family, source());
        const auto target_field = fmt::format("{} {}", family, target());
        if (match_.src_ip) compare(source_field, subnet_text(*match_.src_ip, match_.src_ip_mask));
        if (match_.dst_ip) compare(target_field, subnet_text(*match_.dst_ip, match_.dst_ip_mask));
        addresses(source_field, match_.src_ip_from, match_.src_ip_to);
        addresses(target_field, match_.dst_ip_from, match_.dst_ip_to);
        if (match_.protocol)
            compare("meta l4proto", std::to_string(number(FilterValue::ip_protocol, *match_.protocol)));
        if (match_.dscp) compare(fmt::format("{} dscp", family), std::to_string(number(*match_.dscp)));
        compare_range(reversed_ ? "th dport" : "th sport", match_.src_port_start, match_.src_port_end);
        compare_range(reversed_ ? "th sport" : "th dport", match_.dst_port_start, match_.dst_port_end);
        if (!answers_) { // whose type is another
            const std::string_view icmp = model::is_ipv6(rule_.protocol) ? "icmpv6" : "icmp";
            compare_range(fmt::format("{} type", icmp), match_.type, match_.type_end);
            compare_range(fmt::format("{} code", icmp), match_.code, match_.code_end);
        }
        if (match_.option)
            put(fmt::format("tcp option {} {}", number(*match_.option), match_.match == false ? "missing" : "exists"));
        if (match_.tcp_flags) flags(*match_.tcp_flags);
        if (match_.connlimit_above && !answers_)
            put(fmt::format("ct count {}{}", match_.match == false ? "" : "over ", number(*match_.connlimit_above)));
    }

    void addresses(std::string_view field, const Text& first, const Text& last) {
        if (first) compare(field, last && *last != *first ? fmt::format("{}-{}", *first, *last) : *first);
    }

    void flags(const std::string& text) {
        const auto [mask, set] = model::parse_tcp_flags(text).value_or(std::pair(0u, 0u));
        compare_masked("tcp flags", hex(mask), hex(set));
    }

    const Rule& rule_;
    const FilterMatch& match_;
    bool reversed_, answers_;
    std::string_view equal_, masked_;
    std::string out_;
};

std::string joined(std::initializer_list<std::string_view> parts) {
    std::string out;
    for (const auto part : parts)
        if (!part.empty()) out += fmt::format("{}{}", out.empty() ? "" : " ", part);
    return out;
}

/// Quotes and control characters end nft's texts, and cannot be written in them.
std::string comment(const Rule& rule) {
    if (!rule.match.comment) return "";
    std::string text(cut_text(*rule.match.comment, longest_comment));
    for (char& c : text)
        if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '\'';
    return fmt::format("comment \"{}\"", text);
}

bool needs_tracking(const Rule& rule) {
    if (model::is_layer2(rule.protocol)) return false;
    if (rule.match.connlimit_above) return true;
    if (rule.match.state) return *rule.match.state != "NONE";
    return rule.action == FilterAction::accept && !rule.stateless;
}

void require(const Rule& rule, const Abilities& abilities) {
    const auto lacks = [&](std::string_view what, std::string_view option, std::string_view hint) {
        return Error(
                   ErrorCode::config_unsupported, ErrorDomain::nwfilter,
                   fmt::format("unsupported configuration: a <{}> rule of the filter '{}' {}, which this host's kernel "
                               "cannot do on a bridge ({})",
                               format::word(rule.protocol), rule.filter, what, option))
            .hint(std::string(hint));
    };
    if (needs_tracking(rule) && !abilities.tracking)
        throw lacks("needs connection tracking", "CONFIG_NF_CONNTRACK_BRIDGE",
                    "give the rule statematch='false', and one for the answers, or use a kernel that has the option");
    if (rule.action == FilterAction::reject && !model::is_layer2(rule.protocol) && rule.direction != FilterDirection::in
        && !abilities.reject)
        throw lacks("rejects packets", "CONFIG_NFT_BRIDGE_REJECT", "drop them: action='drop'");
}

/// What is rejected below IP, or on its way to the guest, is dropped: nobody is there to be told, or no hook can.
std::string_view verdict(const Rule& rule, Way way) {
    switch (rule.action) {
    case FilterAction::accept:
        return "accept";
    case FilterAction::reject:
        return way == Way::from_guest && !model::is_layer2(rule.protocol) ? "reject" : "drop";
    case FilterAction::return_:
        return "return";
    case FilterAction::continue_:
        return "continue";
    case FilterAction::drop:
        break;
    }
    return "drop";
}

std::string lower_states(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::string line(const Rule& rule, Way way, Role role, std::string_view state) {
    const auto compared = Comparisons(rule, role).text();
    return joined({compared, state, "counter", verdict(rule, way), comment(rule)});
}

} // namespace

std::vector<std::string> statements(const Rule& rule, Way way, const Abilities& abilities) {
    require(rule, abilities);
    const bool forwards =
        way == Way::from_guest ? rule.direction == FilterDirection::out : rule.direction != FilterDirection::out;
    const bool both = rule.direction == FilterDirection::inout;
    // What counts both ways is written as it comes in: from the guest, sender and receiver change places.
    const auto role = both && way == Way::from_guest ? Role::reversed : Role::meant;
    if (!needs_tracking(rule) || rule.match.state || rule.stateless || rule.action != FilterAction::accept) {
        if (!forwards && !both) return {};
        const bool stated = rule.match.state && *rule.match.state != "NONE";
        const auto state = stated ? fmt::format("ct state {}{}", rule.match.match == false ? "!= " : "",
                                                lower_states(*rule.match.state))
                                  : std::string();
        return {line(rule, way, role, state)};
    }
    if (forwards || both) return {line(rule, way, role, "ct state new,established")};
    return {line(rule, way, Role::answers, "ct state established")};
}

std::string chain_condition(std::string_view chain) {
    const auto protocol = model::chain_protocol(chain).value_or("mac");
    if (protocol == "stp") return fmt::format("ether daddr {}", bridge_group);
    if (protocol == "vlan") return "ether type vlan";
    if (protocol == "ipv4") return "ether type ip";
    if (protocol == "ipv6") return "ether type ip6";
    if (protocol == "arp") return "ether type arp";
    if (protocol == "rarp") return "ether type 0x8035";
    return "";
}

} // namespace domus::filter
