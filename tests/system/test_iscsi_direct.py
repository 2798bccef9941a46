"""Pools of type 'iscsi-direct' and disks on iSCSI, with a real target in user space: nothing of it needs the kernel."""
import os
import subprocess
import time
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import Outcome, code_of
from harness.target import iscsi_target
from harness.wait import wait_until

MIB = 1 << 20
IQN, INITIATOR = "iqn.2026-01.org.example:disks", "iqn.2026-01.org.example:host"
LIBRARY = "/usr/lib/x86_64-linux-gnu/libiscsi.so.7"
LOGIN = ("me", "twelve-bytes-and-more")
SECRET = "<secret><usage type='iscsi'><target>disks</target></usage></secret>"
AUTH = "<auth {} username='me'><secret {} usage='disks'/></auth>"


@pytest.fixture
def target(daemon, request):
    with iscsi_target(IQN, [32 * MIB, 64 * MIB], getattr(request, "param", None), daemon.sandbox.command) as made:
        yield made


asks = pytest.mark.parametrize("target", [LOGIN], ids=["chap"], indirect=True)


def pool_xml(auth="", name="direct", initiator=f"<initiator><iqn name='{INITIATOR}'/></initiator>"):
    return (f"<pool type='iscsi-direct'><name>{name}</name><source><host name='127.0.0.1' port='3260'/>"
            f"<device path='{IQN}'/>{initiator}{auth}</source></pool>")


def test_units_are_volumes(conn, daemon, target, virsh):
    assert code_of(conn.storagePoolDefineXML, pool_xml(initiator="")) == libvirt.VIR_ERR_XML_ERROR
    pool = conn.storagePoolDefineXML(pool_xml())
    pool.build(0)
    pool.create()
    volumes = sorted(pool.listAllVolumes(), key=lambda each: each.name())
    assert [each.name() for each in volumes] == ["unit:0:0:1", "unit:0:0:2"]
    path = f"ip-127.0.0.1:3260-iscsi-{IQN}-lun-2"
    assert volumes[1].path() == volumes[1].key() == path
    assert [each.info() for each in volumes] == [[libvirt.VIR_STORAGE_VOL_NETWORK, size, size] for size in (32 * MIB, 64 * MIB)]
    assert pool.info() == [libvirt.VIR_STORAGE_POOL_RUNNING, 96 * MIB, 96 * MIB, 0]
    assert conn.storageVolLookupByPath(path).name() == conn.storageVolLookupByKey(path).name() == "unit:0:0:2"
    assert code_of(conn.storagePoolDefineXML, pool_xml(name="second")) == libvirt.VIR_ERR_OPERATION_FAILED
    assert f"<iqn name='{INITIATOR}'/>" in pool.XMLDesc() and "Type:           network" in virsh("vol-info", "unit:0:0:1", "direct").out
    target.add(16 * MIB)
    pool.refresh()
    assert pool.numOfVolumes() == 3
    daemon.restart()
    assert virsh("vol-list", "direct").out.count("unit:0:0:") == 3
    virsh("pool-destroy", "direct")
    assert virsh("pool-delete", "direct", check=False).code != 0


def test_what_it_cannot_do_is_refused(conn, target):
    pool = conn.storagePoolCreateXML(pool_xml())
    volume = pool.storageVolLookupByName("unit:0:0:1")
    assert code_of(pool.createXML, "<volume><name>x</name><capacity>1</capacity></volume>") == libvirt.VIR_ERR_NO_SUPPORT
    assert code_of(pool.createXMLFrom, "<volume><name>x</name><capacity>1</capacity></volume>", volume) == libvirt.VIR_ERR_NO_SUPPORT
    assert code_of(volume.delete) == code_of(volume.resize, 64 * MIB) == libvirt.VIR_ERR_NO_SUPPORT
    assert code_of(volume.wipePattern, libvirt.VIR_STORAGE_VOL_WIPE_ALG_DOD) == libvirt.VIR_ERR_OPERATION_UNSUPPORTED


def test_a_wiped_unit_holds_zeros(conn, target):
    target.files[0].write_bytes(b"\xaa" * 32 * MIB)
    target.files[1].write_bytes(b"\xaa" * 64 * MIB)
    pool = conn.storagePoolCreateXML(pool_xml())
    assert code_of(pool.storageVolLookupByName("unit:0:0:1").delete, libvirt.VIR_STORAGE_VOL_DELETE_ZEROED) == libvirt.VIR_ERR_NO_SUPPORT
    assert target.files[0].read_bytes() == b"\xaa" * 32 * MIB
    pool.storageVolLookupByName("unit:0:0:1").wipe()
    assert target.files[0].read_bytes() == bytes(32 * MIB)
    assert target.files[1].read_bytes() == b"\xaa" * 64 * MIB


def test_data_goes_up_and_comes_down(conn, target, virsh, scratch):
    conn.storagePoolCreateXML(pool_xml())
    data, before = os.urandom(5 * MIB + 77), os.urandom(32 * MIB)
    target.files[0].write_bytes(before)
    (scratch / "data").write_bytes(data)
    for at in (0, 8 * MIB + 33):  # also one that begins and ends within blocks
        virsh("vol-upload", "unit:0:0:1", scratch / "data", "--pool", "direct", "--offset", str(at))
        expected = before[:at] + data + before[at + len(data):]
        assert target.files[0].read_bytes() == expected
        virsh("vol-download", "unit:0:0:1", scratch / "got", "--pool", "direct", "--offset", str(at), "--length", str(len(data)))
        assert (scratch / "got").read_bytes() == data
        target.files[0].write_bytes(before)
    virsh("vol-download", "unit:0:0:1", scratch / "got", "--pool", "direct")
    assert (scratch / "got").read_bytes() == before
    assert target.files[1].read_bytes() == bytes(64 * MIB)
    late = virsh("vol-download", "unit:0:0:1", scratch / "got", "--pool", "direct", "--offset", str(33 * MIB), check=False)
    assert late.code != 0 and "no byte" in late.err
    more = virsh("vol-upload", "unit:0:0:1", scratch / "data", "--pool", "direct", "--offset", str(30 * MIB), check=False)
    assert more.code != 0 and "No space left" in more.err
    assert target.files[0].read_bytes() == before[:30 * MIB] + data[:2 * MIB]


def test_holes_are_kept_and_made(conn, target, virsh, scratch):
    conn.storagePoolCreateXML(pool_xml())
    target.files[1].write_bytes(b"\xaa" * 64 * MIB)
    with open(scratch / "data", "wb") as file:
        file.write(b"begin" * 100)
        file.seek(20 * MIB + 11)
        file.write(b"middle" * 100)
        file.truncate(40 * MIB + 7)
    virsh("vol-upload", "unit:0:0:2", scratch / "data", "--pool", "direct", "--sparse")
    data = (scratch / "data").read_bytes()
    assert target.files[1].read_bytes() == data + b"\xaa" * (24 * MIB - 7)
    virsh("vol-download", "unit:0:0:2", scratch / "got", "--pool", "direct", "--sparse", "--length", str(len(data)))
    assert (scratch / "got").read_bytes() == data
    assert (scratch / "got").stat().st_blocks * 512 < 4 * MIB


@pytest.mark.parametrize("loss", ["cut", "frozen"])
def test_a_server_that_goes_ends_a_transfer(conn, target, loss):
    pool = conn.storagePoolCreateXML(pool_xml())
    volume = pool.storageVolLookupByName("unit:0:0:1")
    stream = conn.newStream()
    volume.upload(stream, 0, 32 * MIB)
    stream.send(b"x" * 100_000)
    wait_until(lambda: target.files[0].read_bytes()[:100_000] == b"x" * 100_000, "nothing arrives")
    target.cut() if loss == "cut" else target.freeze()
    begun = time.monotonic()
    try:
        with pytest.raises(libvirt.libvirtError, match="unit:0:0:1.*after 100000 bytes"):
            for _ in range(100):
                stream.send(b"y" * 100_000)
            stream.finish()
        assert time.monotonic() - begun < 75
        assert conn.listAllDomains() == [] and pool.numOfVolumes() == 2
    finally:
        target.thaw()


def pool_of_files(conn, scratch):
    (scratch / "vms").mkdir()
    return conn.storagePoolCreateXML(f"<pool type='dir'><name>files</name><target><path>{scratch}/vms</path></target></pool>")


def raw_of(image, folder, *options):
    subprocess.run(["qemu-img", "convert", "-O", "raw", *options, image, folder / "plain"], check=True, capture_output=True)
    return (folder / "plain").read_bytes()


@asks
def test_units_are_copied_out(conn, target, scratch):
    conn.secretDefineXML(SECRET).setValue(LOGIN[1].encode())
    pool, files = conn.storagePoolCreateXML(pool_xml(AUTH.format("type='chap'", ""))), pool_of_files(conn, scratch)
    data = os.urandom(3 * MIB) + bytes(29 * MIB)
    target.files[0].write_bytes(data)
    unit = pool.storageVolLookupByName("unit:0:0:1")
    key = conn.secretDefineXML("<secret><uuid>6c56f2cc-1f1e-4b5c-8f0e-7c1a9d6f0a11</uuid><usage type='volume'><volume>key</volume></usage></secret>")
    key.setValue(b"of the copy")
    (scratch / "key").write_bytes(b"of the copy")
    luks = f"<encryption format='luks'><secret type='passphrase' uuid='{key.UUIDString()}'/></encryption>"

    def copy(name, kind, capacity=32 * MIB, more="", flags=0):
        return files.createXMLFrom(f"<volume><name>{name}</name><capacity>{capacity}</capacity>"
                                   f"<target><format type='{kind}'/>{more}</target></volume>", unit, flags)

    assert (raw := copy("plain", "raw")).info()[1:] == [32 * MIB, 3 * MIB]
    assert (scratch / "vms/plain").read_bytes() == data
    assert copy("larger", "qcow2", 40 * MIB).info()[1] == 40 * MIB
    assert raw_of(scratch / "vms/larger", scratch) == data + bytes(8 * MIB)
    copy("hidden", "raw", more=luks)
    assert (scratch / "vms/hidden").read_bytes().startswith(b"LUKS")
    assert raw_of(f"driver=luks,key-secret=k,file.filename={scratch}/vms/hidden", scratch, "--object", f"secret,id=k,file={scratch}/key", "--image-opts") == data
    assert code_of(copy, "shared", "raw", 32 * MIB, "", libvirt.VIR_STORAGE_VOL_CREATE_REFLINK) == libvirt.VIR_ERR_OPERATION_UNSUPPORTED
    assert sorted(files.listVolumes()) == ["hidden", "larger", "plain"]
    raw.delete()


@pytest.mark.parametrize("loss", ["cut", "frozen"])
def test_a_server_that_goes_ends_a_copy(conn, daemon, target, scratch, loss):
    target.add(8 << 30)  # seconds, also where nothing is written
    conn.storagePoolCreateXML(pool_xml())
    files = pool_of_files(conn, scratch)
    xml = "<volume><name>copy</name><capacity>1</capacity></volume>"

    def copy(own):
        unit = own.storagePoolLookupByName("direct").storageVolLookupByName("unit:0:0:3")
        own.storagePoolLookupByName("files").createXMLFrom(xml, unit, 0)
    copying = Outcome(daemon, copy)
    wait_until(lambda: daemon.pids_of("qemu-img convert"), "nothing is copied")
    time.sleep(0.5)
    target.cut() if loss == "cut" else target.freeze()
    try:
        assert "127.0.0.1:3260" in str(copying.wait(150))
    finally:
        target.thaw()
    wait_until(lambda: not daemon.pids_of("qemu-img convert"), "qemu-img goes on")
    assert files.listVolumes() == [] and list((scratch / "vms").iterdir()) == []


def test_targets_are_found(conn, target):
    host = "<host name='127.0.0.1'/>"
    assert code_of(conn.findStoragePoolSources, "iscsi-direct", f"<source>{host}</source>", 0) == libvirt.VIR_ERR_INVALID_ARG
    found = ET.fromstring(conn.findStoragePoolSources(
        "iscsi-direct", f"<source>{host}<initiator><iqn name='{INITIATOR}'/></initiator></source>", 0))
    assert [each.get("path") for each in found.iter("device")] == [IQN]


def test_a_server_that_is_gone_is_told_at_once(conn, target):
    pool = conn.storagePoolDefineXML(pool_xml())
    target.cut()
    begun = time.monotonic()
    assert code_of(pool.create) == libvirt.VIR_ERR_OPERATION_FAILED
    assert time.monotonic() - begun < 60 and not pool.isActive()


def test_the_library_is_missed_by_this_kind_alone(conn, daemon, target, scratch):
    assert daemon.sandbox.run("mount", "--bind", "/dev/null", LIBRARY).returncode == 0
    try:
        pool = conn.storagePoolDefineXML(pool_xml())
        with pytest.raises(libvirt.libvirtError, match="apt install libiscsi7") as error:
            pool.create()
        assert error.value.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT
        conn.storagePoolCreateXML(f"<pool type='dir'><name>d</name><target><path>{scratch}</path></target></pool>")
    finally:
        daemon.sandbox.run("umount", LIBRARY)
    pool.create()
    assert pool.numOfVolumes() == 2


@asks
def test_a_password_is_asked_for(conn, daemon, target):
    pool = conn.storagePoolDefineXML(pool_xml())
    assert code_of(pool.create) == libvirt.VIR_ERR_AUTH_FAILED
    for wrong in (AUTH.format("type='ceph'", ""), "<auth type='chap'><secret usage='disks'/></auth>", "<auth type='chap' username='me'><secret/></auth>"):
        assert code_of(conn.storagePoolDefineXML, pool_xml(wrong)) in (libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_CONFIG_UNSUPPORTED)
    pool.undefine()
    pool = conn.storagePoolDefineXML(pool_xml(AUTH.format("type='chap'", "")))
    assert code_of(pool.create) == libvirt.VIR_ERR_NO_SECRET
    secret = conn.secretDefineXML(SECRET)
    assert code_of(pool.create) == libvirt.VIR_ERR_NO_SECRET
    secret.setValue(b"another-password")
    assert code_of(pool.create) == libvirt.VIR_ERR_AUTH_FAILED
    secret.setValue(LOGIN[1].encode())
    pool.create()
    assert pool.numOfVolumes() == 2
    for text in (pool.XMLDesc(), daemon.log_tail(10_000)):
        assert LOGIN[1] not in text and "another-password" not in text


def disk(source, target, kind="volume"):
    return f"<disk type='{kind}'><driver name='qemu' type='raw'/>{source}<target dev='{target}' bus='virtio'/></disk>"


@asks
def test_a_guest_writes_to_volumes_and_units(conn, daemon, guest, target, shell_of, virsh, scratch):
    conn.secretDefineXML(SECRET).setValue(LOGIN[1].encode())
    conn.storagePoolCreateXML(pool_xml(AUTH.format("type='chap'", "")))
    unit = (f"<source protocol='iscsi' name='{IQN}/2'><host name='127.0.0.1' port='3260'/>"
            f"{AUTH.format('', 'type=%siscsi%s' % (chr(39), chr(39)))}</source>")
    volume = disk("<source pool='direct' volume='unit:0:0:1'/>", "vda")
    domain = conn.createXML(guest("stored", devices=volume + disk(unit, "vdb", "network")))
    shell = shell_of("stored", 60)
    assert shell.run("cat /sys/block/vda/size /sys/block/vdb/size").split() == [str(32 * MIB // 512), str(64 * MIB // 512)]
    for device in ("vda", "vdb"):
        shell.run(f"printf 'on {device}' | dd of=/dev/{device} conv=notrunc,fsync 2>/dev/null")
    assert target.files[0].read_bytes().startswith(b"on vda") and target.files[1].read_bytes().startswith(b"on vdb")
    assert code_of(domain.blockInfo, "vda") == code_of(domain.blockInfo, "vdb") == libvirt.VIR_ERR_OPERATION_UNSUPPORTED
    live = ET.fromstring(domain.XMLDesc()).find("devices/disk")
    assert live.get("type") == "volume" and live.find("source").get("pool") == "direct" and live.find("source").get("protocol") is None
    arguments = "".join(open(f"/proc/{pid}/cmdline").read() for pid in daemon.pids_of("guest=stored"))
    assert "iscsi" in arguments
    assert LOGIN[1] not in arguments + domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    # Nothing is left behind when it goes, also for a daemon that did not see it come: it can come again.
    daemon.restart()
    (scratch / "disk.xml").write_text(volume)
    virsh("detach-device", "stored", scratch / "disk.xml")
    assert "vda" not in virsh("domblklist", "stored").out
    virsh("attach-device", "stored", scratch / "disk.xml")
    assert "unit:0:0:1" in virsh("domblklist", "stored").out
    assert shell_of("stored").run("dd if=/dev/vda bs=6 count=1 2>/dev/null") == "on vda"
