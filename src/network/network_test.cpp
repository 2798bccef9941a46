#include "network/admission.hpp"
#include "network/bridges.hpp"
#include "network/dnsmasq.hpp"
#include "network/firewall.hpp"
#include "network/foreign.hpp"
#include "network/port/bandwidth.hpp"
#include "network/port/settings.hpp"
#include "network/port/tap.hpp"
#include "network/port/vlan.hpp"
#include "network/subnet.hpp"

#include "base/error.hpp"

#include <gmock/gmock.h>

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
    EXPECT_EQ(leases[0],
              (Lease{1795216862, "52:54:00:01:02:03", "192.168.122.10", "demo", "01:52:54:00:01:02:03", ""}));
    EXPECT_EQ(leases[1].hostname, "");
}

TEST(Dnsmasq, paths_of_networks_with_odd_names_are_quoted) {
    const auto network = format::from_xml<model::Network>("<network><name>i</name><bridge name='virbr7'/></network>");
    const auto text = dnsmasq_configuration(network, {"/c", "/h", "/x/a #\"b\\.addnhosts", "/l"});
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
    EXPECT_EQ(foreign_acceptance(ruleset, "virbr7", false),
              "insert rule ip filter FORWARD iifname \"virbr7\" counter accept comment \"domus virbr7\"\n"
              "insert rule ip filter FORWARD oifname \"virbr7\" counter accept comment \"domus virbr7\"\n"
              "insert rule inet own in iifname \"virbr7\" udp dport 67 counter accept comment \"domus virbr7\"\n"
              "insert rule inet own in iifname \"virbr7\" udp dport 53 counter accept comment \"domus virbr7\"\n"
              "insert rule inet own in iifname \"virbr7\" tcp dport 53 counter accept comment \"domus virbr7\"\n");
    EXPECT_THAT(
        foreign_acceptance(ruleset, "virbr7", true),
        ::testing::AllOf(::testing::HasSubstr("insert rule ip6 filter FORWARD oifname \"virbr7\" counter accept"),
                         ::testing::HasSubstr("insert rule inet own in iifname \"virbr7\" udp dport 547")));
    EXPECT_EQ(foreign_removal(ruleset, "virbr7"), "delete rule ip filter FORWARD handle 9\n");
    EXPECT_EQ(foreign_acceptance(nft::Ruleset{}, "virbr7", true), "");
}

TEST(Dnsmasq, asks_the_hosts_resolvers_only_where_nothing_else_is_said) {
    const auto text = [](const std::string& dns) {
        const auto network =
            format::from_xml<model::Network>("<network><name>n</name><bridge name='virbr7'/>" + dns + "</network>");
        return dnsmasq_configuration(network, {});
    };
    const auto has = [&](const std::string& dns) { return text(dns).find("no-resolv\n") != std::string::npos; };
    EXPECT_FALSE(has(""));
    EXPECT_TRUE(has("<dns enable='no'/>"));
    EXPECT_TRUE(has("<dns><forwarder addr='10.9.9.9'/></dns>"));
    EXPECT_FALSE(has("<dns><forwarder domain='x.org' addr='10.9.9.9'/></dns>"));
}

TEST(Leases, of_ipv6_have_the_mac_address_of_their_duid) {
    const auto leases = parse_leases("duid 00:01:00:01:31:0a:52:54:00:99:99:99\n"
                                     "1795216862 1193046 fd00::10 demo 00:01:00:01:2c:0a:11:22:52:54:00:01:02:03\n"
                                     "1795216862 T7 fd00::11 * 00:03:00:01:52:54:00:01:02:04\n"
                                     "1795216862 8 fd00::12 * 00:02:00:00:ab:11\n");
    ASSERT_EQ(leases.size(), 3u);
    EXPECT_EQ(leases[0], (Lease{1795216862, "52:54:00:01:02:03", "fd00::10", "demo",
                                "00:01:00:01:2c:0a:11:22:52:54:00:01:02:03", "1193046"}));
    EXPECT_EQ(leases[1].mac, "52:54:00:01:02:04");
    EXPECT_EQ(leases[1].iaid, "7");
    EXPECT_EQ(leases[2].mac, "");
}

namespace {

model::Network network_with(const std::string& body) {
    return format::from_xml<model::Network>("<network><name>n</name>" + body + "<bridge name='virbr7'/></network>");
}
std::string configuration_of(const std::string& body) { return dnsmasq_configuration(network_with(body), {}); }

} // namespace

TEST(Dnsmasq, of_ipv6_advertises_and_lends) {
    using ::testing::HasSubstr;
    using ::testing::Not;
    const auto advertised = configuration_of("<ip family='ipv6' address='fd00::1' prefix='64'/>");
    EXPECT_THAT(advertised, HasSubstr("dhcp-range=fd00::,ra-only\n"));
    EXPECT_THAT(advertised, HasSubstr("enable-ra\n"));
    EXPECT_THAT(advertised, HasSubstr("ra-param=virbr7,0,0\n")) << "an isolated network has no router";
    EXPECT_THAT(advertised, Not(HasSubstr("dhcp-leasefile")));
    const auto lent =
        configuration_of("<forward/><ip family='ipv6' address='fd00::1' prefix='64'><dhcp>"
                         "<range start='fd00::10' end='fd00::20'><lease expiry='2' unit='hours'/></range></dhcp></ip>");
    EXPECT_THAT(lent, HasSubstr("dhcp-range=fd00::10,fd00::20,64,2h\n"));
    EXPECT_THAT(lent, HasSubstr("dhcp-leasefile"));
    EXPECT_THAT(lent, Not(HasSubstr("ra-param")));
}

TEST(Dnsmasq, answers_for_the_addresses_of_its_subnets) {
    using ::testing::HasSubstr;
    EXPECT_THAT(configuration_of("<ip address='192.168.7.1' prefix='24' localPtr='yes'/>"),
                HasSubstr("local=/7.168.192.in-addr.arpa/\n"));
    const auto part = configuration_of("<ip address='10.1.6.1' prefix='23' localPtr='yes'/>");
    EXPECT_THAT(part, HasSubstr("local=/6.1.10.in-addr.arpa/\nlocal=/7.1.10.in-addr.arpa/\n"));
    EXPECT_THAT(configuration_of("<ip family='ipv6' address='fd00:0:0:12::1' prefix='64' localPtr='yes'/>"),
                HasSubstr("local=/2.1.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa/\n"));
}

TEST(Dnsmasq, hosts_have_lease_times_and_addresses_of_both_families) {
    const auto network =
        network_with("<ip address='10.0.0.1' prefix='24'><dhcp><host mac='52:54:00:00:00:01' ip='10.0.0.9' name='a'>"
                     "<lease expiry='0'/></host></dhcp></ip><ip family='ipv6' address='fd00::1' prefix='64'>"
                     "<dhcp><host id='0:1:2' name='b' ip='fd00::9'/></dhcp></ip>");
    EXPECT_EQ(dnsmasq_hosts(network), "52:54:00:00:00:01,10.0.0.9,a,infinite\nid:0:1:2,[fd00::9],b\n");
}

TEST(Firewall, routes_ipv6_and_translates_it_where_that_is_asked_for) {
    using ::testing::HasSubstr;
    using ::testing::Not;
    const auto rules = firewall_rules(network_with("<forward mode='nat'/>"), {subnet("fd00::1", 64)});
    EXPECT_THAT(rules, HasSubstr("oifname \"virbr7\" ip6 daddr fd00::/64 accept\n"));
    EXPECT_THAT(rules, Not(HasSubstr("masquerade")));
    const auto translated =
        firewall_rules(network_with("<forward mode='nat'><nat ipv6='yes'/></forward>"), {subnet("fd00::1", 64)});
    EXPECT_THAT(translated, HasSubstr("ip6 daddr fd00::/64 ct state established,related accept\n"));
    EXPECT_THAT(translated, HasSubstr("ip6 saddr fd00::/64 ip6 daddr != { fd00::/64, ff00::/8 } masquerade\n"));
}

TEST(PortSettings, come_from_the_interface_its_group_and_its_network_in_this_order) {
    const auto network =
        network_with("<vlan><tag id='5'/></vlan><port isolated='yes'/>"
                     "<portgroup name='fast'><bandwidth><inbound average='9000'/></bandwidth></portgroup>"
                     "<portgroup name='usual' default='yes'><vlan><tag id='7'/></vlan></portgroup>");
    model::Interface interface;
    EXPECT_EQ(port_settings(interface, &network).vlan->tags.front().id, 7u);
    EXPECT_TRUE(port_settings(interface, &network).isolated);
    interface.source.portgroup = "fast";
    EXPECT_EQ(port_settings(interface, &network).vlan->tags.front().id, 5u);
    EXPECT_EQ(port_settings(interface, &network).bandwidth.inbound->average, 9000u);
    interface.bandwidth.inbound.emplace().average = 100;
    interface.port_isolated = false;
    EXPECT_EQ(port_settings(interface, &network).bandwidth.inbound->average, 100u);
    EXPECT_FALSE(port_settings(interface, &network).isolated);
    interface.source.portgroup = "none";
    EXPECT_THROW(port_settings(interface, &network), Error);
}

TEST(PortVlans, are_of_an_access_port_or_a_trunk) {
    using netlink::PortVlans;
    const auto vlans = [](const std::string& text) {
        return port_vlans(*network_with("<vlan" + text + "</vlan>").vlan);
    };
    EXPECT_EQ(vlans("><tag id='5'/>"), (PortVlans{{}, 5}));
    EXPECT_EQ(vlans(" trunk='yes'><tag id='5'/>"), (PortVlans{{5}}));
    EXPECT_EQ(vlans(" trunk='yes'><tag id='5' nativeMode='untagged'/><tag id='6'/>"), (PortVlans{{6}, 5}));
    EXPECT_EQ(vlans("><tag id='5' nativeMode='tagged'/><tag id='6'/>"), (PortVlans{{6}, 5, true}));
}

TEST(Bandwidth, what_comes_in_too_fast_is_dropped_by_average_and_peak) {
    const auto network = network_with("<bandwidth><outbound average='100' peak='200' burst='300'/></bandwidth>");
    EXPECT_EQ(outbound_script("vnet0", network.bandwidth.outbound),
              "add table netdev domus_rate_vnet0\ndelete table netdev domus_rate_vnet0\n"
              "table netdev domus_rate_vnet0 {\n  chain sent {\n"
              "    type filter hook ingress device \"vnet0\" priority filter;\n"
              "    limit rate over 200 kbytes/second drop\n"
              "    limit rate over 100 kbytes/second burst 200 kbytes drop\n  }\n}\n");
    EXPECT_EQ(outbound_script("vnet0", {}),
              "add table netdev domus_rate_vnet0\ndelete table netdev domus_rate_vnet0\n");
    EXPECT_FALSE(is_limited({}));
    EXPECT_TRUE(is_limited(network.bandwidth));
}

} // namespace domus::network
