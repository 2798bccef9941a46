#include "engine/qemu/command.hpp"

#include "base/error.hpp"
#include "engine/qemu/alias.hpp"
#include "engine/qemu/complete.hpp"
#include "engine/qemu/test_domains.hpp"
#include "format/xml.hpp"

#include <boost/json/serialize.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace domus::engine::qemu {
namespace {

using testing::HasSubstr;
using testing::Not;

/// An option with its value a line, then the environment of its own and what is said to the monitor.
std::string lines(const Command& command, const model::Domain& domain) {
    std::string text = command.program;
    for (const auto& argument : command.arguments) {
        text += argument.starts_with('-') ? '\n' : ' ';
        text += argument;
    }
    text += '\n';
    for (const auto& step : preparations(domain))
        text += step.command + ' ' + boost::json::serialize(step.arguments) + '\n';
    return text;
}

std::string built(const std::string& devices, const std::string& more = "<features><acpi/></features>") {
    auto domain = format::from_xml<model::Domain>(
        "<domain type='qemu'>\n<name>x</name><memory unit='MiB'>128</memory><os><type machine='q35'>hvm</type></os>"
            + more + "<devices>\n" + devices + "</devices></domain>",
        ErrorDomain::domain);
    complete(domain, test_capabilities());
    assign_aliases(domain);
    return lines(build_command(domain, test_capabilities(), test_launch()), domain);
}
std::string refusal(const std::string& devices, const std::string& more = {}) {
    try {
        return built(devices, more);
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::config_unsupported) << error.text();
        return error.text();
    }
}

class CommandOf : public testing::TestWithParam<std::string> {};

TEST_P(CommandOf, is_what_was_reviewed) {
    const auto domain = started_test_domain(GetParam());
    expect_golden(GetParam() + ".args", lines(build_command(domain, test_capabilities(), test_launch(domain)), domain));
}

TEST_P(CommandOf, names_every_device_once) {
    const auto domain = started_test_domain(GetParam());
    std::vector<std::string> ids;
    for (const auto& argument : build_command(domain, test_capabilities(), test_launch(domain)).arguments) {
        const auto at = argument.find("\"id\":\"");
        if (at != argument.npos && argument.find("\"driver\"") != argument.npos)
            ids.push_back(argument.substr(at + 6, argument.find('"', at + 6) - at - 6));
    }
    std::ranges::sort(ids);
    EXPECT_EQ(std::ranges::adjacent_find(ids), ids.end());
}

INSTANTIATE_TEST_SUITE_P(Definitions, CommandOf, testing::ValuesIn(test_domain_names()), [](const auto& each) {
    auto name = each.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

TEST(CommandErrors, name_the_element_and_its_line) {
    EXPECT_THAT(
        refusal(
            "<disk type='file' device='cdrom'><source file='/a'/><target dev='sda' bus='sata'/><transient/></disk>"),
        HasSubstr("<transient> (line 3): disk 'sda' cannot be transient"));
    EXPECT_THAT(refusal("<disk type='file'><source file='/a'/><target dev='vda'/><encryption format='luks'><secret "
                        "type='passphrase' usage='x'/></encryption><transient/></disk>"),
                HasSubstr("disk 'vda' is encrypted, and its changes would not be"));
    EXPECT_THAT(refusal("<disk type='network'><source protocol='sheepdog' name='x'/><target dev='vda'/></disk>"),
                HasSubstr("protocol 'sheepdog'"));
    EXPECT_THAT(refusal("<graphics type='sdl'/>"), HasSubstr("type 'sdl'"));
    EXPECT_THAT(
        refusal("<filesystem type='mount'><driver type='virtiofs'/><source dir='/x'/><target dir='x'/></filesystem>"),
        HasSubstr("memory that it can share"));
    EXPECT_THAT(refusal("<filesystem type='mount' accessmode='mapped'><driver type='virtiofs'/><source "
                        "dir='/x'/><target dir='x'/></filesystem>"),
                HasSubstr("accessmode"));
    EXPECT_THAT(refusal("<filesystem type='mount'><driver type='virtiofs'/><binary><sandbox "
                        "mode='none'/></binary><source dir='/x'/><target dir='x'/></filesystem>"),
                HasSubstr("sandbox mode 'none'"));
    EXPECT_THAT(refusal("<tpm model='tpm-crb'><backend type='emulator' version='1.2'/></tpm>"),
                HasSubstr("version 2.0"));
    EXPECT_THAT(refusal("<tpm model='tpm-tis'><backend type='emulator' "
                        "version='1.2'><active_pcr_banks><sha1/></active_pcr_banks></backend></tpm>"),
                HasSubstr("banks"));
    EXPECT_THAT(refusal("<tpm model='tpm-tis'><backend type='emulator'/></tpm><tpm model='tpm-tis'><backend "
                        "type='emulator'/></tpm>"),
                HasSubstr("one TPM"));
    EXPECT_THAT(refusal("<disk type='file'><driver name='qemu' type='raw' io='native'/><source file='/a'/><target "
                        "dev='vda'/></disk>"),
                HasSubstr("cache='none'"));
}

TEST(CommandErrors, refuse_encryption_of_any_stream) {
    for (const auto* serial : {"type='tcp'><source mode='connect' host='a' service='1' tls='yes'/>",
                               "type='unix'><source mode='bind' path='/s' tls='yes'/>",
                               "type='udp'><source mode='connect' host='a' service='1' tls='yes'/>",
                               "type='file'><source path='/f' tls='yes'/>"})
        EXPECT_THAT(refusal(std::string("<serial ") + serial + "</serial>"), HasSubstr("TLS")) << serial;
}

TEST(CommandErrors, refuse_a_processor_that_this_qemu_does_not_have) {
    EXPECT_THAT(refusal("", "<cpu mode='custom'><model>Pentium9</model></cpu>"), HasSubstr("no CPU model 'Pentium9'"));
    EXPECT_THAT(refusal("", "<cpu mode='host-passthrough'/>"), HasSubstr("mode='maximum'"));
}

TEST(CommandDisks, that_are_transient_are_written_to_elsewhere) {
    const auto text = built(
        "<disk type='file'><driver name='qemu' type='raw'/><source file='/a'/><target dev='vda'/><transient/></disk>");
    EXPECT_THAT(text, HasSubstr(R"({"driver":"raw","node-name":"vda-1","read-only":true,)"));
    EXPECT_THAT(
        text,
        HasSubstr(R"({"driver":"qcow2","node-name":"vda","read-only":false,"file":"vda-file","backing":"vda-1"})"));
    EXPECT_THAT(text, HasSubstr(R"("drive":"vda")"));
}

TEST(CommandSecrets, never_stand_among_the_arguments) {
    const auto text = built("<graphics type='vnc' passwd='hush'/>");
    EXPECT_THAT(text, Not(HasSubstr("hush")));
    EXPECT_THAT(text, HasSubstr("\"file\":\"/dev/fd/"));
    EXPECT_THAT(text, HasSubstr("password-secret=graphics0-password"));
}

TEST(CommandSecrets, open_encrypted_images) {
    const std::string luks = "<encryption format='luks'><secret type='passphrase' usage='/a'/></encryption>";
    const auto disk = [](const std::string& type, const std::string& inside, const std::string& beside) {
        return "<disk type='file'><driver name='qemu' type='" + type + "'/><source file='/a'>" + inside
               + "</source><target dev='vda'/>" + beside + "</disk>";
    };
    for (const auto& text : {built(disk("raw", luks, "")), built(disk("raw", "", luks))}) {
        EXPECT_THAT(text, HasSubstr("{\"qom-type\":\"secret\",\"id\":\"vda-passphrase\""));
        EXPECT_THAT(text, HasSubstr("{\"driver\":\"luks\",\"node-name\":\"vda\""));
        EXPECT_THAT(text, HasSubstr("\"key-secret\":\"vda-passphrase\""));
    }
    EXPECT_THAT(built(disk("qcow2", luks, "")),
                HasSubstr("\"encrypt\":{\"format\":\"luks\",\"key-secret\":\"vda-passphrase\"}"));
    EXPECT_THAT(refusal(disk("vmdk", luks, "")), HasSubstr("'vmdk' are not encrypted"));
    EXPECT_THAT(refusal(disk("raw", "<encryption format='luks'/>", "")), HasSubstr("needs one <secret>"));
    EXPECT_THAT(refusal(disk("raw", "<encryption format='qcow'><secret usage='/a'/></encryption>", "")),
                HasSubstr("take format='luks'"));
    EXPECT_THAT(refusal(disk("luks", "", "")), HasSubstr("needs a passphrase"));
}

TEST(CommandDisks, reach_images_of_gluster) {
    const auto disk = [](const std::string& name, const std::string& host) {
        return "<disk type='network'><source protocol='gluster' name='" + name + "'>" + host
               + "</source><target dev='vda'/></disk>";
    };
    EXPECT_THAT(
        built(disk("volume/a/image", "<host name='server'/>")),
        HasSubstr(
            R"("driver":"gluster","volume":"volume","path":"a/image","server":[{"type":"inet","host":"server","port":"24007"}])"));
    EXPECT_THAT(refusal(disk("image", "<host name='server'/>")), HasSubstr("write name='volume/image'"));
    EXPECT_THAT(refusal(disk("volume/image", "")), HasSubstr("wants a <host>"));
}

TEST(CommandSecrets, log_in_to_storage_servers) {
    const auto disk = [](const std::string& protocol, const std::string& name) {
        return "<disk type='network'><auth username='me'><secret usage='s'/></auth><source protocol='" + protocol
               + "' name='" + name + "'><host name='h'/></source><target dev='vda'/></disk>";
    };
    EXPECT_THAT(built(disk("iscsi", "iqn.2020-01.org.x:t/1")),
                HasSubstr("\"user\":\"me\",\"password-secret\":\"vda-auth\""));
    EXPECT_THAT(built(disk("rbd", "pool/image")),
                HasSubstr("\"user\":\"me\",\"key-secret\":\"vda-auth\",\"auth-client-required\":[\"cephx\",\"none\"]"));
    EXPECT_THAT(refusal(disk("nbd", "x")), HasSubstr("no login for protocol 'nbd'"));
}

TEST(CommandSecrets, are_wanted_by_each_image_of_a_chain) {
    const auto disk = format::from_xml<model::Disk>(
        "<disk type='file'><source file='/a'/><target dev='vda'/>"
        "<encryption format='luks'><secret usage='top'/></encryption>"
        "<backingStore type='network'><format type='raw'/><source protocol='rbd' name='p/i'>"
        "<auth username='u'><secret usage='server'/></auth>"
        "<encryption format='luks'><secret usage='below'/></encryption></source><backingStore/></backingStore></disk>",
        ErrorDomain::domain);
    std::string found;
    for (const auto& wanted : wanted_secrets(disk)) found += wanted.id + '=' + wanted.reference.usage.value() + ' ';
    EXPECT_EQ(found, "vda-passphrase=top vda-1-passphrase=below vda-1-auth=server ");
    EXPECT_EQ(wanted_secrets(disk).back().reference.type, model::SecretType::ceph);
}

TEST(CommandDescriptors, take_the_place_of_paths) {
    auto domain = format::from_xml<model::Domain>(
        "<domain type='qemu'><name>x</name><memory unit='MiB'>128</memory><os><type "
        "machine='q35'>hvm</type><kernel>/k</kernel></os><devices>"
        "<disk type='file'><driver name='qemu' type='qcow2'/><source file='/a'/><target dev='vda'/></disk>"
        "<interface type='bridge'><source bridge='br0'/><model type='virtio'/></interface>"
        "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices></domain>",
        ErrorDomain::domain);
    complete(domain, test_capabilities());
    assign_aliases(domain);
    const auto fd = [] { return std::make_shared<UniqueFd>(duplicate(0)); };
    auto launch = test_launch();
    launch.control = fd();
    launch.kernel = fd();
    launch.disks["virtio-disk0"] = {{{fd(), fd()}}};
    launch.interfaces["net0"] = {{fd(), fd()}, {fd(), fd()}};
    launch.characters["channel0"] = fd();
    const auto command = build_command(domain, test_capabilities(), launch);
    EXPECT_EQ(command.fds.size(), 9u);
    const auto text = lines(command, domain);
    EXPECT_THAT(text, HasSubstr("/dev/fdset/1"));
    EXPECT_THAT(text, HasSubstr("-kernel /dev/fd/"));
    EXPECT_THAT(text, HasSubstr("\"vhost\":true"));
    EXPECT_THAT(text, HasSubstr("\"mq\":true"));
    EXPECT_THAT(text, HasSubstr("socket,id=charchannel0,fd="));
    EXPECT_THAT(text, Not(HasSubstr("\"/a\"")));
}

TEST(CommandDescriptors, take_the_place_of_streams_tables_and_sockets) {
    auto domain = format::from_xml<model::Domain>(
        "<domain type='qemu'><name>x</name><memory unit='MiB'>128</memory><os><type machine='q35'>hvm</type><loader "
        "type='rom'>/bios</loader></os>"
        "<sysinfo type='fwcfg'><entry name='opt/a' file='/table'/></sysinfo><devices>"
        "<disk type='network'><driver name='qemu' type='raw'/><source protocol='nbd' name='e'><host transport='unix' "
        "socket='/nbd'/></source><target dev='vda'/></disk>"
        "<serial type='dev'><source path='/line'/><log file='/log'/></serial>"
        "<channel type='unix'><source mode='connect' path='/server'/><target type='virtio' name='a'/></channel>"
        "<graphics type='vnc'><listen type='socket' socket='/display'/></graphics>"
        "<rng model='virtio'><backend model='random'>/dev/hwrng</backend></rng></devices></domain>",
        ErrorDomain::domain);
    complete(domain, test_capabilities());
    assign_aliases(domain);
    const auto fd = [] { return std::make_shared<UniqueFd>(duplicate(0)); };
    auto launch = test_launch();
    for (const char* path : {"/bios", "/table"}) launch.files[path] = fd();
    for (const char* alias : {"serial0", "channel0", "rng0"}) launch.characters[alias] = fd();
    launch.logs["serial0"] = fd();
    launch.helpers["virtio-disk0:/nbd"] = fd();
    launch.display_sockets["/display"] = "/own/display-0.sock";
    const auto text = lines(build_command(domain, test_capabilities(), launch), domain);
    for (const char* path : {"/bios", "/table", "/line", "/log", "/server", "/display,", "/nbd", "/dev/hwrng"})
        EXPECT_THAT(text, Not(HasSubstr(path)));
    EXPECT_THAT(text, HasSubstr("unix:/own/display-0.sock"));
    EXPECT_THAT(text, HasSubstr("logappend=on"));
    EXPECT_THAT(text, HasSubstr("\"server\":{\"type\":\"fd\",\"str\":"));
}

TEST(CommandMemory, of_huge_pages_needs_no_mount) {
    const auto text = built("", "<memoryBacking><hugepages><page size='2' unit='MiB'/></hugepages></memoryBacking>");
    EXPECT_THAT(text, HasSubstr("\"qom-type\":\"memory-backend-memfd\""));
    EXPECT_THAT(text, HasSubstr("\"hugetlb\":true,\"hugetlbsize\":2097152,\"prealloc\":true,\"share\":false"));
}

TEST(CommandLimits, let_a_guest_lock_its_memory_where_it_must) {
    auto domain =
        format::from_xml<model::Domain>("<domain type='qemu'><name>x</name><memory unit='MiB'>128</memory><os><type "
                                        "machine='q35'>hvm</type></os></domain>");
    complete(domain, test_capabilities());
    assign_aliases(domain);
    auto launch = test_launch();
    launch.unprivileged = true;
    EXPECT_TRUE(build_command(domain, test_capabilities(), launch).limits.empty());
    domain.memory_backing.locked = true;
    EXPECT_EQ(build_command(domain, test_capabilities(), launch).limits.size(), 1u);
}

TEST(NativeCommand, is_for_a_shell_and_needs_nothing_started) {
    const auto text = native_command(test_domain("server"), test_capabilities());
    EXPECT_THAT(text, HasSubstr("/usr/bin/qemu-system-x86_64 -name guest=server,debug-threads=on -S"));
    EXPECT_THAT(text, HasSubstr("'{\"driver\":\"virtio-blk-pci\""));
    EXPECT_THAT(text, HasSubstr("-vnc 127.0.0.1:0"));
}

TEST(Preparations, say_what_qemu_has_no_option_for) {
    std::string commands;
    for (const auto* name : {"server", "disks", "interfaces", "platform", "devices"})
        for (const auto& step : preparations(started_test_domain(name))) commands += step.command + '\n';
    EXPECT_EQ(commands, "balloon\nblock_set_io_throttle\nblockdev-open-tray\nset_link\nqom-set\nblockdev-open-tray\n");
}

TEST(Nodes, are_named_after_the_disk_and_the_depth) {
    model::Disk disk;
    disk.target.dev = "vda";
    EXPECT_EQ(node_of(disk), "vda");
    EXPECT_EQ(node_of(disk, 2), "vda-2");
    disk.driver.copy_on_read = model::OnOff::on;
    EXPECT_EQ(node_of(disk), "vda-cor");
    EXPECT_EQ(node_of(disk, 0), "vda");
}

} // namespace
} // namespace domus::engine::qemu
