#include "model/nwfilter_values.hpp"

#include "base/ip_address.hpp"
#include "base/number.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::model {

namespace {

using enum FilterProtocol;

constexpr std::uint32_t only(auto... protocol) { return ((1u << static_cast<unsigned>(protocol)) | ...); }

constexpr std::uint32_t frames = only(mac, vlan, arp, rarp, ip, ipv6);
constexpr std::uint32_t arps = only(arp, rarp);
constexpr std::uint32_t tcps = only(tcp, tcp_ipv6);
constexpr std::uint32_t with_ports = only(tcp, udp, sctp, tcp_ipv6, udp_ipv6, sctp_ipv6);
constexpr std::uint32_t above_ip = only(tcp, icmp, igmp, udp, udplite, esp, ah, sctp, all, tcp_ipv6, icmpv6, udp_ipv6,
                                        udplite_ipv6, esp_ipv6, ah_ipv6, sctp_ipv6, all_ipv6);
constexpr std::uint32_t addressed = above_ip | only(ip, ipv6);
constexpr std::uint64_t most_8 = 0xff, most_16 = 0xffff, most_32 = 0xffffffff, most_dscp = 63, most_vlan = 0xfff;

using enum FilterValue;
using M = FilterMatch;

constexpr std::array attributes{
    FilterAttribute{"@srcmacaddr", &M::src_mac, mac_address, frames | only(stp) | above_ip, 0, "sender's MAC"},
    FilterAttribute{"@srcmacmask", &M::src_mac_mask, mac_mask, frames | only(stp), 0, "bits of it that count"},
    FilterAttribute{"@dstmacaddr", &M::dst_mac, mac_address, frames, 0, "receiver's MAC"},
    FilterAttribute{"@dstmacmask", &M::dst_mac_mask, mac_mask, frames, 0, "bits of it that count"},
    FilterAttribute{"@protocolid", &M::protocol_id, ethernet_protocol, only(mac), most_16,
                    "what the frame carries: arp, rarp, ipv4, ipv6, vlan, or a number"},
    FilterAttribute{"@vlanid", &M::vlan_id, number, only(vlan), most_vlan, "the VLAN"},
    FilterAttribute{"@encap-protocol", &M::encap_protocol, ethernet_protocol, only(vlan), most_16,
                    "what the tagged frame carries"},
    FilterAttribute{"@type", &M::stp_type, number, only(stp), most_8, "type of the BPDU"},
    FilterAttribute{"@flags", &M::stp_flags, number, only(stp), most_8, "its flags"},
    FilterAttribute{"@root-priority", &M::root_priority, number, only(stp), most_16, "root's priority, or lowest"},
    FilterAttribute{"@root-priority-hi", &M::root_priority_hi, number, only(stp), most_16, "highest"},
    FilterAttribute{"@root-address", &M::root_address, mac_address, only(stp), 0, "root's MAC"},
    FilterAttribute{"@root-address-mask", &M::root_address_mask, mac_mask, only(stp), 0, "bits of it that count"},
    FilterAttribute{"@root-cost", &M::root_cost, number, only(stp), most_32, "cost to the root, or lowest"},
    FilterAttribute{"@root-cost-hi", &M::root_cost_hi, number, only(stp), most_32, "highest"},
    FilterAttribute{"@sender-priority", &M::sender_priority, number, only(stp), most_16, "sender's, or lowest"},
    FilterAttribute{"@sender-priority-hi", &M::sender_priority_hi, number, only(stp), most_16, "highest"},
    FilterAttribute{"@sender-address", &M::sender_address, mac_address, only(stp), 0, "sender's MAC"},
    FilterAttribute{"@sender-address-mask", &M::sender_address_mask, mac_mask, only(stp), 0, "bits that count"},
    FilterAttribute{"@port", &M::port, number, only(stp), most_16, "port, or lowest"},
    FilterAttribute{"@port-hi", &M::port_hi, number, only(stp), most_16, "highest"},
    FilterAttribute{"@age", &M::age, number, only(stp), most_16, "age of the message, or lowest"},
    FilterAttribute{"@age-hi", &M::age_hi, number, only(stp), most_16, "highest"},
    FilterAttribute{"@max-age", &M::max_age, number, only(stp), most_16, "largest age, or lowest"},
    FilterAttribute{"@max-age-hi", &M::max_age_hi, number, only(stp), most_16, "highest"},
    FilterAttribute{"@hello-time", &M::hello_time, number, only(stp), most_16, "hello time, or lowest"},
    FilterAttribute{"@hello-time-hi", &M::hello_time_hi, number, only(stp), most_16, "highest"},
    FilterAttribute{"@forward-delay", &M::forward_delay, number, only(stp), most_16, "forward delay, or lowest"},
    FilterAttribute{"@forward-delay-hi", &M::forward_delay_hi, number, only(stp), most_16, "highest"},
    FilterAttribute{"@hwtype", &M::hw_type, number, arps, most_16, "kind of hardware; 1 is Ethernet"},
    FilterAttribute{"@protocoltype", &M::protocol_type, number, arps, most_16, "kind of address; 0x800 is IPv4"},
    FilterAttribute{"@opcode", &M::opcode, arp_opcode, arps, most_16, "Request, Reply, ..., or a number"},
    FilterAttribute{"@arpsrcmacaddr", &M::arp_src_mac, mac_address, arps, 0, "sender's MAC in the message"},
    FilterAttribute{"@arpdstmacaddr", &M::arp_dst_mac, mac_address, arps, 0, "target's MAC in the message"},
    FilterAttribute{"@arpsrcipaddr", &M::arp_src_ip, ip_address, arps, 0, "sender's address in the message"},
    FilterAttribute{"@arpsrcipmask", &M::arp_src_ip_mask, ip_mask, arps, 0, "bits of it that count"},
    FilterAttribute{"@arpdstipaddr", &M::arp_dst_ip, ip_address, arps, 0, "target's address in the message"},
    FilterAttribute{"@arpdstipmask", &M::arp_dst_ip_mask, ip_mask, arps, 0, "bits of it that count"},
    FilterAttribute{"@gratuitous", &M::gratuitous, yes_no, arps, 0, "whether sender and target are one"},
    FilterAttribute{"@srcipaddr", &M::src_ip, ip_address, addressed, 0, "sender's address"},
    FilterAttribute{"@srcipmask", &M::src_ip_mask, ip_mask, addressed, 0, "bits of it that count"},
    FilterAttribute{"@dstipaddr", &M::dst_ip, ip_address, addressed, 0, "receiver's address"},
    FilterAttribute{"@dstipmask", &M::dst_ip_mask, ip_mask, addressed, 0, "bits of it that count"},
    FilterAttribute{"@srcipfrom", &M::src_ip_from, ip_address, above_ip, 0, "first of sender's addresses"},
    FilterAttribute{"@srcipto", &M::src_ip_to, ip_address, above_ip, 0, "the last"},
    FilterAttribute{"@dstipfrom", &M::dst_ip_from, ip_address, above_ip, 0, "first of receiver's addresses"},
    FilterAttribute{"@dstipto", &M::dst_ip_to, ip_address, above_ip, 0, "the last"},
    FilterAttribute{"@protocol", &M::protocol, ip_protocol, only(ip, ipv6), most_8, "what the packet carries"},
    FilterAttribute{"@srcportstart", &M::src_port_start, number, with_ports | only(ip, ipv6), most_16,
                    "sender's port, or the first"},
    FilterAttribute{"@srcportend", &M::src_port_end, number, with_ports | only(ip, ipv6), most_16, "the last"},
    FilterAttribute{"@dstportstart", &M::dst_port_start, number, with_ports | only(ip, ipv6), most_16,
                    "receiver's port, or the first"},
    FilterAttribute{"@dstportend", &M::dst_port_end, number, with_ports | only(ip, ipv6), most_16, "the last"},
    FilterAttribute{"@type", &M::type, number, only(ipv6, icmp, icmpv6), most_8, "type of the ICMP message"},
    FilterAttribute{"@typeend", &M::type_end, number, only(ipv6), most_8, "last of several types"},
    FilterAttribute{"@code", &M::code, number, only(ipv6, icmp, icmpv6), most_8, "code of the ICMP message"},
    FilterAttribute{"@codeend", &M::code_end, number, only(ipv6), most_8, "last of several codes"},
    FilterAttribute{"@dscp", &M::dscp, number, above_ip | only(ip), most_dscp, "differentiated services code point"},
    FilterAttribute{"@option", &M::option, number, tcps, most_8, "TCP option that is there"},
    FilterAttribute{"@flags", &M::tcp_flags, flag_names, tcps, 0, "flags looked at / flags set"},
    FilterAttribute{"@state", &M::state, state_names, above_ip, 0,
                    "NEW, ESTABLISHED, RELATED, INVALID, NONE: what connection tracking knows"},
    FilterAttribute{"@connlimit-above", &M::connlimit_above, number, above_ip, most_16, "more connections than these"},
    FilterAttribute{"@ipset", &M::ipset, set_name, above_ip, 0, "name of a set of addresses"},
    FilterAttribute{"@ipsetflags", &M::ipset_flags, set_flags, above_ip, 0, "src, dst"},
    FilterAttribute{"@comment", &M::comment, words, frames | only(stp) | above_ip, 0,
                    "for people; stands in the firewall's rule"},
};

// ---- named numbers --------------------------------------------------------------------------------------------------

struct Named {
    std::string_view name;
    std::uint64_t number;
};
constexpr Named ethernet_protocols[]{
    {"arp", 0x806}, {"rarp", 0x8035}, {"ipv4", 0x800}, {"ipv6", 0x86dd}, {"vlan", 0x8100}};
constexpr Named ip_protocols[]{{"tcp", 6},  {"udp", 17}, {"udplite", 136}, {"esp", 50},   {"ah", 51},
                               {"icmp", 1}, {"igmp", 2}, {"sctp", 132},    {"icmpv6", 58}};
constexpr Named arp_opcodes[]{{"Request", 1},       {"Reply", 2},         {"Request_Reverse", 3},
                              {"Reply_Reverse", 4}, {"DRARP_Request", 5}, {"DRARP_Reply", 6},
                              {"DRARP_Error", 7},   {"InARP_Request", 8}, {"ARP_NAK", 9}};
constexpr Named flag_bits[]{{"FIN", 1}, {"SYN", 2}, {"RST", 4}, {"PSH", 8}, {"ACK", 16}, {"URG", 32}};
constexpr std::string_view states[]{"NEW", "ESTABLISHED", "RELATED", "INVALID", "NONE"};
constexpr unsigned every_flag = 63;
constexpr std::size_t longest_comment = 256, longest_set_name = 31;
constexpr std::uint64_t lowest_ethernet_protocol = 0x600;

std::span<const Named> names_of(FilterValue kind) {
    if (kind == ethernet_protocol) return ethernet_protocols;
    if (kind == ip_protocol) return ip_protocols;
    if (kind == arp_opcode) return arp_opcodes;
    return {};
}

bool equal_letters(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b,
                              [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// Calls with each part of a list; false where one call is.
bool each_part(std::string_view list, const auto& take) {
    for (;;) {
        const auto end = std::min(list.find(','), list.size());
        if (!take(format::detail::trim(list.substr(0, end)))) return false;
        if (end == list.size()) return true;
        list.remove_prefix(end + 1);
    }
}

// ---- what values look like when they are written -----------------------------------------------------------------

std::optional<std::string> number_text(FilterValue kind, std::uint64_t most, std::string_view text) {
    const auto value = filter_number(kind, text);
    if (!value || *value > most) return std::nullopt;
    if (kind == ethernet_protocol && *value < lowest_ethernet_protocol) return std::nullopt;
    for (const auto& named : names_of(kind))
        if (named.number == *value) return std::string(named.name);
    return text.starts_with("0x") || text.starts_with("0X") ? fmt::format("{:#x}", *value) : fmt::format("{}", *value);
}

std::optional<std::string> mac_text(std::string_view text) {
    std::string out;
    for (int i = 0; i < 6; ++i) {
        const auto end = i < 5 ? text.find(':') : text.size();
        if (end == text.npos || end == 0 || end > 2) return std::nullopt;
        const auto byte = parse_number<unsigned>(text.substr(0, end), 16);
        if (!byte) return std::nullopt;
        out += fmt::format("{}{:02x}", i ? ":" : "", *byte);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

std::optional<std::string> mask_text(bool v6, std::string_view text) {
    const unsigned width = v6 ? 128 : 32;
    if (const auto bits = parse_number<unsigned>(text))
        return *bits <= width ? std::optional(std::to_string(*bits)) : std::nullopt;
    const auto mask = ::domus::IpAddress::parse(text);
    if (!mask || mask->v6 != v6) return std::nullopt;
    const auto bits = mask->as_netmask();
    return bits ? std::optional(std::to_string(*bits)) : std::nullopt;
}

std::optional<std::string> ip_text(bool v6, std::string_view text) {
    const auto address = ::domus::IpAddress::parse(text);
    return address && address->v6 == v6 ? std::optional(address->text()) : std::nullopt;
}

std::optional<unsigned> flag_mask(std::string_view list) {
    unsigned mask = 0;
    const bool good = each_part(list, [&](std::string_view part) {
        if (equal_letters(part, "NONE")) return true;
        if (equal_letters(part, "ALL")) {
            mask = every_flag;
            return true;
        }
        const auto* found =
            std::ranges::find_if(flag_bits, [&](const Named& bit) { return equal_letters(bit.name, part); });
        if (found == std::end(flag_bits)) return false;
        mask |= static_cast<unsigned>(found->number);
        return true;
    });
    return good ? std::optional(mask) : std::nullopt;
}

std::string text_of_flags(unsigned mask) {
    if (mask == 0) return "NONE";
    if (mask == every_flag) return "ALL";
    std::string out;
    for (const auto& bit : flag_bits)
        if (mask & bit.number) out += (out.empty() ? "" : ",") + std::string(bit.name);
    return out;
}

std::optional<std::string> state_text(std::string_view text) {
    std::string out;
    for (const auto known : states) {
        bool wanted = false;
        const bool good = each_part(text, [&](std::string_view part) {
            wanted |= equal_letters(part, known);
            return std::ranges::any_of(states, [&](std::string_view state) { return equal_letters(state, part); });
        });
        if (!good) return std::nullopt;
        if (wanted) out += (out.empty() ? "" : ",") + std::string(known);
    }
    return out;
}

std::optional<std::string> set_flags_text(std::string_view text) {
    std::string out;
    std::size_t count = 0;
    const bool good = each_part(text, [&](std::string_view part) {
        if (!equal_letters(part, "src") && !equal_letters(part, "dst")) return false;
        out += (out.empty() ? "" : ",") + std::string(equal_letters(part, "src") ? "src" : "dst");
        return ++count <= 6;
    });
    return good ? std::optional(out) : std::nullopt;
}

bool is_set_name(std::string_view text) {
    const auto good = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == ':' || c == '-'; };
    return !text.empty() && text.size() <= longest_set_name && std::ranges::all_of(text, good);
}

std::optional<std::string> yes_no_text(std::string_view text) {
    for (const std::string_view yes : {"yes", "true", "1"})
        if (equal_letters(text, yes)) return "true";
    for (const std::string_view no : {"no", "false", "0"})
        if (equal_letters(text, no)) return "false";
    return std::nullopt;
}

std::optional<std::string> plain_value(const FilterAttribute& attribute, bool v6, std::string_view text) {
    switch (attribute.kind) {
    case mac_address:
    case mac_mask:
        return mac_text(text);
    case ip_address:
        return ip_text(v6, text);
    case ip_mask:
        return mask_text(v6, text);
    case number:
    case ethernet_protocol:
    case ip_protocol:
    case arp_opcode:
        return number_text(attribute.kind, attribute.most, text);
    case yes_no:
        return yes_no_text(text);
    case flag_names: {
        const auto flags = parse_tcp_flags(text);
        return flags ? std::optional(text_of_flags(flags->first) + "/" + text_of_flags(flags->second)) : std::nullopt;
    }
    case state_names:
        return state_text(text);
    case set_name:
        return is_set_name(text) ? std::optional(std::string(text)) : std::nullopt;
    case set_flags:
        return set_flags_text(text);
    case words:
        return text.size() <= longest_comment ? std::optional(std::string(text)) : std::nullopt;
    }
    return std::nullopt;
}

} // namespace

std::span<const FilterAttribute> filter_attributes() { return attributes; }

bool is_ipv6(FilterProtocol protocol) { return protocol == ipv6 || protocol >= tcp_ipv6; }
bool is_layer2(FilterProtocol protocol) { return protocol < tcp; }

std::optional<std::uint64_t> filter_number(FilterValue kind, std::string_view text) {
    for (const auto& named : names_of(kind))
        if (equal_letters(named.name, text)) return named.number;
    if (text.starts_with("0x") || text.starts_with("0X")) return parse_number<std::uint64_t>(text.substr(2), 16);
    return parse_number<std::uint64_t>(text);
}

std::optional<std::pair<unsigned, unsigned>> parse_tcp_flags(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == text.npos) return std::nullopt;
    const auto mask = flag_mask(text.substr(0, slash)), set = flag_mask(text.substr(slash + 1));
    if (!mask || !set) return std::nullopt;
    return std::pair(*mask, *set);
}

std::optional<std::string> canonical_value(const FilterAttribute& attribute, FilterProtocol protocol,
                                           std::string_view text) {
    if (attribute.kind != words && is_variable(text)) {
        const auto access = parse_variable(text);
        return access ? std::optional("$" + access->text()) : std::nullopt;
    }
    return plain_value(attribute, is_ipv6(protocol), text);
}

// ---- variables ------------------------------------------------------------------------------------------------------

bool is_variable(std::string_view text) { return text.starts_with('$'); }

bool is_variable_name(std::string_view name) {
    constexpr std::size_t longest = 64;
    const auto good = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
    return !name.empty() && name.size() <= longest && std::ranges::all_of(name, good);
}

std::string VariableAccess::text() const {
    if (element) return fmt::format("{}[{}]", name, index);
    return index == 0 ? name : fmt::format("{}[@{}]", name, index);
}

std::optional<VariableAccess> parse_variable(std::string_view text) {
    constexpr unsigned most_turns = 1000;
    if (!is_variable(text)) return std::nullopt;
    text.remove_prefix(1);
    VariableAccess access;
    const auto bracket = text.find('[');
    access.name = text.substr(0, bracket);
    if (!is_variable_name(access.name)) return std::nullopt;
    if (bracket == text.npos) return access;
    auto inside = text.substr(bracket + 1);
    if (!inside.ends_with(']')) return std::nullopt;
    inside.remove_suffix(1);
    access.element = !inside.starts_with('@');
    if (!access.element) inside.remove_prefix(1);
    const auto index = parse_number<unsigned>(inside);
    if (!index || *index > most_turns) return std::nullopt;
    access.index = *index;
    return access;
}

} // namespace domus::model
