#include "model/domain.hpp"
#include "model/samples.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace domus::model {

namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

format::Findings findings_of(const Domain& domain) {
    format::Findings findings;
    check(domain, findings);
    return findings;
}

Domain domain_with(const std::string& devices, const std::string& before = "") {
    return format::from_xml<Domain>("<domain type='qemu'>\n<name>n</name><memory>1024</memory>" + before
                                    + "<os><type>hvm</type></os>\n<devices>\n" + devices + "</devices></domain>");
}

auto says(const char* text) { return Contains(Field(&format::Finding::text, HasSubstr(text))); }

std::string disk(const std::string& target, const std::string& inside = "") {
    return "<disk><source file='/x'/><target dev='" + target + "' bus='virtio'/>" + inside + "</disk>\n";
}

} // namespace

TEST(Check, finds_nothing_wrong_in_libvirts_own_documents) {
    for (const auto* name :
         {"domain-live.xml", "domain-inactive.xml", "domain-migratable.xml", "domain-every-element-a.xml",
          "domain-every-element-b.xml", "domain-every-element-c.xml", "virt-install-1.xml", "virt-install-2.xml",
          "virt-install-3.xml", "virt-install-4.xml", "virt-install-7.xml", "virt-install-8.xml",
          "virt-install-cdrom-domain_create_xml.xml", "virt-install-cdrom-domain_define_xml.xml"})
        EXPECT_THAT(findings_of(format::from_xml<Domain>(sample(name))), IsEmpty()) << name;
}

TEST(Check, says_the_line_and_what_to_do) {
    const auto found = findings_of(domain_with(disk("vda") + disk("vda")));
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].line, 5);
    EXPECT_EQ(found[0].text, "two disks have the target 'vda'; give one another name");
    EXPECT_FALSE(found[0].unsupported);
}

TEST(Check, wants_secrets_of_disks_named_once) {
    const auto with = [](const std::string& inside, const std::string& beside) {
        return findings_of(domain_with("<disk type='file'><source file='/a'>" + inside + "</source><target dev='vda'/>"
                                       + beside + "</disk>"));
    };
    const std::string luks = "<encryption format='luks'><secret type='passphrase' usage='/a'/></encryption>";
    EXPECT_THAT(with(luks, ""), IsEmpty());
    EXPECT_THAT(with("", luks), IsEmpty());
    EXPECT_EQ(with(luks, luks).size(), 1u);
    EXPECT_EQ(with("", "<encryption format='luks'><secret type='passphrase'/></encryption>").size(), 1u);
    EXPECT_EQ(with("<auth username='u'><secret type='iscsi'/></auth>", "").size(), 1u);
    EXPECT_EQ(
        with("<auth username='u'><secret usage='a'/></auth>", "<auth username='u'><secret usage='a'/></auth>").size(),
        1u);
}

TEST(Check, judges_names) {
    auto domain = domain_with("");
    EXPECT_THAT(findings_of(domain), IsEmpty());
    for (const auto* name : {"", "  ", "a/b", "..", "a\nb"}) {
        domain.name = name;
        EXPECT_EQ(findings_of(domain).size(), 1u) << name;
    }
}

TEST(Check, wants_memory_and_processors_to_agree) {
    auto domain = domain_with("");
    domain.current_memory = ByteCount::mib(2);
    domain.vcpu = 4;
    domain.vcpu_current = 5;
    domain.cpu.topology.emplace().cores = 3;
    const auto found = findings_of(domain);
    EXPECT_THAT(found, says("<currentMemory> of 2048 KiB is more than the <memory> of 1024 KiB"));
    EXPECT_THAT(found, says("<vcpu current='5'> must be 1 to 4"));
    EXPECT_THAT(found, says("<topology> gives 3 processors, but <vcpu> is 4"));
}

TEST(Check, counts_memory_devices_as_memory) {
    const auto with_device = [](const char* maximum, const char* size) {
        return domain_with(fmt::format("<memory model='dimm'><target><size>{}</size></target></memory>", size),
                           maximum);
    };
    EXPECT_THAT(findings_of(with_device("<maxMemory slots='2'>1024</maxMemory>", "1000")), IsEmpty());
    EXPECT_THAT(findings_of(with_device("<maxMemory slots='2'>1024</maxMemory>", "1024")), says("it counts them too"));
    EXPECT_THAT(findings_of(with_device("<maxMemory slots='2'>1023</maxMemory>", "1")),
                says("<maxMemory> of 1023 KiB is less"));
    EXPECT_THAT(findings_of(with_device("<maxMemory>1024</maxMemory>", "1")), says("the attribute 'slots'"));
    EXPECT_THAT(findings_of(with_device("", "1")), says("needs <maxMemory slots='...'>"));
}

TEST(Check, wants_the_source_that_the_disks_type_asks_for) {
    EXPECT_THAT(findings_of(domain_with("<disk type='block'><source file='/x'/><target dev='vda'/></disk>")),
                says("the disk 'vda' of type 'block' needs <source dev='/dev/...'>"));
    EXPECT_THAT(findings_of(domain_with("<disk><target dev='vda'/></disk>")), says("needs <source file='/path'>"));
    EXPECT_THAT(findings_of(domain_with("<disk device='cdrom'><target dev='sda' bus='sata'/></disk>")), IsEmpty());
}

TEST(Check, finds_two_devices_at_one_address) {
    const std::string address = "<address type='pci' bus='1' slot='2'/>";
    EXPECT_THAT(findings_of(domain_with(disk("vda", address) + "<rng model='virtio'><backend model='random'/>" + address
                                        + "</rng>")),
                says("disk 'vda' and <rng> have the same address, 0000:01:02.0"));
    EXPECT_THAT(findings_of(domain_with(disk("vda", "<address type='pci'/>") + disk("vdb", "<address type='pci'/>"))),
                IsEmpty());
    EXPECT_THAT(findings_of(domain_with(disk("vda", "<address type='pci' slot='0x20'/>"))), says("is out of range"));
}

TEST(Check, keeps_drives_of_different_buses_apart) {
    const auto drive = [](const char* target, const char* bus) {
        return fmt::format("<disk><source file='/x'/><target dev='{}' bus='{}'/>"
                           "<address type='drive' controller='0' bus='0' target='0' unit='0'/></disk>",
                           target, bus);
    };
    EXPECT_THAT(findings_of(domain_with(drive("sda", "sata") + drive("sdb", "scsi"))), IsEmpty());
    EXPECT_THAT(findings_of(domain_with(drive("sda", "sata") + drive("sdb", "sata"))),
                says("the same address, drive 0:0:0:0"));
}

TEST(Check, allows_one_way_to_say_the_boot_order) {
    auto domain = domain_with(disk("vda", "<boot order='1'/>") + disk("vdb", "<boot order='1'/>"));
    EXPECT_THAT(findings_of(domain), says("the <boot order='1'/> stands twice"));
    domain = domain_with(disk("vda", "<boot order='1'/>"));
    EXPECT_THAT(findings_of(domain), IsEmpty());
    domain.os.boot.emplace_back();
    EXPECT_THAT(findings_of(domain), says("use one of the two ways"));
}

TEST(Check, judges_mac_addresses) {
    const auto interface = [](const char* mac, const char* more = "") {
        return fmt::format("<interface type='user'><mac address='{}'/>{}</interface>", mac, more);
    };
    EXPECT_THAT(findings_of(domain_with(interface("52:54:00:00:00:01"))), IsEmpty());
    EXPECT_THAT(findings_of(domain_with(interface("52:54:00:00:00"))), says("is no MAC address"));
    EXPECT_THAT(findings_of(domain_with(interface("53:54:00:00:00:01"))), says("is one for groups"));
    // Equal ones are warned of in the log where a domain is defined, and taken, as libvirt does.
    EXPECT_THAT(findings_of(domain_with(interface("52:54:00:00:00:0a") + interface("52:54:00:00:00:0A"))), IsEmpty());
}

TEST(Check, judges_vlans) {
    const auto interface = [](const char* vlan) {
        return fmt::format("<interface type='bridge'><source bridge='br0'/>{}</interface>", vlan);
    };
    EXPECT_THAT(findings_of(domain_with(interface("<vlan><tag id='42'/></vlan>"))), IsEmpty());
    EXPECT_THAT(findings_of(domain_with(interface("<vlan><tag id='4095'/></vlan>"))),
                says("the VLAN 4095 must be 1 to 4094"));
    EXPECT_THAT(findings_of(domain_with(interface("<vlan trunk='no'><tag id='1'/><tag id='2'/></vlan>"))),
                says("has 2 tags"));
}

TEST(Check, knows_the_io_threads) {
    const auto served = [](int thread) {
        return fmt::format("<disk><driver iothread='{}'/><source file='/x'/><target dev='vda'/></disk>", thread);
    };
    EXPECT_THAT(findings_of(domain_with(served(2), "<iothreads>2</iothreads>")), IsEmpty());
    EXPECT_THAT(findings_of(domain_with(served(3), "<iothreads>2</iothreads>")), says("names the I/O thread 3"));
    EXPECT_THAT(
        findings_of(domain_with(served(7), "<iothreads>2</iothreads><iothreadids><iothread id='7'/></iothreadids>")),
        IsEmpty());
}

TEST(Check, reads_sets_of_processors) {
    auto domain = domain_with("");
    for (const auto* good : {"0", "0-3", "0-3,^2", "1, 4"}) {
        domain.vcpu_cpuset = good;
        EXPECT_THAT(findings_of(domain), IsEmpty()) << good;
    }
    for (const auto* bad : {"", "a", "3-1", "1,", "-"}) {
        domain.vcpu_cpuset = bad;
        EXPECT_EQ(findings_of(domain).size(), 1u) << bad;
    }
}

TEST(Check, lists_all_it_finds) {
    const auto found = findings_of(
        domain_with("<channel type='unix'/><serial type='file'/><vsock model='virtio'><cid address='2'/></vsock>"
                    "<hostdev type='usb'><source/></hostdev><interface type='network'/>"));
    EXPECT_EQ(found.size(), 5u);
}

} // namespace domus::model
