"""Every kind of pool whose volumes are devices, on real storage, through the matrix of test_pools.py."""
import os
import pathlib
import xml.etree.ElementTree as ET

import libvirt
import pytest

import backends
from harness.daemon import run
from pool_steps import (MIB, a_copy_is_cut_off, a_domain_starts_from_a_volume, backend, code_of, daemon,  # noqa: F401
                        find_processes, it_stays_over_a_crash, live_through, make, names, on, start, stop, volumes_that_were_there)


@on("logical", "disk", "iscsi", "scsi", "mpath")
def test_a_pool_and_its_volumes(conn, daemon, virsh, backend, tmp_path):
    live_through(conn, daemon, virsh, backend, tmp_path)


@pytest.mark.parametrize("backend", [backends.Disk, backends.LargeSectors], indirect=True)
def test_a_partition_has_the_size_that_was_asked_for(conn, backend):
    pool = start(conn, backend)
    volume = make(pool, backend, 1, 16 * MIB + 1)
    assert volume.info()[1:] == [17 * MIB, 17 * MIB], "whole mebibytes, for alignment"
    assert os.stat(volume.path()) and pathlib.Path("/sys/class/block", os.path.basename(volume.path()), "size").read_text() == f"{17 * MIB // 512}\n"
    stop(pool, backend)


@on("logical")
def test_a_domain_starts_from_a_volume(conn, backend, guest):
    pool = start(conn, backend)
    a_domain_starts_from_a_volume(pool, backend, guest)
    stop(pool, backend)


@on("iscsi", "logical")
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
def test_a_copy_that_is_cut_off_is_no_volume(conn, backend, daemon):
    pool = a_copy_is_cut_off(start(conn, backend), backend, daemon)
    stop(pool, backend)
    pool.connect().close()


@on("logical")
@pytest.mark.timeout(400)
def test_what_is_encrypted_is_copied_to_a_device_and_back(conn, backend, tmp_path):
    pool = start(conn, backend)
    (tmp_path / "vms").mkdir()
    files = conn.storagePoolCreateXML(f"<pool type='dir'><name>files</name><target><path>{tmp_path}/vms</path></target></pool>")
    secret = conn.secretDefineXML("<secret ephemeral='yes'><usage type='volume'><volume>key</volume></usage></secret>")
    secret.setValue(b"the key")
    (tmp_path / "key").write_bytes(b"the key")
    luks = f"<encryption format='luks'><secret type='passphrase' uuid='{secret.UUIDString()}'/></encryption>"

    def xml(name, kind, more=""):
        return f"<volume><name>{name}</name><capacity>{8 * MIB}</capacity><target><format type='{kind}'/>{more}</target></volume>"

    data = os.urandom(8 * MIB)
    (tmp_path / "vms/plain").write_bytes(data)
    files.refresh()
    hidden = files.createXMLFrom(xml("hidden", "raw", luks), files.storageVolLookupByName("plain"), 0)
    assert code_of(pool.createXMLFrom, xml("vol1", "raw", luks), hidden, 0) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    device = pool.createXMLFrom(xml("vol1", "raw"), hidden, 0)
    assert pathlib.Path(device.path()).read_bytes() == data
    back = files.createXMLFrom(xml("back", "qcow2", luks), device, 0)
    image = f"driver=qcow2,encrypt.key-secret=k,file.filename={back.path()}"
    run("qemu-img", "convert", "--object", f"secret,id=k,file={tmp_path}/key", "--image-opts", image, "-O", "raw", tmp_path / "got", timeout=120)
    assert (tmp_path / "got").read_bytes() == data
    secret.setValue(b"another")
    assert code_of(pool.createXMLFrom, xml("vol2", "raw"), hidden, 0) == libvirt.VIR_ERR_INTERNAL_ERROR
    assert names(pool) == ["vol1"]
    device.delete()
    files.destroy()
    stop(pool, backend)
