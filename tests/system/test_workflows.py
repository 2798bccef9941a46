"""What people do with stock clients in an ordinary week, and what used to go wrong with it."""
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import Outcome, refused
from harness.daemon import BUILD
from harness.wait import wait_until

PAUSED = libvirt.VIR_DOMAIN_START_PAUSED


def graphics(domain):
    return [dict(each.attrib) for each in ET.fromstring(domain.XMLDesc()).iter("graphics")]


def image(path, *more):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *map(str, more[:-1]), path, more[-1]], check=True)
    return path


def listens(port, host="127.0.0.1"):
    with socket.create_connection((host, port), timeout=10):
        return True


def test_displays_of_guests_that_start_side_by_side_have_ports_of_their_own(daemon, conn, guest):
    display = "<graphics type='vnc' port='-1' websocket='-1'/>"
    for i in range(6):
        conn.defineXML(guest(f"g{i}", memory=32, devices=display))
    starts = [Outcome(daemon, lambda client, name=f"g{i}": client.lookupByName(name).createWithFlags(PAUSED)) for i in range(6)]
    assert [start.wait() for start in starts] == [None] * 6
    shown = [graphics(conn.lookupByName(f"g{i}"))[0] for i in range(6)]
    ports = [each[kind] for each in shown for kind in ("port", "websocket")]
    assert len(set(ports)) == 12 and all(int(port) >= 5700 for port in ports)
    # A fixed port that a guest has is refused with its name, also by the next daemon; one that was given back is free.
    first = shown[0]["port"]
    fixed = guest("fixed", memory=32, devices=f"<graphics type='vnc' port='{first}' autoport='no'/>")
    daemon.restart()
    conn = libvirt.open(daemon.uri)
    said = refused(libvirt.VIR_ERR_SYSTEM_ERROR, conn.createXML, fixed, PAUSED)
    assert "domain 'g0' has this port" in said, said
    conn.lookupByName("g0").destroy()
    assert graphics(conn.createXML(fixed, PAUSED))[0]["port"] == first
    said = refused(libvirt.VIR_ERR_SYSTEM_ERROR, conn.createXML, guest("far", devices="<graphics type='vnc' listen='192.0.2.1'/>"))
    assert "cannot listen on 192.0.2.1" in said and "no interface of this host has the address" in said, said
    conn.close()


def test_spice_displays_of_one_guest_are_one_server(conn, guest):
    domain = conn.createXML(guest("two", memory=32, devices="<graphics type='spice' autoport='yes'/>" * 2), PAUSED)
    ports = [each["port"] for each in graphics(domain)]
    assert len(ports) == 2 and ports[0] == ports[1]


def test_guests_that_start_with_the_host_all_start(daemon, conn, guest):
    for i in range(5):
        conn.defineXML(guest(f"boot{i}", memory=32, devices="<graphics type='vnc'/>")).setAutostart(1)
    daemon.restart()
    again = libvirt.open(daemon.uri)
    for i in range(5):
        daemon.domus("wait", f"boot{i}", "--for", "running")
    assert len({graphics(again.lookupByName(f"boot{i}"))[0]["port"] for i in range(5)}) == 5
    again.close()


def test_a_network_that_is_defined_is_started_by_create(conn):
    xml = "<network><name>lan</name><uuid>6d2f1e60-5a3c-4b3a-9b35-6c4e9cf8b0a1</uuid><bridge name='virbr77'/>{}</network>"
    conn.networkDefineXML(xml.format(""))
    network = conn.networkCreateXML(xml.format("<domain name='once.test'/>"))
    assert (network.isActive(), network.isPersistent()) == (1, 1)
    assert "once.test" in network.XMLDesc() and "once.test" not in network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, conn.networkCreateXML, xml.format(""))
    network.destroy()
    assert conn.networkLookupByName("lan").isActive() == 0
    network.undefine()


def test_a_disk_is_added_beside_companion_usb_controllers(daemon, conn, scratch):
    companions = "".join(f"<controller type='usb' index='0' model='ich9-uhci{i + 1}'><master startport='{2 * i}'/></controller>" for i in range(3))
    conn.createXML(f"""<domain type='qemu'><name>old</name><memory unit='MiB'>32</memory><os><type machine='pc'>hvm</type></os><features><acpi/></features>
        <devices><controller type='usb' index='0' model='ich9-ehci1'/>{companions}</devices></domain>""", PAUSED)
    path = image(scratch / "more.qcow2", "1M")
    daemon.virsh("attach-disk", "old", path, "sdb", "--subdriver", "qcow2", "--live")
    live = ET.fromstring(conn.lookupByName("old").XMLDesc())
    assert live.find("devices/controller[@type='scsi']") is not None and live.find("devices/disk/target").get("dev") == "sdb"
    daemon.virsh("detach-disk", "old", "sdb", "--live", check=False)


def test_keys_of_every_set_are_sent(daemon, conn, guest, terminal):
    domain = conn.createXML(guest("keys", memory=32), PAUSED)
    daemon.virsh("send-key", "keys", "KEY_LEFTCTRL", "KEY_LEFTALT", "KEY_DELETE")
    daemon.virsh("send-key", "keys", "--codeset", "usb", "0xe0", "0xe2", "0x4c")
    daemon.virsh("send-key", "keys", "--codeset", "win32", "0xa2", "0x2e")
    for codeset, letter_a in enumerate((30, 30, 30, 0x1c, 0x1c, 0, 30, 4, 0x41, 30)):
        domain.sendKey(codeset, 1, [letter_a], 1, 0)
    said = refused(libvirt.VIR_ERR_INTERNAL_ERROR, domain.sendKey, 7, 0, [3], 1, 0)
    assert "cannot translate keycode 3 of usb codeset" in said


def test_sizes_of_disks_are_told_of_running_and_stopped_guests(conn, guest, scratch):
    disk = image(scratch / "one.qcow2", "8M")
    domain = conn.defineXML(guest("sized", memory=32, disks=[disk]))

    def sizes():
        (_, statistics), = conn.domainListGetStats([domain], libvirt.VIR_DOMAIN_STATS_BLOCK)
        return tuple(statistics[f"block.0.{each}"] for each in ("capacity", "allocation", "physical"))
    expected = (8 << 20, disk.stat().st_blocks * 512, disk.stat().st_size)
    assert sizes() == expected and tuple(domain.blockInfo("vda")) == expected
    domain.createWithFlags(PAUSED)
    assert sizes()[0] == 8 << 20 and sizes()[2] == disk.stat().st_size
    domain.destroy()
    disk.unlink()
    (_, statistics), = conn.domainListGetStats([domain], libvirt.VIR_DOMAIN_STATS_BLOCK)
    assert statistics["block.count"] == 1 and "block.0.capacity" not in statistics


def test_addresses_are_asked_of_the_agent(daemon, conn, guest, shell_of):
    domain = conn.createXML(guest("told", agent=True, devices="<interface type='user'><model type='virtio'/></interface>"))
    shell_of("told").run("ip link set lo up")
    daemon.domus("wait", "told", "--for", "agent")
    found = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)
    assert found["lo"]["addrs"][0] == {"addr": "127.0.0.1", "prefix": 8, "type": 0}
    assert "127.0.0.1/8" in daemon.domus("domifaddr", "told", "--source", "agent").out
    silent = conn.createXML(guest("silent", memory=32), PAUSED)
    refused(libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED, silent.interfaceAddresses, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)
    readonly = libvirt.openReadOnly(daemon.readonly_uri)
    refused(libvirt.VIR_ERR_OPERATION_DENIED, readonly.lookupByName("told").interfaceAddresses, libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)
    readonly.close()


def test_saved_memory_that_was_deleted_by_hand_is_not_missed(daemon, conn, guest, scratch):
    domain = conn.defineXML(guest("lost", memory=32))
    for again in range(2):
        domain.createWithFlags(PAUSED)
        domain.managedSave()
        (daemon.root / "var/lib/domus/qemu/save/lost.save").unlink()
        assert domain.hasManagedSaveImage() == 1
        if again:
            domain.undefine()
            return
        domain.createWithFlags(PAUSED)
        assert domain.hasManagedSaveImage() == 0
        domain.destroy()


def test_a_revert_that_loses_saved_memory_wants_force(daemon, conn, guest, scratch):
    domain = conn.defineXML(guest("risky", memory=32, disks=[image(scratch / "disk.qcow2", "4M")]))
    stopped = domain.snapshotCreateXML("<domainsnapshot><name>off</name></domainsnapshot>")
    domain.createWithFlags(PAUSED)
    running = domain.snapshotCreateXML("<domainsnapshot><name>on</name></domainsnapshot>")
    said = refused(libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY, domain.revertToSnapshot, stopped, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING)
    assert "must respawn" in said
    for snapshot, state in ((stopped, libvirt.VIR_DOMAIN_SHUTOFF), (running, libvirt.VIR_DOMAIN_PAUSED)):
        domain.managedSave()
        refused(libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY, domain.revertToSnapshot, snapshot, 0)
        assert domain.hasManagedSaveImage() == 1
        domain.revertToSnapshot(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)
        assert domain.hasManagedSaveImage() == 0 and domain.state()[0] == state
        if state == libvirt.VIR_DOMAIN_SHUTOFF:
            domain.createWithFlags(PAUSED)


def test_a_stopped_uefi_guest_is_snapshotted(daemon, conn, scratch):
    disk = image(scratch / "uefi.qcow2", "4M")
    domain = conn.defineXML(f"""<domain type='qemu'><name>uefi</name><memory unit='MiB'>64</memory><os firmware='efi'><type machine='q35'>hvm</type></os><features><acpi/></features>
        <devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='{disk}'/><target dev='vda'/></disk></devices></domain>""")
    snapshot = domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    domain.revertToSnapshot(snapshot)
    snapshot.delete()


def test_a_backing_image_without_a_format_is_raw_unless_it_looks_otherwise(conn, guest, scratch):
    def overlay(name, kind):
        base = scratch / f"{name}-base"
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, base, "4M"], check=True)
        path = image(scratch / f"{name}.qcow2", "-b", base, "-F", kind, "4M")
        with open(path, "r+b") as file:  # without the header's extension that names the format
            file.seek(112)
            assert file.read(4) == bytes.fromhex("e2792aca")
            file.seek(112)
            file.write(b"\x12\x34\x56\x78")
        return path
    domain = conn.createXML(guest("raw", memory=32, disks=[overlay("raw", "raw")]), PAUSED)
    assert ET.fromstring(domain.XMLDesc()).find("devices/disk/backingStore/format").get("type") == "raw"
    said = refused(libvirt.VIR_ERR_OPERATION_INVALID, conn.createXML, guest("other", memory=32, disks=[overlay("other", "qcow2")]), PAUSED)
    assert "was not specified in the image metadata" in said and "it looks like qcow2" in said and "--backing-format qcow2" in said


def test_backing_images_that_are_no_files_keep_their_names_in_volumes(conn, scratch):
    folder = scratch / "pool"
    folder.mkdir()
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>p</name><target><path>{folder}</path></target></pool>")
    names = ("nbd:localhost:1", 'json:{"driver":"nbd","host":"localhost","port":"1"}', "rbd:pool/volume", "/elsewhere/base")
    for number, name in enumerate(names):
        image(folder / f"v{number}", "-u", "-b", name, "-F", "raw", "1M")
    pool.refresh()
    for number, name in enumerate(names):
        assert ET.fromstring(pool.storageVolLookupByName(f"v{number}").XMLDesc()).findtext("backingStore/path") == name


def test_a_volume_that_was_just_made_is_there_while_others_refresh(daemon, conn, scratch):
    folder = scratch / "pool"
    folder.mkdir()
    for number in range(300):
        (folder / f"file{number}").write_bytes(b"x" * 100)
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>p</name><target><path>{folder}</path></target></pool>")
    over = threading.Event()

    def refresh(client):
        mine = client.storagePoolLookupByName("p")
        while not over.is_set():
            mine.refresh()
    others = [Outcome(daemon, refresh) for _ in range(2)]
    try:
        for number in range(60):
            made = pool.createXML(f"<volume><name>new{number}</name><capacity>4096</capacity></volume>")
            assert pool.storageVolLookupByName(f"new{number}").path() == made.path()
            assert conn.storageVolLookupByKey(made.key()).name() == made.name()
            made.delete()
            assert f"new{number}" not in pool.listVolumes()
    finally:
        over.set()
    assert [each.wait() for each in others] == [None, None]


def test_first_questions_of_clients(daemon, conn, scratch):
    assert (conn.isSecure(), conn.isEncrypted()) == (1, 0)
    for machine in ("q35", "pc"):
        text = conn.getDomainCapabilities(None, "x86_64", machine, "qemu")
        path = scratch / f"{machine}.xml"
        path.write_text(text)
        done = subprocess.run(["virt-xml-validate", path, "domaincaps"], text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        document = ET.fromstring(text)
        buses = [each.text for each in document.findall("devices/disk/enum[@name='bus']/value")]
        assert ("ide" in buses) == (machine == "pc")
        assert document.find("cpu/mode[@name='host-model']").get("supported") == "yes"
        assert document.find("cpu/mode[@name='host-model']/model").text
        backends = [each.text for each in document.findall("devices/tpm/enum[@name='backendModel']/value")]
        assert ("emulator" in backends) == bool(shutil.which("swtpm") and shutil.which("swtpm_setup"))
        drivers = [each.text for each in document.findall("devices/filesystem/enum[@name='driverType']/value")]
        assert ("virtiofs" in drivers) == os.path.exists("/usr/lib/qemu/virtiofsd")
        secure = [each.text for each in document.findall("os/loader/enum[@name='secure']/value")]
        assert ("yes" in secure) == (machine == "q35")
    features = [each.get("name") for each in document.findall("cpu/mode/feature")]
    assert "pclmulqdq" not in features
    # xmllint takes the dot in the schema's pattern for names of features wrongly: it refuses libvirtd's sse4.1 too.
    path.write_text(conn.getCapabilities().replace("sse4.", "sse4_"))
    done = subprocess.run(["virt-xml-validate", path, "capability"], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_what_is_not_there_is_named(conn, daemon, guest):
    domain = conn.defineXML(guest("moving"))
    said = refused(libvirt.VIR_ERR_NO_SUPPORT, domain.blockJobAbort, "vda", 0)
    assert "DOMAIN_BLOCK_JOB_ABORT" in said and "qemu-img" in said, said
    said = daemon.domus("-c", f"{daemon.uri}&no_verfy=1", "list", check=False).err
    assert "unknown parameter 'no_verfy'" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="the folder is root's")
def test_a_fresh_host_has_the_pool_that_virt_install_looks_for(make_daemon, _event_loop):
    daemon = make_daemon(default_pool=True)
    client = libvirt.open(daemon.uri)
    pool = client.storagePoolLookupByName("boot-scratch")
    assert pool.autostart() == 1
    wait_until(pool.isActive, "it is not started with the host")
    path = pathlib.Path(ET.fromstring(pool.XMLDesc()).findtext("target/path"))
    assert path == daemon.root / "var/lib/libvirt/boot" and path.stat().st_mode & 0o7777 == 0o711
    pool.destroy()
    pool.undefine()
    client.close()
    daemon.restart()
    assert daemon.virsh("pool-list", "--all", "--name").out.split() == ["default"]


def test_a_fresh_host_has_a_pool(make_daemon, _event_loop, scratch):
    daemon = make_daemon(default_pool=True)
    client = libvirt.open(daemon.uri)
    pool = client.storagePoolLookupByName("default")
    assert pool.autostart() == 1
    wait_until(pool.isActive, "it is not started with the host")  # clients are served before what starts by itself
    path = pathlib.Path(ET.fromstring(pool.XMLDesc()).findtext("target/path"))
    assert path == daemon.root / "var/lib/domus/images" and path.is_dir()
    # As long as it is empty, libvirtd's takes its place.
    (scratch / "libvirt/storage").mkdir(parents=True)
    theirs = f"<pool type='dir'><name>default</name><uuid>6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b0a</uuid><target><path>{scratch}</path></target></pool>"
    (scratch / "libvirt/storage/default.xml").write_text(theirs)
    (path / "volume").touch()
    assert "there are volumes" in daemon.domus("import", scratch / "libvirt", check=False).out
    (path / "volume").unlink()
    daemon.domus("import", scratch / "libvirt")
    pool = client.storagePoolLookupByName("default")
    assert ET.fromstring(pool.XMLDesc()).findtext("target/path") == str(scratch) and pool.isActive() == 1
    pool.destroy()
    pool.undefine()
    client.close()
    daemon.restart()
    assert "default" not in daemon.virsh("pool-list", "--all", "--name").out


def test_ssh_messages_are_shown_only_when_it_fails(daemon, scratch):
    ssh = scratch / "ssh"
    ssh.write_text(f"#!/bin/sh\necho 'a word of ssh' >&2\n[ ! -e {scratch}/broken ] || exit 255\nexec {BUILD}/bin/domus -c '{daemon.uri}' __relay\n")
    ssh.chmod(0o755)
    uri = f"qemu+ssh://host/{'session' if daemon.session else 'system'}?command={ssh}"
    said = daemon.domus("-c", uri, "list")
    assert said.err == ""
    (scratch / "broken").touch()
    said = daemon.domus("-c", uri, "list", check=False)
    assert said.code == 1 and "a word of ssh" in said.err
