"""Every kind of pool whose volumes are files, on real storage, through one matrix, with python3-libvirt and stock virsh.

One test a kind, since a daemon's start is dear in the lab. test_pool_devices.py has the others.
"""
import time

import libvirt

from harness.wait import wait_until
from pool_steps import MIB, backend, code_of, daemon, live_through, make, names, on, start, stop, volume_xml  # noqa: F401


@on("dir", "ext4", "xfs", "nfs", "cifs", "cifs-login")
def test_a_pool_and_its_volumes(conn, daemon, virsh, backend, tmp_path):
    live_through(conn, daemon, virsh, backend, tmp_path)


@on("ext4")
def test_what_is_there_is_not_built_over(conn, backend):
    pool = conn.storagePoolDefineXML(backend.xml)
    pool.build(libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE)
    assert code_of(pool.build, libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE) == libvirt.VIR_ERR_STORAGE_POOL_BUILT
    both = libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE | libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE
    assert code_of(pool.build, both) == libvirt.VIR_ERR_INVALID_ARG
    pool.create()
    (backend.target / "precious").touch()
    assert code_of(pool.build, libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE) == libvirt.VIR_ERR_OPERATION_INVALID
    pool.destroy()
    pool.build(libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE)
    pool.create()
    assert names(pool) == []
    pool.destroy()
    pool.undefine()


@on("nfs")
def test_a_server_that_is_gone_blocks_nobody(conn, backend, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    conn.storagePoolCreateXML(f"<pool type='dir'><name>q</name><target><path>{other}</path></target></pool>")
    pool = start(conn, backend)
    make(pool, backend, 1, MIB)
    backend.server.stop()
    try:
        begun = time.monotonic()
        error = code_of(pool.refresh)
        took = time.monotonic() - begun
        assert error == libvirt.VIR_ERR_OPERATION_TIMEOUT and took < 60
        begun = time.monotonic()
        conn.storagePoolLookupByName("q").createXML(volume_xml("fine", MIB))
        assert conn.listAllDomains() == [] and len(conn.listAllStoragePools()) == 2
        assert time.monotonic() - begun < 25
    finally:
        backend.server.start()
    wait_until(lambda: pool.refresh() == 0, "it does not come back", timeout=120)
    assert names(pool) == [backend.name_of(1)]
    pool.storageVolLookupByName(backend.name_of(1)).delete()
    stop(pool, backend)
    conn.storagePoolLookupByName("q").destroy()
