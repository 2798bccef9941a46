"""Pools of type zfs on a real zpool: the matrix of test_pool_devices.py, and what ZFS alone has.

A file of its own, since it needs what build-zfs makes.
"""
import os
import xml.etree.ElementTree as ET

import libvirt
import pytest

import servers
from harness.daemon import run
from harness.wait import wait_until
from pool_steps import (MIB, a_copy_is_cut_off, a_domain_starts_from_a_volume, backend, code_of, daemon, live_through, names,  # noqa: F401
                        on, start, stop, volume_xml)

pytestmark = on("zfs")


def pool_xml(name, source, *devices):
    devices = "".join(f"<device path='{path}'/>" for path in devices)
    return f"<pool type='zfs'><name>{name}</name><source><name>{source}</name>{devices}</source></pool>"


def reservation(volume):
    return int(run("zfs", "get", "-Hp", "-o", "value", "refreservation", volume).out)


def test_a_pool_and_its_volumes(conn, daemon, virsh, backend, tmp_path):
    live_through(conn, daemon, virsh, backend, tmp_path)


def test_domains_and_sources(conn, backend, guest):
    pool = start(conn, backend)
    found = ET.fromstring(conn.findStoragePoolSources("zfs", None, 0))
    assert backend.finds(found), ET.tostring(found, encoding="unicode")
    a_domain_starts_from_a_volume(pool, backend, guest)
    stop(pool, backend)


def test_a_copy_that_is_cut_off_is_no_volume(conn, backend, daemon):
    pool = a_copy_is_cut_off(start(conn, backend), backend, daemon)
    stop(pool, backend)
    pool.connect().close()


def test_sizes_reservations_and_snapshots(conn, backend):
    pool = start(conn, backend)
    capacity, allocation, available = pool.info()[1:]
    assert capacity == allocation + available
    odd = pool.createXML(volume_xml("odd", 1_000_000))
    assert odd.info()[1] == 123 * 8192 and odd.key() == "domus_test/odd" and odd.path() == "/dev/zvol/domus_test/odd"
    odd.resize(2_000_000)
    assert odd.info()[1] == 245 * 8192 == pool.storageVolLookupByName("odd").info()[1]
    assert reservation("domus_test/odd") >= odd.info()[1]

    thin = pool.createXML("<volume><name>thin</name><capacity unit='GiB'>1</capacity><allocation>0</allocation></volume>")
    assert thin.info()[1] == 1 << 30 > capacity and thin.info()[2] < MIB and reservation("domus_test/thin") == 0
    with open(thin.path(), "r+b") as file:
        file.write(os.urandom(8 * MIB))
        os.fsync(file.fileno())
    run("zpool", "sync", "domus_test")
    assert thin.info()[2] >= 8 * MIB  # of what is written while nobody tells the daemon
    thin.resize(64 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK | libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE)
    assert thin.info()[1] == 64 * MIB and reservation("domus_test/thin") >= 64 * MIB
    part = pool.createXML("<volume><name>part</name><capacity unit='GiB'>1</capacity><allocation unit='MiB'>4</allocation></volume>")
    assert part.info()[1:] == [1 << 30, 4 * MIB]
    with pytest.raises(libvirt.libvirtError, match="out of space"):
        pool.createXML(volume_xml("huge", 1 << 40))
    with pytest.raises(libvirt.libvirtError, match="out of space|greater than"):
        odd.resize(1 << 40)

    run("zfs", "snapshot", "domus_test/odd@before")
    assert code_of(odd.delete) == libvirt.VIR_ERR_OPERATION_INVALID
    assert names(pool) == ["odd", "part", "thin"] == sorted(backend.kept())
    odd.delete(libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS)
    again = pool.createXML(volume_xml("odd", 8 * MIB))  # at once, under the name that has just gone
    with open(again.path(), "rb") as file:
        assert file.seek(0, os.SEEK_END) == 8 * MIB
    run("zfs", "rename", "domus_test/odd", "domus_test/even")
    wait_until(lambda: names(pool) == ["even", "part", "thin"], "a volume is listed by its old name")
    stop(pool, backend)


def test_datasets(conn, backend, daemon):
    pool = start(conn, backend)
    guests = conn.storagePoolDefineXML(pool_xml("guests", "domus_test/guests"))  # of the same zpool, not the same source
    assert code_of(guests.create) == libvirt.VIR_ERR_INTERNAL_ERROR
    guests.build()
    assert code_of(guests.build) == libvirt.VIR_ERR_STORAGE_POOL_BUILT
    guests.create()
    run("zfs", "create", "-V", "8M", "domus_test/guests/first")  # where no volume was, udev has no folder
    wait_until(lambda: names(guests) == ["first"], "the first volume is not listed")
    servers.settle()
    run("zfs", "destroy", "domus_test/guests/first")
    wait_until(lambda: names(guests) == [], "the volume is still listed")
    assert guests.createXML(volume_xml("web", 8 * MIB)).path() == "/dev/zvol/domus_test/guests/web"
    run("zfs", "create", "-V", "8M", "domus_test/guests/by hand")
    wait_until(lambda: names(guests) == ["by hand", "web"], "what was made by hand is not listed")
    assert os.path.exists(guests.storageVolLookupByName("by hand").path())
    assert names(pool) == []
    assert code_of(pool.createXML, volume_xml("guests", MIB)) == libvirt.VIR_ERR_STORAGE_VOL_EXIST
    assert code_of(pool.createXML, volume_xml("a/b", MIB)) == libvirt.VIR_ERR_OPERATION_INVALID
    for wrong in ("a@b", "-a", "a b", ".."):
        assert code_of(pool.createXML, volume_xml(wrong, MIB)) in (libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL)
    run("zfs", "set", "quota=64M", "domus_test/guests")
    guests.refresh()
    assert sum(guests.info()[2:]) == guests.info()[1] == 64 * MIB
    guests.setAutostart(True)
    guests.destroy()
    daemon.kill()
    daemon.start()
    with_new_daemon(daemon, backend)


def with_new_daemon(daemon, backend):
    conn = libvirt.open(daemon.uri)
    guests = conn.storagePoolLookupByName("guests")
    wait_until(guests.isActive, "the pool is not started by itself")
    guests.destroy()
    assert code_of(guests.delete) == libvirt.VIR_ERR_INTERNAL_ERROR  # volumes are in it
    guests.create()
    for name in names(guests):
        guests.storageVolLookupByName(name).delete()
    stop(guests, backend)
    assert run("zfs", "list", "-H", "-o", "name").out.split() == ["domus_test"]
    stop(conn.storagePoolLookupByName("p"), backend)
    conn.close()


def test_what_is_there_is_not_built_over(conn, backend):
    one, two = backend.devices
    run("mkfs.ext4", "-q", one)
    pool = conn.storagePoolDefineXML(pool_xml("p", "domus_test", "mirror", one, two))
    with pytest.raises(libvirt.libvirtError, match="zpool import"):
        pool.create()
    for flags in (0, libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE):
        assert code_of(pool.build, flags) == libvirt.VIR_ERR_STORAGE_POOL_BUILT
    assert "ext4" in run("blkid", "-p", one).out
    pool.build(libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE)
    assert "mirror-0" in run("zpool", "status", "domus_test").out
    assert run("zfs", "get", "-H", "-o", "value", "mountpoint", "domus_test").out == "none\n"
    for flags in (0, libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE):
        assert code_of(pool.build, flags) == libvirt.VIR_ERR_STORAGE_POOL_BUILT
    other = conn.storagePoolDefineXML(pool_xml("q", "other", two))
    assert code_of(other.build) == libvirt.VIR_ERR_STORAGE_POOL_BUILT  # it is in use
    other.undefine()
    pool.create()
    run("zpool", "export", "-f", "domus_test")
    assert code_of(pool.refresh) == libvirt.VIR_ERR_INTERNAL_ERROR
    run("zpool", "import", "-d", "/dev", "domus_test")
    pool.refresh()
    pool.destroy()
    pool.delete()
    pool.build()  # what has been destroyed is not in the way
    pool.delete()
    pool.undefine()
