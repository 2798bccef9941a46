#include "model/network.hpp"
#include "model/samples.hpp"
#include "model/snapshot.hpp"
#include "model/storage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace domus::model {

namespace {

using format::from_xml;
using format::to_xml;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

template <class T> format::Findings findings_of(const T& value) {
    format::Findings findings;
    check(value, findings);
    return findings;
}

auto says(const char* text) { return Contains(Field(&format::Finding::text, HasSubstr(text))); }

Network network_with(const std::string& text) {
    return from_xml<Network>("<network>\n<name>n</name>" + text + "</network>");
}

} // namespace

TEST(NetworkXml, is_given_back_word_for_word) {
    const auto text = sample("network.xml");
    const auto network = from_xml<Network>(text);
    EXPECT_EQ(to_xml(network), text);
    EXPECT_EQ(network.mode(), ForwardMode::nat);
    EXPECT_TRUE(network.ips.at(0).dhcp);
    EXPECT_THAT(findings_of(network), IsEmpty());
}

TEST(EveryXml, of_libvirt_is_given_back_word_for_word_and_is_sound) {
    const auto same = [](auto type, const char* name) {
        const auto text = sample(name);
        const auto value = from_xml<decltype(type)>(text);
        EXPECT_EQ(to_xml(value), text) << name;
        EXPECT_THAT(findings_of(value), IsEmpty()) << name;
    };
    for (const auto* name :
         {"network-every-element.xml", "network-bridge.xml", "network-passthrough.xml", "network-hostdev.xml"})
        same(Network{}, name);
    for (const auto* name :
         {"pool-iscsi.xml", "pool-logical.xml", "pool-netfs.xml", "pool-scsi.xml", "pool-rbd.xml", "pool-dir.xml"})
        same(Pool{}, name);
    same(Volume{}, "vol-every-element.xml");
}

TEST(NetworkXml, keeps_options_of_dnsmasq) {
    const auto network =
        from_xml<Network>("<network xmlns:x='http://libvirt.org/schemas/network/dnsmasq/1.0'><name>n</name>"
                          "<x:options><x:option value='foo=bar'/></x:options></network>");
    ASSERT_EQ(network.dnsmasq_options.size(), 1u);
    EXPECT_EQ(network.dnsmasq_options[0].value, "foo=bar");
    EXPECT_THAT(to_xml(network), HasSubstr(" xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>\n"));
}

TEST(NetworkCheck, wants_addresses_of_the_subnet) {
    EXPECT_THAT(findings_of(network_with(
                    "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.1.2' end='10.0.0.9'/></dhcp></ip>")),
                says("'10.0.1.2' is no address of the subnet"));
    EXPECT_THAT(findings_of(network_with(
                    "<ip address='10.0.0.1' prefix='24'><dhcp><range start='10.0.0.9' end='10.0.0.2'/></dhcp></ip>")),
                says("the range from 10.0.0.9 to 10.0.0.2 is empty"));
    EXPECT_THAT(findings_of(network_with("<ip address='10.0.0.1' netmask='255.0.255.0'/>")),
                says("the netmask '255.0.255.0'"));
    EXPECT_THAT(findings_of(network_with("<ip address='10.0.0.x' prefix='24'/>")), says("is no IP address"));
    EXPECT_THAT(findings_of(network_with("<ip family='ipv6' address='fd00::1' prefix='64'><dhcp><range start='fd00::2' "
                                         "end='fd00::ff'/></dhcp></ip>")),
                IsEmpty());
}

TEST(NetworkCheck, wants_addresses_of_one_machine) {
    const auto with_host = [](const std::string& mac) {
        return network_with("<ip address='10.0.0.1' prefix='24'><dhcp><host mac='" + mac
                            + "' ip='10.0.0.2'/></dhcp></ip>");
    };
    EXPECT_THAT(findings_of(with_host("52:54:00:00:00:01")), IsEmpty());
    EXPECT_THAT(findings_of(with_host("01:54:00:00:00:01")),
                says("expected unicast mac address, found multicast '01:54:00:00:00:01'"));
    EXPECT_THAT(findings_of(network_with("<mac address='fF:ff:ff:ff:ff:ff'/>")),
                says("found multicast 'fF:ff:ff:ff:ff:ff'"));
}

TEST(NetworkCheck, knows_what_a_mode_asks) {
    EXPECT_THAT(findings_of(network_with("<forward mode='bridge'/>")), says("needs <bridge name='...'/>"));
    EXPECT_THAT(findings_of(network_with("<forward mode='bridge'/><bridge name='br0'/>")), IsEmpty());
    EXPECT_THAT(
        findings_of(network_with("<forward mode='bridge'/><bridge name='br0'/><ip address='10.0.0.1' prefix='8'/>")),
        says("has no <ip>"));
    EXPECT_THAT(findings_of(network_with("<portgroup name='a'/><portgroup name='a'/>")), says("stands twice"));
    EXPECT_EQ(network_with("").mode(), ForwardMode::none);
    EXPECT_EQ(network_with("<forward/>").mode(), ForwardMode::nat);
}

TEST(PoolXml, is_given_back_word_for_word) {
    const auto text = sample("pool.xml");
    const auto pool = from_xml<Pool>(text);
    EXPECT_EQ(to_xml(pool), text);
    EXPECT_EQ(pool.capacity, ByteCount{12638248960});
    EXPECT_EQ(pool.permissions.mode, "0755");
    EXPECT_THAT(findings_of(pool), IsEmpty());
}

TEST(VolumeXml, is_given_back_word_for_word) {
    const auto text = sample("vol.xml");
    const auto volume = from_xml<Volume>(text);
    EXPECT_EQ(to_xml(volume), text);
    EXPECT_EQ(volume.target.format, "qcow2");
    EXPECT_THAT(findings_of(volume), IsEmpty());
}

TEST(VolumeXml, reads_what_virt_install_writes) {
    const auto volume = from_xml<Volume>(sample("virt-install-vol-create.xml"));
    EXPECT_EQ(volume.capacity, ByteCount{107374182});
    EXPECT_EQ(volume.allocation, ByteCount{0});
    EXPECT_TRUE(volume.target.lazy_refcounts);
}

TEST(VolumeCheck, wants_a_size_and_a_plain_name) {
    EXPECT_THAT(findings_of(from_xml<Volume>("<volume><name>v</name></volume>")), says("needs a <capacity>"));
    EXPECT_THAT(findings_of(from_xml<Volume>("<volume><name>../v</name><capacity unit='G'>1</capacity></volume>")),
                says("must not contain '/'"));
}

TEST(SnapshotXml, is_given_back_word_for_word) {
    const auto text = sample("snapshot.xml");
    const auto snapshot = from_xml<Snapshot>(text);
    EXPECT_EQ(to_xml(snapshot), text);
    EXPECT_EQ(snapshot.state, SnapshotState::running);
    EXPECT_EQ(snapshot.domain->memory, ByteCount::mib(256));
    EXPECT_EQ(snapshot.disks.at(0).snapshot, SnapshotMode::internal);
}

} // namespace domus::model
