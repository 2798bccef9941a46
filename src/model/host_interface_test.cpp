#include "model/host_interface.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace domus::model {

namespace {

std::string written(const std::string& xml) { return format::to_xml(read_host_interface(xml, true)); }

std::string refusal_of(const std::string& xml) {
    try {
        (void)read_host_interface(xml, false);
    } catch (const Error& error) {
        return error.text();
    }
    return "none";
}

std::string eth0_with(const std::string& inside) {
    return fmt::format("<interface type='ethernet' name='eth0'>{}</interface>", inside);
}

} // namespace

TEST(HostInterfaceDocument, is_written_as_libvirt_does) {
    const std::string bridge = "<interface type='bridge' name='br0'>\n"
                               "  <start mode='onboot'/>\n"
                               "  <mtu size='1500'/>\n"
                               "  <protocol family='ipv4'>\n"
                               "    <dhcp peerdns='no'/>\n"
                               "  </protocol>\n"
                               "  <protocol family='ipv6'>\n"
                               "    <autoconf/>\n"
                               "    <ip address='fd00::2' prefix='64'/>\n"
                               "    <route gateway='fd00::1'/>\n"
                               "  </protocol>\n"
                               "  <bridge stp='off' delay='0.5'>\n"
                               "    <interface type='ethernet' name='eth0'>\n"
                               "      <mac address='52:54:00:00:00:01'/>\n"
                               "    </interface>\n"
                               "    <interface type='vlan' name='eth1.10'>\n"
                               "      <vlan tag='10'>\n"
                               "        <interface name='eth1'/>\n"
                               "      </vlan>\n"
                               "    </interface>\n"
                               "  </bridge>\n"
                               "</interface>\n";
    EXPECT_EQ(written(bridge), bridge);
    const std::string bond = "<interface type='bond' name='bond0'>\n"
                             "  <start mode='none'/>\n"
                             "  <bond mode='active-backup'>\n"
                             "    <miimon freq='100' downdelay='10' updelay='20' carrier='ioctl'/>\n"
                             "    <interface type='ethernet' name='eth1'/>\n"
                             "    <interface type='ethernet' name='eth0'/>\n"
                             "  </bond>\n"
                             "</interface>\n";
    EXPECT_EQ(written(bond), bond);
}

TEST(HostInterfaceDocument, names_a_vlan_after_its_parent_and_tag) {
    EXPECT_THAT(written("<interface type='vlan'><vlan tag='42'><interface name='eth0'/></vlan></interface>"),
                testing::HasSubstr("<interface type='vlan' name='eth0.42'>"));
}

TEST(HostInterfaceDocument, is_judged) {
    EXPECT_EQ(refusal_of(eth0_with("<protocol family='ipv4'><ip address='10.0.0.1' prefix='8'/></protocol>")), "none");
    for (const std::string_view inside :
         {"<mac address='52:54:00'/>", "<mtu size='10'/>", "<protocol family='ipv4'><autoconf/></protocol>",
          "<protocol family='ipv4'><ip address='fd00::1'/></protocol>",
          "<protocol family='ipv4'><ip address='10.0.0.1' prefix='33'/></protocol>",
          "<protocol family='ipv6'><route gateway='10.0.0.1'/></protocol>",
          "<protocol family='ipv4'/><protocol family='ipv4'/>"})
        EXPECT_NE(refusal_of(eth0_with(std::string(inside))), "none") << inside;
    for (const std::string_view xml :
         {"<interface type='ethernet'/>", "<interface type='ethernet' name='a/b'/>",
          "<interface type='ethernet' name='sixteen-letters0'/>", "<interface type='bridge' name='br0'/>",
          "<interface type='vlan' name='v'><vlan tag='4095'><interface name='eth0'/></vlan></interface>",
          "<interface type='bridge' name='br0'><bridge delay='soon'/></interface>",
          "<interface type='bridge' name='br0'><bridge delay='nan'/></interface>",
          "<interface type='bridge' name='br0'><bridge><interface type='ethernet' name='br0'/></bridge></interface>",
          "<interface type='bridge' name='br0'><bridge><interface type='bridge' name='b'/></bridge></interface>",
          "<interface type='bond' name='b'><bond><interface type='vlan' name='v'/></bond></interface>",
          "<interface type='bond' name='b'><bond><arpmon interval='1' target='fd00::1'/></bond></interface>"})
        EXPECT_NE(refusal_of(std::string(xml)), "none") << xml;
}

TEST(HostInterfaceDocument, is_read_strictly_on_demand) {
    const auto strange = eth0_with("<speed/>");
    EXPECT_EQ(refusal_of(strange), "none");
    EXPECT_THROW((void)read_host_interface(strange, true), Error);
    for (const std::string_view other : {"<bridge/>", "<vlan tag='1'><interface name='eth1'/></vlan>"}) {
        const auto xml = eth0_with(std::string(other));
        EXPECT_FALSE(read_host_interface(xml, false).bridge);
        EXPECT_THROW((void)read_host_interface(xml, true), Error) << other;
    }
}

} // namespace domus::model
