"""Pools of type rbd and disks on them, on a real Ceph."""
import os
import subprocess
import time
import xml.etree.ElementTree as ET

import libvirt
import pytest

from conftest import UUID, pool_xml
from harness.calls import code_of
from harness.daemon import run
from harness.sandbox import live_processes
from harness.wait import wait_until

MIB = 1 << 20


def volume_xml(name, size, kind="raw", extra=""):
    return f"<volume><name>{name}</name><capacity>{size}</capacity><target><format type='{kind}'/>{extra}</target></volume>"


def contents(ceph, image):
    """The whole of an image."""
    done = subprocess.run(["rbd", "--conf", ceph.folder / "ceph.conf", "export", "--no-progress", f"rbd/{image}", "-"],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    return done.stdout


def put(ceph, image, data, folder):
    """An image with this contents."""
    (folder / "data").write_bytes(data)
    ceph.run("rbd", "import", "--no-progress", folder / "data", f"rbd/{image}")


def images(ceph):
    return sorted(ceph.run("rbd", "ls", "rbd").out.split())


def test_definitions_are_judged(conn, ceph):
    xml = pool_xml(ceph)
    for part, instead in (("<name>rbd</name>", ""), ("<name>rbd</name>", "<name>a/b</name>"), (f"<host name='{ceph.host}' port='{ceph.port}'/>", ""),
                          ("type='ceph'", "type='chap'"), (f" username='{ceph.client}'", ""), (f"usage='client.{ceph.client} secret'", "")):
        assert part in xml
        assert code_of(conn.storagePoolDefineXML, xml.replace(part, instead)) in (libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL)
    pool = conn.storagePoolDefineXML(xml)
    assert code_of(conn.storagePoolDefineXML, pool_xml(ceph, name="q")) == libvirt.VIR_ERR_OPERATION_FAILED
    assert code_of(conn.findStoragePoolSources, "rbd", None, 0) == libvirt.VIR_ERR_NO_SUPPORT
    assert "<pool type='rbd' supported='yes'>" in conn.getStoragePoolCapabilities()
    pool.build()
    assert code_of(pool.delete) == libvirt.VIR_ERR_NO_SUPPORT
    pool.undefine()


def test_volumes_come_grow_and_go(conn, virsh, ceph, secret, scratch):
    virsh("pool-define-as", "p", "rbd", "--source-host", f"{ceph.host}", "--source-name", "rbd", "--auth-type", "ceph",
          "--auth-username", ceph.client, "--secret-usage", f"client.{ceph.client} secret")
    pool = conn.storagePoolLookupByName("p")
    pool.create()
    state, capacity, allocation, available = pool.info()
    assert state == libvirt.VIR_STORAGE_POOL_RUNNING and capacity == 2 << 30 and 0 < available <= capacity
    volume = pool.createXML(volume_xml("one", 16 * MIB))
    assert volume.path() == volume.key() == "rbd/one"
    assert volume.info() == [libvirt.VIR_STORAGE_VOL_NETWORK, 16 * MIB, 0]
    assert code_of(pool.createXML, volume_xml("one", MIB)) == libvirt.VIR_ERR_STORAGE_VOL_EXIST
    assert conn.storageVolLookupByKey("rbd/one").name() == conn.storageVolLookupByPath("rbd/one").name() == "one"
    assert ET.fromstring(volume.XMLDesc()).get("type") == "network"
    volume.resize(32 * MIB)
    assert code_of(volume.resize, 16 * MIB) == libvirt.VIR_ERR_INVALID_ARG
    volume.resize(16 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK)
    volume.resize(8 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_DELTA)
    assert volume.info()[1] == 24 * MIB
    assert code_of(volume.resize, 32 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE) == libvirt.VIR_ERR_NO_SUPPORT
    ceph.run("rbd", "create", "--size", "4M", "rbd/hand")
    pool.refresh()
    assert sorted(pool.listVolumes()) == ["hand", "one"]
    pool.storageVolLookupByName("hand").delete()
    (scratch / "file").write_bytes(b"x" * 4096)
    assert "is not on this host" in virsh("vol-upload", "one", scratch / "file", "--pool", "p", check=False).err
    assert "is not on this host" in virsh("vol-download", "one", scratch / "got", "--pool", "p", check=False).err
    volume.delete()
    assert pool.listVolumes() == images(ceph) == []
    pool.destroy()
    pool.undefine()


def test_what_cannot_be_made_is_refused(pool, ceph):
    luks = f"<encryption format='luks'><secret type='passphrase' uuid='{UUID}'/></encryption>"
    assert code_of(pool.createXML, volume_xml("one", MIB, "qcow2")) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert code_of(pool.createXML, volume_xml("one", MIB, extra=luks)) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert code_of(pool.createXML, volume_xml("one", 0)) == libvirt.VIR_ERR_NO_SUPPORT
    assert code_of(pool.createXML, volume_xml("one", MIB), libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA) == libvirt.VIR_ERR_NO_SUPPORT
    assert code_of(pool.createXML, volume_xml("one@two", MIB)) == libvirt.VIR_ERR_XML_ERROR
    assert code_of(pool.storageVolLookupByName, "one") == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert images(ceph) == []


def test_wiping(pool, ceph, scratch):
    put(ceph, "one", os.urandom(8 * MIB), scratch)
    pool.refresh()
    volume = pool.storageVolLookupByName("one")
    assert volume.info()[2] == 8 * MIB
    volume.wipe()
    assert contents(ceph, "one") == bytes(8 * MIB) and volume.info()[1:] == [8 * MIB, 8 * MIB]
    volume.wipePattern(libvirt.VIR_STORAGE_VOL_WIPE_ALG_TRIM)
    assert contents(ceph, "one") == bytes(8 * MIB) and volume.info()[1:] == [8 * MIB, 0]
    assert code_of(volume.wipePattern, libvirt.VIR_STORAGE_VOL_WIPE_ALG_DOD) == libvirt.VIR_ERR_NO_SUPPORT


def test_clones_share_with_their_origin(pool, ceph, scratch):
    data = os.urandom(8 * MIB)
    put(ceph, "base", data, scratch)
    pool.refresh()
    base = pool.storageVolLookupByName("base")
    one = pool.createXMLFrom(volume_xml("one", 8 * MIB), base, 0)
    two = pool.createXMLFrom(volume_xml("two", 12 * MIB), base, 0)
    assert contents(ceph, "one") == data and contents(ceph, "two") == data + bytes(4 * MIB)
    assert one.info()[1:] == [8 * MIB, 0] and two.info()[1] == 12 * MIB
    assert len(ceph.run("rbd", "snap", "ls", "rbd/base").out.splitlines()) == 2  # a header, and one for both
    with_snapshots = libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS
    assert code_of(base.delete) == code_of(base.delete, with_snapshots) == libvirt.VIR_ERR_OPERATION_INVALID
    one.delete()
    two.delete()
    assert ceph.run("rbd", "snap", "ls", "rbd/base").out == ""
    ceph.run("rbd", "snap", "create", "--no-progress", "rbd/base@mine")
    ceph.run("rbd", "snap", "protect", "rbd/base@mine")
    assert code_of(base.delete) == libvirt.VIR_ERR_OPERATION_INVALID
    base.delete(with_snapshots)
    assert images(ceph) == []


def test_images_of_other_pools_are_copied_in(conn, pool, ceph, scratch):
    data = os.urandom(3 * MIB) + bytes(5 * MIB)
    (scratch / "vms").mkdir()
    files = conn.storagePoolCreateXML(f"<pool type='dir'><name>files</name><target><path>{scratch}/vms</path></target></pool>")
    (scratch / "vms/base.raw").write_bytes(data)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", scratch / "vms/base.raw", scratch / "vms/base.qcow2")
    for kind in ("raw", "qcow2"):
        made = pool.createXMLFrom(volume_xml(kind, MIB), files.storageVolLookupByName(f"base.{kind}"), 0)
        assert contents(ceph, kind) == data
        assert made.info()[1:] == [8 * MIB, 4 * MIB]  # in objects of 4 MiB
    run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", "base.raw", scratch / "vms/broken.qcow2")
    files.refresh()
    (scratch / "vms/base.raw").unlink()
    assert code_of(pool.createXMLFrom, volume_xml("broken", MIB), files.storageVolLookupByName("broken.qcow2"), 0) == libvirt.VIR_ERR_INTERNAL_ERROR
    assert images(ceph) == ["qcow2", "raw"]
    files.destroy()


def test_images_are_copied_out(conn, pool, ceph, scratch):
    data = os.urandom(3 * MIB) + bytes(5 * MIB)
    put(ceph, "base", data, scratch)
    pool.refresh()
    (scratch / "vms").mkdir()
    files = conn.storagePoolCreateXML(f"<pool type='dir'><name>files</name><target><path>{scratch}/vms</path></target></pool>")
    base = pool.storageVolLookupByName("base")
    assert files.createXMLFrom(volume_xml("plain", 8 * MIB), base, 0).info()[1:] == [8 * MIB, 3 * MIB]
    assert (scratch / "vms/plain").read_bytes() == data
    assert files.createXMLFrom(volume_xml("larger", 12 * MIB, "qcow2"), base, 0).info()[1] == 12 * MIB
    run("qemu-img", "convert", "-O", "raw", scratch / "vms/larger", scratch / "plain")
    assert (scratch / "plain").read_bytes() == data + bytes(4 * MIB)
    assert code_of(files.createXMLFrom, volume_xml("shared", MIB), base, libvirt.VIR_STORAGE_VOL_CREATE_REFLINK) == libvirt.VIR_ERR_OPERATION_UNSUPPORTED
    assert sorted(files.listVolumes()) == ["larger", "plain"] and images(ceph) == ["base"]
    files.destroy()


def test_a_store_that_is_stuck_ends_a_copy(conn, pool, ceph, scratch):
    put(ceph, "base", os.urandom(8 * MIB), scratch)
    pool.refresh()
    (scratch / "vms").mkdir()
    files = conn.storagePoolCreateXML(f"<pool type='dir'><name>files</name><target><path>{scratch}/vms</path></target></pool>")
    looked = pool.storageVolLookupByName("base")
    ceph.freeze("ceph-osd")
    try:
        with pytest.raises(libvirt.libvirtError):
            files.createXMLFrom(volume_xml("copy", 8 * MIB), looked, 0)
    finally:
        ceph.thaw("ceph-osd")
    assert files.listVolumes() == [] and list((scratch / "vms").iterdir()) == []
    files.destroy()


def test_what_a_killed_daemon_left_is_cleaned_up(conn, daemon, ceph, secret):
    pool = conn.storagePoolDefineXML(pool_xml(ceph))
    host = os.uname().nodename
    ceph.run("rbd", "create", "--size", "4M", f"rbd/.domus-unfinished.{host}.half")
    ceph.run("rbd", "create", "--size", "4M", "rbd/.domus-unfinished.elsewhere.half")
    pool.create()
    assert pool.listVolumes() == []
    assert images(ceph) == [".domus-unfinished.elsewhere.half"]
    ceph.run("rbd", "rm", "--no-progress", "rbd/.domus-unfinished.elsewhere.half")
    pool.createXML(volume_xml("one", MIB))
    daemon.kill()
    daemon.start()
    conn = libvirt.open(daemon.uri)
    pool = conn.storagePoolLookupByName("p")
    wait_until(pool.isActive, "the pool is not active again")
    pool.storageVolLookupByName("one").delete()
    pool.destroy()
    pool.undefine()
    conn.close()


def test_keys_are_asked_for_and_told_to_nobody(conn, daemon, virsh, ceph):
    pool = conn.storagePoolDefineXML(pool_xml(ceph))
    assert code_of(pool.create) == libvirt.VIR_ERR_NO_SECRET
    conn.secretDefineXML(f"<secret private='yes'><usage type='ceph'><name>client.{ceph.client} secret</name></usage></secret>").setValue(b"x" * 28)
    with pytest.raises(libvirt.libvirtError) as error:
        pool.create()
    assert ceph.client_key not in str(error.value)
    conn.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_CEPH, f"client.{ceph.client} secret").undefine()
    assert not pool.isActive()
    pool.undefine()
    pool = conn.storagePoolDefineXML(pool_xml(ceph, auth=False))
    assert code_of(pool.create) == libvirt.VIR_ERR_INTERNAL_ERROR
    pool.undefine()


def test_the_key_stands_nowhere(conn, daemon, pool, ceph, scratch):
    seen = set()
    ceph.freeze("ceph-osd")
    try:
        client = subprocess.Popen(["virsh", "-c", daemon.uri, "vol-create-as", "p", "one", "4M"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: seen.update(line_of("rbd", "create")) or seen, "no program of Ceph runs")
    finally:
        ceph.thaw("ceph-osd")
    client.wait(60)
    assert any("--keyfile" in line for line in seen)
    documents = "".join(seen) + daemon.log_tail(10_000) + pool.XMLDesc() + pool.storageVolLookupByName("one").XMLDesc()
    assert ceph.client_key not in documents
    assert not [path for path in daemon.root.rglob("*") if path.is_file() and ceph.client_key.encode() in path.read_bytes()]


def line_of(*words):
    return {line for _, line in live_processes() if line.startswith(words[0] + " ") and all(word in line for word in words)}


def test_a_monitor_that_is_stuck_blocks_nobody(conn, pool, ceph, scratch):
    (scratch / "vms").mkdir()
    other = conn.storagePoolCreateXML(f"<pool type='dir'><name>q</name><target><path>{scratch}/vms</path></target></pool>")
    pool.createXML(volume_xml("one", MIB))
    ceph.freeze("ceph-mon")
    try:
        begun = time.monotonic()
        with pytest.raises(libvirt.libvirtError, match="Ceph does not answer at 127.0.0.1") as error:
            pool.refresh()
        assert error.value.get_error_code() == libvirt.VIR_ERR_OPERATION_TIMEOUT and time.monotonic() - begun < 75
        begun = time.monotonic()
        assert pool.listVolumes() == ["one"]
        other.createXML(volume_xml("fine", MIB))
        assert conn.listAllDomains() == [] and len(conn.listAllStoragePools()) == 2
        assert time.monotonic() - begun < 20
    finally:
        ceph.thaw("ceph-mon")
    wait_until(lambda: pool.refresh() == 0, "it does not come back")
    other.destroy()


def test_a_missing_program_is_named_with_its_package(conn, ceph, secret, scratch):
    (scratch / "empty").touch(0o600)
    run("mount", "--bind", scratch / "empty", "/usr/bin/rbd")
    try:
        pool = conn.storagePoolDefineXML(pool_xml(ceph))
        with pytest.raises(libvirt.libvirtError, match="apt install ceph-common") as error:
            pool.create()
        assert error.value.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT
    finally:
        run("umount", "/usr/bin/rbd")
