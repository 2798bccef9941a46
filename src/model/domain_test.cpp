#include "model/domain.hpp"
#include "model/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace domus::model {

namespace {

using format::from_xml;
using format::to_xml;
using testing::HasSubstr;
using testing::Not;

/// The lines from the one that begins an element to the one that ends it, moved to the left margin.
std::string part(const std::string& text, const std::string& name) {
    const auto begin = text.find("  <" + name);
    const auto end = text.find("  </" + name + ">\n", begin);
    std::istringstream lines(text.substr(begin, end - begin) + "  </" + name + ">\n");
    std::string out;
    for (std::string line; std::getline(lines, line);) out += line.substr(2) + "\n";
    return out;
}

} // namespace

TEST(DomainXml, gives_back_a_live_definition_of_libvirt_word_for_word) {
    const auto text = sample("domain-live.xml");
    EXPECT_EQ(to_xml(from_xml<Domain>(text)), text);
}

TEST(DomainXml, gives_back_an_inactive_definition_of_libvirt_word_for_word) {
    for (const auto* name : {"domain-inactive.xml", "domain-migratable.xml"}) {
        const auto text = sample(name);
        EXPECT_EQ(to_xml(from_xml<Domain>(text), {.live = false}), text) << name;
    }
}

TEST(DomainXml, gives_back_every_element_that_libvirt_knows_word_for_word) {
    for (const auto* name :
         {"domain-every-element-a.xml", "domain-every-element-b.xml", "domain-every-element-c.xml"}) {
        const auto text = sample(name);
        EXPECT_EQ(to_xml(from_xml<Domain>(text), {.secrets = true}), text) << name;
    }
}

TEST(DomainXml, gives_back_the_domain_of_a_snapshot_word_for_word) {
    const auto text = part(sample("snapshot.xml"), "domain");
    EXPECT_EQ(to_xml(from_xml<Domain>(text)), text);
}

TEST(DomainXml, reads_what_virt_install_writes) {
    const auto domain = from_xml<Domain>(sample("virt-install-cdrom-domain_create_xml.xml"));
    EXPECT_EQ(domain.type, DomainType::qemu);
    EXPECT_EQ(domain.name, "vi3");
    EXPECT_EQ(domain.memory, ByteCount::mib(128));
    EXPECT_EQ(domain.on_reboot, PowerAction::destroy);
    ASSERT_EQ(domain.os.boot.size(), 2u);
    EXPECT_EQ(domain.os.boot[0].dev, BootDevice::cdrom);
    ASSERT_EQ(domain.clock.timers.size(), 3u);
    EXPECT_EQ(domain.clock.timer("hpet")->present, false);
    EXPECT_EQ(domain.suspend_to_mem, false);
    ASSERT_EQ(domain.devices.disks.size(), 2u);
    EXPECT_EQ(domain.devices.disks[0].driver.discard, DiskDiscard::unmap);
    EXPECT_EQ(domain.devices.disks[1].device, DiskDevice::cdrom);
    EXPECT_TRUE(domain.devices.disks[1].readonly);
    ASSERT_EQ(domain.devices.controllers.size(), 4u);
    EXPECT_EQ(domain.devices.controllers[3].master_startport, 4u);
    EXPECT_EQ(domain.devices.graphics.at(0).port, -1);
    const auto text = to_xml(domain);
    EXPECT_EQ(to_xml(from_xml<Domain>(text)), text);
}

TEST(DomainXml, an_empty_drive_has_no_source) {
    const auto domain = from_xml<Domain>(sample("virt-install-cdrom-domain_define_xml.xml"));
    EXPECT_TRUE(domain.devices.disks.at(1).source.empty());
    EXPECT_EQ(domain.devices.disks.at(0).source.text(), "/var/lib/libvirt/images/vi3.qcow2");
    EXPECT_THAT(to_xml(domain), HasSubstr("<disk type='file' device='cdrom'>\n      <target"));
}

TEST(DomainXml, keeps_arguments_for_qemu_whatever_the_prefix_of_their_namespace) {
    constexpr std::string_view text = R"(<domain type='kvm' xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>n</name><memory>1024</memory><os><type>hvm</type></os>
  <q:commandline><q:arg value='-s'/><q:env name='A' value='b'/></q:commandline>
</domain>)";
    const auto domain = from_xml<Domain>(text);
    ASSERT_EQ(domain.qemu.arguments.size(), 1u);
    EXPECT_EQ(domain.qemu.arguments[0].value, "-s");
    EXPECT_EQ(domain.qemu.environment.at(0).name, "A");
    const auto written = to_xml(domain);
    EXPECT_THAT(written, HasSubstr(" xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n"));
    EXPECT_THAT(written,
                HasSubstr("  <qemu:commandline>\n    <qemu:arg value='-s'/>\n    <qemu:env name='A' value='b'/>\n"));
    EXPECT_EQ(from_xml<Domain>(written), domain);
}

TEST(DomainXml, is_not_misled_by_a_prefix_that_stands_for_something_else) {
    const std::string inside = "<name>n</name><memory>1024</memory><os><type>hvm</type></os>";
    for (const auto* inside_default :
         {"<commandline xmlns='http://libvirt.org/schemas/domain/qemu/1.0'><arg value='-s'/></commandline>",
          "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-s'/></q:commandline>"}) {
        const auto read = from_xml<Domain>("<domain type='kvm'>" + inside + inside_default + "</domain>");
        ASSERT_EQ(read.qemu.arguments.size(), 1u) << inside_default;
        EXPECT_THAT(to_xml(read), HasSubstr("<qemu:arg value='-s'/>"));
    }
    EXPECT_THROW(from_xml<Domain>("<domain type='kvm' xmlns:qemu='urn:other'>" + inside + "</domain>"), Error);
    const auto domain = from_xml<Domain>(
        "<domain type='kvm'>" + inside
        + "<qemu:commandline xmlns:qemu='urn:other'><qemu:arg value='x'/></qemu:commandline></domain>");
    EXPECT_TRUE(domain.qemu.arguments.empty());
    EXPECT_THAT(to_xml(domain),
                HasSubstr("<qemu:commandline xmlns:qemu='urn:other'><qemu:arg value='x'/></qemu:commandline>"));
}

TEST(DomainXml, hides_passwords_unless_asked) {
    auto domain = from_xml<Domain>(sample("domain-inactive.xml"));
    domain.devices.graphics.at(0).passwd = "hush";
    EXPECT_THAT(to_xml(domain), Not(HasSubstr("hush")));
    EXPECT_THAT(to_xml(domain, {.secrets = true}), HasSubstr("passwd='hush'"));
}

TEST(DomainXml, a_feature_without_a_state_is_on) {
    const auto domain = from_xml<Domain>("<domain type='kvm'><name>n</name><memory>1</memory><os><type>hvm</type></os>"
                                         "<features><vmcoreinfo/><kvm><hidden state='off'/></kvm></features></domain>");
    EXPECT_EQ(domain.features.vmcoreinfo, OnOff::on);
    EXPECT_EQ(domain.features.kvm.hidden, OnOff::off);
    EXPECT_EQ(domain.features.pmu, std::nullopt);
}

TEST(DomainXml, refuses_by_name_what_it_cannot_honour) {
    try {
        from_xml<Domain>("<domain type='kvm'><name>n</name><memory>1</memory><os><type>hvm</type></os>\n"
                         "<launchSecurity type='sev'/></domain>");
        FAIL() << "was accepted";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::config_unsupported);
        EXPECT_THAT(error.message(), HasSubstr("line 2: <launchSecurity>"));
    }
}

TEST(StripLive, leaves_what_libvirt_calls_the_inactive_definition) {
    auto live = from_xml<Domain>(sample("domain-live.xml"));
    auto inactive = from_xml<Domain>(sample("domain-inactive.xml"));
    strip_live(live);
    // What really differs between the two samples: memory and CPU at run time, order of controllers, listen address.
    live.current_memory = inactive.current_memory;
    live.cpu = inactive.cpu;
    live.devices.graphics.at(0).listen.reset();
    live.devices.graphics.at(0).listens.at(0).address.reset();
    auto& controllers = live.devices.controllers;
    std::rotate(controllers.begin() + 3, controllers.begin() + 4, controllers.end());
    EXPECT_EQ(to_xml(live, {.live = false}), to_xml(inactive, {.live = false}));
}

TEST(StripLive, takes_away_what_a_start_of_ours_chose) {
    const auto stripped = [](const std::string& devices) {
        auto domain = from_xml<Domain>(
            "<domain type='qemu' id='3'><name>n</name><memory>1</memory><os><type>hvm</type></os><devices>" + devices
            + "</devices></domain>");
        strip_live(domain);
        const auto text = to_xml(domain, {.live = false});
        const auto begin = text.find("<devices>");
        return text.substr(begin, text.find("</devices>") - begin);
    };
    const std::string folder = "/var/lib/domus/qemu/domain-3-web/guest";
    EXPECT_THAT(stripped("<channel type='unix'><source mode='bind' path='" + folder
                         + "/org.qemu.guest_agent.0'/>"
                           "<target type='virtio' name='org.qemu.guest_agent.0' state='connected'/></channel>"),
                testing::Not(testing::AnyOf(HasSubstr("<source"), HasSubstr("state="))));
    EXPECT_THAT(stripped("<channel type='unix'><source mode='bind'/><target type='virtio' name='a'/></channel>"),
                testing::Not(HasSubstr("<source")));
    EXPECT_THAT(stripped("<channel type='unix'><source mode='bind' path='/srv/domain-x/a'/><target type='virtio' "
                         "name='a'/></channel>"),
                HasSubstr("path='/srv/domain-x/a'"));
    EXPECT_THAT(stripped("<graphics type='vnc' port='5903' autoport='yes' websocket='5700'/>"),
                HasSubstr("port='-1' autoport='yes' websocket='-1'"));
    EXPECT_THAT(stripped("<graphics type='spice' port='5904' tlsPort='-1' autoport='yes'/>"),
                testing::Not(testing::AnyOf(HasSubstr("port='5904'"), HasSubstr("tlsPort"))));
    EXPECT_THAT(stripped("<graphics type='vnc' port='5903' autoport='no'/>"), HasSubstr("port='5903'"));
    EXPECT_THAT(stripped("<graphics type='vnc'><listen type='socket' socket='" + folder + "/vnc0.sock'/></graphics>"),
                testing::Not(HasSubstr("socket=")));
    EXPECT_THAT(
        stripped("<interface type='network'><source network='default' portid='cc1f6e95-1f3e-4d5c-8a5b-0a7a0c0b1a2c' "
                 "bridge='virbr0'/><target dev='vnet3'/></interface>"),
        testing::Not(testing::AnyOf(HasSubstr("vnet3"), HasSubstr("virbr0"), HasSubstr("portid"))));
    EXPECT_THAT(stripped("<disk type='file'><source file='/a' index='1'/><backingStore/><target dev='vda'/></disk>"),
                testing::Not(testing::AnyOf(HasSubstr("backingStore"), HasSubstr("index"))));
}

TEST(StripLive, keeps_a_chain_that_the_user_ended_and_his_security_labels) {
    auto domain =
        from_xml<Domain>("<domain type='qemu'><name>n</name><memory>1</memory><os><type>hvm</type></os><devices>"
                         "<disk type='file'><source file='/a'/><backingStore/><target dev='vda'/></disk></devices>"
                         "<seclabel type='dynamic' model='dac' relabel='yes'/></domain>");
    strip_live(domain);
    EXPECT_EQ(domain.devices.disks.at(0).backing_store.size(), 1u);
    EXPECT_EQ(domain.seclabels.size(), 1u);
}

TEST(StripLive, keeps_names_that_the_user_chose) {
    auto domain = from_xml<Domain>(sample("domain-live.xml"));
    domain.devices.disks.at(0).alias = "ua-root";
    domain.devices.interfaces.at(0).target_dev = "web0";
    strip_live(domain);
    EXPECT_EQ(domain.devices.disks.at(0).alias, "ua-root");
    EXPECT_EQ(domain.devices.interfaces.at(0).target_dev, "web0");
    EXPECT_EQ(domain.devices.controllers.at(0).alias, std::nullopt);
}

TEST(Address, reads_numbers_as_the_bus_asks) {
    const auto address = from_xml<Address>(
        "<address multifunction='on' function='0x7' slot='0x1f' bus='0x0a' domain='0x0000' type='pci'/>");
    EXPECT_EQ(address, [] {
        auto expected = Address::pci(10, 31, 7);
        expected.multifunction = OnOff::on;
        return expected;
    }());
    EXPECT_EQ(address.text(), "0000:0a:1f.7");
    EXPECT_EQ(to_xml(Address::drive(0, 1, 2, 3)),
              "<address type='drive' controller='0' bus='1' target='2' unit='3'/>\n");
    EXPECT_EQ(to_xml(Address::usb(0, "1.2")), "<address type='usb' bus='0' port='1.2'/>\n");
}

} // namespace domus::model
