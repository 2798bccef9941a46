"""What becomes of what guests write: kept, thrown away, or put into an image on top of another."""
import hashlib
import os
import pathlib
import subprocess

import libvirt
import pytest

from harness.guest import guest_xml
from harness.wait import wait_until


@pytest.fixture
def disk(scratch):
    """A qcow2 image whose first bytes are 'original'."""
    (scratch / "raw").write_bytes(b"original".ljust(4 << 20, b"\0"))
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", scratch / "raw", scratch / "disk.qcow2"], check=True)
    return scratch / "disk.qcow2"


def start(conn, shell_of, xml):
    domain = conn.defineXML(xml)
    domain.create()
    return domain, shell_of(domain.name())


def end(domain):
    domain.destroy()
    wait_until(lambda: not domain.isActive(), "the guest did not end")


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def first_bytes(shell):
    return shell.run("head -c 8 /dev/vda").strip()


def write(shell, text):
    shell.run(f"printf {text} | dd of=/dev/vda conv=fsync,notrunc 2>/dev/null")


def transient(xml):
    assert "<target dev='vda' bus='virtio'/></disk>" in xml
    return xml.replace("<target dev='vda' bus='virtio'/></disk>", "<target dev='vda' bus='virtio'/><transient/></disk>")


@pytest.mark.parametrize("kind", ["qcow2", "raw"])
def test_changes_of_a_transient_disk_are_thrown_away(conn, daemon, guest_assets, shell_of, disk, scratch, kind):
    path = disk if kind == "qcow2" else scratch / "raw"
    before, files = digest(path), sorted(os.listdir(scratch))
    domain, shell = start(conn, shell_of, transient(guest_xml("passing", disks=[path])))
    assert first_bytes(shell) == "original"
    write(shell, "changed!")
    assert first_bytes(shell) == "changed!"
    assert "<transient/>" in domain.XMLDesc()
    daemon.kill()  # it has nothing to do with the disk's end
    daemon.start()
    assert sorted(os.listdir(scratch)) == files
    assert digest(path) == before
    connection = libvirt.open(daemon.uri)
    domain = connection.lookupByName("passing")
    end(domain)
    assert digest(path) == before
    domain.create()
    assert first_bytes(shell_of("passing")) == "original"
    end(domain)
    connection.close()


def test_several_guests_read_one_image_and_none_may_write_to_it_meanwhile(conn, guest_assets, shell_of, disk):
    guests = [start(conn, shell_of, transient(guest_xml(f"guest{i}", disks=[disk]))) for i in range(2)]
    for number, (_, shell) in enumerate(guests):
        write(shell, f"guest-{number}!")
    assert [first_bytes(shell) for _, shell in guests] == ["guest-0!", "guest-1!"]
    writer = conn.defineXML(guest_xml("writer", disks=[disk]))
    with pytest.raises(libvirt.libvirtError) as refusal:
        writer.create()
    assert refusal.value.get_error_code() == libvirt.VIR_ERR_RESOURCE_BUSY
    for domain, _ in guests:
        end(domain)
    writer.create()
    end(writer)


def test_what_would_lose_the_changes_or_keep_them_is_refused(conn, guest_assets, disk, scratch):
    domain = conn.defineXML(transient(guest_xml("passing", disks=[disk])))
    domain.create()
    for act, code in ((lambda: domain.save(str(scratch / "saved")), libvirt.VIR_ERR_OPERATION_UNSUPPORTED),
                      (domain.managedSave, libvirt.VIR_ERR_OPERATION_UNSUPPORTED),
                      (lambda: domain.snapshotCreateXML("<domainsnapshot/>"), libvirt.VIR_ERR_CONFIG_UNSUPPORTED)):
        with pytest.raises(libvirt.libvirtError) as refusal:
            act()
        assert refusal.value.get_error_code() == code and "transient" in str(refusal.value)
    assert not (scratch / "saved").exists()
    end(domain)


def test_a_transient_disk_comes_and_goes_while_the_guest_runs(conn, guest_assets, shell_of, disk):
    domain, shell = start(conn, shell_of, guest_xml("plugged"))
    before = digest(disk)
    xml = (f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>"
           "<target dev='vda' bus='virtio'/><transient/></disk>")
    domain.attachDevice(xml)
    wait_until(lambda: "vda" in shell.run("ls /sys/block"), "the disk did not come")
    write(shell, "changed!")
    domain.detachDevice(xml)
    wait_until(lambda: "<disk" not in domain.XMLDesc(), "the disk did not go")
    assert digest(disk) == before
    domain.attachDevice(xml)
    wait_until(lambda: "vda" in shell.run("ls /sys/block"), "the disk did not come again")
    assert first_bytes(shell) == "original"
    end(domain)


def test_a_guest_starts_from_an_image_on_top_of_another(conn, virsh, guest_assets, shell_of, disk, scratch):
    """As `qemu-img create -f qcow2 -b disk -F qcow2 over` does it."""
    virsh("pool-create-as", "images", "dir", "--target", scratch)
    virsh("vol-create-as", "images", "over.qcow2", "4M", "--format", "qcow2", "--backing-vol", "disk.qcow2",
          "--backing-vol-format", "qcow2")
    before = digest(disk)
    domain, shell = start(conn, shell_of, guest_xml("over", disks=[scratch / "over.qcow2"]))
    assert first_bytes(shell) == "original"
    write(shell, "changed!")
    end(domain)
    domain.create()
    assert first_bytes(shell_of("over")) == "changed!"
    end(domain)
    assert digest(disk) == before
    subprocess.run(["qemu-img", "check", "-q", scratch / "over.qcow2"], check=True)


@pytest.mark.parametrize("by", ["destroy", "client"])
def test_an_abrupt_end_loses_nothing_that_qemu_has_of_an_image(conn, daemon, guest_assets, shell_of, disk, by):
    """What the guest has written and not flushed is in its image, tables of the format included."""
    client = libvirt.open(daemon.uri)
    domain = client.createXML(guest_xml("abrupt", disks=[disk]), libvirt.VIR_DOMAIN_START_AUTODESTROY)
    shell = shell_of("abrupt")
    shell.run("dd if=/dev/zero bs=64k count=1 2>/dev/null | tr '\\0' x | dd of=/dev/vda bs=64k seek=20 conv=notrunc 2>/dev/null; sync")
    if by == "destroy":
        domain.destroy()
    domain = None  # it would keep the connection open
    client.close()
    if by == "client":
        wait_until(lambda: conn.listAllDomains() == [], "the domain stayed")
    read = subprocess.run(["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=64k", "skip=20", "count=21", f"if={disk}", f"of={disk}.raw"],
                          capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    assert pathlib.Path(f"{disk}.raw").read_bytes()[:65536] == b"x" * 65536
