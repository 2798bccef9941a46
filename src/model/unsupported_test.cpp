#include "model/unsupported.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace domus::model {

namespace {

using testing::HasSubstr;
using testing::IsEmpty;

template <class T> std::string said_of(const T& value) {
    format::Findings findings;
    find_unsupported(value, findings);
    std::string text;
    for (const auto& finding : findings) {
        EXPECT_TRUE(finding.unsupported) << finding.text;
        text += fmt::format("line {}: {}\n", finding.line, finding.text);
    }
    return text;
}

std::string said(const std::string& parts, const std::string& devices = {}) {
    return said_of(
        format::from_xml<Domain>("<domain type='qemu'><name>n</name><memory>1024</memory><os><type>hvm</type></os>"
                                 + parts + "<devices>\n" + devices + "</devices></domain>"));
}

std::string said_of_interface(const std::string& inside, const std::string& type = "network") {
    return said("", "<interface type='" + type + "'>\n" + inside + "</interface>");
}

std::string said_of_network(const std::string& inside) {
    return said_of(
        format::from_xml<Network>("<network>\n<name>n</name><bridge name='virbr9'/>" + inside + "</network>"));
}

/// Whether the table has a field at the path.
bool has_field(const format::Schema& schema, std::string_view path) {
    const auto at = path.find('@');
    const format::Node* node = &schema.root();
    for (auto left = path.substr(0, at); !left.empty() && left != ".";) {
        const auto name = left.substr(0, left.find('/'));
        left.remove_prefix(std::min(left.size(), name.size() + 1));
        node = node->child(name);
        if (!node) return false;
        const bool leads_on = (!left.empty() || at != path.npos) && node->content && node->content->type->schema;
        if (leads_on) node = &node->content->type->schema().root(); // into the table of the element
    }
    if (at == path.npos) return node->content.has_value();
    return std::ranges::any_of(node->attributes, [&](const auto& field) { return field.name == path.substr(at + 1); });
}

} // namespace

TEST(Unsupported, each_row_names_a_field_of_its_table) {
    for (const auto table : {refusals(), context_refusals()})
        for (const auto& row : table)
            EXPECT_TRUE(has_field(row.schema(), row.path)) << row.schema().name() << ": " << row.path;
}

TEST(Unsupported, secure_boot_is_refused_where_no_firmware_is_chosen) {
    const auto said_of_os = [](const std::string& attributes, const std::string& inside) {
        return said_of(format::from_xml<Domain>("<domain type='qemu'><name>n</name><memory>1024</memory><os"
                                                + attributes + "><type>hvm</type>\n" + inside
                                                + "</os><devices/></domain>"));
    };
    const std::string feature = "<firmware><feature enabled='yes' name='secure-boot'/></firmware>";
    EXPECT_THAT(said_of_os("", feature), HasSubstr("line 2: cannot use feature-based firmware autoselection"));
    EXPECT_THAT(said_of_os("", "<loader secure='yes'/>"), HasSubstr("line 2: no loader path specified"));
    EXPECT_THAT(said_of_os("", "<loader stateless='yes'/>"), HasSubstr("line 2: no loader path specified"));
    EXPECT_THAT(said_of_os("", "<loader secure='no'/>"), IsEmpty());
    EXPECT_THAT(said_of_os(" firmware='efi'", feature + "<loader secure='yes'/>"), IsEmpty());
    EXPECT_THAT(said_of_os("", "<loader readonly='yes' secure='yes' type='pflash'>/code.fd</loader>"), IsEmpty());
}

TEST(Unsupported, what_would_separate_or_limit_a_guest_is_refused_with_its_line) {
    EXPECT_THAT(said_of_interface("<bandwidth><inbound average='100' floor='50'/></bandwidth>"),
                HasSubstr("line 3: attribute 'floor' of <inbound> ('50') is not supported"));
    EXPECT_THAT(said_of_interface("<filterref filter='clean-traffic'/>", "ethernet"),
                HasSubstr("line 3: <filterref> is only valid for type='network' and 'bridge'"));
    EXPECT_THAT(said_of_interface("<virtualport type='openvswitch'/>", "bridge"),
                HasSubstr("line 3: <virtualport> is not supported"));
    EXPECT_THAT(said_of_interface("<coalesce><rx><frames max='8'/></rx></coalesce>"),
                HasSubstr("'max' of <frames> ('8')"));
    EXPECT_THAT(said_of_interface("<backend tap='/dev/net/other'/>"), HasSubstr("'tap' of <backend>"));
    EXPECT_THAT(said_of_interface("<backend vhost='/dev/vhost-other'/>"), HasSubstr("'vhost' of <backend>"));
    EXPECT_THAT(said_of_interface("<ip address='10.0.0.2'/>"),
                HasSubstr("line 3: <ip> of an interface of type 'network'"));
    EXPECT_THAT(said_of_interface("<route address='10.0.0.0' prefix='8' gateway='10.0.0.1'/>"), HasSubstr("<route>"));
    EXPECT_THAT(said_of_interface("<script path='/bin/true'/>", "bridge"), HasSubstr("<script>"));
    EXPECT_THAT(said_of_interface("<source dev='eth0' mode='bridge'/>", "direct"),
                HasSubstr("type 'direct' is not supported"));
    EXPECT_THAT(said_of_interface("", "ethernet"), HasSubstr("type 'ethernet' is not supported"));
    EXPECT_THAT(said("", "<interface type='network' trustGuestRxFilters='yes'/>"),
                HasSubstr("'trustGuestRxFilters' of <interface>"));
}

TEST(Unsupported, what_asks_for_nothing_is_not_refused) {
    EXPECT_EQ(
        said_of_interface(
            "<port isolated='no'/><bandwidth/><backend tap='/dev/net/tun' vhost='/dev/vhost-net'/><script path=''/>"
            "<coalesce/>"),
        "");
    EXPECT_EQ(said_of_interface("<ip address='10.0.0.2' prefix='24'/>", "user"), "");
    EXPECT_EQ(said("<resource><partition>/machine</partition></resource><on_crash>restart</on_crash>"
                   "<cpu mode='host-passthrough' check='none' migratable='off'/><seclabel type='dynamic' model='dac' "
                   "relabel='yes'/>"
                   "<perf><event name='cmt' enabled='no'/></perf><memtune/>"),
              "");
    EXPECT_EQ(
        said_of_network(
            "<forward mode='nat'><nat><port start='1024' end='65535'/></nat></forward><domain name='x' register='no'/>"
            "<portgroup name='a'/>"),
        "");
}

TEST(Unsupported, what_the_guest_and_the_host_do_not_get_is_refused) {
    EXPECT_THAT(said("<resource><partition>/a</partition></resource>"),
                HasSubstr("<partition> ('/a') is not supported"));
    EXPECT_THAT(said("<seclabel type='static' model='dac'><label>1:1</label></seclabel>"),
                HasSubstr("'type' of <seclabel> ('static')"));
    EXPECT_THAT(said("<cpu match='minimum'><model>qemu64</model></cpu>"), HasSubstr("'match' of <cpu> ('minimum')"));
    EXPECT_THAT(said("<cpu match='exact' check='full'><model>qemu64</model></cpu>"),
                HasSubstr("'check' of <cpu> ('full')"));
    EXPECT_THAT(said("<cpu mode='host-model' migratable='off'/>"), HasSubstr("'migratable' of <cpu>"));
    EXPECT_THAT(said("<on_crash>rename-restart</on_crash>"), HasSubstr("<on_crash> ('rename-restart')"));
    EXPECT_THAT(said("", "<watchdog model='i6300esb' action='dump'/>"), HasSubstr("'action' of <watchdog> ('dump')"));
    EXPECT_THAT(said("", "<graphics type='vnc'><listen type='network' network='n'/></graphics>"),
                HasSubstr("<listen type='network'>"));
    EXPECT_THAT(said("", "<channel type='spicevmc'><target type='virtio'/></channel>"),
                HasSubstr("not supported without spice graphics"));
    EXPECT_THAT(said("", "<redirdev bus='usb' type='spicevmc'/>"), HasSubstr("not supported without spice graphics"));
    EXPECT_EQ(said("", "<redirdev bus='usb' type='spicevmc'/><graphics type='spice'/>"), "");
    EXPECT_THAT(said("", "<disk type='file'><source file='/a'/><target dev='hda' bus='ide'/><readonly/></disk>"),
                HasSubstr("readonly ide disks are not supported"));
    EXPECT_EQ(said("", "<disk type='file' device='cdrom'><target dev='hda' bus='ide'/><readonly/></disk>"), "");
    EXPECT_THAT(
        said("",
             "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host99'/><address bus='0' target='0' "
             "unit='0'/></source></hostdev>"),
        HasSubstr("<hostdev mode='subsystem' type='scsi'>"));
}

TEST(Unsupported, elements_of_other_hypervisors_are_refused_though_no_table_has_them) {
    EXPECT_THAT(said("<resource><fibrechannel appid='x'/></resource>"),
                HasSubstr("<fibrechannel> is not supported by this version"));
    EXPECT_THAT(said("<bootloader_args>x</bootloader_args>"),
                HasSubstr("<bootloader_args> is not supported by this version"));
    for (const auto* element : {"initarg", "initenv", "initdir", "inituser", "initgroup"})
        EXPECT_THAT(
            said_of(format::from_xml<Domain>(fmt::format(
                "<domain type='qemu'><name>n</name><memory>1024</memory><os><type>hvm</type><{0}>x</{0}></os></domain>",
                element))),
            HasSubstr(fmt::format("<{}> is not supported by this version", element)));
}

TEST(Unsupported, users_are_mapped_only_where_it_counts) {
    const std::string map = "<idmap><uid start='0' target='1000' count='10'/></idmap>";
    EXPECT_EQ(said(map), "");
    EXPECT_THAT(said("", "<filesystem type='mount'><source dir='/srv'/><target dir='t'/>" + map + "</filesystem>"),
                HasSubstr("<idmap> of a <filesystem> is not supported"));
}

TEST(Unsupported, networks_have_no_part_without_effect) {
    EXPECT_THAT(said_of_network("<forward mode='hostdev'/>"), HasSubstr("<forward mode='hostdev'> is not supported"));
    EXPECT_THAT(
        said_of_network("<portgroup name='a'><bandwidth><inbound average='1' floor='1'/></bandwidth></portgroup>"),
        HasSubstr("'floor' of <inbound>"));
    EXPECT_THAT(said_of_network("<portgroup name='a'><virtualport type='openvswitch'/></portgroup>"),
                HasSubstr("<virtualport>"));
    EXPECT_THAT(said_of_network("<domain name='x' register='yes'/>"), HasSubstr("'register' of <domain>"));
    EXPECT_THAT(
        said_of(format::from_xml<Network>("<network trustGuestRxFilters='yes'><name>n</name>"
                                          "<bridge name='virbr9' zone='public' macTableManager='libvirt'/></network>")),
        testing::AllOf(HasSubstr("'trustGuestRxFilters'"), HasSubstr("'zone'"), HasSubstr("'macTableManager'")));
}

} // namespace domus::model
