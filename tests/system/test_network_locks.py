"""An image on a server that one domain of a host writes to is no other's."""
import contextlib
import subprocess

import libvirt
import pytest

from harness.target import iscsi_target
from harness.wait import wait_until
from test_locks import LIVE, PORTS, busy, make, refusal, start  # noqa: F401

IQN = "iqn.2026-01.org.example:disks"


@contextlib.contextmanager
def nbd_server(image, socket, export="one"):
    server = subprocess.Popen(["qemu-nbd", "--persistent", "--shared=0", "--format=raw", "--export-name", export, "--socket", socket, image],
                              stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until(socket.exists, "qemu-nbd does not listen")
        yield socket
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def nbd(scratch):
    with nbd_server(make(scratch / "one.raw"), scratch / "socket") as socket:
        yield socket


def disk(socket, target="vda", inside="", export="one"):
    return (f"<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd' name='{export}'>"
            f"<host transport='unix' socket='{socket}'/></source><target dev='{target}' bus='virtio'/>{inside}</disk>")


def locks(daemon):
    return [each for each in daemon.root.rglob("network-images/*")]


def test_a_second_domain_is_refused_by_name(conn, daemon, nbd, start):
    holder = start(conn, "holder", disk(nbd))
    said = busy(start, conn, "late", disk(nbd))
    assert "disk 'vda'" in said and f"'nbd://unix:{nbd}/one' is in use by domain 'holder' (uuid {holder.UUIDString()}, process " in said
    assert "domus shutdown holder" in said and [each.name() for each in conn.listAllDomains()] == ["holder"]
    holder.destroy()
    said = busy(start, conn, "twice", disk(nbd), disk(nbd, "vdb"))
    assert "disk 'vdb'" in said and "this daemon" in said
    late = start(conn, "late", disk(nbd))
    assert "domain 'late'" in busy(start, conn, "holder", disk(nbd))
    late.destroy()


def test_the_lock_outlives_the_daemon_and_ends_with_the_guest(daemon, nbd, start):
    start(libvirt.open(daemon.uri), "holder", disk(nbd))
    daemon.kill()
    daemon.start()
    conn = libvirt.open(daemon.uri)
    assert "domain 'holder'" in busy(start, conn, "late", disk(nbd))
    daemon.restart()
    conn = libvirt.open(daemon.uri)
    assert "domain 'holder'" in busy(start, conn, "late", disk(nbd))
    conn.lookupByName("holder").resume()  # what QEMU has no use for goes while it runs
    daemon.restart()
    conn = libvirt.open(daemon.uri)
    assert "domain 'holder'" in busy(start, conn, "late", disk(nbd))
    for pid in daemon.pids_of("guest=holder"):
        subprocess.run(["kill", "-9", str(pid)], check=True)
    wait_until(lambda: not daemon.pids_of("guest=holder"), "the guest's process is still there")
    start(conn, "late", disk(nbd)).destroy()


def test_readers_and_those_who_share_go_together(conn, daemon, nbd, start):
    for inside in ("<readonly/>", "<shareable/>"):
        both = [start(conn, name, disk(nbd, inside=inside)) for name in ("one", "two")]
        assert "in use by domain" in busy(start, conn, "writer", disk(nbd))
        for each in both:
            each.destroy()
    writer = start(conn, "writer", disk(nbd))
    assert "domain 'writer'" in busy(start, conn, "reader", disk(nbd, inside="<readonly/>"))
    assert "domain 'writer'" in busy(start, conn, "sharing", disk(nbd, inside="<shareable/>"))
    writer.destroy()


def test_another_export_is_another_image(conn, daemon, nbd, start, scratch):
    with nbd_server(make(scratch / "two.raw"), scratch / "second", "two") as second:
        both = [start(conn, "one", disk(nbd)), start(conn, "two", disk(second, export="two"))]
        assert len(locks(daemon)) == 2
        both[0].destroy()
        third = start(conn, "one", disk(nbd))
        assert len(locks(daemon)) == 2  # what is not used goes
        third.destroy()
        both[1].destroy()


def test_disks_that_come_and_go_take_and_give_the_lock(conn, daemon, nbd, start):
    holder, rival = start(conn, "holder", PORTS), start(conn, "rival", PORTS)
    holder.attachDeviceFlags(disk(nbd, "vdb"), LIVE)
    assert "domain 'holder'" in busy(rival.attachDeviceFlags, disk(nbd, "vdb"), LIVE)
    assert "vdb" not in rival.XMLDesc()
    holder.destroy()
    rival.attachDeviceFlags(disk(nbd, "vdb"), LIVE)
    rival.destroy()


def test_an_unplugged_disk_is_another_s(conn, daemon, nbd, guest, shell_of, start):
    holder = conn.createXML(guest("holder", devices=disk(nbd)))
    shell_of("holder", 60).run("true")
    holder.detachDeviceFlags(disk(nbd), LIVE)
    wait_until(lambda: "vda" not in holder.XMLDesc(), "the disk is not unplugged")

    def free():
        try:
            start(conn, "late", disk(nbd)).destroy()
            return True
        except libvirt.libvirtError as error:
            assert error.get_error_code() == libvirt.VIR_ERR_RESOURCE_BUSY
            return False

    wait_until(free, "the lock stays with the one who had the disk")
    assert "while taking a device back" not in daemon.log_tail(1000)
    holder.attachDeviceFlags(disk(nbd), LIVE)
    assert "domain 'holder'" in busy(start, conn, "late", disk(nbd))


def test_a_volume_and_the_unit_that_it_is_are_one_image(conn, daemon, start):
    with iscsi_target(IQN, [32 << 20], None, daemon.sandbox.command):
        conn.storagePoolCreateXML(
            f"<pool type='iscsi-direct'><name>direct</name><source><host name='127.0.0.1'/><device path='{IQN}'/>"
            "<initiator><iqn name='iqn.2026-01.org.example:host'/></initiator></source></pool>")
        shape = "<disk type='{}'><driver name='qemu' type='raw'/>{}<target dev='vda' bus='virtio'/></disk>"
        volume = shape.format("volume", "<source pool='direct' volume='unit:0:0:1'/>")
        unit = shape.format("network", f"<source protocol='iscsi' name='{IQN}/1'><host name='127.0.0.1' port='3260'/></source>")
        for first, second in ((volume, unit), (unit, volume)):
            holder = start(conn, "holder", first)
            assert "domain 'holder'" in busy(start, conn, "late", second)
            holder.destroy()


def test_a_volume_in_use_is_left_alone(conn, daemon, start, scratch, virsh):
    with iscsi_target(IQN, [8 << 20], None, daemon.sandbox.command) as target:
        target.files[0].write_bytes(b"mine" * (2 << 20))
        pool = conn.storagePoolCreateXML(
            f"<pool type='iscsi-direct'><name>direct</name><source><host name='127.0.0.1'/><device path='{IQN}'/>"
            "<initiator><iqn name='iqn.2026-01.org.example:host'/></initiator></source></pool>")
        volume = pool.storageVolLookupByName("unit:0:0:1")
        unit = "<disk type='volume'><driver name='qemu' type='raw'/><source pool='direct' volume='unit:0:0:1'/><target dev='vda' bus='virtio'/></disk>"
        holder = start(conn, "holder", unit)
        for call, arguments in ((volume.wipe, ()), (volume.upload, (conn.newStream(), 0, 0))):
            error = refusal(call, *arguments)
            assert error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID, error
            assert "volume 'unit:0:0:1' is still in use" in str(error) and "domain 'holder'" in str(error)
        virsh("vol-download", "unit:0:0:1", scratch / "got", "--pool", "direct")
        assert (scratch / "got").read_bytes() == target.files[0].read_bytes() == b"mine" * (2 << 20)
        holder.destroy()
        stream = conn.newStream()
        volume.upload(stream, 0, 8 << 20)
        stream.send(b"x" * 1000)
        assert "this daemon" in busy(start, conn, "early", unit)
        assert "is still in use" in str(refusal(volume.wipe))
        stream.abort()

        def free():
            try:
                start(conn, "early", unit).destroy()
                return True
            except libvirt.libvirtError as error:
                assert error.get_error_code() == libvirt.VIR_ERR_RESOURCE_BUSY
                return False

        wait_until(free, "an upload that was broken off still holds the unit")
        volume.wipe()
        assert target.files[0].read_bytes() == bytes(8 << 20)
