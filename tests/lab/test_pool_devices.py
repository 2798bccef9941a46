"""Every kind of pool whose volumes are devices, on real storage, through the matrix of test_pools.py."""
import os
import pathlib
import signal
import subprocess
import xml.etree.ElementTree as ET

import libvirt
import pytest

import backends
from harness.daemon import run
from harness.sandbox import live_processes
from harness.wait import wait_until
from pool_steps import (MIB, backend, code_of, daemon, it_stays_over_a_crash, live_through, make, names, on, start, stop,
                        volumes_that_were_there)


def find_processes(program):
    return [pid for pid, line in live_processes() if line.split()[0].endswith(program)]


@on("logical", "disk", "iscsi", "scsi", "mpath")
@pytest.mark.timeout(300)
def test_a_pool_and_its_volumes(conn, daemon, virsh, backend, tmp_path):
    live_through(conn, daemon, virsh, backend, tmp_path)


@on("logical")
@pytest.mark.timeout(200)
def test_a_domain_starts_from_a_volume(conn, backend, guest, daemon):
    pool = start(conn, backend)
    device = os.path.realpath(make(pool, backend, 1).path())
    domain = conn.createXML(guest("stored", devices=(
        f"<disk type='volume'><driver name='qemu' type='raw'/><source pool='p' volume='{backend.name_of(1)}'/><target dev='vda'/></disk>"
    )), libvirt.VIR_DOMAIN_START_PAUSED)
    assert "<source pool='p' volume='vol1'/>" in domain.XMLDesc()
    [qemu] = find_processes("qemu-system-x86_64")
    assert device in [os.path.realpath(each) for each in pathlib.Path(f"/proc/{qemu}/fd").iterdir()]
    assert code_of(pool.storageVolLookupByName("vol1").delete) == libvirt.VIR_ERR_OPERATION_INVALID  # it is in use
    domain.destroy()
    pool.storageVolLookupByName("vol1").delete()
    stop(pool, backend)


@on("iscsi", "logical")
@pytest.mark.timeout(200)
def test_sources_are_found(conn, backend):
    if isinstance(backend, backends.Logical):
        conn.storagePoolDefineXML(backend.xml).build(0)
    found = ET.fromstring(conn.findStoragePoolSources(backend.kind_name, backend.source_wanted, 0))
    assert backend.finds(found), ET.tostring(found, encoding="unicode")


@pytest.fixture
def traced_iscsiadm(tmp_path):
    """The arguments of each call of iscsiadm(8), as everybody on the host could read them."""
    log, wrapper = tmp_path / "calls", pathlib.Path("/usr/local/sbin/iscsiadm")
    wrapper.write_text(f'#!/bin/sh\necho "$*" >>{log}\nexec /usr/sbin/iscsiadm "$@"\n')
    wrapper.chmod(0o755)
    yield log
    wrapper.unlink()


def kept_by_open_iscsi():
    return [path for folder in ("nodes", "ifaces") for path in pathlib.Path("/etc/iscsi", folder).rglob("*") if path.is_file() and "example" not in path.name]


def qemu_reaches_a_unit_by_itself(pool, backend, guest):
    domain = pool.connect().createXML(guest("direct", devices=(
        "<disk type='volume'><driver name='qemu' type='raw'/><source pool='p' volume='unit:0:0:1' mode='direct'/><target dev='vda'/></disk>"
    )), libvirt.VIR_DOMAIN_START_PAUSED)
    [qemu] = find_processes("qemu-system-x86_64")
    arguments = pathlib.Path(f"/proc/{qemu}/cmdline").read_text()
    assert backend.target.iqn in arguments and backend.login[1] not in arguments
    domain.destroy()


@on("chap")
@pytest.mark.timeout(300)
def test_a_target_asks_for_a_password(conn, daemon, backend, guest, traced_iscsiadm):
    password = backend.login[1]
    pool = conn.storagePoolDefineXML(backend.xml)
    assert code_of(pool.create) == libvirt.VIR_ERR_NO_SECRET
    secret = conn.secretDefineXML("<secret><usage type='iscsi'><target>disks</target></usage></secret>")
    assert code_of(pool.create) == libvirt.VIR_ERR_NO_SECRET  # it has no value
    assert not traced_iscsiadm.exists()
    secret.setValue(b"another-password")
    assert code_of(pool.create) == libvirt.VIR_ERR_AUTH_FAILED
    assert not pool.isActive() and kept_by_open_iscsi() == []
    secret.setValue(password.encode())
    pool.create()
    volumes_that_were_there(pool, backend)
    pool = it_stays_over_a_crash(pool, daemon)
    assert kept_by_open_iscsi() != []
    qemu_reaches_a_unit_by_itself(pool, backend, guest)
    pool.destroy()
    assert kept_by_open_iscsi() == []
    assert "--login" in traced_iscsiadm.read_text()
    for text in (traced_iscsiadm.read_text(), daemon.log_tail(10_000), pool.XMLDesc()):
        assert password not in text and "another-password" not in text
    pool.undefine()
    pool.connect().close()


@on("logical")
@pytest.mark.timeout(300)
def test_a_copy_that_is_cut_off_is_no_volume(conn, backend, daemon):
    pool = start(conn, backend)
    one = make(pool, backend, 1, 96 * MIB)
    with open(one.path(), "r+b") as file:
        file.write(os.urandom(MIB) * 90)
    client = subprocess.Popen(["virsh", "-c", daemon.uri, "vol-clone", one.name(), "half", "--pool", "p"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: find_processes("qemu-img"), "nothing is copied", timeout=60)
    [copier] = find_processes("qemu-img")
    os.kill(copier, signal.SIGSTOP)  # in the middle
    assert names(pool) == [backend.name_of(1)]
    daemon.kill()
    os.kill(copier, signal.SIGKILL)
    client.wait()
    daemon.start()
    pool = libvirt.open(daemon.uri).storagePoolLookupByName("p")
    wait_until(pool.isActive, "the pool is not active again", timeout=60)
    assert names(pool) == [backend.name_of(1)]
    assert run("lvs", "--noheadings", "-o", "lv_name", "domus_test").out.split() == [backend.name_of(1)]
    pool.storageVolLookupByName(backend.name_of(1)).delete()
    stop(pool, backend)
    pool.connect().close()
