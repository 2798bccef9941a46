// Each field that has its effect in some context only: taken there, and refused elsewhere. And what is taken though it has
// no effect, since libvirt takes it so.
#include "model/storage.hpp"
#include "model/unsupported.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace domus::model {

namespace {

using testing::HasSubstr;

/// A row of the table, the field, and documents that take or refuse it where they have '%'.
struct Example {
    std::string_view row, field, inside, outside;
};

constexpr std::string_view disk_of_bus =
    "<disk type='file' %><source file='/a'/><target dev='vda' bus='virtio'/></disk>";
constexpr std::string_view disk_elsewhere =
    "<disk type='file' %><source file='/a'/><target dev='sda' bus='sata'/></disk>";
constexpr std::string_view cdrom = "<disk type='file' device='cdrom'><target dev='sda' bus='sata' %/></disk>";
constexpr std::string_view hard_disk = "<disk type='file'><source file='/a'/><target dev='sda' bus='sata' %/></disk>";
constexpr std::string_view qcow2_disk =
    "<disk type='file'><driver type='qcow2'>%</driver><source file='/a'/><target dev='vda'/></disk>";
constexpr std::string_view raw_disk =
    "<disk type='file'><driver type='raw'>%</driver><source file='/a'/><target dev='vda'/></disk>";
constexpr std::string_view above_qcow2 =
    "<disk type='file'><driver type='qcow2'/><source file='/a'/><backingStore type='file'>"
    "<format type='qcow2'>%</format><source file='/b'/></backingStore><target dev='vda'/></disk>";
constexpr std::string_view above_raw =
    "<disk type='file'><driver type='qcow2'/><source file='/a'/><backingStore type='file'>"
    "<format type='raw'>%</format><source file='/b'/></backingStore><target dev='vda'/></disk>";
constexpr std::string_view cache = "<metadata_cache><max_size unit='KiB'>64</max_size></metadata_cache>";
constexpr std::string_view root = "<controller type='pci' model='pcie-root'>%</controller>";
constexpr std::string_view port = "<controller type='pci' model='pcie-root-port'>%</controller>";
constexpr std::string_view sata = "<controller type='sata'>%</controller>";
constexpr std::string_view scsi = "<controller type='scsi' model='virtio-scsi'>%</controller>";
constexpr std::string_view serial = "<controller type='virtio-serial'>%</controller>";
constexpr std::string_view card = "<interface type='user'><model type='virtio'/>%</interface>";
constexpr std::string_view other_card = "<interface type='user'><model type='e1000e'/>%</interface>";
constexpr std::string_view reconnect = "<reconnect enabled='yes' timeout='5'/>";
constexpr std::string_view spice = "<graphics type='spice' %/>";
constexpr std::string_view vnc = "<graphics type='vnc' %/>";
constexpr std::string_view in_spice = "<graphics type='spice'>%</graphics>";
constexpr std::string_view in_vnc = "<graphics type='vnc'>%</graphics>";
constexpr std::string_view sdl = "<graphics type='sdl' %/>";
constexpr std::string_view rdp = "<graphics type='rdp' %/>";
constexpr std::string_view dbus = "<graphics type='dbus' %/>";
constexpr std::string_view qxl = "<video><model type='qxl' %/></video>";
constexpr std::string_view vga = "<video><model type='vga' %/></video>";
constexpr std::string_view virtio_video = "<video><model type='virtio' %/></video>";
constexpr std::string_view driven_video = "<video>%<model type='virtio'/></video>";
constexpr std::string_view driven_vga = "<video>%<model type='vga'/></video>";
constexpr std::string_view evdev = "<input type='evdev'><source dev='/dev/input/event1' %/></input>";
constexpr std::string_view tablet = "<input type='tablet' bus='usb'><source %/></input>";
constexpr std::string_view rtc = "<clock offset='utc'><timer name='rtc' %/></clock>";
constexpr std::string_view hpet = "<clock offset='utc'><timer name='hpet' %/></clock>";
constexpr std::string_view in_bridge = "<interface type='bridge'><source bridge='br0'/>%</interface>";
constexpr std::string_view in_user = "<interface type='user'>%</interface>";
constexpr std::string_view open_network = "<network><name>n</name><forward mode='open' %/></network>";
constexpr std::string_view nat_network = "<network><name>n</name><forward mode='nat' %/></network>";
constexpr std::string_view in_open = "<network><name>n</name><forward mode='open'>%</forward></network>";
constexpr std::string_view in_nat = "<network><name>n</name><forward mode='nat'>%</forward></network>";
constexpr std::string_view own_bridge = "<network><name>n</name>%<bridge name='virbr9'/></network>";
constexpr std::string_view host_bridge =
    "<network><name>n</name><forward mode='bridge'/>%<bridge name='br0'/></network>";
constexpr std::string_view of_own_bridge = "<network><name>n</name><bridge name='virbr9' %/></network>";
constexpr std::string_view of_host_bridge =
    "<network><name>n</name><forward mode='bridge'/><bridge name='br0' %/></network>";
constexpr std::string_view names = "<network><name>n</name><dns>%</dns></network>";
constexpr std::string_view no_names = "<network><name>n</name><dns enable='no'>%</dns></network>";
constexpr std::string_view qcow2 =
    "<volume><name>v</name><capacity>1</capacity><target><format type='qcow2'/>%</target></volume>";
constexpr std::string_view vmdk =
    "<volume><name>v</name><capacity>1</capacity><target><format type='vmdk'/>%</target></volume>";

constexpr auto examples = std::to_array<Example>({
    {"disk @model", "model='virtio-transitional'", disk_of_bus, disk_elsewhere},
    {"disk target@tray", "tray='open'", cdrom, hard_disk},
    {"disk driver/metadata_cache/max_size", cache, qcow2_disk, raw_disk},
    {"backingStore format/metadata_cache/max_size", cache, above_qcow2, above_raw},
    {"controller target", "<target chassis='7'/>", port, sata},
    {"controller model@name", "<model name='pcie-root-port'/>", port, scsi},
    {"controller pcihole64", "<pcihole64 unit='KiB'>1048576</pcihole64>", root, port},
    {"controller @ports", "ports='4'", "<controller type='virtio-serial' %/>", "<controller type='scsi' %/>"},
    {"controller @vectors", "vectors='4'", "<controller type='virtio-serial' %/>", "<controller type='usb' %/>"},
    {"controller driver@queues", "<driver queues='4'/>", scsi, serial},
    {"controller driver@cmd_per_lun", "<driver cmd_per_lun='4'/>", scsi, serial},
    {"controller driver@max_sectors", "<driver max_sectors='4'/>", scsi, serial},
    {"controller driver@ioeventfd", "<driver ioeventfd='off'/>", scsi, sata},
    {"controller driver@iothread", "<driver iothread='1'/>", scsi, serial},
    {"interface driver@iommu", "<driver iommu='on'/>", card, other_card},
    {"interface driver@ats", "<driver ats='on'/>", card, other_card},
    {"interface driver@packed", "<driver packed='on'/>", card, other_card},
    {"interface driver@page_per_vq", "<driver page_per_vq='on'/>", card, other_card},
    {"interface teaming", "<teaming type='persistent'/>", card, other_card},
    {"interface mtu@size", "<mtu size='1400'/>",
     "<interface type='bridge'><source bridge='br0'/><model type='e1000e'/>%</interface>", other_card},
    {"serial source/reconnect", reconnect,
     "<serial type='tcp'><source mode='connect' host='a' service='1'>%</source></serial>",
     "<serial type='unix'><source mode='bind' path='/s'>%</source></serial>"},
    {"redirdev source/reconnect", reconnect,
     "<graphics type='spice'/><redirdev bus='usb' type='tcp'><source mode='connect' host='a' "
     "service='1'>%</source></redirdev>",
     "<redirdev bus='usb' type='tcp'><source mode='bind' host='a' service='1'>%</source></redirdev>"},
    {"smartcard source/reconnect", reconnect,
     "<smartcard mode='passthrough' type='tcp'><source mode='connect' host='a' service='1'>%</source></smartcard>",
     "<smartcard mode='passthrough' type='tcp'><source mode='bind' host='a' service='1'>%</source></smartcard>"},
    {"backend source/reconnect", reconnect,
     "<rng model='virtio'><backend model='egd' type='tcp'><source mode='connect' host='a' "
     "service='1'>%</source></backend></rng>",
     "<rng model='virtio'><backend model='egd' type='tcp'><source mode='bind' host='a' "
     "service='1'>%</source></backend></rng>"},
    {"graphics @tlsPort", "tlsPort='5988'", spice, vnc},
    {"graphics @defaultMode", "defaultMode='secure'", spice, vnc},
    {"interface vlan", "<vlan><tag id='5'/></vlan>", in_bridge, in_user},
    {"interface filterref", "<filterref filter='clean-traffic'/>", in_bridge, in_user},
    {"interface port@isolated", "<port isolated='yes'/>", in_bridge, in_user},
    {"interface bandwidth/inbound", "<bandwidth><inbound average='9'/></bandwidth>", in_bridge, in_user},
    {"interface bandwidth/outbound", "<bandwidth><outbound average='9'/></bandwidth>", in_bridge, in_user},
    {"graphics channel", "<channel name='main' mode='secure'/>", in_spice, in_vnc},
    {"graphics image@compression", "<image compression='off'/>", in_spice, in_vnc},
    {"graphics jpeg@compression", "<jpeg compression='never'/>", in_spice, in_vnc},
    {"graphics zlib@compression", "<zlib compression='never'/>", in_spice, in_vnc},
    {"graphics playback@compression", "<playback compression='off'/>", in_spice, in_vnc},
    {"graphics streaming@mode", "<streaming mode='off'/>", in_spice, in_vnc},
    {"graphics mouse@mode", "<mouse mode='server'/>", in_spice, in_vnc},
    {"graphics clipboard@copypaste", "<clipboard copypaste='no'/>", in_spice, in_vnc},
    {"graphics filetransfer@enable", "<filetransfer enable='no'/>", in_spice, in_vnc},
    {"graphics @websocket", "websocket='5999'", vnc, spice},
    {"graphics @sharePolicy", "sharePolicy='ignore'", vnc, spice},
    {"graphics @powerControl", "powerControl='yes'", vnc, spice},
    {"graphics @display", "display=':1'", sdl, vnc},
    {"graphics @xauth", "xauth='/x'", sdl, vnc},
    {"graphics @fullscreen", "fullscreen='yes'", sdl, spice},
    {"graphics @replaceUser", "replaceUser='yes'", rdp, vnc},
    {"graphics @multiUser", "multiUser='yes'", rdp, vnc},
    {"graphics @p2p", "p2p='yes'", dbus, vnc},
    {"graphics @address", "address='unix:path=/b'", dbus, vnc},
    {"model @ram", "ram='65536'", qxl, vga},
    {"model @vgamem", "vgamem='16384'", qxl, virtio_video},
    {"model @vram64", "vram64='65536'", qxl, vga},
    {"model @heads", "heads='2'", virtio_video, vga},
    {"model @blob", "blob='on'", virtio_video, qxl},
    {"video driver@iommu", "<driver iommu='on'/>", driven_video, driven_vga},
    {"video driver@ats", "<driver ats='on'/>", driven_video, driven_vga},
    {"video driver@packed", "<driver packed='on'/>", driven_video, driven_vga},
    {"video driver@page_per_vq", "<driver page_per_vq='on'/>", driven_video, driven_vga},
    {"input @model", "model='virtio'", "<input type='tablet' bus='virtio' %/>", "<input type='tablet' bus='usb' %/>"},
    {"input source@evdev", "<source evdev='/dev/input/event1'/>", "<input type='passthrough' bus='virtio'>%</input>",
     "<input type='tablet' bus='virtio'>%</input>"},
    {"input source@dev", "<source dev='/dev/input/event1'/>", "<input type='evdev'>%</input>",
     "<input type='tablet' bus='usb'>%</input>"},
    {"input source@grab", "grab='all'", evdev, tablet},
    {"input source@grabToggle", "grabToggle='ctrl-ctrl'", evdev, tablet},
    {"input source@repeat", "repeat='on'", evdev, tablet},
    {"filesystem driver@queue", "queue='64'",
     "<filesystem type='mount'><driver type='virtiofs' %/><source dir='/a'/><target dir='t'/></filesystem>",
     "<filesystem type='mount'><driver type='path' %/><source dir='/a'/><target dir='t'/></filesystem>"},
    {"cpu @migratable", "migratable='on'", "<cpu mode='host-passthrough' %/>", "<cpu mode='host-model' %/>"},
    {"cpu @migratable", "migratable='off'", "<cpu mode='host-passthrough' %/>", "<cpu mode='maximum' %/>"},
    {"timer @track", "track='guest'", rtc, hpet},
    {"timer @frequency", "frequency='1000000000'", "<clock offset='utc'><timer name='tsc' %/></clock>", hpet},
    {"timer @tickpolicy", "tickpolicy='delay'", rtc, "<clock offset='utc'><timer name='kvmclock' %/></clock>"},
    {"network mac@address", "<mac address='52:54:00:00:00:09'/>", own_bridge, host_bridge},
    {"network mtu@size", "<mtu size='1400'/>", own_bridge, host_bridge},
    {"network domain@name", "<domain name='x'/>", own_bridge, host_bridge},
    {"network dns/txt", "<dns><txt name='a' value='b'/></dns>", own_bridge, host_bridge},
    {"network dns/host", "<dns><host ip='10.0.0.2'><hostname>a</hostname></host></dns>", own_bridge, host_bridge},
    {"network dns/srv", "<dns><srv service='a' protocol='tcp'/></dns>", own_bridge, host_bridge},
    {"network route", "<route address='10.9.0.0' prefix='16' gateway='10.0.0.2'/>", own_bridge, host_bridge},
    {"network bandwidth/inbound", "<bandwidth><inbound average='9'/></bandwidth>", own_bridge, host_bridge},
    {"network bandwidth/outbound", "<bandwidth><outbound average='9'/></bandwidth>", own_bridge, host_bridge},
    {"network bridge@stp", "stp='on'", of_own_bridge, of_host_bridge},
    {"network bridge@delay", "delay='3'", of_own_bridge, of_host_bridge},
    {"forward nat/address", "<nat><address start='10.0.0.2' end='10.0.0.3'/></nat>", in_nat, in_open},
    {"forward nat/port", "<nat><port start='1024' end='2000'/></nat>", in_nat, in_open},
    {"forward nat@ipv6", "<nat ipv6='yes'/>", in_nat, in_open},
    {"forward @dev", "dev='eth0'", nat_network, open_network},
    {"forward interface", "<interface dev='eth0'/>", in_nat, in_open},
    {"dns forwarder", "<forwarder addr='10.0.0.1'/>", names, no_names},
    {"dns txt", "<txt name='a' value='b'/>", names, no_names},
    {"dns srv", "<srv service='a' protocol='tcp'/>", names, no_names},
    {"dns host", "<host ip='10.0.0.2'><hostname>a</hostname></host>", names, no_names},
    {"target compat", "<compat>1.1</compat>", qcow2, vmdk},
    {"target clusterSize", "<clusterSize unit='KiB'>128</clusterSize>", qcow2, vmdk},
    {"target features/lazy_refcounts", "<features><lazy_refcounts/></features>", qcow2, vmdk},
    {"target features/extended_l2", "<features><extended_l2/></features>", qcow2, vmdk},
});

/// What has no effect there, and is taken.
struct Kept {
    std::string_view document, why;
};

constexpr std::string_view no_effect = "libvirt 9.0 takes it without effect, and its dumps may have it";
constexpr std::string_view left_out = "libvirt 9.0 and its schema take it, and leave it out of the definition";
constexpr std::string_view asks_nothing = "asks for what is so anyway";

constexpr auto kept = std::to_array<Kept>({
    {"<serial type='file'><source path='/f'><reconnect enabled='yes' timeout='5'/></source></serial>", left_out},
    {"<serial type='udp'><source mode='connect' host='a' service='1'><reconnect enabled='yes' "
     "timeout='5'/></source></serial>",
     left_out},
    {"<serial type='unix'><source mode='bind' path='/s' append='on'/></serial>", left_out},
    {"<serial type='pty'><protocol type='telnet'/></serial>", left_out},
    {"<disk type='file'><source file='/a'/><target dev='vda' tray='closed'/></disk>", asks_nothing},
    {"<interface type='user'><model type='e1000e'/><driver rss_hash_report='on' event_idx='off' "
     "ioeventfd='off'/></interface>",
     left_out},
    {"<interface type='user'><model type='virtio'/><driver name='vhost'/></interface>", no_effect},
    {"<interface type='user'><model type='virtio'/><target dev='foo'/><tune><sndbuf>100</sndbuf></tune></interface>",
     no_effect},
    {"<controller type='scsi' model='lsilogic'><driver iommu='on' packed='on' page_per_vq='on'/></controller>",
     no_effect},
    {"<controller type='usb' model='qemu-xhci'><driver iommu='on' packed='on'/></controller>", no_effect},
    {"<controller type='sata'><driver iommu='on' packed='on'/></controller>", no_effect},
    {"<controller type='pci' model='pcie-root-port'><driver iommu='on' packed='on'/></controller>", no_effect},
    {"<controller type='scsi'><master startport='2'/></controller>", no_effect},
    {"<video><model type='vga' vram='16384' heads='1' primary='yes'/></video>", "dumps have it"},
    {"<video><model type='virtio' vram='16384' heads='1'/></video>", no_effect},
    {"<video><driver iommu='on'/><model type='none' heads='2' vram='16384'/></video>", left_out},
    {"<graphics type='vnc' tlsPort='-1' fullscreen='no'/>", asks_nothing},
    {"<memballoon model='none' autodeflate='on' freePageReporting='on'><stats period='10'/><driver "
     "iommu='on'/></memballoon>",
     no_effect},
    {"<sound model='ac97'><codec type='micro'/></sound>", left_out},
    {"<input type='tablet' bus='usb'><driver iommu='on'/></input>", no_effect},
    {"<filesystem type='mount'><binary path='/usr/libexec/virtiofsd' xattr='on'/><source dir='/a'/><target "
     "dir='t'/></filesystem>",
     left_out},
    {"<memoryBacking><source type='anonymous'/><discard/></memoryBacking>", no_effect},
    {"<clock offset='utc'><timer name='tsc' present='no' tickpolicy='delay'/><timer name='rtc' present='no'/></clock>",
     no_effect},
    {"<clock offset='utc'><timer name='hpet' tickpolicy='merge'/></clock>", no_effect},
    {"<network><name>n</name><forward mode='bridge'/><bridge name='br0' delay='0'/><dns><forwarder "
     "addr='10.0.0.1'/></dns></network>",
     no_effect},
    {"<network><name>n</name><forward mode='route' dev='eth0'/></network>", "forwarded through that device only"},
    {"<volume><name>v</name><capacity>1</capacity><target><format type='raw'/><compat>0.10</compat><clusterSize "
     "unit='KiB'>128</clusterSize>"
     "<features><lazy_refcounts/><extended_l2/></features><permissions><label>x</label></permissions></target></"
     "volume>",
     no_effect},
    {"<pool type='dir'><name>p</name><source><host name='h'/><dir path='/x'/><device path='/dev/sda'/><format "
     "type='ext4'/></source><target><path>/p</path></target></pool>",
     no_effect},
});

template <class T> std::string said_of(const std::string& document) {
    const auto value = format::from_xml<T>(document);
    format::Findings findings;
    find_unsupported(value, findings);
    std::string text;
    for (const auto& finding : findings) text += fmt::format("line {}: {}\n", finding.line, finding.text);
    return text;
}

/// A whole document of its own, a part of a domain, or a device.
std::string said_of(const std::string& text) {
    const auto is = [&](std::string_view element) {
        return text.starts_with(fmt::format("<{}>", element)) || text.starts_with(fmt::format("<{} ", element));
    };
    if (is("network")) return said_of<Network>(text);
    if (is("volume")) return said_of<Volume>(text);
    if (is("pool")) return said_of<Pool>(text);
    const bool part = is("cpu") || is("clock") || is("memoryBacking");
    return said_of<Domain>(fmt::format(
        "<domain "
        "type='qemu'><name>n</name><memory>1024</memory><os><type>hvm</type></os>{}<devices>\n{}</devices></domain>",
        part ? text : "", part ? "" : text));
}

std::string with(std::string_view document, std::string_view field) {
    const auto at = document.find('%');
    return fmt::format("{}{}{}", document.substr(0, at), field, document.substr(at + 1));
}

/// The last word of a row's path, as messages name it.
std::string name_of(std::string_view row) {
    const auto at = row.find_last_of("@/ ");
    return row[at] == '@' ? fmt::format("'{}'", row.substr(at + 1)) : fmt::format("<{}>", row.substr(at + 1));
}

} // namespace

TEST(Context, each_row_has_an_example) {
    std::map<std::string, int> rows;
    for (const auto& row : context_refusals()) ++rows[fmt::format("{} {}", row.schema().name(), row.path)];
    for (const auto& example : examples) --rows[std::string(example.row)];
    for (const auto& [row, missing] : rows) EXPECT_EQ(missing, 0) << row;
}

TEST(Context, a_field_is_taken_where_it_has_an_effect_and_refused_elsewhere) {
    for (const auto& example : examples) {
        EXPECT_EQ(said_of(with(example.inside, example.field)), "") << example.row;
        EXPECT_EQ(said_of(with(example.outside, "")), "") << example.row;
        EXPECT_THAT(said_of(with(example.outside, example.field)),
                    testing::AllOf(HasSubstr(name_of(example.row)), HasSubstr("is only valid")))
            << example.row;
    }
}

TEST(Context, a_refusal_tells_the_line_and_what_to_do) {
    EXPECT_EQ(
        said_of(with(hard_disk, "tray='open'")),
        "line 2: attribute 'tray' of <target> ('open') is only valid for device='cdrom' and 'floppy'; leave it out\n");
    EXPECT_EQ(said_of(with(vga, "heads='2'")),
              "line 2: attribute 'heads' of <model> ('2') is only valid for type='qxl' and 'virtio'; leave it out\n");
}

TEST(Context, what_libvirt_takes_without_effect_is_taken) {
    for (const auto& each : kept)
        EXPECT_EQ(said_of(std::string(each.document)), "") << each.document << ": " << each.why;
}

} // namespace domus::model
