"""Images on an NFS server, with two hosts that have it mounted: who writes to one keeps the other off, and is named."""
import json
import os
import pathlib
import signal
import subprocess

import libvirt
import pytest

from harness.daemon import run
from harness.guest import guest_xml
from harness.sandbox import live_processes
from harness.wait import wait_until
from servers import nfs_server

PAUSED = 1
MIB = 1 << 20


@pytest.fixture
def hosts(_event_loop, make_daemon, tmp_path):
    """Two daemons as if on two hosts: with names and mounts of their own. Each with a connection and its folder."""
    made = []
    with nfs_server(64 * MIB) as server:
        try:
            for name, version in (("near", "4.1"), ("far", "4.2")):
                folder = tmp_path / name
                folder.mkdir()
                # By two versions of the protocol the kernel is two clients, and the server treats them as such.
                run("mount", "-t", "nfs4", "-o", f"nosharecache,vers={version}", f"{server.host}:{server.path}", folder)
                daemon = make_daemon(private=False)
                daemon.stop()
                wrapper = tmp_path / f"domusd-{name}"
                wrapper.write_text(f"#!/bin/sh\nexec unshare --uts sh -c 'hostname {name}; exec {daemon.binary} \"$@\"' domusd \"$@\"\n")
                wrapper.chmod(0o755)
                daemon.binary = wrapper
                daemon.start()
                made.append((daemon, libvirt.open(daemon.uri), folder))
            yield made
        finally:
            # Before the server ends, or they would wait for it.
            for daemon, _conn, folder in made:
                for name in daemon.virsh("list", "--name", check=False).out.split():
                    daemon.virsh("destroy", name, check=False)
                run("umount", folder)


def kill_guest(name):
    """As the host's own failure would; its daemon is not asked."""
    pids = [pid for pid, line in live_processes() if f"guest={name}," in line]
    assert pids, f"no process runs '{name}'"
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    # Its locks are the server's until the kernel has closed its files.
    wait_until(lambda: not any(os.path.exists(f"/proc/{pid}/exe") for pid in pids), f"'{name}' does not end")


def start(conn, name, image):
    return conn.createXML(guest_xml(name, memory=32, disks=[image]), PAUSED)


def refused(conn, name, image):
    with pytest.raises(libvirt.libvirtError) as error:
        start(conn, name, image)
    assert error.value.get_error_code() == libvirt.VIR_ERR_RESOURCE_BUSY, error.value
    return str(error.value)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_an_image_is_one_hosts_at_a_time(hosts, kind):
    (near, near_conn, here), (_far, far_conn, there) = hosts
    name = f"one.{kind}"
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, here / name, "4M"], check=True)
    note = pathlib.Path(f".{name}.domus-lease")
    holder = start(near_conn, "holder", here / name)
    uuid = holder.UUIDString()
    assert json.loads((here / note).read_text()) == {"host": "near", "domain": "holder", "uuid": uuid}
    told = f"'{there / name}' is in use by domain 'holder' (uuid {uuid}) on host 'near'"
    assert told in refused(far_conn, "late", there / name)
    assert "'holder'" in refused(near_conn, "late", here / name)

    near.kill()
    assert told in refused(far_conn, "late", there / name)
    near.start()
    assert told in refused(far_conn, "late", there / name)
    libvirt.open(near.uri).lookupByName("holder").destroy()
    assert sorted(each.name for each in here.iterdir() if each.name != "lost+found") == [name]

    # The guest ends while its daemon is away; the note that stays for a while keeps nobody off.
    start(libvirt.open(near.uri), "holder", here / name)
    near.kill()
    assert told.split("(")[0] in refused(far_conn, "late", there / name)
    kill_guest("holder")
    late = start(far_conn, "late", there / name)
    near.start()
    again = libvirt.open(near.uri)
    wait_until(lambda: not again.listAllDomains(), "the guest that has ended is still known")
    assert json.loads((there / note).read_text())["host"] == "far", "the note of another was taken away"
    assert "on host 'far'" in refused(again, "holder", here / name)
    late.destroy()
    assert not (there / note).exists()


def test_pools_show_no_notes(hosts):
    (_near, conn, here), _far = hosts
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>vms</name><target><path>{here}</path></target></pool>")
    volume = pool.createXML("<volume><name>one.raw</name><capacity>4194304</capacity></volume>")
    start(conn, "holder", volume.path())
    assert (here / ".one.raw.domus-lease").exists()
    assert [each for each in pool.listVolumes() if each != "lost+found"] == ["one.raw"]
    kill_guest("holder")
    wait_until(lambda: not conn.listAllDomains(), "the guest is still there")
    wait_until(lambda: not (here / ".one.raw.domus-lease").exists(), "the note stays")
    volume.delete()
    pool.destroy()
