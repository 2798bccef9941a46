"""Domains with disks on a real Ceph: named as images on a server, and as volumes of a pool."""
import xml.etree.ElementTree as ET

import libvirt
import pytest

from conftest import UUID
from harness.daemon import run
from harness.wait import wait_until

PLAIN = b"this was written before the guest"


def network_disk(ceph, image, target="vda"):
    return (f"<disk type='network'><driver name='qemu' type='raw'/><source protocol='rbd' name='rbd/{image}'><host name='{ceph.host}' port='{ceph.port}'/>"
            f"<auth username='{ceph.client}'><secret type='ceph' uuid='{UUID}'/></auth></source><target dev='{target}' bus='virtio'/></disk>")


def volume_disk(volume, target="vdb", pool="p", device="disk", bus="virtio"):
    return (f"<disk type='volume' device='{device}'><source pool='{pool}' volume='{volume}'/><target dev='{target}' bus='{bus}'/></disk>")


def put(ceph, image, folder):
    (folder / "data").write_bytes(PLAIN + bytes((4 << 20) - len(PLAIN)))
    ceph.run("rbd", "import", "--no-progress", folder / "data", f"rbd/{image}")


def first_bytes(shell, device):
    return shell.run(f"dd if={device} bs={len(PLAIN)} count=1 2>/dev/null")


def test_a_guest_reads_and_writes_its_disks(conn, daemon, virsh, pool, ceph, guest, shell_of, scratch):
    for image in ("one", "two"):
        put(ceph, image, scratch)
    pool.refresh()
    domain = conn.defineXML(guest("web", devices=network_disk(ceph, "one") + volume_disk("two")))
    domain.create()
    shell = shell_of("web")
    for image, device in (("one", "/dev/vda"), ("two", "/dev/vdb")):
        assert first_bytes(shell, device) == PLAIN.decode()
        shell.run(f"printf 'by the guest, {image}' | dd of={device} conv=notrunc,fsync 2>/dev/null")
    disks = ET.fromstring(domain.XMLDesc()).findall("devices/disk")
    assert [disk.get("type") for disk in disks] == ["network", "volume"]
    assert disks[1].find("source").attrib.items() >= {"pool": "p", "volume": "two"}.items()
    assert disks[1].find("source/host") is None
    command = "".join(open(f"/proc/{pid}/cmdline").read() for pid in daemon.pids_of("guest=web"))
    assert ceph.client_key not in command + domain.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE) + daemon.log_tail(10_000)
    daemon.kill()  # the guest goes on, and the next daemon knows its disks as they were
    daemon.start()
    domain = libvirt.open(daemon.uri).lookupByName("web")
    assert [disk.get("type") for disk in ET.fromstring(domain.XMLDesc()).findall("devices/disk")] == ["network", "volume"]
    wait_until(domain.connect().storagePoolLookupByName("p").isActive, "the pool is not active again")
    domain.detachDevice(volume_disk("two"))
    wait_until(lambda: len(ET.fromstring(domain.XMLDesc()).findall("devices/disk")) == 1, "the disk does not go")
    domain.attachDevice(volume_disk("two"))
    assert first_bytes(shell_of("web"), "/dev/vdb").startswith("by the guest, two")
    for image, other in (("one", volume_disk("one")), ("two", network_disk(ceph, "two"))):
        with pytest.raises(libvirt.libvirtError, match=f"'rbd://.*/rbd/{image}' is in use by domain 'web'") as error:
            domain.connect().createXML(guest("late", devices=other))
        assert error.value.get_error_code() == libvirt.VIR_ERR_RESOURCE_BUSY
        volume = domain.connect().storagePoolLookupByName("p").storageVolLookupByName(image)
        for call, arguments in ((volume.wipe, ()), (volume.delete, ()), (volume.resize, (64 << 20,))):
            with pytest.raises(libvirt.libvirtError, match="is still in use.*domain 'web'"):
                call(*arguments)
    domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)  # it says good-bye to Ceph, which would wait for it
    for image in ("one", "two"):
        ceph.run("rbd", "export", "--no-progress", f"rbd/{image}", scratch / f"{image}.out")
        assert (scratch / f"{image}.out").read_bytes().startswith(f"by the guest, {image}".encode())
    domain.undefine()
    domain.connect().close()


def test_virt_install_takes_a_volume_and_its_login(conn, daemon, virsh, secret, ceph):
    virsh("pool-create-as", "p", "rbd", "--source-host", ceph.host, "--source-name", "rbd", "--auth-type", "ceph",
          "--auth-username", ceph.client, "--secret-uuid", UUID)
    virsh("vol-create-as", "p", "one", "8M")
    run("virt-install", "--connect", daemon.uri, "--import", "--name", "web", "--memory", "64", "--virt-type", "qemu", "--disk", "vol=p/one",
        "--osinfo", "generic", "--network", "none", "--graphics", "none", "--noautoconsole")
    domain = conn.lookupByName("web")
    disk = ET.fromstring(domain.XMLDesc()).find("devices/disk")
    assert disk.find("source").get("name") == "rbd/one" and disk.find(".//auth/secret").get("uuid") == UUID
    assert domain.isActive()
    domain.destroyFlags(libvirt.VIR_DOMAIN_DESTROY_GRACEFUL)
    domain.undefine()
    virsh("vol-delete", "one", "--pool", "p")
    virsh("pool-destroy", "p")


def test_what_is_wrong_with_a_disk_is_said(conn, daemon, pool, ceph, guest):
    domain = conn.defineXML(guest("web", devices=volume_disk("absent")))
    with pytest.raises(libvirt.libvirtError, match="disk 'vdb'") as error:
        domain.create()
    assert error.value.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL
    domain = conn.defineXML(guest("web", devices=volume_disk("x", pool="absent")).replace("<name>web</name>", f"<name>web</name><uuid>{domain.UUIDString()}</uuid>"))
    with pytest.raises(libvirt.libvirtError) as error:
        domain.create()
    assert error.value.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL
    domain.undefine()
    domain = conn.defineXML(guest("web", devices=network_disk(ceph, "absent")))
    with pytest.raises(libvirt.libvirtError, match="absent") as error:
        domain.create()
    assert not domain.isActive()
    domain.undefine()
