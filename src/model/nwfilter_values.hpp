// Which attributes the protocols of filter rules have, and what values they take; one table for reading, judging, compiling
// and explaining. https://libvirt.org/formatnwfilter.html#supported-protocols
#pragma once

#include "model/nwfilter.hpp"

#include <cstdint>
#include <span>

namespace domus::model {

enum class FilterValue {
    mac_address,
    mac_mask,
    ip_address, ///< of the protocol's family
    ip_mask,    ///< a mask, or a number of bits
    number,     ///< up to FilterAttribute::most, decimal or hexadecimal behind 0x
    ethernet_protocol,
    ip_protocol,
    arp_opcode,
    yes_no,
    flag_names,  ///< "SYN,ACK/SYN": those that are looked at, and those of them that are set
    state_names, ///< "NEW,ESTABLISHED"
    set_name,
    set_flags,
    words, ///< a comment
};

struct FilterAttribute {
    std::string_view path; ///< "@srcmacaddr"
    FilterMatch::Text FilterMatch::* member;
    FilterValue kind;
    std::uint32_t protocols; ///< bit n: protocol n has it
    std::uint64_t most = 0;  ///< largest number
    std::string_view doc;

    std::string_view name() const { return path.substr(1); }
    bool of(FilterProtocol protocol) const { return protocols >> static_cast<unsigned>(protocol) & 1; }
};

std::span<const FilterAttribute> filter_attributes();

/// Whether addresses of the protocol's rules are IPv6.
bool is_ipv6(FilterProtocol protocol);
/// Whether it is compared with the frame's own header (mac, vlan, stp, arp, rarp, ip, ipv6), or above IP with what connection
/// tracking knows.
bool is_layer2(FilterProtocol protocol);

/// The value as libvirt writes it; nothing for one that is illegal.
std::optional<std::string> canonical_value(const FilterAttribute& attribute, FilterProtocol protocol,
                                           std::string_view text);

/// A variable as a value names it.
struct VariableAccess {
    std::string name;
    bool element = false; ///< [2]: that element; otherwise all, taken in turn
    unsigned index = 0;   ///< of the element, or of the turn: variables of the same turn advance together
    std::string text() const;
};
bool is_variable(std::string_view text);
/// Nothing for what begins with a $ and names no variable.
std::optional<VariableAccess> parse_variable(std::string_view text);
bool is_variable_name(std::string_view name);

/// A named number: 0x806 for "arp". Nothing for a name that is not known.
std::optional<std::uint64_t> filter_number(FilterValue kind, std::string_view text);
/// {looked at, set} of "SYN,ACK/SYN".
std::optional<std::pair<unsigned, unsigned>> parse_tcp_flags(std::string_view text);

} // namespace domus::model
