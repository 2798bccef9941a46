"""What the tests of pools have in common: the life of a pool and its volumes, step by step, on any back end."""
import os
import pathlib
import signal
import subprocess
import xml.etree.ElementTree as ET

import libvirt
import pytest

import backends
from harness.calls import code_of
from harness.sandbox import live_processes
from harness.wait import wait_until

MIB = 1 << 20


@pytest.fixture
def daemon(make_daemon):
    """The lab is the test's own host: kernel servers and the initiator live outside of namespaces."""
    return make_daemon(private=False)


@pytest.fixture
def backend(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    made.close()


def on(*names):
    """Runs the test on each of these back ends."""
    return pytest.mark.parametrize("backend", [backends.ALL[name] for name in names], ids=names, indirect=True)


def find_processes(program):
    return [pid for pid, line in live_processes() if line.split()[0].endswith(program)]


def names(pool):
    """Of its volumes, without what mkfs put there."""
    return sorted(set(pool.listVolumes()) - {"lost+found"})


def volume_xml(name, size, kind="raw"):
    return f"<volume><name>{name}</name><capacity>{size}</capacity><target><format type='{kind}'/></target></volume>"


def make(pool, backend, number, size=16 * MIB):
    return pool.createXML(volume_xml(backend.name_of(number), size, backend.formats[0]))


def start(conn, backend):
    pool = conn.storagePoolDefineXML(backend.xml)
    assert not pool.isActive() and pool.isPersistent()
    assert code_of(pool.listVolumes) == code_of(pool.destroy) == libvirt.VIR_ERR_OPERATION_INVALID
    if backend.builds:
        pool.build(backend.build_flags())
    pool.create()
    assert code_of(pool.create) == code_of(pool.undefine) == libvirt.VIR_ERR_OPERATION_INVALID
    state, capacity, allocation, available = pool.info()
    assert state == libvirt.VIR_STORAGE_POOL_RUNNING
    assert capacity > 32 * MIB and allocation + available <= capacity
    second = ET.fromstring(pool.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE))
    second.find("name").text = "q"
    second.remove(second.find("uuid"))
    if second.find("target/path") is not None:
        second.find("target/path").text += "-other"
    if type(backend) is not backends.Folder:
        assert code_of(conn.storagePoolDefineXML, ET.tostring(second, encoding="unicode")) == libvirt.VIR_ERR_OPERATION_FAILED
    pool.refresh()
    return pool


def stop(pool, backend):
    pool.destroy()
    if backend.deletes:
        pool.delete()
    else:
        assert code_of(pool.delete) == libvirt.VIR_ERR_NO_SUPPORT
    pool.undefine()


def volumes_that_were_there(pool, backend):
    assert code_of(pool.createXML, volume_xml("vol1", MIB)) == libvirt.VIR_ERR_NO_SUPPORT
    volumes = sorted(pool.listAllVolumes(), key=lambda each: each.name())
    assert [each.info()[1] for each in volumes] == [size * MIB for size in backend.sizes]
    assert all(os.path.exists(each.path()) for each in volumes)
    assert code_of(volumes[0].delete) == code_of(volumes[0].resize, 64 * MIB) == libvirt.VIR_ERR_NO_SUPPORT


def volumes_come_grow_and_go(pool, backend):
    before = pool.info()[3]
    volume = make(pool, backend, 1)
    name = backend.name_of(1)
    assert volume.name() == name and volume.info()[1] == 16 * MIB
    assert names(pool) == [name] and sorted(each.name() for each in pool.listAllVolumes()) == sorted(pool.listVolumes())
    assert pool.connect().storageVolLookupByPath(volume.path()).name() == name
    assert pool.connect().storageVolLookupByKey(volume.key()).name() == name
    assert code_of(make, pool, backend, 1) == libvirt.VIR_ERR_STORAGE_VOL_EXIST
    assert ET.fromstring(volume.XMLDesc()).findtext("target/path") == volume.path()
    if not backend.sparse:
        assert pool.info()[3] <= before - 16 * MIB
    with open(volume.path(), "r+b") as file:
        file.write(b"precious")
    if backend.resizes:
        volume.resize(32 * MIB)
        assert code_of(volume.resize, 16 * MIB) == libvirt.VIR_ERR_INVALID_ARG
        volume.resize(16 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_SHRINK)
        volume.resize(8 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_DELTA)
        assert volume.info()[1] == 24 * MIB
    else:
        assert code_of(volume.resize, 32 * MIB) == libvirt.VIR_ERR_NO_SUPPORT
    with open(volume.path(), "rb") as file:
        assert file.read(8) == b"precious"
    volume.wipe()
    with open(volume.path(), "rb") as file:
        assert file.read(8) == bytes(8)
    volume.delete()
    assert names(pool) == []


def contents_go_in_and_out(pool, backend, virsh, folder):
    sent, part, got = folder / "sent", folder / "part", folder / "got"
    sent.write_bytes(os.urandom(5 * MIB) + bytes(3 * MIB))
    part.write_bytes(sent.read_bytes()[:4096])
    if backend.makes_volumes:
        make(pool, backend, 1, 8 * MIB)
    name = names(pool)[0]
    virsh("vol-upload", name, sent, "--pool", "p")
    virsh("vol-upload", name, part, "--pool", "p", "--offset", MIB, "--length", 4096)
    virsh("vol-download", name, got, "--pool", "p", "--length", 8 * MIB)
    expected = bytearray(sent.read_bytes())
    expected[MIB:MIB + 4096] = part.read_bytes()
    assert got.read_bytes() == expected


def a_copy_is_equal(pool, backend):
    one = pool.storageVolLookupByName(backend.name_of(1))
    two = pool.createXMLFrom(volume_xml(backend.name_of(2), 8 * MIB, backend.formats[0]), one, 0)
    assert two.info()[1] == 8 * MIB
    subprocess.run(["cmp", one.path(), two.path()], check=True)
    two.delete()


def what_comes_by_hand_is_listed(pool, backend):
    name = backend.add_by_hand(2)
    wait_until(lambda: name in names(pool), "what was put there by hand is not listed")
    pool.storageVolLookupByName(name).delete()


def it_stays_over_a_crash(pool, daemon):
    before = names(pool)
    daemon.kill()
    daemon.start()
    again = libvirt.open(daemon.uri).storagePoolLookupByName("p")
    wait_until(again.isActive, "the pool is not active again")
    assert names(again) == before
    return again


def a_domain_starts_from_a_volume(pool, backend, guest):
    device = os.path.realpath(make(pool, backend, 1).path())
    domain = pool.connect().createXML(guest("stored", devices=(
        f"<disk type='volume'><driver name='qemu' type='raw'/><source pool='p' volume='{backend.name_of(1)}'/><target dev='vda'/></disk>"
    )), libvirt.VIR_DOMAIN_START_PAUSED)
    assert "<source pool='p' volume='vol1'/>" in domain.XMLDesc()
    [qemu] = find_processes("qemu-system-x86_64")
    assert device in [os.path.realpath(each) for each in pathlib.Path(f"/proc/{qemu}/fd").iterdir()]
    assert code_of(pool.storageVolLookupByName("vol1").delete) == libvirt.VIR_ERR_OPERATION_INVALID  # it is in use
    domain.destroy()
    pool.storageVolLookupByName("vol1").delete()


def a_copy_is_cut_off(pool, backend, daemon):
    """The daemon and the program that copies die in the middle; what is there of the copy goes at the next start."""
    name = backend.name_of(1)
    one = make(pool, backend, 1, backend.long_to_copy)
    with open(one.path(), "r+b") as file:
        file.write(os.urandom(MIB) * (backend.long_to_copy // MIB))
    client = subprocess.Popen(["virsh", "-c", daemon.uri, "vol-clone", name, "half", "--pool", "p"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: find_processes("qemu-img"), "nothing is copied")
    [copier] = find_processes("qemu-img")
    os.kill(copier, signal.SIGSTOP)
    assert names(pool) == [name]
    assert sorted(backend.kept()) == ["half", name]
    daemon.kill()
    os.kill(copier, signal.SIGKILL)
    client.wait()
    daemon.start()
    pool = libvirt.open(daemon.uri).storagePoolLookupByName("p")
    wait_until(pool.isActive, "the pool is not active again")
    assert names(pool) == backend.kept() == [name]
    pool.storageVolLookupByName(name).delete()
    return pool


def live_through(conn, daemon, virsh, backend, tmp_path):
    """The whole life of a pool and of its volumes, over a crash of the daemon."""
    pool = start(conn, backend)
    if backend.makes_volumes:
        volumes_come_grow_and_go(pool, backend)
    else:
        volumes_that_were_there(pool, backend)
    contents_go_in_and_out(pool, backend, virsh, tmp_path)
    if backend.makes_volumes:
        a_copy_is_equal(pool, backend)
        what_comes_by_hand_is_listed(pool, backend)
    pool = it_stays_over_a_crash(pool, daemon)
    if backend.makes_volumes:
        for name in names(pool):
            pool.storageVolLookupByName(name).delete()
    stop(pool, backend)
    assert pool.connect().listAllStoragePools() == []
    pool.connect().close()
