#include "model/nwfilter.hpp"

#include "model/checks.hpp"
#include "model/nwfilter_values.hpp"

#include <algorithm>

namespace domus::model {

using format::Describe;
using format::required;
using format::Schema;

namespace {

struct ChainKind {
    std::string_view prefix;
    int priority; ///< where none is given
};
/// As libvirt orders them.
constexpr ChainKind chain_kinds[]{{"stp", -810},  {"mac", -800}, {"vlan", -750}, {"ipv4", -700},
                                  {"ipv6", -600}, {"arp", -500}, {"rarp", -400}};
constexpr std::string_view root = "root";
constexpr std::size_t longest_chain_name = 12;

const ChainKind* kind_of(std::string_view chain) {
    const auto* found =
        std::ranges::find_if(chain_kinds, [&](const auto& kind) { return chain.starts_with(kind.prefix); });
    return found == std::end(chain_kinds) ? nullptr : found;
}

/// What each protocol's element is called, and what it says to who reads the reference.
template <FilterProtocol Protocol> constexpr std::string_view doc_of() {
    if constexpr (Protocol == FilterProtocol::mac) return "Any frame.";
    if constexpr (Protocol == FilterProtocol::vlan) return "Frames with an 802.1Q tag.";
    if constexpr (Protocol == FilterProtocol::stp) return "Messages of the spanning tree protocol.";
    if constexpr (Protocol == FilterProtocol::arp || Protocol == FilterProtocol::rarp)
        return "Messages that resolve addresses.";
    if constexpr (Protocol == FilterProtocol::ip) return "IPv4 packets, each by itself.";
    if constexpr (Protocol == FilterProtocol::ipv6) return "IPv6 packets, each by itself.";
    return "Packets above IP, as part of their connection.";
}

} // namespace

template <FilterProtocol Protocol> const Schema& FilterMatchOf<Protocol>::schema() {
    static const Schema table = [] {
        using Self = FilterMatchOf<Protocol>;
        Describe<Self> made(format::word(Protocol), doc_of<Protocol>());
        made.field("@match", static_cast<std::optional<bool> Self::*>(&FilterMatch::match),
                   "whether the comparisons are to hold, each; no turns each round", format::empty_is_absent);
        for (const auto& attribute : filter_attributes())
            if (attribute.of(Protocol))
                made.field(attribute.path, static_cast<FilterMatch::Text Self::*>(attribute.member), attribute.doc);
        return made;
    }();
    return table;
}

const Schema& FilterRule::schema() {
    static const Schema table = [] {
        Describe<FilterRule> made("rule", "What becomes of packets that match.");
        made.field("@action", &FilterRule::action, "drop, accept, reject, return to the chain before, or continue",
                   required)
            .field("@direction", &FilterRule::direction, "to the guest, from it, or both", required)
            .field("@priority", &FilterRule::priority, "lower comes first", format::empty_is_absent)
            .field("@statematch", &FilterRule::state_match, "false: connections are not tracked for it");
        [&]<std::size_t... Index>(std::index_sequence<Index...>) {
            (made.field(format::words<FilterProtocol>[Index],
                        static_cast<std::vector<FilterMatchOf<static_cast<FilterProtocol>(Index)>> FilterRule::*>(
                            &detail::MatchSlot<static_cast<FilterProtocol>(Index)>::matches)),
             ...);
        }(std::make_index_sequence<filter_protocols>());
        return made;
    }();
    return table;
}

const Schema& NwFilter::schema() {
    static const Schema table =
        Describe<NwFilter>("filter", "A network filter: rules, and other filters that it includes.")
            .in_document_order()
            .field("@name", &NwFilter::name, "its name, unique on the host", required)
            .field("@chain", &NwFilter::chain, "root, or one that only packets of its protocol enter",
                   format::empty_is_absent)
            .field("@priority", &NwFilter::priority, "when the chain is entered; lower is earlier",
                   format::empty_is_absent)
            .field("uuid", &NwFilter::uuid, "its identity; made at definition")
            .field("rule", &NwFilter::rules)
            .field("filterref", &NwFilter::includes);
    return table;
}

const Schema& FilterBinding::schema() {
    static const Schema table =
        Describe<FilterBinding>("filterbinding", "A filter in force on a network device of the host.")
            .field("owner/name", &FilterBinding::owner_name, "domain that the device belongs to", required)
            .field("owner/uuid", &FilterBinding::owner_uuid, "its UUID", required)
            .field("portdev@name", &FilterBinding::port_dev, "the device, a port of a bridge", required)
            .refuse("linkdev", "filters of macvtap devices are not built")
            .field("mac@address", &FilterBinding::mac, "the guest's MAC address", required)
            .field("filterref", &FilterBinding::filter, "", required);
    return table;
}

bool FilterRule::is_stateless() const { return state_match && (*state_match == "false" || *state_match == "0"); }

std::optional<std::string_view> chain_protocol(std::string_view chain) {
    const auto* kind = kind_of(chain);
    return kind ? std::optional(kind->prefix) : std::nullopt;
}

bool includes(const NwFilter& filter, std::string_view name) {
    return std::ranges::any_of(filter.includes, [&](const auto& include) { return include.filter == name; });
}

// ---- check ----------------------------------------------------------------------------------------------------------

namespace {

constexpr std::size_t most_rules = 10'000, most_includes = 1'000, most_parameters = 1'000;
constexpr std::size_t longest_name = 200; ///< a file is named after it

void check_chain(const NwFilter& filter, checks::Report& report) {
    const auto chain = filter.chain.value_or(std::string(root));
    const auto good = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-' || c == '.'; };
    if (chain.size() > longest_chain_name)
        report.add(filter.rest, "Name of chain is longer than {} characters", longest_chain_name);
    else if (!std::ranges::all_of(chain, good))
        report.add(filter.rest, "Chain name contains invalid characters");
    else if (chain != root && !kind_of(chain))
        report.add(filter.rest,
                   "Invalid chain name '{}'. Please use a chain name called 'root' or any of the following prefixes: "
                   "stp, mac, vlan, ipv4, ipv6, arp, rarp",
                   chain);
    if (filter.priority
        && (*filter.priority < FilterRule::lowest_priority || *filter.priority > FilterRule::highest_priority))
        report.add(filter.rest, "Priority '{}' is outside valid range of [{},{}]", *filter.priority,
                   FilterRule::lowest_priority, FilterRule::highest_priority);
}

void check_parameters(const FilterReference& reference, checks::Report& report) {
    if (!checks::within(reference.parameters, most_parameters, "the <filterref>", "parameters", report)) return;
    const auto good = [](unsigned char c) { return std::isalnum(c) || c == '.' || c == ':' || c == '_' || c == '-'; };
    for (const auto& parameter : reference.parameters) {
        if (!is_variable_name(parameter.name))
            report.add(parameter.rest, "'{}' is no name of a variable; take letters, digits and _", parameter.name);
        if (parameter.value.empty() || !std::ranges::all_of(parameter.value, good))
            report.add(parameter.rest, "'{}' is no value of the variable {}; take letters, digits and . : - _",
                       parameter.value, parameter.name);
    }
}

void check_values(FilterProtocol protocol, const FilterMatch& match, checks::Report& report) {
    for (const auto& attribute : filter_attributes()) {
        const auto& value = match.*attribute.member;
        if (attribute.of(protocol) && value && !canonical_value(attribute, protocol, *value))
            report.add(match.rest, "{} has illegal value {}", attribute.name(), *value);
    }
}

/// A mask or a last value tells nothing where the first is missing; a port is one of some protocol.
void check_pairs(FilterProtocol protocol, const FilterMatch& match, checks::Report& report) {
    const auto needs = [&](const FilterMatch::Text& one, std::string_view name, const FilterMatch::Text& other,
                           std::string_view what) {
        if (one && !other) report.add(match.rest, "{} needs {}", name, what);
    };
    needs(match.src_mac_mask, "srcmacmask", match.src_mac, "srcmacaddr");
    needs(match.dst_mac_mask, "dstmacmask", match.dst_mac, "dstmacaddr");
    needs(match.src_ip_mask, "srcipmask", match.src_ip, "srcipaddr");
    needs(match.dst_ip_mask, "dstipmask", match.dst_ip, "dstipaddr");
    needs(match.arp_src_ip_mask, "arpsrcipmask", match.arp_src_ip, "arpsrcipaddr");
    needs(match.arp_dst_ip_mask, "arpdstipmask", match.arp_dst_ip, "arpdstipaddr");
    needs(match.src_ip_to, "srcipto", match.src_ip_from, "srcipfrom");
    needs(match.dst_ip_to, "dstipto", match.dst_ip_from, "dstipfrom");
    needs(match.src_port_end, "srcportend", match.src_port_start, "srcportstart");
    needs(match.dst_port_end, "dstportend", match.dst_port_start, "dstportstart");
    needs(match.type_end, "typeend", match.type, "type");
    needs(match.code_end, "codeend", match.code, "code");
    needs(match.root_address_mask, "root-address-mask", match.root_address, "root-address");
    needs(match.sender_address_mask, "sender-address-mask", match.sender_address, "sender-address");
    needs(match.ipset_flags, "ipsetflags", match.ipset, "ipset");
    if (protocol != FilterProtocol::ip && protocol != FilterProtocol::ipv6) return;
    const auto carried = match.protocol ? filter_number(FilterValue::ip_protocol, *match.protocol) : std::nullopt;
    const bool variable = match.protocol && is_variable(*match.protocol);
    const auto is_one_of = [&](std::initializer_list<unsigned> numbers) {
        return variable || (carried && std::ranges::find(numbers, *carried) != numbers.end());
    };
    if ((match.src_port_start || match.dst_port_start) && !is_one_of({6, 17, 33, 132}))
        report.add(match.rest, "ip rule with port specification requires protocol specification with protocol to be "
                               "either one of tcp(6), udp(17), dccp(33), or sctp(132)");
    if ((match.type || match.code) && !is_one_of({58}))
        report.add(match.rest, "a rule with a type or a code of ICMPv6 needs protocol='icmpv6'");
}

void check_rule(const FilterRule& rule, checks::Report& report) {
    if (rule.priority < FilterRule::lowest_priority || rule.priority > FilterRule::highest_priority)
        report.add(rule.rest, "the priority {} of a rule is outside valid range of [{},{}]", rule.priority,
                   FilterRule::lowest_priority, FilterRule::highest_priority);
    if (rule.state_match && !rule.is_stateless() && *rule.state_match != "true" && *rule.state_match != "1")
        report.add(rule.rest, "statematch is '{}', it must be 0, false, 1 or true", *rule.state_match);
    std::size_t elements = 0;
    rule.each_match([&](FilterProtocol protocol, const FilterMatch& match) {
        ++elements;
        check_values(protocol, match, report);
        check_pairs(protocol, match, report);
    });
    if (elements > 1) report.add(rule.rest, "the rule names {} protocols; write a rule for each", elements);
}

/// A chain sees only packets of its protocol.
void check_chain_rule(std::string_view chain, const FilterRule& rule, checks::Report& report) {
    rule.each_match([&](FilterProtocol protocol, const FilterMatch& match) {
        const auto name = format::word(protocol);
        const auto needed = name == "ip" ? std::string_view("ipv4") : name;
        const auto own = chain_protocol(chain);
        if (!own || protocol == FilterProtocol::mac || *own == "mac" || *own == needed) return;
        if (!is_layer2(protocol)) return; // is judged above IP, whatever the chain is
        report.add(match.rest, "a <{}> rule matches nothing in the chain '{}'", name, chain);
    });
}

} // namespace

void check(const NwFilter& filter, format::Findings& findings) {
    checks::Report report(findings);
    if (filter.name.empty() || filter.name.size() > longest_name || filter.name.find('/') != filter.name.npos
        || filter.name.starts_with('.'))
        report.add(filter.rest, "'{}' cannot be the name of a filter: a file is named after it", filter.name);
    check_chain(filter, report);
    if (!checks::within(filter.rules, most_rules, "the filter", "rules", report)) return;
    if (!checks::within(filter.includes, most_includes, "the filter", "filters that it includes", report)) return;
    for (const auto& rule : filter.rules) {
        check_rule(rule, report);
        check_chain_rule(filter.chain.value_or(std::string(root)), rule, report);
    }
    for (const auto& include : filter.includes) check_parameters(include, report);
}

void check(const FilterBinding& binding, format::Findings& findings) {
    checks::Report report(findings);
    constexpr std::size_t longest_device = 15; // IFNAMSIZ
    const auto good = [](unsigned char c) { return std::isgraph(c) && c != '/' && c != '"'; };
    if (binding.port_dev.empty() || binding.port_dev.size() > longest_device
        || !std::ranges::all_of(binding.port_dev, good))
        report.add(binding.rest, "'{}' cannot be the name of a network device", binding.port_dev);
    static const auto& mac = *std::ranges::find(filter_attributes(), FilterValue::mac_address, &FilterAttribute::kind);
    if (!canonical_value(mac, FilterProtocol::mac, binding.mac) || is_variable(binding.mac))
        report.add(binding.rest, "Unable to parse mac address '{}'", binding.mac);
    check_parameters(binding.filter, report);
}

void normalize(NwFilter& filter) {
    if (!filter.chain) filter.chain = std::string(root);
    const auto* kind = kind_of(*filter.chain);
    if (!filter.priority && kind) filter.priority = kind->priority;
    if (filter.priority == 0) filter.priority.reset();
    for (auto& rule : filter.rules) {
        rule.state_match = rule.is_stateless() ? std::optional<std::string>("false") : std::nullopt;
        rule.each_match([](FilterProtocol protocol, FilterMatch& match) {
            if (match.match == true) match.match.reset();
            for (const auto& attribute : filter_attributes()) {
                auto& value = match.*attribute.member;
                if (value && attribute.of(protocol)) value = canonical_value(attribute, protocol, *value);
            }
        });
    }
}

} // namespace domus::model
