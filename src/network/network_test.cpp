#include "network/admission.hpp"
#include "network/bridges.hpp"
#include "network/dnsmasq.hpp"
#include "network/firewall.hpp"
#include "network/foreign.hpp"
#include "network/subnet.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

namespace domus::network {

namespace {

Subnet subnet(std::string_view address, unsigned prefix) { return {IpAddress::parse(address).value(), prefix}; }

} // namespace

TEST(ChooseSubnet, the_usual_one_is_chosen_where_it_is_free) {
    EXPECT_EQ(choose_subnet({}).text(), "192.168.122.0/24");
    EXPECT_EQ(choose_subnet({subnet("10.0.0.1", 8), subnet("0.0.0.0", 0)}).text(), "192.168.122.0/24");
}

TEST(ChooseSubnet, one_that_overlaps_is_passed_over) {
    EXPECT_EQ(choose_subnet({subnet("192.168.122.7", 32)}).text(), "192.168.123.0/24");
    EXPECT_EQ(choose_subnet({subnet("192.168.120.0", 22), subnet("192.168.124.0", 24)}).text(), "192.168.125.0/24");
    EXPECT_THROW(choose_subnet({subnet("192.168.0.0", 16)}), Error);
}

TEST(Leases, are_read_from_dnsmasqs_file) {
    const auto leases = parse_leases("1795216862 52:54:00:01:02:03 192.168.122.10 demo 01:52:54:00:01:02:03\n"
                                     "0 52:54:00:01:02:04 192.168.122.11 * *\nnonsense\nx y z w\n");
    ASSERT_EQ(leases.size(), 2u);
    EXPECT_EQ(leases[0], (Lease{1795216862, "52:54:00:01:02:03", "192.168.122.10", "demo", "01:52:54:00:01:02:03"}));
    EXPECT_EQ(leases[1].hostname, "");
}

TEST(Dnsmasq, paths_of_networks_with_odd_names_are_quoted) {
    const auto network = format::from_xml<model::Network>("<network><name>i</name><bridge name='virbr7'/></network>");
    const auto text = dnsmasq_configuration(network, {}, {"/c", "/h", "/x/a #\"b\\.addnhosts", "/l"});
    EXPECT_NE(text.find("addn-hosts=\"/x/a #\\\"b\\\\.addnhosts\"\n"), std::string::npos) << text;
}

TEST(Firewall, an_isolated_network_has_no_way_out) {
    auto network = format::from_xml<model::Network>("<network><name>i</name><bridge name='virbr7'/></network>");
    const auto rules = firewall_rules(network, {subnet("10.1.0.1", 24)});
    EXPECT_EQ(rules.find("masquerade"), std::string::npos);
    EXPECT_EQ(rules.find("10.1.0.0/24"), std::string::npos);
    EXPECT_NE(rules.find("oifname \"virbr7\" reject"), std::string::npos);
}

TEST(Firewall, nat_masquerades_what_leaves_the_subnet) {
    auto network =
        format::from_xml<model::Network>("<network><name>n</name><forward/><bridge name='virbr7'/></network>");
    const auto rules = firewall_rules(network, {subnet("10.1.0.1", 24)});
    EXPECT_NE(rules.find("ip saddr 10.1.0.0/24 ip daddr != { 10.1.0.0/24"), std::string::npos);
    EXPECT_NE(rules.find("masquerade to :1024-65535\n"), std::string::npos);
}

TEST(Firewall, nat_takes_the_addresses_and_ports_that_are_named) {
    const auto rules = [](const std::string& nat) {
        const auto network = format::from_xml<model::Network>("<network><name>n</name><forward mode='nat'><nat>" + nat
                                                              + "</nat></forward><bridge name='virbr7'/></network>");
        return firewall_rules(network, {subnet("10.1.0.1", 24)});
    };
    EXPECT_NE(rules("<port start='2000' end='3000'/>").find(" masquerade to :2000-3000\n"), std::string::npos);
    const auto named = rules("<address start='192.0.2.1' end='192.0.2.5'/>");
    EXPECT_NE(named.find(" snat ip to 192.0.2.1-192.0.2.5:1024-65535\n"), std::string::npos) << named;
    EXPECT_NE(named.find(" snat ip to 192.0.2.1-192.0.2.5\n"), std::string::npos) << named;
}

TEST(Options, those_that_run_programs_or_name_files_are_not_handed_over) {
    for (const auto* good :
         {"dhcp-option=3", "address=/x/10.0.0.1", "log-dhcp", "no-resolv", "cname = a,b", "txt-record=x"})
        EXPECT_TRUE(is_harmless_option(good)) << good;
    for (const auto* bad :
         {"dhcp-script=/bin/sh", "dhcp-luascript=/x", "script-arp", "user=root", "group=root", "conf-file=/etc/shadow",
          "conf-script=/bin/sh", "conf-dir=/tmp", "pid-file=/etc/x", "log-facility=/etc/x", "dhcp-leasefile=/etc/x",
          "dumpfile=/x", "interface=eth0", "\"dhcp-script\"=/bin/sh", " dhcp-script=/bin/sh", "", "=", "nonsense",
          "cname=a,b\ndhcp-script=/bin/sh"})
        EXPECT_FALSE(is_harmless_option(bad)) << bad;
}

TEST(Names, of_devices_have_one_to_fifteen_characters) {
    EXPECT_NO_THROW(require_device_name(std::nullopt));
    EXPECT_NO_THROW(require_device_name("tap-of-15-chars"));
    for (const auto* bad : {"", "tap-of-16-charss", "a/b", "a b", "vnet%d"})
        EXPECT_THROW(require_device_name(bad), Error) << bad;
}

TEST(Taps, have_the_address_of_their_guest_but_for_the_first_byte) {
    EXPECT_EQ(tap_mac("52:54:00:12:34:56"), "fe:54:00:12:34:56");
}

TEST(ForeignChains, those_that_drop_are_opened_and_only_our_rules_go) {
    const auto ruleset = nft::parse_ruleset(R"({"nftables":[{"metainfo":{"version":"1.0.6"}},
        {"chain":{"family":"ip","table":"filter","name":"FORWARD","handle":1,"type":"filter","hook":"forward","prio":0,"policy":"drop"}},
        {"chain":{"family":"inet","table":"own","name":"in","handle":1,"type":"filter","hook":"input","prio":0,"policy":"drop"}},
        {"chain":{"family":"ip","table":"calm","name":"FORWARD","handle":1,"type":"filter","hook":"forward","prio":0,"policy":"accept"}},
        {"chain":{"family":"ip6","table":"filter","name":"FORWARD","handle":1,"type":"filter","hook":"forward","prio":0,"policy":"drop"}},
        {"rule":{"family":"ip","table":"filter","chain":"FORWARD","handle":9,"comment":"domus virbr7"}},
        {"rule":{"family":"ip","table":"filter","chain":"FORWARD","handle":10,"comment":"domus virbr70"}}]})");
    EXPECT_EQ(foreign_acceptance(ruleset, "virbr7"),
              "insert rule ip filter FORWARD iifname \"virbr7\" counter accept comment \"domus virbr7\"\n"
              "insert rule ip filter FORWARD oifname \"virbr7\" counter accept comment \"domus virbr7\"\n"
              "insert rule inet own in iifname \"virbr7\" udp dport 67 counter accept comment \"domus virbr7\"\n"
              "insert rule inet own in iifname \"virbr7\" udp dport 53 counter accept comment \"domus virbr7\"\n"
              "insert rule inet own in iifname \"virbr7\" tcp dport 53 counter accept comment \"domus virbr7\"\n");
    EXPECT_EQ(foreign_removal(ruleset, "virbr7"), "delete rule ip filter FORWARD handle 9\n");
    EXPECT_EQ(foreign_acceptance(nft::Ruleset{}, "virbr7"), "");
}

TEST(Dnsmasq, asks_the_hosts_resolvers_only_where_nothing_else_is_said) {
    const auto text = [](const std::string& dns) {
        const auto network =
            format::from_xml<model::Network>("<network><name>n</name><bridge name='virbr7'/>" + dns + "</network>");
        return dnsmasq_configuration(network, {}, {});
    };
    const auto has = [&](const std::string& dns) { return text(dns).find("no-resolv\n") != std::string::npos; };
    EXPECT_FALSE(has(""));
    EXPECT_TRUE(has("<dns enable='no'/>"));
    EXPECT_TRUE(has("<dns><forwarder addr='10.9.9.9'/></dns>"));
    EXPECT_FALSE(has("<dns><forwarder domain='x.org' addr='10.9.9.9'/></dns>"));
}

} // namespace domus::network
