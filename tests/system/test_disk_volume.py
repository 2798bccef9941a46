"""Disks that name a volume of a pool: <disk type='volume'>."""
import os
import subprocess
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import code_of


@pytest.fixture
def pool(conn, scratch):
    folder = scratch / "pool"
    folder.mkdir()
    for name, kind in (("one.qcow2", "qcow2"), ("two.raw", "raw")):
        subprocess.run(["qemu-img", "create", "-q", "-f", kind, folder / name, "8M"], check=True)
    return conn.storagePoolCreateXML(f"<pool type='dir'><name>p</name><target><path>{folder}</path></target></pool>")


def disk(volume, target, kind=" type='qcow2'", more="", pool="p", bus="virtio", device="disk"):
    return (f"<disk type='volume' device='{device}'><driver name='qemu'{kind}/><source pool='{pool}' volume='{volume}'{more}/>"
            f"<target dev='{target}' bus='{bus}'/></disk>")


def test_a_guest_uses_the_volume_and_people_see_its_name(conn, daemon, guest, pool, shell_of, virsh, scratch):
    domain = conn.defineXML(guest("stored", devices=disk("one.qcow2", "vda")))
    domain.create()
    shell = shell_of("stored", 60)
    shell.run("printf 'by the guest' | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null")
    for live in (ET.fromstring(domain.XMLDesc()).find("devices/disk"), ET.fromstring(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).find("devices/disk")):
        assert live.get("type") == "volume" and live.find("driver").get("type") == "qcow2"
        assert live.find("source").get("pool") == "p" and live.find("source").get("volume") == "one.qcow2" and live.find("source").get("file") is None
    assert "one.qcow2" in virsh("domblklist", "stored").out
    assert domain.blockInfo("vda")[0] == 8 << 20
    # Another one comes and goes, also past a restart of the daemon. Without a format it is raw, whatever a guest put there.
    (scratch / "disk.xml").write_text(disk("two.raw", "vdb", kind=""))
    virsh("attach-device", "stored", scratch / "disk.xml")
    assert str((8 << 20) // 512) in shell.run("sleep 1; cat /sys/block/vdb/size")
    daemon.restart()
    assert "two.raw" in virsh("domblklist", "stored").out
    virsh("detach-device", "stored", scratch / "disk.xml")
    assert "two.raw" not in virsh("domblklist", "stored").out
    virsh("attach-device", "stored", scratch / "disk.xml")
    virsh("destroy", "stored")
    image = scratch / "pool/one.qcow2"
    found = subprocess.run(["qemu-img", "dd", "-O", "raw", f"if={image}", f"of={scratch}/head", "bs=512", "count=1"])
    assert found.returncode == 0 and (scratch / "head").read_bytes().startswith(b"by the guest")


def test_a_medium_may_be_a_volume(conn, guest, pool, virsh, scratch):
    drive = disk("two.raw", "sda", kind=" type='raw'", bus="sata", device="cdrom")
    domain = conn.createXML(guest("drive", devices=drive))
    assert "two.raw" in virsh("domblklist", "drive").out
    (scratch / "other.xml").write_text(drive.replace("two.raw", "three.raw"))
    subprocess.run(["qemu-img", "create", "-q", "-f", "raw", scratch / "pool/three.raw", "4M"], check=True)
    virsh("update-device", "drive", scratch / "other.xml", "--force")
    live = ET.fromstring(domain.XMLDesc()).find("devices/disk")
    assert live.get("type") == "volume" and live.find("source").get("volume") == "three.raw"
    (scratch / "absent.xml").write_text(drive.replace("two.raw", "absent"))
    assert "absent" in virsh("update-device", "drive", scratch / "absent.xml", check=False).err
    assert "three.raw" in virsh("domblklist", "drive").out


def test_what_cannot_be_found_is_refused_before_anything_runs(conn, daemon, guest, pool):
    def start(devices):
        return code_of(conn.createXML, guest("never", devices=devices))

    assert start(disk("absent", "vda")) == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert start(disk("one.qcow2", "vda", pool="absent")) == libvirt.VIR_ERR_NO_STORAGE_POOL
    assert start(disk("one.qcow2", "vda", more=" mode='direct'")) == libvirt.VIR_ERR_XML_ERROR
    assert start(disk("one.qcow2", "sda", bus="scsi", device="lun")) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    conn.storagePoolDefineXML(pool.XMLDesc())  # it stays when it is stopped
    pool.destroy()
    assert start(disk("one.qcow2", "vda")) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert conn.listAllDomains() == [] and daemon.pids_of("guest=never") == []


def test_snapshots_lie_in_the_volume(conn, guest, pool, virsh, scratch):
    def tags():
        listed = subprocess.run(["qemu-img", "snapshot", "-U", "-l", scratch / "pool/one.qcow2"], text=True, capture_output=True, check=True).stdout
        return [line.split()[1] for line in listed.splitlines()[2:]]

    domain = conn.defineXML(guest("kept", devices=disk("one.qcow2", "vda")))
    virsh("snapshot-create-as", "kept", "off")
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    virsh("snapshot-create-as", "kept", "on")
    assert tags() == ["off", "on"]
    virsh("snapshot-delete", "kept", "on")
    virsh("snapshot-revert", "kept", "off")
    assert not domain.isActive() and tags() == ["off"]
    pool.destroy()
    conn.storagePoolCreateXML(f"<pool type='dir'><name>other</name><target><path>{scratch}/pool</path></target></pool>")
    assert "no storage pool" in virsh("snapshot-create-as", "kept", "late", check=False).err
    assert tags() == ["off"]


def test_what_is_below_may_be_a_volume(conn, daemon, guest, pool, shell_of, virsh, scratch):
    (scratch / "pool/two.raw").write_bytes(b"from below" + bytes((8 << 20) - 10))
    below = "<backingStore type='volume'><format type='raw'/><source pool='p' volume='{}'/><backingStore/></backingStore>"

    def over(volume, target="vda", source="<source pool='p' volume='one.qcow2'/>", kind="volume"):
        return (f"<disk type='{kind}' device='disk'><driver name='qemu' type='qcow2'/>{source}{below.format(volume)}"
                f"<target dev='{target}' bus='virtio'/></disk>")

    assert code_of(conn.createXML, guest("never", devices=over("absent"))) == libvirt.VIR_ERR_NO_STORAGE_VOL
    domain = conn.createXML(guest("stored", devices=over("two.raw")))
    shell = shell_of("stored", 60)
    assert shell.run("dd if=/dev/vda bs=10 count=1 2>/dev/null") == "from below"

    def said(target):
        disk = [each for each in ET.fromstring(domain.XMLDesc()).iter("disk") if each.find("target").get("dev") == target]
        return [(each.find("backingStore").get("type"), each.find("backingStore/source").attrib.get("volume"), each.find("backingStore/source").get("file")) for each in disk]

    assert said("vda") == [("volume", "two.raw", None)]
    [descriptors] = [[os.path.realpath(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd")] for pid in daemon.pids_of("guest=stored")]
    assert str(scratch / "pool/two.raw") in descriptors
    # In one that is a file too, which comes and goes past a restart of the daemon.
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", scratch / "top.qcow2", "8M"], check=True)
    (scratch / "disk.xml").write_text(over("two.raw", "vdb", f"<source file='{scratch}/top.qcow2'/>", "file"))
    virsh("attach-device", "stored", scratch / "disk.xml")
    assert said("vdb") == [("volume", "two.raw", None)]
    assert shell.run("sleep 1; dd if=/dev/vdb bs=10 count=1 2>/dev/null") == "from below"
    daemon.restart()
    virsh("detach-device", "stored", scratch / "disk.xml")
    assert "top.qcow2" not in virsh("domblklist", "stored").out
    assert "while taking a device back" not in daemon.log_tail(1000)
    virsh("attach-device", "stored", scratch / "disk.xml")


def test_a_volume_may_be_transient(conn, guest, pool, scratch):
    before = (scratch / "pool/one.qcow2").read_bytes()
    domain = conn.createXML(guest("brief", devices=disk("one.qcow2", "vda").replace("</disk>", "<transient/></disk>")))
    live = ET.fromstring(domain.XMLDesc()).find("devices/disk")
    assert live.get("type") == "volume" and live.find("transient") is not None
    domain.destroy()
    assert (scratch / "pool/one.qcow2").read_bytes() == before
