"""Work on a volume that takes long: it tells how far it is, and holds up nobody but those who want the same volume."""
import contextlib
import os
import signal
import subprocess

import libvirt
import pytest

from harness.calls import refused
from harness.daemon import BUILD
from harness.wait import wait_until

MIB = 1 << 20


def volume_xml(name, size=256 * MIB, kind="qcow2"):
    return f"<volume><name>{name}</name><capacity>{size}</capacity><target><format type='{kind}'/></target></volume>"


@pytest.fixture
def pool(conn, scratch):
    """With a volume 'source' that holds data."""
    folder = scratch / "vms"
    folder.mkdir()
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>vms</name><target><path>{folder}</path></target></pool>")
    source = pool.createXML(volume_xml("source"))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 7 0 256M", source.path()], check=True)
    return pool


@contextlib.contextmanager
def held(daemon, *command):
    """Runs what has qemu-img work, and holds that in the middle of it; it goes on and ends well afterwards."""
    with subprocess.Popen([*command], stdout=subprocess.DEVNULL) as asking:
        wait_until(lambda: daemon.pids_of("qemu-img"), "nothing begins", pause=0.001)
        [worker] = daemon.pids_of("qemu-img")
        os.kill(worker, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(worker, signal.SIGCONT)
        assert asking.wait() == 0


def test_a_clone_that_takes_long_holds_up_nothing_else(conn, daemon, virsh, pool):
    invalid = libvirt.VIR_ERR_OPERATION_INVALID
    source = pool.storageVolLookupByName("source")
    with held(daemon, "virsh", "-c", daemon.uri, "vol-clone", "source", "copy", "--pool", "vms"):
        made = pool.storageVolLookupByName("copy")
        assert made.info()[:2] == [libvirt.VIR_STORAGE_VOL_FILE, 256 * MIB]
        assert "256.00 MiB" in virsh("vol-info", "copy", "--pool", "vms").out
        assert pool.listVolumes() == ["source"], "none is listed before it is whole"
        for call, *arguments in ((made.delete,), (made.resize, 512 * MIB), (made.wipe,), (pool.createXMLFrom, volume_xml("twice"), made),
                                 (made.download, conn.newStream(), 0, 0), (made.upload, conn.newStream(), 0, 0)):
            assert "volume 'copy' is still being allocated." in refused(invalid, call, *arguments)
        assert "being copied" in refused(invalid, source.delete)
        assert "volume 'source' is still in use." in refused(invalid, source.resize, 512 * MIB)
        assert "being made" in refused(libvirt.VIR_ERR_STORAGE_VOL_EXIST, pool.createXML, volume_xml("copy"))
        assert "pool 'vms' has asynchronous jobs running." in refused(libvirt.VIR_ERR_INTERNAL_ERROR, pool.destroy)
        assert "'copy' is being made" in refused(libvirt.VIR_ERR_INTERNAL_ERROR, pool.destroy)
        other = pool.createXML(volume_xml("other", MIB))
        other.resize(2 * MIB)
        other.wipe()
        other.delete()
        again = pool.createXMLFrom(volume_xml("second"), source)
        pool.refresh()
        assert again.info()[1] == 256 * MIB and sorted(pool.listVolumes()) == ["second", "source"]
    for copy in ("copy", "second"):
        path = pool.storageVolLookupByName(copy).path()
        assert subprocess.run(["qemu-img", "compare", "-q", "-f", "qcow2", "-F", "qcow2", source.path(), path]).returncode == 0
        pool.storageVolLookupByName(copy).delete()
    source.delete()
    pool.destroy()


def test_a_volume_on_which_somebody_works_is_left_alone(conn, daemon, pool):
    source = pool.storageVolLookupByName("source")
    with held(daemon, "virsh", "-c", daemon.uri, "vol-resize", "source", "512M", "--pool", "vms"):
        said = refused(libvirt.VIR_ERR_OPERATION_INVALID, source.delete)
        assert "volume 'source' is still in use." in said and "being resized" in said
        refused(libvirt.VIR_ERR_OPERATION_INVALID, source.wipe)
        refused(libvirt.VIR_ERR_OPERATION_INVALID, pool.createXMLFrom, volume_xml("copy"), source)
        refused(libvirt.VIR_ERR_OPERATION_INVALID, source.download, conn.newStream(), 0, 0)
        assert source.info()[1] in (256 * MIB, 512 * MIB)
    assert source.info()[1] == 512 * MIB
    source.delete()


def test_domus_shows_how_far_a_clone_is(daemon, pool, terminal):
    screen = terminal(BUILD / "bin/domus", "-c", daemon.uri, "vol-clone", "source", "copy", "vms")
    wait_until(lambda: daemon.pids_of("qemu-img"), "nothing begins", pause=0.001)
    [worker] = daemon.pids_of("qemu-img")
    wait_until(lambda: pool.storageVolLookupByName("copy").info()[2] > MIB, "nothing is written", pause=0.001)
    os.kill(worker, signal.SIGSTOP)
    try:
        screen.expect(r"Copying source to copy \[#+ *\] +\d+ % +[\d.]+ MiB/s +\d+:\d\d left")
    finally:
        os.kill(worker, signal.SIGCONT)
    assert screen.wait() == 0
