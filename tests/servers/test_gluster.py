"""Pools of type gluster and disks on them, on a real Gluster."""
import os
import time
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import code_of
from harness.daemon import run
from harness.wait import wait_until

MIB = 1 << 20
PLAIN = b"this was written before the guest"


def pool_xml(gluster, name="p", volume="images", folder="/"):
    return (f"<pool type='gluster'><name>{name}</name><source><host name='{gluster.host}'/><dir path='{folder}'/>"
            f"<name>{volume}</name></source></pool>")


LIBRARY_FAULT = "free(): invalid pointer"  # with which Gluster's library now and then ends qemu-img when that has done its work


def copied(files, volume):
    xml = f"<volume><name>{volume.name()}.copy</name><capacity>1</capacity><target><format type='raw'/></target></volume>"
    try:
        return files.createXMLFrom(xml, volume, 0)
    except libvirt.libvirtError as error:
        if LIBRARY_FAULT not in str(error):
            raise
        return files.createXMLFrom(xml, volume, 0)


@pytest.fixture
def pool(conn, gluster):
    """With a raw image, a qcow2 image over it, and a folder."""
    # Into the brick, not by qemu-img: see LIBRARY_FAULT.
    (gluster.folder / "one.raw").touch()
    os.truncate(gluster.folder / "one.raw", 8 * MIB)
    overlay = gluster.folder / "over.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "one.raw", overlay, "16M")
    os.truncate(overlay, 1 << 18)  # whole clusters, as QEMU reads them from there
    (gluster.folder / "more").mkdir()
    yield conn.storagePoolCreateXML(pool_xml(gluster))
    run("rm", "-rf", *(path for path in gluster.folder.iterdir() if path.name != ".glusterfs"))


def test_definitions_are_judged(conn, gluster):
    xml = pool_xml(gluster)
    for part, instead in (("<name>images</name>", ""), ("<name>images</name>", "<name>a/b</name>"), (f"<host name='{gluster.host}'/>", ""), ("path='/'", "path='x'")):
        assert part in xml
        assert code_of(conn.storagePoolDefineXML, xml.replace(part, instead)) == libvirt.VIR_ERR_XML_ERROR
    pool = conn.storagePoolDefineXML(xml)
    assert code_of(conn.storagePoolDefineXML, pool_xml(gluster, name="q")) == libvirt.VIR_ERR_OPERATION_FAILED
    pool.undefine()
    absent = conn.storagePoolDefineXML(pool_xml(gluster, volume="absent"))
    with pytest.raises(libvirt.libvirtError, match="absent"):
        absent.create()
    assert not absent.isActive()
    absent.undefine()


def test_a_pool_and_its_volumes(conn, virsh, pool, gluster, scratch):
    state, capacity, allocation, available = pool.info()
    assert state == libvirt.VIR_STORAGE_POOL_RUNNING and 0 < available <= capacity and allocation == capacity - available
    assert {"more", "one.raw", "over.qcow2"} <= set(pool.listVolumes())
    one, over, more = (pool.storageVolLookupByName(name) for name in ("one.raw", "over.qcow2", "more"))
    assert one.path() == "images/one.raw" and one.key() == f"gluster://{gluster.host}/images/one.raw"
    assert conn.storageVolLookupByKey(one.key()).name() == conn.storageVolLookupByPath(one.path()).name() == "one.raw"
    assert one.info() == [libvirt.VIR_STORAGE_VOL_NETWORK, 8 * MIB, 0]
    assert more.info()[0] == libvirt.VIR_STORAGE_VOL_NETDIR
    described = ET.fromstring(over.XMLDesc())
    assert described.find("target/format").get("type") == "qcow2" and described.findtext("capacity") == str(16 * MIB)
    assert described.findtext("backingStore/path") == "images/one.raw"
    assert described.findtext("target/permissions/mode") == f"{(gluster.folder / 'over.qcow2').stat().st_mode & 0o7777:04o}"
    assert code_of(pool.createXML, "<volume><name>x</name><capacity>1048576</capacity></volume>") == libvirt.VIR_ERR_NO_SUPPORT
    assert code_of(one.resize, 16 * MIB) == code_of(one.wipe) == code_of(more.delete) == libvirt.VIR_ERR_NO_SUPPORT
    assert "is not on this host" in virsh("vol-download", "one.raw", scratch / "got", "--pool", "p", check=False).err
    (gluster.folder / "one.raw").write_bytes(b"below" * 1000 + bytes(8 * MIB - 5000))
    (scratch / "vms").mkdir()
    files = conn.storagePoolCreateXML(f"<pool type='dir'><name>files</name><target><path>{scratch}/vms</path></target></pool>")
    for each, size in ((one, 8 * MIB), (over, 16 * MIB)):  # also with what is below it
        copied(files, each)
        assert (scratch / "vms" / f"{each.name()}.copy").read_bytes() == b"below" * 1000 + bytes(size - 5000)
    assert code_of(files.createXMLFrom, "<volume><name>x</name><capacity>1</capacity></volume>", more, 0) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    files.destroy()
    over.delete()
    assert not (gluster.folder / "over.qcow2").exists() and "over.qcow2" not in pool.listVolumes()
    assert code_of(pool.storageVolLookupByName, "over.qcow2") == libvirt.VIR_ERR_NO_STORAGE_VOL
    pool.destroy()


def test_sources_are_found(conn, gluster):
    found = ET.fromstring(conn.findStoragePoolSources("gluster", f"<source><host name='{gluster.host}'/></source>", 0))
    assert [each.findtext("name") for each in found] == ["images"] and found.find("source/dir").get("path") == "/"
    assert code_of(conn.findStoragePoolSources, "gluster", None, 0) == libvirt.VIR_ERR_INVALID_ARG


def test_a_guest_reads_and_writes_its_disks(conn, pool, gluster, guest, shell_of):
    for name in ("one.raw", "two.raw"):
        (gluster.folder / name).write_bytes(PLAIN + bytes(MIB - len(PLAIN)))
        (gluster.folder / name).chmod(0o666)  # the server asks for the user: see docs/security.md
    pool.refresh()
    network = (f"<disk type='network'><driver type='raw'/><source protocol='gluster' name='images/one.raw'><host name='{gluster.host}'/></source>"
               "<target dev='vda' bus='virtio'/></disk>")
    volume = "<disk type='volume'><source pool='p' volume='two.raw'/><target dev='vdb' bus='virtio'/></disk>"
    domain = conn.createXML(guest("web", devices=network + volume))
    shell = shell_of("web")
    for name, device in (("one", "/dev/vda"), ("two", "/dev/vdb")):
        assert shell.run(f"dd if={device} bs={len(PLAIN)} count=1 2>/dev/null") == PLAIN.decode()
        shell.run(f"printf 'by the guest, {name}' | dd of={device} conv=notrunc,fsync 2>/dev/null")
        assert (gluster.folder / f"{name}.raw").read_bytes().startswith(f"by the guest, {name}".encode())
    assert [disk.get("type") for disk in ET.fromstring(domain.XMLDesc()).findall("devices/disk")] == ["network", "volume"]
    domain.destroy()


def test_images_that_the_guest_may_not_use_are_refused(conn, pool, gluster, guest):
    """The server would let QEMU open them, and the guest would get I/O errors."""
    image = gluster.folder / "one.raw"
    disk = "<disk type='volume'><source pool='p' volume='one.raw'/><target dev='{}' bus='virtio'/>{}</disk>"
    running = conn.createXML(guest("other"), libvirt.VIR_DOMAIN_START_PAUSED)
    for mode, more, verb in ((0o600, "", "written"), (0o644, "", "written"), (0o600, "<readonly/>", "read")):
        image.chmod(mode)
        for act in (lambda m=more: conn.createXML(guest("web", devices=disk.format("vda", m))), lambda m=more: running.attachDevice(disk.format("vdb", m))):
            with pytest.raises(libvirt.libvirtError, match=f"images/one.raw.*cannot be {verb} by the guest's user") as error:
                act()
            assert f"mode 0{mode:o}" in str(error.value) and "chmod 0666" in str(error.value)
            assert error.value.get_error_code() == libvirt.VIR_ERR_OPERATION_DENIED
    nameless = f"<disk type='network'><source protocol='gluster' name='images'><host name='{gluster.host}'/></source><target dev='vda' bus='virtio'/></disk>"
    with pytest.raises(libvirt.libvirtError, match="'images' is no image of Gluster"):
        conn.createXML(guest("web", devices=nameless))
    image.chmod(0o644)
    running.attachDevice(disk.format("vdb", "<readonly/>"))
    running.destroy()
    image.chmod(0o666)
    conn.createXML(guest("web", devices=disk.format("vda", "")), libvirt.VIR_DOMAIN_START_PAUSED).destroy()


def test_a_server_that_is_stuck_blocks_nobody(conn, pool, gluster, scratch):
    (scratch / "vms").mkdir()
    other = conn.storagePoolCreateXML(f"<pool type='dir'><name>q</name><target><path>{scratch}/vms</path></target></pool>")
    before = pool.listVolumes()
    gluster.freeze()
    try:
        begun = time.monotonic()
        with pytest.raises(libvirt.libvirtError, match="cannot look into Gluster volume 'images'") as error:
            pool.refresh()
        assert error.value.get_error_code() == libvirt.VIR_ERR_OPERATION_TIMEOUT and time.monotonic() - begun < 75
        begun = time.monotonic()
        assert pool.listVolumes() == before and len(conn.listAllStoragePools()) == 2
        other.createXML("<volume><name>fine</name><capacity>1048576</capacity></volume>")
        assert time.monotonic() - begun < 20
    finally:
        gluster.thaw()
    wait_until(lambda: pool.refresh() == 0, "it does not come back")
    other.destroy()


def test_a_missing_library_is_named_with_its_package(conn, gluster, scratch):
    library = os.path.realpath("/usr/lib/x86_64-linux-gnu/libgfapi.so.0")
    (scratch / "empty").touch()
    run("mount", "--bind", scratch / "empty", library)
    try:
        with pytest.raises(libvirt.libvirtError, match="apt install libgfapi0") as error:
            conn.storagePoolCreateXML(pool_xml(gluster))
        assert error.value.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT
    finally:
        run("umount", library)


def test_a_volume_mounted_as_a_folder_takes_new_images(conn, gluster, scratch):
    folder = scratch / "mounted"
    folder.mkdir()
    pool = conn.storagePoolCreateXML(f"<pool type='netfs'><name>mounted</name><source><host name='{gluster.host}'/><dir path='/images'/>"
                                     f"<format type='glusterfs'/></source><target><path>{folder}</path></target></pool>")
    assert os.path.ismount(folder)
    one = pool.createXML("<volume><name>one</name><capacity>4194304</capacity><target><format type='qcow2'/></target></volume>")
    (gluster.folder / "by-hand").write_bytes(PLAIN)
    wait_until(lambda: "by-hand" in pool.listVolumes() or pool.refresh(), "what another host has put there is not listed")
    assert pool.storageVolLookupByName("by-hand").info()[1] == len(PLAIN)
    assert (gluster.folder / "one").read_bytes()[:4] == b"QFI\xfb" and one.info()[1] == 4 * MIB
    copy = pool.createXMLFrom("<volume><name>two</name><capacity>0</capacity><target><format type='raw'/></target></volume>", one)
    assert copy.info()[1] == 4 * MIB and not [name for name in os.listdir(gluster.folder) if name.startswith(".domus")]
    for name in ("one", "two", "by-hand"):
        pool.storageVolLookupByName(name).delete()
    pool.destroy()
    assert not os.path.ismount(folder) and os.listdir(folder) == []
