#include "filter/expand.hpp"
#include "filter/explain.hpp"
#include "filter/learn.hpp"
#include "filter/script.hpp"
#include "filter/stock.hpp"
#include "model/nwfilter_values.hpp"
#include "os/nft.hpp"
#include "os/test_network.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace domus::filter {

namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr Abilities everything{.tracking = true, .reject = true};

struct Library {
    std::map<std::string, model::NwFilter> filters;

    Library(std::initializer_list<std::string> documents) {
        for (const auto& document : documents) {
            auto filter = format::from_xml<model::NwFilter>(document);
            model::normalize(filter);
            filters[filter.name] = filter;
        }
    }
    explicit Library(std::vector<model::NwFilter> all) {
        for (auto& filter : all) filters[filter.name] = std::move(filter);
    }
    Expanded expand(const std::string& name, const Variables& variables = {}) const {
        const Lookup lookup = [this](const std::string& wanted) {
            const auto found = filters.find(wanted);
            return found == filters.end() ? nullptr : &found->second;
        };
        return filter::expand(lookup, model::FilterReference{name, {}, {}}, variables);
    }
};

/// A filter of one rule.
Expanded rule(const std::string& attributes, const std::string& inside, const Variables& variables = {}) {
    return Library{fmt::format("<filter name='f'><rule {}>{}</rule></filter>", attributes, inside)}.expand("f",
                                                                                                           variables);
}

/// The line that a rule becomes; empty where it does not count that way.
std::string line(const std::string& attributes, const std::string& inside, Way way) {
    const auto lines = statements(rule(attributes, inside).rules.at(0), way, everything);
    return lines.empty() ? "" : lines.front();
}

std::string from_guest(const std::string& inside) {
    return line("action='drop' direction='out'", inside, Way::from_guest);
}

std::string script(const Expanded& rules) { return port_script({"vnet0", rules}, everything, {}).text; }

std::string said(const auto& work) {
    try {
        work();
    } catch (const Error& error) {
        return error.text();
    }
    return "";
}

const Variables usual{{"MAC", {"52:54:00:00:00:01"}}, {"IP", {"10.0.0.1", "10.0.0.2"}},
                      {"IPV6", {"fd00::1"}},          {"DHCPSERVER", {"10.0.0.254"}},
                      {"DHCPSERVERV6", {"fe80::1"}},  {"GATEWAY_MAC", {"52:54:00:00:00:fe"}}};

/// A value that an attribute may have.
std::string value_of(const model::FilterAttribute& attribute, model::FilterProtocol protocol) {
    switch (attribute.kind) {
    case model::FilterValue::mac_address:
    case model::FilterValue::mac_mask:
        return "52:54:00:ff:00:01";
    case model::FilterValue::ip_address:
        return model::is_ipv6(protocol) ? "fd00::1" : "10.0.0.1";
    case model::FilterValue::ip_mask:
        return "24";
    case model::FilterValue::number:
        return "7";
    case model::FilterValue::ethernet_protocol:
        return "arp";
    case model::FilterValue::ip_protocol:
        return "udp";
    case model::FilterValue::arp_opcode:
        return "Reply";
    case model::FilterValue::yes_no:
        return "false";
    case model::FilterValue::flag_names:
        return "SYN,ACK/SYN";
    case model::FilterValue::state_names:
        return "NEW,ESTABLISHED";
    case model::FilterValue::set_name:
        return "s";
    case model::FilterValue::set_flags:
        return "src";
    case model::FilterValue::words:
        return "say \"this\" \\ and that";
    }
    return "";
}

/// What must stand beside an attribute, so that it means something.
std::string companion(const model::FilterAttribute& attribute, model::FilterProtocol protocol) {
    for (const auto& [one, other] :
         std::initializer_list<std::pair<std::string_view, std::string_view>>{{"srcmacmask", "srcmacaddr"},
                                                                              {"dstmacmask", "dstmacaddr"},
                                                                              {"srcipmask", "srcipaddr"},
                                                                              {"dstipmask", "dstipaddr"},
                                                                              {"arpsrcipmask", "arpsrcipaddr"},
                                                                              {"arpdstipmask", "arpdstipaddr"},
                                                                              {"srcipto", "srcipfrom"},
                                                                              {"dstipto", "dstipfrom"},
                                                                              {"root-address-mask", "root-address"},
                                                                              {"sender-address-mask", "sender-address"},
                                                                              {"srcportend", "srcportstart"},
                                                                              {"dstportend", "dstportstart"},
                                                                              {"typeend", "type"},
                                                                              {"codeend", "code"}}) {
        if (attribute.name() != one) continue;
        for (const auto& each : model::filter_attributes())
            if (each.name() == other && each.of(protocol))
                return fmt::format("{}='{}'", other, value_of(each, protocol));
    }
    return "";
}

bool has_no_effect(const model::FilterAttribute& attribute) {
    const auto name = attribute.name();
    return name == "ipset" || name == "ipsetflags" || name == "gratuitous"; // refused by find_unsupported()
}

} // namespace

TEST(Statements, say_what_a_rule_compares) {
    EXPECT_EQ(from_guest("<mac/>"), "counter drop");
    EXPECT_EQ(from_guest(""), "counter drop");
    EXPECT_EQ(from_guest("<mac srcmacaddr='52:54:00:00:00:01' protocolid='arp'/>"),
              "ether saddr 52:54:00:00:00:01 ether type 0x806 counter drop");
    EXPECT_EQ(from_guest("<mac dstmacaddr='01:02:03:04:05:06' dstmacmask='ff:ff:ff:00:00:00'/>"),
              "ether daddr & ff:ff:ff:00:00:00 == 01:02:03:00:00:00 counter drop");
    EXPECT_EQ(from_guest("<vlan vlanid='10' encap-protocol='ipv4'/>"),
              "ether type vlan vlan id 10 vlan type 0x800 counter drop");
    EXPECT_EQ(from_guest("<stp root-priority='1' root-priority-hi='9'/>"),
              "ether daddr 01:80:c2:00:00:00 @nh,64,16 1-9 counter drop");
    EXPECT_EQ(
        from_guest(
            "<arp opcode='Request' arpsrcipaddr='10.0.0.1' arpsrcipmask='8' arpsrcmacaddr='52:54:00:00:00:01'/>"),
        "ether type arp @nh,48,16 0x1 @nh,64,48 0x525400000001 @nh,112,32 & 0xff000000 == 0xa000000 counter drop");
    EXPECT_EQ(from_guest("<ip srcipaddr='10.1.2.3' srcipmask='255.0.0.0' protocol='udp' dstportstart='67' dscp='10'/>"),
              "ether type ip ip saddr 10.0.0.0/8 meta l4proto 17 ip dscp 10 th dport 67 counter drop");
    EXPECT_EQ(from_guest("<ipv6 protocol='icmpv6' type='133' typeend='136'/>"),
              "ether type ip6 meta l4proto 58 icmpv6 type 133-136 counter drop");
    EXPECT_EQ(from_guest("<tcp dstportstart='22' flags='SYN,ACK/SYN' option='3'/>"),
              "ether type ip meta l4proto 6 th dport 22 tcp option 3 exists tcp flags & 0x12 == 0x2 counter drop");
    EXPECT_EQ(from_guest("<all-ipv6 srcipfrom='fd00::1' srcipto='fd00::9'/>"),
              "ether type ip6 ip6 saddr fd00::1-fd00::9 counter drop");
    EXPECT_EQ(from_guest("<icmp type='8' code='0'/>"),
              "ether type ip meta l4proto 1 icmp type 8 icmp code 0 counter drop");
}

TEST(Statements, turn_each_comparison_round_for_match_no) {
    EXPECT_EQ(from_guest("<ip match='no' srcipaddr='10.0.0.1' protocol='udp'/>"),
              "ether type ip ip saddr != 10.0.0.1 meta l4proto != 17 counter drop");
    EXPECT_EQ(from_guest("<mac match='no' srcmacaddr='52:54:00:00:00:01' srcmacmask='ff:ff:ff:00:00:00'/>"),
              "ether saddr & ff:ff:ff:00:00:00 != 52:54:00:00:00:00 counter drop");
}

TEST(Statements, exchange_sender_and_receiver_for_rules_of_both_ways) {
    const std::string both = "action='accept' direction='inout'";
    const std::string ip = "<ip srcmacaddr='52:54:00:00:00:01' srcipaddr='10.0.0.1' protocol='tcp' srcportstart='22'/>";
    EXPECT_EQ(line(both, ip, Way::to_guest),
              "ether type ip ether saddr 52:54:00:00:00:01 ip saddr 10.0.0.1 meta l4proto 6 "
              "th sport 22 counter accept");
    EXPECT_EQ(line(both, ip, Way::from_guest),
              "ether type ip ether daddr 52:54:00:00:00:01 ip daddr 10.0.0.1 meta l4proto 6 "
              "th dport 22 counter accept");
    EXPECT_EQ(line("action='drop' direction='in'", "<mac/>", Way::from_guest), "");
    EXPECT_EQ(line("action='drop' direction='out'", "<mac/>", Way::to_guest), "");
}

TEST(Statements, follow_connections_that_a_rule_accepts) {
    const std::string out = "action='accept' direction='out'", tcp = "<tcp dstportstart='80' dstipaddr='10.0.0.9'/>";
    EXPECT_EQ(line(out, tcp, Way::from_guest),
              "ether type ip meta l4proto 6 ip daddr 10.0.0.9 th dport 80 ct state new,established counter accept");
    EXPECT_EQ(line(out, tcp, Way::to_guest),
              "ether type ip meta l4proto 6 ip saddr 10.0.0.9 th sport 80 ct state established counter accept");
    EXPECT_EQ(line(out + " statematch='false'", tcp, Way::to_guest), "");
    EXPECT_EQ(line(out, "<all state='NEW,RELATED'/>", Way::from_guest),
              "ether type ip ct state new,related counter accept");
    EXPECT_EQ(line(out, "<all state='NEW'/>", Way::to_guest), "");
    EXPECT_EQ(line("action='drop' direction='out'", "<tcp connlimit-above='2'/>", Way::from_guest),
              "ether type ip meta l4proto 6 ct count over 2 counter drop");
    EXPECT_EQ(line("action='reject' direction='out'", "<tcp/>", Way::from_guest),
              "ether type ip meta l4proto 6 counter reject");
    EXPECT_EQ(line("action='reject' direction='out'", "<ip/>", Way::from_guest), "ether type ip counter drop");
}

TEST(Statements, name_what_the_kernel_lacks) {
    const auto refused = [](const std::string& attributes, const std::string& inside) {
        return said([&] { (void)statements(rule(attributes, inside).rules.at(0), Way::from_guest, {}); });
    };
    EXPECT_THAT(refused("action='accept' direction='out'", "<tcp/>"), HasSubstr("needs connection tracking"));
    EXPECT_THAT(refused("action='drop' direction='out'", "<tcp state='NEW'/>"),
                HasSubstr("CONFIG_NF_CONNTRACK_BRIDGE"));
    EXPECT_THAT(refused("action='reject' direction='out'", "<tcp/>"), HasSubstr("CONFIG_NFT_BRIDGE_REJECT"));
    EXPECT_EQ(refused("action='accept' direction='out' statematch='false'", "<tcp/>"), "");
    EXPECT_EQ(refused("action='accept' direction='out'", "<ip/>"), "");
}

TEST(Statements, keep_comments_harmless) {
    EXPECT_EQ(from_guest("<mac comment='a \" \\ &#10;; drop'/>"), "counter drop comment \"a ' ' '; drop\"");
}

TEST(Expansion, makes_a_rule_for_each_value) {
    const auto ports = [](const std::string& attributes) {
        std::vector<std::string> made;
        const Variables lists{{"A", {"1", "2"}}, {"B", {"8", "9"}}, {"C", {"5"}}};
        for (const auto& each :
             rule("action='drop' direction='out'", fmt::format("<tcp {}/>", attributes), lists).rules)
            made.push_back(
                fmt::format("{} {}", each.match.src_port_start.value_or("-"), each.match.dst_port_start.value_or("-")));
        return made;
    };
    EXPECT_THAT(ports("srcportstart='$A'"), ElementsAre("1 -", "2 -"));
    EXPECT_THAT(ports("srcportstart='$A[1]'"), ElementsAre("2 -"));
    EXPECT_THAT(ports("srcportstart='$A' dstportstart='$B'"), ElementsAre("1 8", "2 9"));
    EXPECT_THAT(ports("srcportstart='$A[@1]' dstportstart='$B[@2]'"), ElementsAre("1 8", "2 8", "1 9", "2 9"));
    EXPECT_THAT(said([&] { (void)ports("srcportstart='$A' dstportstart='$C'"); }),
                HasSubstr("Cardinality of list items"));
}

TEST(Expansion, says_which_variables_have_no_value) {
    const auto missing =
        rule("action='drop' direction='out'", "<ip srcipaddr='$IP' dstipaddr='$OTHER[3]'/>", {{"OTHER", {"10.0.0.1"}}})
            .missing;
    EXPECT_THAT(missing, ElementsAre("IP", "OTHER[3]"));
    EXPECT_THAT(
        said([&] { (void)rule("action='drop' direction='out'", "<ip srcipaddr='$IP'/>", {{"IP", {"x; flush"}}}); }),
        HasSubstr("srcipaddr has illegal value x; flush"));
}

TEST(Expansion, includes_filters_in_their_place) {
    const Library library{
        "<filter name='a'><rule action='drop' direction='in'><mac/></rule><filterref filter='b'>"
        "<parameter name='P' value='1'/></filterref><rule action='accept' direction='in'><mac/></rule></filter>",
        "<filter name='b' chain='ipv4'><rule action='return' direction='in'>"
        "<ip protocol='tcp' srcportstart='$P'/></rule></filter>"};
    const auto all = library.expand("a");
    ASSERT_EQ(all.rules.size(), 3u);
    EXPECT_EQ(all.rules[1].filter, "b");
    EXPECT_EQ(all.rules[1].match.src_port_start, "1");
    EXPECT_EQ(library.expand("a", {{"P", {"2"}}}).rules[1].match.src_port_start, "2") << "the port's own values count";
    EXPECT_EQ(all.chains.at("ipv4"), -700);
    EXPECT_THAT(said([&] { (void)library.expand("c"); }), HasSubstr("referenced filter 'c' is missing"));
    Library doubling{"<filter name='x0'/>"};
    for (int i = 1; i < 50; ++i) {
        const auto document =
            fmt::format("<filter name='x{0}'><filterref filter='x{1}'/><filterref filter='x{1}'/></filter>", i, i - 1);
        doubling.filters[fmt::format("x{}", i)] = format::from_xml<model::NwFilter>(document);
    }
    EXPECT_THAT(said([&] { (void)doubling.expand("x49"); }), HasSubstr("too often"));
    const Library loop{"<filter name='a'><filterref filter='a'/></filter>"};
    EXPECT_THAT(said([&] { (void)loop.expand("a"); }), HasSubstr("too deeply"));
}

TEST(Script, orders_rules_and_chains_by_priority) {
    const Library library{
        "<filter name='a'><rule action='accept' direction='out' priority='-650'><mac protocolid='ipv4'/></rule>"
        "<filterref filter='b'/><rule action='drop' direction='out' priority='-900'><vlan/></rule></filter>",
        "<filter name='b' chain='ipv4-x'><rule action='drop' direction='out' priority='9'><ip/></rule>"
        "<rule action='return' direction='out' priority='3'><ip srcipaddr='10.0.0.1'/></rule></filter>"};
    const auto text = script(library.expand("a"));
    const auto at = [&](std::string_view words) {
        const auto found = text.find(words);
        EXPECT_NE(found, text.npos) << words << "\n" << text;
        return found;
    };
    EXPECT_LT(at("from_frames-vnet0 ether type vlan counter drop"), at("ether type ip jump from_frames-vnet0-ipv4-x"));
    EXPECT_LT(at("ether type ip jump from_frames-vnet0-ipv4-x"), at("ether type 0x800 counter accept"));
    EXPECT_LT(at("ip saddr 10.0.0.1 counter return"), at("from_frames-vnet0-ipv4-x ether type ip counter drop"));
    EXPECT_THAT(text, Not(HasSubstr("to_frames-vnet0-ipv4-x")));
}

TEST(Script, names_devices_and_chains_that_nft_can_take) {
    const auto made = port_script({"tap@1:x", rule("action='drop' direction='out'", "<mac/>")}, everything, {});
    EXPECT_TRUE(made.chains.contains("from_frames-tap_401_3ax"));
    EXPECT_THAT(made.text, HasSubstr("{ \"tap@1:x\" : goto from_frames-tap_401_3ax }"));
}

TEST(Script, of_every_attribute_of_every_protocol_is_taken_by_nft) {
    const bool possible = in_a_network_namespace([&] {
        Expanded rules;
        std::vector<std::string> told;
        for (std::size_t i = 0; i < model::filter_protocols; ++i) {
            const auto protocol = static_cast<model::FilterProtocol>(i);
            for (const auto& attribute : model::filter_attributes()) {
                const bool tracks =
                    attribute.kind == model::FilterValue::state_names || attribute.name() == "connlimit-above";
                if (!attribute.of(protocol) || has_no_effect(attribute) || tracks) continue;
                for (const std::string_view match : {"yes", "no"}) {
                    auto inside = fmt::format(
                        "<{} match='{}' {} {}='{}' {}/>", format::word(protocol), match, companion(attribute, protocol),
                        attribute.name(), value_of(attribute, protocol),
                        attribute.name().find("port") == std::string_view::npos && !attribute.name().starts_with("type")
                                && !attribute.name().starts_with("code")
                            ? ""
                        : protocol == model::FilterProtocol::ip   ? "protocol='tcp'"
                        : protocol == model::FilterProtocol::ipv6 ? "protocol='icmpv6'"
                                                                  : "");
                    auto one = rule("action='accept' direction='inout' statematch='false'", inside);
                    rules.rules.push_back(one.rules.at(0));
                    told.push_back(inside);
                }
            }
        }
        EXPECT_GT(told.size(), 300u);
        if (said([&] { nft::check_script(table_script() + script(rules), 20s); }).empty()) return;
        for (std::size_t i = 0; i < told.size(); ++i) {
            Expanded one;
            one.rules.push_back(rules.rules[i]);
            EXPECT_EQ(said([&] { nft::check_script(table_script() + script(one), 20s); }), "") << told[i];
        }
    });
    if (!possible) GTEST_SKIP() << "no network namespaces here";
}

TEST(Script, of_every_stock_filter_is_taken_by_nft_and_leaves_nothing) {
    const Library library(stock_filters());
    EXPECT_EQ(library.filters.size(), 24u);
    const bool possible = in_a_network_namespace([&] {
        for (const auto& [name, filter] : library.filters) {
            const auto rules = library.expand(name, usual);
            EXPECT_TRUE(rules.missing.empty()) << name;
            const auto made = port_script({"vnet0", rules}, {}, {});
            EXPECT_EQ(said([&] { nft::apply_script(table_script() + made.text, 20s); }), "") << name;
            // Made again, with other chains known; then taken away beside another port, which stays.
            const auto again = port_script({"vnet0", {}}, {}, made.chains);
            EXPECT_EQ(said([&] { nft::apply_script(table_script() + again.text, 20s); }), "") << name;
            const auto other = port_script({"vnet1", rules}, {}, {});
            nft::apply_script(table_script() + other.text, 20s);
            nft::apply_script(removal_script("vnet0", again.chains, false), 20s);
            for (const auto& chain : nft::list_ruleset(20s).chains)
                EXPECT_EQ(chain.name.find("vnet0"), std::string::npos);
            nft::apply_script(removal_script("vnet1", other.chains, true), 20s);
            EXPECT_TRUE(nft::list_ruleset(20s).chains.empty());
        }
    });
    if (!possible) GTEST_SKIP() << "no network namespaces here";
}

TEST(Script, of_two_hundred_ports_is_one_transaction) {
    const Library library(stock_filters());
    const bool possible = in_a_network_namespace([&] {
        auto text = table_script();
        for (int i = 0; i < 200; ++i)
            text += port_script({fmt::format("vnet{}", i), library.expand("clean-traffic", usual)}, {}, {}).text;
        const auto begin = std::chrono::steady_clock::now();
        nft::apply_script(text, 60s);
        const auto took =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
        RecordProperty("milliseconds", static_cast<int>(took.count()));
        EXPECT_GT(nft::list_ruleset(60s).chains.size(), 200u * 4);
    });
    if (!possible) GTEST_SKIP() << "no network namespaces here";
}

TEST(Explanation, says_in_words_what_is_done) {
    const Library library(stock_filters());
    const auto told = explain({"vnet0", library.expand("clean-traffic", usual)});
    std::vector<std::string> out;
    for (const auto& each : told.from_guest) out.push_back(each.text);
    EXPECT_EQ(out.at(0), "leave the chain with frames from MAC 52:54:00:00:00:01");
    EXPECT_EQ(out.at(1), "drop frames");
    EXPECT_THAT(out, testing::Contains("leave the chain with IPv4 packets from 10.0.0.2"));
    EXPECT_THAT(out, testing::Contains("accept frames of protocol ipv4"));
    EXPECT_EQ(out.back(), "drop frames");
    EXPECT_EQ(told.to_guest.at(0).text, "accept IPv4 packets");
    EXPECT_EQ(told.to_guest.at(0).filter, "allow-incoming-ipv4");
}

namespace {

using Frame = std::vector<std::uint8_t>;
const LearnFrom guest{.mac = mac_bytes("52:54:00:00:00:01"), .how = Learning::any, .dhcp_server = {}};

Frame ethernet(const std::string& from, unsigned type) {
    Frame frame(6, 0xff);
    const auto mac = mac_bytes(from);
    frame.insert(frame.end(), mac.begin(), mac.end());
    frame.push_back(static_cast<std::uint8_t>(type >> 8));
    frame.push_back(static_cast<std::uint8_t>(type));
    return frame;
}

void append(Frame& frame, const IpAddress& address) {
    frame.insert(frame.end(), address.bytes.begin(), address.bytes.begin() + 4);
}

Frame arp(const std::string& mac, const std::string& ip) {
    auto frame = ethernet(mac, 0x806);
    frame.insert(frame.end(), {0, 1, 8, 0, 6, 4, 0, 1});
    const auto sender = mac_bytes(mac);
    frame.insert(frame.end(), sender.begin(), sender.end());
    append(frame, *IpAddress::parse(ip));
    frame.insert(frame.end(), 10, 0);
    return frame;
}

Frame ipv4(const std::string& from_mac, const std::string& source, Frame inside = {}) {
    auto frame = ethernet(from_mac, 0x800);
    frame.insert(frame.end(), {0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0});
    append(frame, *IpAddress::parse(source));
    frame.insert(frame.end(), 4, 0xff);
    frame.insert(frame.end(), inside.begin(), inside.end());
    return frame;
}

Frame dhcp(std::uint8_t type, const std::string& address, const std::string& mac = "52:54:00:00:00:01") {
    Frame message(240, 0);
    message[0] = 2;
    const auto yours = *IpAddress::parse(address);
    std::copy_n(yours.bytes.begin(), 4, message.begin() + 16);
    std::ranges::copy(mac_bytes(mac), message.begin() + 28);
    std::ranges::copy(Frame{0x63, 0x82, 0x53, 0x63}, message.begin() + 236);
    message.insert(message.end(), {0, 53, 1, type, 51, 4, 0, 0, 0x0e, 0x10, 255});
    Frame udp{0, 67, 0, 68, 0, 0, 0, 0};
    udp.insert(udp.end(), message.begin(), message.end());
    return ipv4("52:54:00:00:00:fe", "10.0.0.254", udp);
}

std::string learnt(const LearnFrom& what, bool from_guest, const Frame& frame) {
    const auto found = learn_from(what, from_guest, frame);
    return found
               ? fmt::format("{}{}", found->address.text(), found->lease ? fmt::format(" for {} s", *found->lease) : "")
               : "";
}

} // namespace

TEST(Learning, takes_the_first_address_that_a_guest_uses) {
    EXPECT_EQ(learnt(guest, true, arp("52:54:00:00:00:01", "10.0.0.7")), "10.0.0.7");
    EXPECT_EQ(learnt(guest, true, arp("52:54:00:00:00:02", "10.0.0.7")), "") << "of another MAC";
    EXPECT_EQ(learnt(guest, true, arp("52:54:00:00:00:01", "0.0.0.0")), "") << "a probe";
    EXPECT_EQ(learnt(guest, false, arp("52:54:00:00:00:01", "10.0.0.7")), "") << "sent to the guest";
    EXPECT_EQ(learnt(guest, true, ipv4("52:54:00:00:00:01", "10.0.0.7")), "10.0.0.7");
    EXPECT_EQ(learnt(guest, true, ipv4("52:54:00:00:00:01", "224.0.0.1")), "");
    EXPECT_EQ(learnt(guest, true, ipv4("52:54:00:00:00:01", "255.255.255.255")), "");
}

TEST(Learning, follows_the_answers_of_dhcp_servers) {
    auto only_dhcp = guest;
    only_dhcp.how = Learning::dhcp;
    EXPECT_EQ(learnt(only_dhcp, true, arp("52:54:00:00:00:01", "10.0.0.7")), "");
    EXPECT_EQ(learnt(only_dhcp, true, ipv4("52:54:00:00:00:01", "10.0.0.7")), "");
    EXPECT_EQ(learnt(only_dhcp, false, dhcp(5, "10.0.0.7")), "10.0.0.7 for 3600 s");
    EXPECT_EQ(learnt(guest, false, dhcp(5, "10.0.0.7")), "10.0.0.7 for 3600 s");
    EXPECT_EQ(learnt(only_dhcp, true, dhcp(5, "10.0.0.7")), "") << "the guest plays the server";
    EXPECT_EQ(learnt(only_dhcp, false, dhcp(2, "10.0.0.7")), "") << "an offer";
    EXPECT_EQ(learnt(only_dhcp, false, dhcp(5, "10.0.0.7", "52:54:00:00:00:02")), "") << "for another";
    only_dhcp.dhcp_server = IpAddress::parse("10.0.0.253");
    EXPECT_EQ(learnt(only_dhcp, false, dhcp(5, "10.0.0.7")), "");
    only_dhcp.dhcp_server = IpAddress::parse("10.0.0.254");
    EXPECT_EQ(learnt(only_dhcp, false, dhcp(5, "10.0.0.7")), "10.0.0.7 for 3600 s");
}

TEST(Learning, survives_frames_that_are_cut) {
    for (const auto& frame : {dhcp(5, "10.0.0.7"), arp("52:54:00:00:00:01", "10.0.0.7")})
        for (std::size_t length = 0; length < frame.size(); ++length)
            for (const bool from_guest : {true, false})
                (void)learn_from(guest, from_guest, std::span(frame).first(length));
}

} // namespace domus::filter
