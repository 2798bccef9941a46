"""Devices that come and go while a guest runs, and in definitions."""
import json
import socket
import subprocess
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import refused
from harness.wait import wait_until

LIVE, CONFIG, FORCE = 1, 2, 4


def disk_xml(path, target, bus="virtio", kind="raw", device="disk"):
    source = f"<source file='{path}'/>" if path else ""
    return (f"<disk type='file' device='{device}'><driver name='qemu' type='{kind}'/>{source}"
            f"<target dev='{target}' bus='{bus}'/></disk>")


def make_image(path, size="8M", kind="raw", fill=None):
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, path, size], check=True)
    if fill is not None:
        with open(path, "r+b") as file:
            file.write(fill)
    return path


def targets(xml):
    return [each.get("dev") for each in ET.fromstring(xml).findall("devices/disk/target")]


class monitor:
    """QEMU's monitor, while no daemon has it."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(20)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rw")

    def __enter__(self):
        self._lines.readline()  # greeting
        self("qmp_capabilities")
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._socket.close()

    def __call__(self, command, **arguments):
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._lines.flush()
        while "return" not in json.loads(self._lines.readline()):
            pass

    def wait(self, event):
        while json.loads(self._lines.readline()).get("event") != event:
            pass


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_disk_is_plugged_in_used_and_taken_out_again(conn, guest, shell_of, event_log, scratch, kind, daemon):
    image = make_image(scratch / f"extra.{kind}", kind=kind)
    domain = conn.createXML(guest("hot"))
    shell = shell_of("hot")
    domain.attachDeviceFlags(disk_xml(image, "vdb", kind=kind), LIVE)
    assert targets(domain.XMLDesc()) == ["vdb"]
    wait_until(lambda: "vda" in shell.run("ls /sys/block"), "it did not come to pass")
    assert shell.run("cat /sys/block/vda/size") == str(8 * 2048)
    shell.run("echo written-by-the-guest | dd of=/dev/vda bs=512 conv=sync,fsync")
    live = ET.fromstring(domain.XMLDesc()).find("devices/disk")
    assert live.find("alias").get("name") == "virtio-disk1"
    assert live.find("address").get("type") == "pci"
    domain.detachDeviceFlags(disk_xml(image, "vdb", kind=kind), LIVE)
    event_log.wait_for_device("hot", libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "virtio-disk1")
    assert targets(domain.XMLDesc()) == []
    wait_until(lambda: "vda" not in shell.run("ls /sys/block"), "it did not come to pass")
    copied = scratch / "copy"
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, copied], check=True)
    assert copied.read_bytes().startswith(b"written-by-the-guest")
    [qemu] = daemon.pids_of("qemu-system")
    held = subprocess.run(["ls", "-l", f"/proc/{qemu}/fd"], text=True, capture_output=True).stdout
    assert str(image) not in held, "the image is still open in QEMU"
    domain.attachDevice(disk_xml(image, "vdb", kind=kind))  # and again
    assert targets(domain.XMLDesc()) == ["vdb"]


def test_a_second_disk_finds_no_port_and_nothing_is_left(conn, guest, scratch):
    domain = conn.createXML(guest("hot"))
    ports = 0
    while ports < 8:
        image = make_image(scratch / f"{ports}.raw")
        try:
            domain.attachDevice(disk_xml(image, f"vd{'abcdefgh'[ports]}"))
        except libvirt.libvirtError as error:
            assert "No more available PCI slots" in str(error) and "pcie-root-port" in str(error)
            break
        ports += 1
    assert 1 <= ports < 8
    assert len(targets(domain.XMLDesc())) == ports


def test_refusals_leave_the_domain_as_it_was(conn, guest, scratch):
    image = make_image(scratch / "one.raw")
    domain = conn.createXML(guest("hot", disks=[image]))
    before = domain.XMLDesc()
    other = make_image(scratch / "two.raw")
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.attachDevice, disk_xml(other, "vda"))
    assert "cannot be hotplugged" in refused(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, domain.attachDevice, disk_xml(other, "sda", "sata"))
    assert "No such file" in refused(libvirt.VIR_ERR_SYSTEM_ERROR, domain.attachDevice, disk_xml(scratch / "absent", "vdb"))
    refused(libvirt.VIR_ERR_XML_ERROR, domain.attachDevice, "<toaster/>")
    refused(libvirt.VIR_ERR_XML_ERROR, domain.attachDevice, disk_xml(other, "vdb") + disk_xml(other, "vdc"))
    refused(libvirt.VIR_ERR_DEVICE_MISSING, domain.detachDevice, disk_xml(other, "vdz"))
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.attachDeviceFlags, disk_xml(other, "vdb"), CONFIG)  # transient
    refused(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, domain.attachDevice, "<video><model type='vga'/></video>")
    assert domain.XMLDesc() == before


def test_what_qemu_refuses_is_taken_back(conn, guest, scratch, daemon):
    image = scratch / "broken.qcow2"
    make_image(image, kind="qcow2")
    with open(image, "r+b") as file:
        file.seek(8)
        file.write(b"")
        file.seek(20)
        file.write(b"\xff\xff\xff\xff")  # cluster bits that no image can have
    domain = conn.createXML(guest("hot"))
    with pytest.raises(libvirt.libvirtError):
        domain.attachDevice(disk_xml(image, "vdb", kind="qcow2"))
    [qemu] = daemon.pids_of("qemu-system")
    assert str(image) not in subprocess.run(["ls", "-l", f"/proc/{qemu}/fd"], text=True, capture_output=True).stdout
    make_image(scratch / "good.qcow2", kind="qcow2")
    domain.attachDevice(disk_xml(scratch / "good.qcow2", "vdb", kind="qcow2"))
    assert targets(domain.XMLDesc()) == ["vdb"]


def test_definitions_change_with_and_without_a_running_guest(conn, guest, scratch):
    image = make_image(scratch / "one.raw")
    domain = conn.defineXML(guest("cold"))
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.attachDevice, disk_xml(image, "vdb"))
    domain.attachDeviceFlags(disk_xml(image, "vdb"), CONFIG)
    assert targets(domain.XMLDesc()) == ["vdb"]
    domain.detachDeviceFlags(disk_xml(image, "vdb"), 0)
    assert targets(domain.XMLDesc()) == []
    domain.create()
    domain.attachDeviceFlags(disk_xml(image, "vdb"), LIVE | CONFIG)
    assert targets(domain.XMLDesc()) == targets(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)) == ["vdb"]
    domain.destroy()
    domain.create()
    assert targets(domain.XMLDesc()) == ["vdb"]


def test_an_interface_comes_with_its_tap_and_goes_with_it(make_daemon, guest, terminal, _event_loop):
    from harness.guest import GuestShell
    daemon = make_daemon(default_network=True)
    conn = libvirt.open(daemon.uri)
    domain = conn.createXML(guest("net"))
    shell = GuestShell(terminal("virsh", "-c", daemon.uri, "console", "net", "--force")).wait_up()
    xml = "<interface type='network'><mac address='52:54:00:12:34:56'/><source network='default'/><model type='virtio'/></interface>"
    domain.attachDevice(xml)
    interface = ET.fromstring(domain.XMLDesc()).find("devices/interface")
    tap = interface.find("target").get("dev")
    assert tap in daemon.sandbox.run("ip", "-br", "link").stdout
    wait_until(lambda: "eth0" in shell.run("ls /sys/class/net"), "it did not come to pass")
    assert shell.run("cat /sys/class/net/eth0/address") == "52:54:00:12:34:56"
    shell.run("ip link set eth0 up; sleep 1")
    assert shell.run("cat /sys/class/net/eth0/carrier") == "1"
    down = xml.replace("</interface>", "<link state='down'/></interface>")
    domain.updateDeviceFlags(down, LIVE)
    wait_until(lambda: shell.run("cat /sys/class/net/eth0/carrier") == "0", "it did not come to pass")
    assert ET.fromstring(domain.XMLDesc()).find("devices/interface/link").get("state") == "down"
    domain.detachDevice(xml)
    wait_until(lambda: ET.fromstring(domain.XMLDesc()).find("devices/interface") is None, "it did not come to pass")
    wait_until(lambda: tap not in daemon.sandbox.run("ip", "-br", "link").stdout, "it did not come to pass")
    domain.destroy()
    conn.close()


def test_live_and_persistent_definition_share_the_mac_that_was_chosen(conn, guest):
    domain = conn.defineXML(guest("mac"))
    domain.create()
    domain.attachDeviceFlags("<interface type='user'><model type='virtio'/></interface>", LIVE | CONFIG)
    macs = {ET.fromstring(domain.XMLDesc(flags)).find("devices/interface/mac").get("address") for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE)}
    assert len(macs) == 1


def test_a_tray_opens_and_closes(conn, guest):
    empty = "<disk type='file' device='{}'><target dev='{}' bus='{}'{}/>{}</disk>"
    drives = empty.format("cdrom", "sda", "sata", "", "<readonly/>") + empty.format("floppy", "fda", "fdc", "", "")
    domain = conn.createXML(guest("trays", devices=drives))
    moved = []
    conn.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, lambda _c, _d, _alias, reason, _o: moved.append(reason), None)

    def shown():
        return ET.fromstring(domain.XMLDesc()).find("devices/disk[@device='cdrom']/target").get("tray")

    domain.updateDeviceFlags(empty.format("cdrom", "sda", "sata", " tray='open'", "<readonly/>"), LIVE)
    wait_until(lambda: moved == [libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN], "QEMU has not opened the tray")
    assert shown() == "open"
    domain.updateDeviceFlags(empty.format("cdrom", "sda", "sata", "", "<readonly/>"), LIVE)
    # QEMU has told of the open tray each time it loaded the memory.
    wait_until(lambda: moved[-1] == libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE, "QEMU has not closed the tray")
    assert shown() is None
    with pytest.raises(libvirt.libvirtError, match="floppy drive 'fda' has no tray"):
        domain.updateDeviceFlags(empty.format("floppy", "fda", "fdc", " tray='open'", ""), LIVE)


def test_a_tray_that_the_definition_opens_is_closed_when_the_guest_starts(daemon, conn, guest, scratch):
    """QEMU has no other way; what it does to the tray later is seen, and goes along with saved memory."""
    xml = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'{}/><readonly/></disk>"
    opened = " tray='open'"
    domain = conn.defineXML(guest("trays", memory=32, devices=xml.format(opened)))
    moved = []
    conn.domainEventRegisterAny(domain, libvirt.VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, lambda _c, _d, _alias, reason, _o: moved.append(reason), None)

    def shown(flags=0):
        return ET.fromstring(domain.XMLDesc(flags)).find("devices/disk/target").get("tray")

    assert shown() == "open"
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    assert shown() is None and shown(libvirt.VIR_DOMAIN_XML_INACTIVE) == "open"
    domain.updateDeviceFlags(xml.format(opened), LIVE)
    wait_until(lambda: moved == [libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN], "QEMU has not opened the tray")
    image = str(scratch / "image")
    domain.save(image)
    for description in (None, conn.saveImageGetXMLDesc(image).replace(opened, "")):
        conn.restoreFlags(image, description)
        assert shown() == "open"
        domain.destroy()
    conn.restore(image)
    domain.updateDeviceFlags(xml.format(""), LIVE)
    # QEMU has told of the open tray each time it loaded the memory.
    wait_until(lambda: moved[-1] == libvirt.VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE, "QEMU has not closed the tray")
    assert shown() is None
    domain.destroy()


def test_a_medium_is_changed_and_ejected(conn, guest, shell_of, scratch):
    first = make_image(scratch / "one.iso", "2M", fill=b"first medium")
    second = make_image(scratch / "two.iso", "2M", fill=b"second medium")
    drive = disk_xml(first, "sda", "scsi", device="cdrom")
    domain = conn.createXML(guest("cd", devices=drive + "<controller type='scsi' model='virtio-scsi'/>"))
    shell = shell_of("cd")
    read = "dd if=/dev/sr0 bs=2048 count=1 2>/dev/null | head -c 12"
    wait_until(lambda: shell.run(read) == "first medium", "it did not come to pass")
    domain.updateDeviceFlags(disk_xml(second, "sda", "scsi", device="cdrom"), LIVE)
    assert f"file='{second}'" in domain.XMLDesc() and str(first) not in domain.XMLDesc()
    wait_until(lambda: shell.run(read) == "second mediu", "it did not come to pass")
    domain.updateDeviceFlags(disk_xml(None, "sda", "scsi", device="cdrom"), LIVE | FORCE)
    assert ET.fromstring(domain.XMLDesc()).find("devices/disk/source") is None
    refused(libvirt.VIR_ERR_SYSTEM_ERROR, domain.updateDeviceFlags, disk_xml(scratch / "absent", "sda", "scsi", device="cdrom"), LIVE)
    domain.updateDeviceFlags(disk_xml(first, "sda", "scsi", device="cdrom"), LIVE)
    wait_until(lambda: shell.run(read) == "first medium", "it did not come to pass")


@pytest.mark.parametrize("xml, element, gone", [
    ("<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", "rng", True),
    ("<controller type='scsi' model='virtio-scsi'/>", "controller[@type='scsi']", True),
    ("<input type='tablet' bus='usb'/>", "input[@type='tablet']", True),
    ("<channel type='unix'><target type='virtio' name='org.test.0'/></channel>", "channel", True),
    ("<channel type='pty'><target type='virtio' name='org.test.1'/></channel>", "channel", True),
])
def test_other_devices_come_and_go(conn, guest, shell_of, xml, element, gone):
    extra = "<controller type='usb' model='qemu-xhci'/><controller type='virtio-serial'/>"
    domain = conn.createXML(guest("kinds", devices=extra))
    shell_of("kinds")
    before = len(ET.fromstring(domain.XMLDesc()).findall(f"devices/{element}"))
    domain.attachDevice(xml)
    found = ET.fromstring(domain.XMLDesc()).findall(f"devices/{element}")
    assert len(found) == before + 1
    if "pty" in xml:
        assert found[-1].find("source").get("path").startswith("/dev/pts/")
    domain.detachDevice(ET.tostring(found[-1], encoding="unicode"))
    wait_until(lambda: len(ET.fromstring(domain.XMLDesc()).findall(f"devices/{element}")) == before, "it did not come to pass")


def test_a_device_goes_by_its_alias(conn, guest, shell_of, event_log):
    domain = conn.createXML(guest("alias", devices="<rng model='virtio'><backend model='random'>/dev/urandom</backend><alias name='ua-dice'/></rng>"))
    shell_of("alias")
    refused(libvirt.VIR_ERR_DEVICE_MISSING, domain.detachDeviceAlias, "ua-absent", LIVE)
    domain.detachDeviceAlias("ua-dice", LIVE)
    event_log.wait_for_device("alias", libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "ua-dice")
    assert "<rng" not in domain.XMLDesc()


def test_a_daemon_that_was_away_learns_what_went_meanwhile(daemon, virsh, guest, shell_of, scratch):
    (scratch / "away.xml").write_text(guest("away", disks=[make_image(scratch / "one.raw")]))
    virsh("create", scratch / "away.xml")
    assert "vda" in shell_of("away").run("ls /sys/block")
    daemon.kill()
    [folder] = [path for path in daemon.root.glob("**/domain-*-away")]
    with monitor(folder / "monitor.sock") as tell:
        tell("device_del", id="virtio-disk0")
        tell.wait("DEVICE_DELETED")
    daemon.start()
    wait_until(lambda: "vda" not in virsh("domblklist", "away").out, "it did not come to pass")
    assert virsh("domstate", "away").out.strip() == "running"


def test_virsh_verbs(virsh, guest, shell_of, scratch):
    image = make_image(scratch / "one.raw")
    (scratch / "verbs.xml").write_text(guest("verbs"))
    virsh("define", scratch / "verbs.xml")
    virsh("start", "verbs")
    shell_of("verbs")
    assert virsh("attach-disk", "verbs", image, "vdb", "--persistent").out == "Disk attached successfully\n\n"
    assert "vdb" in virsh("domblklist", "verbs").out and "vdb" in virsh("domblklist", "verbs", "--inactive").out
    assert virsh("detach-disk", "verbs", "vdb", "--persistent").out == "Disk detached successfully\n\n"
    wait_until(lambda: "vdb" not in virsh("domblklist", "verbs").out, "it did not come to pass")
    assert "vdb" not in virsh("domblklist", "verbs", "--inactive").out


def test_domus_verbs(domus, guest, shell_of, scratch):
    image, medium = make_image(scratch / "one.raw"), make_image(scratch / "one.iso")
    (scratch / "verbs.xml").write_text(guest("verbs", devices="<controller type='scsi' model='virtio-scsi'/>" + disk_xml(None, "sda", "scsi", device="cdrom")))
    domus("define", scratch / "verbs.xml")
    domus("start", "verbs")
    shell = shell_of("verbs")
    assert domus("attach-disk", "verbs", image, "vdb", "--persistent").out == "Disk attached successfully\n\n"
    assert {each["target"] for each in json.loads(domus("domblklist", "verbs", "--json").out)} == {"vdb", "sda"}
    wait_until(lambda: "vda" in shell.run("ls /sys/block"), "the guest sees no disk")
    assert domus("detach-disk", "verbs", "vdb", "--persistent").out == "Disk detached successfully\n\n"
    wait_until(lambda: "vdb" not in domus("domblklist", "verbs").out, "the disk stays")
    assert domus("change-media", "verbs", "sda", medium, "--insert").out == "Successfully inserted media.\n\n"
    assert str(medium) in domus("domblklist", "verbs").out
    assert domus("change-media", "verbs", "sda", "--eject", "--force").out == "Successfully ejected media.\n\n"
    assert domus("attach-interface", "verbs", "user", "--model", "virtio", "--mac", "52:54:00:00:00:09").out == "Interface attached successfully\n\n"
    assert domus("domif-setlink", "verbs", "52:54:00:00:00:09", "down").out == "Device updated successfully\n\n"
    assert domus("domif-getlink", "verbs", "52:54:00:00:00:09").out == "52:54:00:00:00:09 down\n\n"
    assert domus("detach-interface", "verbs", "user").out == "Interface detached successfully\n\n"


def test_vcpus_come_and_go(conn, guest, shell_of):
    domain = conn.defineXML(guest("cpus").replace("<vcpu>1</vcpu>", "<vcpu current='1'>3</vcpu>"))
    domain.create()
    shell = shell_of("cpus")
    online = "for c in /sys/devices/system/cpu/cpu[1-9]; do [ -e $c ] && echo 1 >$c/online; done; cat /sys/devices/system/cpu/online"
    assert shell.run("nproc") == "1"
    domain.setVcpusFlags(3, LIVE)
    assert domain.vcpusFlags(LIVE) == 3 and domain.vcpusFlags(CONFIG) == 1 and len(domain.vcpus()[0]) == 3
    wait_until(lambda: shell.run(online) == "0-2", "the guest has no new CPUs")
    domain.setVcpusFlags(2, LIVE)
    assert domain.vcpusFlags(LIVE) == 2
    for count in (4, 0):
        with pytest.raises(libvirt.libvirtError) as error:
            domain.setVcpusFlags(count, LIVE)
        assert error.value.get_error_code() == libvirt.VIR_ERR_INVALID_ARG
    domain.setVcpusFlags(2, LIVE | CONFIG)
    assert domain.vcpusFlags(CONFIG) == 2
    domain.destroy()
    domain.create()
    with pytest.raises(libvirt.libvirtError, match="hot-unpluggable"):
        domain.setVcpusFlags(1, LIVE)


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_disk_is_resized_while_the_guest_runs(conn, guest, shell_of, virsh, scratch, kind):
    image = make_image(scratch / "image", kind=kind)
    domain = conn.createXML(guest("grown", disks=(), devices=disk_xml(image, "vda", kind=kind) + disk_xml(None, "sda", bus="sata", device="cdrom")))
    shell = shell_of("grown")
    assert "resized" in virsh("blockresize", "grown", "vda", "16M").out
    assert int(shell.run("cat /sys/block/vda/size")) == 16 << 11
    assert int(virsh("domblkinfo", "grown", "vda").out.split()[1]) == 16 << 20
    domain.blockResize(str(image), 20 << 10)
    assert int(shell.run("cat /sys/block/vda/size")) == 20 << 11
    if kind == "qcow2":
        domain.blockResize("vda", (21 << 20) - 5, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)
        assert domain.blockInfo("vda")[0] == 21 << 20
    invalid = libvirt.VIR_ERR_INVALID_ARG
    assert "'vdz' was not found" in refused(invalid, domain.blockResize, "vdz", 1)
    refused(invalid, domain.blockResize, "vda", 1, 4)
    refused(libvirt.VIR_ERR_OVERFLOW, domain.blockResize, "vda", 1 << 62)
    assert "readonly disk 'sda'" in refused(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, domain.blockResize, "sda", 1)
    domain.destroy()
    kept = conn.defineXML(guest("kept", disks=[image]))
    refused(libvirt.VIR_ERR_OPERATION_INVALID, kept.blockResize, "vda", 1)
