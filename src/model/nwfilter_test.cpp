#include "model/nwfilter.hpp"

#include "model/nwfilter_values.hpp"
#include "model/unsupported.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace domus::model {

namespace {

using testing::HasSubstr;

constexpr std::string_view uuid = "<uuid>2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a111</uuid>";

std::string canonical_filter(const std::string& xml) {
    auto filter = format::from_xml<NwFilter>(xml);
    format::Findings findings;
    check(filter, findings);
    format::throw_findings(findings, ErrorDomain::nwfilter, "<filter>");
    normalize(filter);
    return format::to_xml(filter);
}

std::string said_of_filter(const std::string& xml) {
    try {
        (void)canonical_filter(xml);
    } catch (const Error& error) {
        return error.text();
    }
    return "";
}

std::string said_of_rule(const std::string& inside) {
    return said_of_filter(
        fmt::format("<filter name='f'><rule action='drop' direction='in'>{}</rule></filter>", inside));
}

/// What becomes of one attribute of one protocol.
std::string rewritten(std::string_view protocol, std::string_view attribute, std::string_view value) {
    const auto xml = canonical_filter(
        fmt::format("<filter name='f'>{}<rule action='drop' direction='in'><{} {}='{}'/></rule></filter>", uuid,
                    protocol, attribute, value));
    const auto mark = fmt::format("{}='", attribute);
    const auto at = xml.find(mark) + mark.size();
    return xml.substr(at, xml.find('\'', at) - at);
}

} // namespace

TEST(FilterDocument, is_written_as_libvirt_does) {
    EXPECT_EQ(
        canonical_filter(fmt::format("<filter name='f' chain='ipv4-own'>{}"
                                     "<rule action='return' direction='out' priority='100'>"
                                     "<ip match='no' srcipaddr='10.0.0.0' srcipmask='255.0.0.0'/></rule>"
                                     "<filterref filter='other'><parameter name='A' value='1'/></filterref>"
                                     "<rule action='drop' direction='inout' statematch='0'><all/></rule></filter>",
                                     uuid)),
        "<filter name='f' chain='ipv4-own' priority='-700'>\n"
        "  <uuid>2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a111</uuid>\n"
        "  <rule action='return' direction='out' priority='100'>\n"
        "    <ip match='no' srcipaddr='10.0.0.0' srcipmask='8'/>\n"
        "  </rule>\n"
        "  <filterref filter='other'>\n"
        "    <parameter name='A' value='1'/>\n"
        "  </filterref>\n"
        "  <rule action='drop' direction='inout' priority='500' statematch='false'>\n"
        "    <all/>\n"
        "  </rule>\n"
        "</filter>\n");
    EXPECT_EQ(canonical_filter(fmt::format("<filter name='f'>{}</filter>", uuid)),
              "<filter name='f' chain='root'>\n"
              "  <uuid>2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a111</uuid>\n"
              "</filter>\n");
}

TEST(FilterDocument, has_values_as_libvirt_writes_them) {
    EXPECT_EQ(rewritten("mac", "srcmacaddr", "52:54:0:AB:1:2"), "52:54:00:ab:01:02");
    EXPECT_EQ(rewritten("mac", "protocolid", "0x806"), "arp");
    EXPECT_EQ(rewritten("mac", "protocolid", "0x88B5"), "0x88b5");
    EXPECT_EQ(rewritten("arp", "opcode", "2"), "Reply");
    EXPECT_EQ(rewritten("ip", "protocol", "17"), "udp");
    EXPECT_EQ(rewritten("ipv6", "srcipaddr", "FE80:0::1"), "fe80::1");
    EXPECT_EQ(rewritten("tcp", "flags", "syn,ack/syn"), "SYN,ACK/SYN");
    EXPECT_EQ(rewritten("tcp", "flags", "ALL/NONE"), "ALL/NONE");
    EXPECT_EQ(rewritten("all", "state", "established,new"), "NEW,ESTABLISHED");
    EXPECT_EQ(rewritten("vlan", "vlanid", "0x10"), "0x10");
    EXPECT_EQ(rewritten("ip", "srcipaddr", "$IP[@0]"), "$IP");
    EXPECT_EQ(rewritten("ip", "srcipaddr", "$IP[@2]"), "$IP[@2]");
    EXPECT_EQ(rewritten("ip", "srcipaddr", "$IP[2]"), "$IP[2]");
}

TEST(FilterDocument, refuses_values_that_are_none) {
    for (const std::string_view inside : {"<mac srcmacaddr='52:54:00'/>",
                                          "<mac protocolid='100'/>",
                                          "<mac protocolid='spoon'/>",
                                          "<ip srcipaddr='10.0.0'/>",
                                          "<ip srcipaddr='fe80::1'/>",
                                          "<ipv6 srcipaddr='10.0.0.1'/>",
                                          "<ip srcipaddr='10.0.0.1' srcipmask='33'/>",
                                          "<ip srcipaddr='10.0.0.1' srcipmask='255.0.255.0'/>",
                                          "<tcp srcportstart='65536'/>",
                                          "<tcp flags='SYN'/>",
                                          "<tcp flags='SYN/FOO'/>",
                                          "<all state='OLD'/>",
                                          "<vlan vlanid='4096'/>",
                                          "<ip srcipaddr='$'/>",
                                          "<ip srcipaddr='$IP[x]'/>",
                                          "<ip srcipaddr='$IP[@]'/>",
                                          "<all dscp='64'/>",
                                          "<ip srcipaddr='$I-P'/>",
                                          "<stp root-cost='4294967296'/>",
                                          "<arp opcode='Demand'/>"})
        EXPECT_THAT(said_of_rule(std::string(inside)), HasSubstr("has illegal value")) << inside;
}

TEST(FilterDocument, refuses_rules_that_would_match_nothing) {
    EXPECT_EQ(said_of_rule(""), "") << "all that enters the chain";
    EXPECT_THAT(said_of_rule("<tcp/><udp/>"), HasSubstr("names 2 protocols"));
    EXPECT_THAT(said_of_rule("<ip srcportstart='22'/>"), HasSubstr("requires protocol specification"));
    EXPECT_EQ(said_of_rule("<ip protocol='tcp' srcportstart='22'/>"), "");
    EXPECT_THAT(said_of_rule("<ip srcipmask='8'/>"), HasSubstr("srcipmask needs srcipaddr"));
    EXPECT_THAT(said_of_filter("<filter name='f' chain='arp'><rule action='drop' direction='in'><ip/></rule></filter>"),
                HasSubstr("matches nothing in the chain 'arp'"));
}

TEST(FilterDocument, refuses_chains_that_libvirt_does_not_have) {
    EXPECT_THAT(said_of_filter("<filter name='f' chain='spoon'/>"), HasSubstr("Invalid chain name 'spoon'"));
    EXPECT_THAT(said_of_filter("<filter name='f' chain='root-x'/>"), HasSubstr("Invalid chain name 'root-x'"));
    EXPECT_THAT(said_of_filter("<filter name='f' chain='ipv4-far-too-long'/>"), HasSubstr("longer than 12 characters"));
    EXPECT_THAT(said_of_filter("<filter name='f' chain='arp xy'/>"), HasSubstr("invalid characters"));
    EXPECT_THAT(said_of_filter("<filter name='f' priority='1001'/>"), HasSubstr("outside valid range of [-1000,1000]"));
    EXPECT_THAT(said_of_filter("<filter name='../f'/>"), HasSubstr("cannot be the name"));
    for (const std::string_view chain : {"root", "mac", "vlan-x", "stp", "arp-mac", "rarp", "ipv4-ip", "ipv6"})
        EXPECT_EQ(said_of_filter(fmt::format("<filter name='f' chain='{}'/>", chain)), "") << chain;
}

TEST(FilterDocument, says_what_nftables_cannot_do) {
    format::Findings findings;
    find_unsupported(format::from_xml<NwFilter>("<filter name='f'>"
                                                "<rule action='drop' direction='in'><arp gratuitous='true'/></rule>"
                                                "<rule action='drop' direction='in'><tcp ipset='s'/></rule>"
                                                "<rule action='drop' direction='in'><arp gratuitous='false'/></rule>"
                                                "</filter>"),
                     findings);
    ASSERT_EQ(findings.size(), 2u);
    EXPECT_THAT(findings[0].text, HasSubstr("<arp gratuitous> is not supported"));
    EXPECT_THAT(findings[1].text, HasSubstr("<tcp ipset> is not supported"));
}

TEST(FilterDocument, has_every_attribute_of_every_protocol) {
    for (std::size_t i = 0; i < filter_protocols; ++i) {
        const auto protocol = static_cast<FilterProtocol>(i);
        for (const auto& attribute : filter_attributes()) {
            if (!attribute.of(protocol)) continue;
            const auto xml =
                fmt::format("<filter name='f'><rule action='drop' direction='in'><{0} {1}='$V'/></rule></filter>",
                            format::word(protocol), attribute.name());
            EXPECT_THAT(format::to_xml(format::from_xml<NwFilter>(xml)),
                        HasSubstr(fmt::format("{}='$V'", attribute.name())));
        }
    }
}

TEST(FilterBindingDocument, is_written_as_libvirt_does) {
    const std::string xml = "<filterbinding>\n"
                            "  <owner>\n"
                            "    <name>guest</name>\n"
                            "    <uuid>2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a111</uuid>\n"
                            "  </owner>\n"
                            "  <portdev name='vnet0'/>\n"
                            "  <mac address='52:54:00:ab:01:02'/>\n"
                            "  <filterref filter='clean-traffic'>\n"
                            "    <parameter name='IP' value='10.0.0.1'/>\n"
                            "  </filterref>\n"
                            "</filterbinding>\n";
    const auto binding = format::from_xml<FilterBinding>(xml);
    EXPECT_EQ(format::to_xml(binding), xml);
    format::Findings findings;
    check(binding, findings);
    EXPECT_TRUE(findings.empty());
    auto strange = binding;
    strange.port_dev = "\" }; flush ruleset";
    strange.mac = "none";
    strange.filter.parameters[0].value = "1; drop";
    check(strange, findings);
    EXPECT_EQ(findings.size(), 3u);
    EXPECT_THROW((void)format::from_xml<FilterBinding>("<filterbinding/>"), Error);
}

} // namespace domus::model
