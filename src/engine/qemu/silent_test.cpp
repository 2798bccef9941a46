// No field of a domain is silent: each changes what QEMU gets, or is refused by name, or is in a list below that says why
// it is kept or which test shows its effect.
#include "base/error.hpp"
#include "engine/qemu/command.hpp"
#include "engine/qemu/test_domains.hpp"
#include "model/samples.hpp"
#include "model/silent_fields.hpp"

#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

namespace domus::engine::qemu {
namespace {

using model::FieldNote;

/// What people and other programs keep in a definition, what a dump tells, and what asks for what is so anyway.
constexpr auto kept = std::to_array<FieldNote>({
    {"domain/title", "for people"},
    {"domain/description", "for people"},
    {"domain/metadata", "for other programs"},
    {"domain@id", "what a dump tells"},
    {"domain/devices/interface/mac@type", "what a dump tells: whether the address was chosen by libvirt"},
    {"domain/devices/interface/mac@check", "it belongs to VMware, which judges addresses"},
    {"domain/devices/interface/source@portid", "what a dump tells"},
    {"domain/devices/interface/guest@actual", "what a dump tells"},
    {"domain/devices/interface/source@portgroup", "all in a <portgroup> that would have an effect is refused"},
    {"domain/features/apic", "every processor that is emulated has it"},
    {"domain/features/pae", "every processor that is emulated has it"},
    {"domain/cpu/model@fallback", "a model that QEMU does not have is always refused"},
    {"domain/seclabel@model", "no label is set; one that a user fixes is refused"},
    {"domain/seclabel@relabel", "no label is set; one that a user fixes is refused"},
    {"domain/devices/disk/source/seclabel@labelskip", "no label is set; one that a user fixes is refused"},
    {"domain/seclabel/imagelabel", "what a dump tells"},
});

/// What the daemon does and not QEMU, or what a test of its own shows.
constexpr auto elsewhere = std::to_array<FieldNote>({
    {"domain@type", "tests/system/test_kvm.py"},
    {"domain/vcpu@cpuset", "tests/system/test_domain.py: threads are pinned"},
    {"domain/cputune/vcpupin@*", "tests/system/test_domain.py: threads are pinned"},
    {"domain/cputune/emulatorpin@cpuset", "tests/system/test_domain.py: threads are pinned"},
    {"domain/cpu/vendor", "src/compute/life/host_parts_test.cpp"},
    {"domain/cpu/topology@sockets", "tests/data/argv/devices.args; the product must be the number of vCPUs"},
    {"domain/cpu/topology@cores", "tests/data/argv/devices.args; the product must be the number of vCPUs"},
    {"domain/cpu/topology@threads", "tests/data/argv/platform.args; the product must be the number of vCPUs"},
    {"domain/os/type",
     "src/engine/qemu/complete/platform.cpp: whatever is not hvm is refused, with libvirt's code for it"},
    {"domain/os/firmware/feature@enabled", "src/engine/qemu/firmware_test.cpp"},
    {"domain/os/nvram@template", "src/engine/qemu/firmware_test.cpp"},
    {"domain/devices/disk@snapshot", "src/compute/snapshots/snapshot_test.cpp"},
    {"domain/devices/disk/source@startupPolicy", "tests/system/test_disk_volume.py"},
    {"domain/devices/disk/source@pool", "tests/system/test_disk_volume.py"},
    {"domain/devices/disk/source@volume", "tests/system/test_disk_volume.py"},
    {"domain/devices/disk/source@mode", "tests/system/test_disk_volume.py"},
    {"domain/devices/hostdev@managed", "src/compute/life/host_parts_test.cpp"},
    {"domain/devices/hostdev/source@startupPolicy", "src/compute/life/host_parts_test.cpp"},
    {"domain/devices/interface/filterref*", "tests/system/test_nwfilter.py"},
    {"domain/devices/interface@managed", "src/compute/life/host_parts_test.cpp"},
    {"domain/devices/filesystem/binary*", "tests/system/test_virtiofs.py: options of virtiofsd"},
    {"domain/devices/tpm/backend@*", "tests/system/test_tpm.py: options of swtpm"},
    {"domain/devices/tpm/backend/active_pcr_banks*", "tests/system/test_tpm.py: options of swtpm"},
    {"domain/devices/tpm/backend/encryption@secret", "tests/system/test_tpm.py: options of swtpm"},
});

/// Places of which nothing comes, whatever the table is used for elsewhere.
constexpr auto left_out = std::to_array<FieldNote>({
    {"domain/os/nvram/source*", "refused as a whole"},
    {"domain/devices/disk/mirror*", "what a dump tells"},
});

constexpr std::string_view frame =
    "<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><name>x</name><memory "
    "unit='MiB'>128</memory>"
    "<vcpu>2</vcpu>{}<os><type machine='q35'>hvm</type></os><devices>{}</devices></domain>";

/// What the definitions of the tests do not have. The devices that are refused stand alone.
constexpr auto parts = std::to_array<std::string_view>({
    "<maxMemory slots='4' unit='KiB'>4194304</maxMemory><cpu><numa><cell id='0' cpus='0-1' "
    "memory='131072'/></numa></cpu>",
    "<blkiotune><device><path>/dev/sda</path><weight>500</weight></device></blkiotune>",
    "<memoryBacking><hugepages><page size='2048' unit='KiB' nodeset='0'/></hugepages></memoryBacking>"
    "<cpu><numa><cell id='0' cpus='0' memory='65536'/><cell id='1' cpus='1' memory='65536'/></numa></cpu>",
    "<memoryBacking><source type='memfd'/><allocation mode='immediate' threads='2'/></memoryBacking>",
    "<memoryBacking><nosharepages/><source type='file'/><discard/></memoryBacking>",
    "<vcpus><vcpu id='0' enabled='yes' hotpluggable='no'/><vcpu id='1' enabled='yes' hotpluggable='yes'/></vcpus>",
    "<iothreads>1</iothreads><cputune><iothreadpin iothread='1' cpuset='0'/></cputune>",
    "<cputune><vcpusched vcpus='0' scheduler='fifo' priority='1'/></cputune>",
    "<iothreads>1</iothreads><cputune><iothreadsched iothreads='1' scheduler='fifo' priority='1'/></cputune>",
    "<cputune><emulatorsched scheduler='fifo' priority='1'/></cputune>",
    "<cpu><topology sockets='1' dies='1' cores='2' threads='1'/></cpu>",
    "<cpu><topology sockets='1' clusters='2' cores='1' threads='1'/></cpu>",
    "<cpu><numa><cell id='0' cpus='0' memory='65536'><distances><sibling id='0' value='10'/><sibling id='1' "
    "value='20'/></distances></cell>"
    "<cell id='1' cpus='1' memory='65536'/></numa></cpu>",
    "<memoryBacking><source type='memfd'/></memoryBacking><cpu><numa><cell id='0' cpus='0-1' memory='131072' "
    "memAccess='shared' discard='yes'/></numa></cpu>",
    "<clock offset='variable' adjustment='60' basis='utc'/>",
    "<clock offset='timezone' timezone='Europe/Berlin'/>",
    "<clock offset='absolute' start='1000000'/>",
    "<clock offset='utc'><timer name='tsc' frequency='1000000000'/></clock>",
    "<perf><event name='cmt' enabled='yes'/></perf>",
    "<qemu:commandline><qemu:env name='A' value='b'/></qemu:commandline>",
    "<features><acpi/><kvm><dirty-ring state='on' size='4096'/></kvm></features>",
    "<features><acpi/><ioapic driver='qemu'/></features>",
});
constexpr auto devices = std::to_array<std::string_view>({
    "<disk type='file'><source file='/a'/><target dev='vda' bus='virtio'/></disk>",
    "<disk type='file'><source file='/a'/><target dev='vda' "
    "bus='virtio'/><iotune><read_bytes_sec>1000</read_bytes_sec></iotune></disk>",
    "<disk type='file'><source file='/a'/><target dev='vda' "
    "bus='virtio'/><iotune><write_bytes_sec>1000</write_bytes_sec></iotune></disk>",
    "<disk type='file'><source file='/a'/><target dev='vda' "
    "bus='virtio'/><iotune><total_iops_sec>1000</total_iops_sec></iotune></disk>",
    "<disk type='file'><source file='/a'><slices><slice type='storage' offset='0' "
    "size='512'/></slices></source><target dev='vda' bus='virtio'/></disk>",
    "<disk type='block' device='lun'><source dev='/dev/sda'><reservations managed='no'><source type='unix' path='/s' "
    "mode='client'/></reservations></source><target dev='sda' bus='scsi'/></disk>",
    "<disk type='nvme'><source type='pci' managed='yes' namespace='1'><address domain='0' bus='1' slot='0' "
    "function='0'/></source><target dev='vda' bus='virtio'/></disk>",
    "<disk type='vhostuser'><source type='unix' path='/s'><reconnect enabled='yes' timeout='10'/></source><target "
    "dev='vda' bus='virtio'/></disk>",
    "<disk type='network'><source protocol='rbd' name='p/i'><host name='a'/><snapshot name='s'/><config "
    "file='/c'/><auth username='u'><secret type='ceph' usage='k'/></auth></source><target dev='vda' "
    "bus='virtio'/></disk>",
    "<disk type='network'><source protocol='iscsi' name='iqn.2026-01.x:y/1'><host name='a'/><initiator><iqn "
    "name='iqn.2026-01.x:me'/></initiator>"
    "<auth username='u'><secret type='iscsi' usage='k'/></auth></source><target dev='vda' bus='virtio'/></disk>",
    "<disk type='network'><source protocol='https' name='x' query='a=b'><host name='a'/><ssl verify='no'/><readahead "
    "size='1024'/><timeout seconds='5'/></source><target dev='vda' bus='virtio'/></disk>",
    "<disk type='network'><source protocol='https' name='x'><host name='a'/><cookies><cookie "
    "name='c'>v</cookie></cookies></source><target dev='vda' bus='virtio'/></disk>",
    "<disk type='file'><driver type='raw'/><source file='/a'><encryption format='luks' engine='qemu'><secret "
    "type='passphrase' usage='k'/></encryption></source><target dev='vda' bus='virtio'/></disk>",
    "<disk type='file'><driver type='raw'/><source file='/a'><encryption format='luks'><secret type='passphrase' "
    "usage='k'/><cipher name='aes' size='256' mode='xts' hash='sha256'/>"
    "<ivgen name='plain64' hash='sha256'/></encryption></source><target dev='vda' bus='virtio'/></disk>",
    "<disk type='file'><source file='/a'><seclabel model='dac' relabel='no'/></source><target dev='vda' "
    "bus='virtio'/></disk>",
    "<controller type='pci' model='pcie-expander-bus'><target busNr='100'/></controller>",
    "<lease><lockspace>s</lockspace><key>k</key><target path='/l' offset='0'/></lease>",
    "<filesystem type='mount'><driver type='path' wrpolicy='immediate'/><source dir='/s'/><target "
    "dir='t'/></filesystem>",
    "<filesystem type='mount' model='virtio'><source dir='/s'/><target dir='t'/></filesystem>",
    "<filesystem type='file'><source file='/s'/><target dir='t'/></filesystem>",
    "<filesystem type='block'><source dev='/s'/><target dir='t'/></filesystem>",
    "<filesystem type='template'><source name='s'/><target dir='t'/></filesystem>",
    "<filesystem type='volume'><source pool='p' volume='v'/><target dir='t'/></filesystem>",
    "<filesystem type='ram'><source usage='1' units='MiB'/><target dir='t'/></filesystem>",
    "<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>",
    "<interface type='vhostuser'><source type='unix' path='/s' mode='client'/><model type='virtio'/></interface>",
    "<interface type='internal'><source name='n'/></interface>",
    "<interface type='direct'><source dev='eth0' mode='bridge'/></interface>",
    "<interface type='ethernet'><source><ip address='10.0.0.1' peer='10.0.0.2'/></source></interface>",
    "<interface type='ethernet'><source><route family='ipv4' address='10.0.0.0' prefix='8' gateway='10.0.0.1' "
    "metric='1'/></source></interface>",
    "<interface type='bridge'><source bridge='br0'/><vlan trunk='yes'><tag id='1' "
    "nativeMode='untagged'/></vlan></interface>",
    "<interface type='bridge'><source bridge='br0'/><bandwidth><inbound average='1' peak='2' "
    "burst='3'/></bandwidth></interface>",
    "<interface type='bridge'><source bridge='br0'/><filterref filter='f'><parameter name='A' "
    "value='b'/></filterref></interface>",
    "<interface type='bridge'><source bridge='br0'/><script path='/s'/><downscript path='/s'/></interface>",
    "<interface type='user'><backend type='passt' logFile='/l'/></interface>",
    "<interface type='user'><portForward proto='tcp' address='10.0.0.1' dev='eth0'><range start='1' end='2' to='3' "
    "exclude='no'/></portForward></interface>",
    "<hostdev mode='subsystem' type='pci'><source><address domain='0' bus='1' slot='0' function='0'/></source><teaming "
    "type='transient' persistent='ua-net'/></hostdev>"
    "<interface type='user'><alias name='ua-net'/><teaming type='persistent'/></interface>",
    "<hostdev mode='subsystem' type='scsi'><source protocol='iscsi' name='n'><host name='a' port='1'/><initiator><iqn "
    "name='i'/></initiator></source></hostdev>",
    "<hostdev mode='subsystem' type='scsi'><source><adapter name='scsi_host0'/><address bus='0' target='0' "
    "unit='0'/></source><readonly/><shareable/></hostdev>",
    "<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' wwpn='naa.5123456789abcde0'/></hostdev>",
    "<smartcard "
    "mode='host-certificates'><certificate>a</certificate><certificate>b</certificate><certificate>c</"
    "certificate><database>/d</database></smartcard>",
    "<serial type='spiceport'><source channel='c'/></serial>",
    "<serial type='nmdm'><source master='/dev/a' slave='/dev/b'/></serial>",
    "<input type='tablet' bus='virtio' model='virtio'/>",
    "<input type='passthrough' bus='virtio'><source evdev='/dev/input/event1'/></input>",
    "<input type='evdev'><source dev='/dev/input/event1' grab='all' grabToggle='ctrl-ctrl' repeat='on'/></input>",
    "<tpm model='tpm-tis'><backend type='passthrough'><device path='/dev/tpm1'/></backend></tpm>",
    "<graphics type='spice' port='5901' autoport='no'><channel name='main' mode='insecure'/><gl enable='yes' "
    "rendernode='/dev/dri/renderD128'/></graphics>",
    "<graphics type='egl-headless'><gl rendernode='/dev/dri/renderD128'/></graphics>",
    "<graphics type='sdl' display=':0' xauth='/x' fullscreen='yes'/>",
    "<graphics type='rdp' port='3389' replaceUser='yes' multiUser='yes'/>",
    "<graphics type='dbus' p2p='no' address='unix:path=/b'/>",
    "<graphics type='vnc'><listen type='network' network='n'/></graphics>",
    "<graphics type='vnc'><listen type='socket' socket='/s'/></graphics>",
    "<audio id='1' type='pulseaudio' serverName='/s'/>",
    "<audio id='1' type='oss' tryMMap='yes' exclusive='yes' dspPolicy='1'/>",
    "<audio id='1' type='jack'><input serverName='s'/></audio>",
    "<video><model type='vga' primary='yes'/></video><video><model type='virtio' primary='no'/></video>",
    "<redirdev bus='usb' type='tcp'><source mode='connect' host='a' service='1'/></redirdev>"
    "<redirfilter><usbdev class='0x08' vendor='0x1234' product='0xbeef' version='2.56' allow='yes'/></redirfilter>",
    "<rng model='virtio'><backend model='egd' type='tcp'><source mode='connect' host='a' service='1'/><protocol "
    "type='raw'/></backend></rng>",
    "<shmem name='s'><model type='ivshmem-doorbell'/><server path='/s'/><msi vectors='4' ioeventfd='on'/></shmem>",
    "<crypto model='virtio' type='qemu'><backend model='builtin' queues='1'/></crypto>",
});

model::Outcome outcome(const std::string& text) {
    auto domain = format::from_xml<model::Domain>(text, ErrorDomain::domain);
    model::strip_live(domain);
    format::Findings findings;
    model::check(domain, findings);
    format::throw_findings(findings, ErrorDomain::domain, "<domain>");
    auto result = model::refused(domain);
    if (!result.refusal.empty()) return result;
    static const auto capabilities = test_capabilities();
    try {
        start_test_domain(domain);
        const auto command = build_command(domain, capabilities, test_launch(domain));
        result.text = command.text();
        for (const auto& variable : command.environment) result.text += "\n" + variable;
        for (const auto& limit : command.limits)
            result.text += fmt::format("\nlimit {} {}", limit.resource, limit.value);
        for (const auto& step : preparations(domain))
            result.text += "\n" + step.command + boost::json::serialize(step.arguments);
        for (const auto& disk : domain.devices.disks)
            for (const auto& secret : wanted_secrets(disk))
                result.text += "\n" + secret.id + secret.reference.uuid.value_or(Uuid{}).text()
                               + secret.reference.usage.value_or("");
    } catch (const Error& error) {
        if (error.code() != ErrorCode::config_unsupported) throw;
        result.refusal = error.text();
    }
    return result;
}

/// A definition taken apart: without its devices, and for each of them with that device alone. What needs others beside it stays
/// in the whole, which comes last.
std::vector<std::string> pieces_of(const std::string& text) {
    std::vector<std::string> pieces;
    pugi::xml_document whole;
    whole.load_string(text.c_str());
    const auto all = whole.document_element().child("devices");
    const auto bare = [&] {
        auto document = std::make_unique<pugi::xml_document>();
        document->reset(whole);
        document->document_element().child("devices").remove_children();
        return document;
    };
    pieces.push_back(format::detail::text_of(*bare()));
    for (const auto& device : all.children()) {
        const auto document = bare();
        document->document_element().child("devices").append_copy(device);
        pieces.push_back(format::detail::text_of(*document));
    }
    pieces.push_back(text);
    return pieces;
}

bool is_good(const std::string& text) {
    try {
        outcome(text);
        return true;
    } catch (const Error&) {
        return false;
    }
}

TEST(Domains, have_no_silent_field) {
    std::vector<std::string> samples{
        "<domain type='qemu'><name>x</name><memory>131072</memory><os><type>hvm</type><acpi><table "
        "type='slic'>/t</table></acpi></os></domain>"};
    for (const auto& part : parts) samples.push_back(fmt::format(frame, part, ""));
    for (const auto& device : devices) samples.push_back(fmt::format(frame, "", device));
    for (const auto& text : samples) EXPECT_TRUE(is_good(text)) << text;
    std::vector<std::string> wholes; // they cost most
    for (const auto& name : test_domain_names()) {
        auto pieces = pieces_of(model::sample("../argv/" + name + ".xml"));
        wholes.push_back(std::move(pieces.back()));
        pieces.pop_back();
        std::ranges::move(pieces, std::back_inserter(samples));
    }
    std::ranges::move(wholes, std::back_inserter(samples));
    std::erase_if(samples, [](const auto& text) { return !is_good(text); });
    const model::SilentFields search(model::Domain::schema(), outcome, samples, left_out);
    for (const auto& path : search.find({kept, elsewhere})) ADD_FAILURE() << path << model::SilentFields::help;
}

} // namespace
} // namespace domus::engine::qemu
