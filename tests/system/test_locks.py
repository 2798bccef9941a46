"""An image that one domain writes to is nobody else's: within a daemon, across two on one host, for work on volumes."""
import subprocess

import libvirt
import pytest

from harness.wait import wait_until

PAUSED, LIVE, FORCE = 1, 1, 1
KINDS = ("raw", "qcow2")
PORTS = "".join(f"<controller type='pci' index='{i}' model='pcie-root-port'/>" for i in range(1, 7))


def make(path, kind="raw", size="4M", backing=None):
    below = ["-b", backing, "-F", "raw"] if backing else []
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, *below, path, *([] if backing else [size])], check=True)
    return path


def disk(path, target="vda", kind="raw", inside="", bus="virtio", device="disk", source="file"):
    return (f"<disk type='{'file' if source == 'file' else 'block'}' device='{device}'><driver name='qemu' type='{kind}'/><source {source}='{path}'/>"
            f"<target dev='{target}' bus='{bus}'/>{inside}</disk>")


def refusal(call, *arguments):
    with pytest.raises(libvirt.libvirtError) as error:
        call(*arguments)
    return error.value


def busy(call, *arguments):
    error = refusal(call, *arguments)
    assert error.get_error_code() == libvirt.VIR_ERR_RESOURCE_BUSY, error
    return str(error)


@pytest.fixture
def connect(_event_loop):
    opened = []

    def connect_to(daemon):
        opened.append(libvirt.open(daemon.uri))
        return opened[-1]

    yield connect_to
    for each in opened:
        try:
            each.close()
        except libvirt.libvirtError:
            pass  # its daemon was killed


@pytest.fixture
def start(guest):
    def start(conn, name, *disks):
        return conn.createXML(guest(name, memory=32, devices="".join(disks)), PAUSED)
    return start


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_domain_is_refused_by_name(make_daemon, connect, start, scratch, kind):
    image = make(scratch / f"one.{kind}", kind)
    link = scratch / "link"
    link.symlink_to(image)
    first, second = connect(make_daemon()), connect(make_daemon())
    holder = start(first, "holder", disk(image, kind=kind))
    for conn in (first, second):
        for path in (image, link):
            said = busy(start, conn, "late", disk(path, kind=kind))
            assert "disk 'vda'" in said and f"'{path}' is in use by domain 'holder' (uuid {holder.UUIDString()}, process " in said
            assert "domus shutdown holder" in said
        assert "late" not in [each.name() for each in conn.listAllDomains()]
    holder.destroy()
    taken = start(second, "late", disk(image, kind=kind))
    assert "domain 'late'" in busy(start, first, "holder", disk(image, kind=kind))
    taken.destroy()
    assert sorted(each.name for each in scratch.iterdir()) == sorted(["link", f"one.{kind}"])


def test_the_lock_outlives_the_daemon_and_ends_with_the_guest(make_daemon, connect, start, scratch):
    image = make(scratch / "one.raw")
    daemons = make_daemon(), make_daemon()
    start(connect(daemons[0]), "holder", disk(image))
    conn = connect(daemons[1])
    daemons[0].kill()
    assert "domain 'holder'" in busy(start, conn, "late", disk(image))
    daemons[0].start()
    assert "domain 'holder'" in busy(start, conn, "late", disk(image))
    daemons[0].restart()
    assert "domain 'holder'" in busy(start, conn, "late", disk(image))
    daemons[0].kill()
    for pid in daemons[0].pids_of("guest=holder"):
        subprocess.run(["kill", "-9", str(pid)], check=True)
    wait_until(lambda: not daemons[0].pids_of("guest=holder"), "the guest's process is still there")
    start(conn, "late", disk(image)).destroy()
    daemons[0].start()
    assert [each.name for each in scratch.iterdir()] == ["one.raw"]


def test_who_reads_goes_with_readers_alone(make_daemon, connect, start, scratch):
    image = make(scratch / "base.raw")
    top = make(scratch / "top.qcow2", "qcow2", backing=image)
    conn, other = connect(make_daemon()), connect(make_daemon())
    readers = [start(conn, "cd", disk(image, "sda", bus="sata", device="cdrom")),
               start(other, "overlay", disk(top, kind="qcow2")),
               start(other, "plain", disk(image, inside="<readonly/>"))]
    assert "in use by domain" in busy(start, conn, "writer", disk(image))
    for each in readers:
        each.destroy()
    writer = start(conn, "writer", disk(image))
    assert "domain 'writer'" in busy(start, other, "plain", disk(image, inside="<readonly/>"))
    assert "domain 'writer'" in busy(start, other, "overlay", disk(top, kind="qcow2"))
    writer.destroy()


def test_transient_disks_only_read_their_image(make_daemon, connect, start, scratch):
    image = make(scratch / "base.raw")
    conn, other = connect(make_daemon()), connect(make_daemon())
    passing = disk(image, inside="<transient/>")
    started = [start(conn, "one", passing), start(other, "two", passing)]
    assert "in use by domain" in busy(start, conn, "writer", disk(image))
    for each in started:
        each.destroy()
    writer = start(conn, "writer", disk(image))
    assert "domain 'writer'" in busy(start, other, "two", passing)
    writer.destroy()
    assert [each.name for each in scratch.iterdir()] == ["base.raw"]


def test_who_shares_goes_with_those_who_share(make_daemon, connect, start, scratch):
    image = make(scratch / "shared.raw")
    conn, other = connect(make_daemon()), connect(make_daemon())
    shared = disk(image, inside="<shareable/>")
    sharing = [start(conn, "one", shared), start(other, "two", shared)]
    assert "<shareable/>" in busy(start, conn, "three", disk(image))
    assert busy(start, conn, "three", disk(image, inside="<readonly/>"))
    for each in sharing:
        each.destroy()
    alone = start(conn, "alone", disk(image))
    assert "domain 'alone'" in busy(start, other, "two", shared)
    alone.destroy()
    metadata = make(scratch / "shared.qcow2", "qcow2")
    said = refusal(start, conn, "bad", disk(metadata, kind="qcow2", inside="<shareable/>"))
    assert said.get_error_code() == libvirt.VIR_ERR_CONFIG_UNSUPPORTED and "raw" in str(said)


def test_devices_that_come_and_go_take_and_give_the_lock(make_daemon, connect, start, scratch):
    image, floppy, second = (make(scratch / name) for name in ("data.raw", "floppy.img", "second.img"))
    conn, other = connect(make_daemon()), connect(make_daemon())
    holder = start(conn, "holder", disk(floppy, "fda", bus="fdc", device="floppy"), PORTS)
    rival = start(other, "rival", PORTS)
    holder.attachDeviceFlags(disk(image, "vdb"), LIVE)
    assert "domain 'holder'" in busy(rival.attachDeviceFlags, disk(image, "vdb"), LIVE)
    assert "vdb" not in rival.XMLDesc()
    assert "domain 'holder'" in busy(start, other, "late", disk(floppy))
    holder.updateDeviceFlags(disk(second, "fda", bus="fdc", device="floppy"), LIVE)
    holder.updateDeviceFlags(disk(second, "fda", bus="fdc", device="floppy"), LIVE)  # the same once more
    late = start(other, "late", disk(floppy))
    assert "domain 'late'" in busy(holder.updateDeviceFlags, disk(floppy, "fda", bus="fdc", device="floppy"), LIVE)
    assert str(second) in holder.XMLDesc()  # nothing was taken out for it
    late.destroy()
    holder.destroy()
    rival.attachDeviceFlags(disk(image, "vdb"), LIVE)
    rival.destroy()


def test_block_devices_are_locked_as_devices(make_daemon, connect, start, scratch):
    file = make(scratch / "backing.img")
    loop = subprocess.run(["losetup", "-f", "--show", file], text=True, capture_output=True)
    if loop.returncode:
        pytest.skip(f"no loop devices: {loop.stderr.strip()}")
    device = loop.stdout.strip()
    try:
        link = scratch / "by-name"
        link.symlink_to(device)
        conn, other = connect(make_daemon()), connect(make_daemon())
        holder = start(conn, "holder", disk(device, source="dev"))
        assert "domain 'holder'" in busy(start, other, "late", disk(link, source="dev"))
        holder.destroy()
        start(other, "late", disk(link, source="dev")).destroy()
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


def test_two_disks_of_one_domain_are_two(daemon, conn, start, scratch):
    image = make(scratch / "one.raw")
    said = busy(start, conn, "twice", disk(image), disk(image, "vdb"))
    assert "disk 'vdb'" in said and "this daemon" in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_volume_in_use_is_left_alone(daemon, conn, virsh, start, scratch, kind):
    folder = scratch / "vms"
    folder.mkdir()
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>vms</name><target><path>{folder}</path></target></pool>")
    xml = f"<volume><name>one.{kind}</name><capacity>4194304</capacity><target><format type='{kind}'/></target></volume>"
    volume = pool.createXML(xml)
    holder = start(conn, "holder", disk(volume.path(), kind=kind))
    before = (folder / f"one.{kind}").read_bytes()
    for call, arguments in ((volume.resize, (8 << 20,)), (volume.wipe, ()), (volume.delete, ()), (volume.delete, (1,)),
                            (volume.upload, (conn.newStream(), 0, 0))):
        error = refusal(call, *arguments)
        assert error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID, error
        assert f"volume 'one.{kind}' is still in use" in str(error) and "domain 'holder'" in str(error)
    copy = xml.replace(">one", ">two")
    if kind == "raw":
        pool.createXMLFrom(copy, volume).delete()
    else:
        assert "is still in use" in str(refusal(pool.createXMLFrom, copy, volume))
    virsh("vol-download", volume.name(), scratch / "got", "--pool", "vms")
    assert (folder / f"one.{kind}").read_bytes() == before
    assert pool.listVolumes() == [f"one.{kind}"]
    holder.destroy()
    volume.resize(8 << 20)
    volume.wipe()
    volume.delete()
    pool.destroy()


def test_a_volume_that_is_uploaded_to_is_not_started_from(daemon, conn, start, scratch):
    folder = scratch / "vms"
    folder.mkdir()
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>vms</name><target><path>{folder}</path></target></pool>")
    volume = pool.createXML("<volume><name>one</name><capacity>4194304</capacity></volume>")
    stream = conn.newStream()
    volume.upload(stream, 0, 4 << 20)
    stream.send(b"x" * 1000)
    assert "this daemon" in busy(start, conn, "early", disk(volume.path()))
    assert "is still in use" in str(refusal(volume.resize, 8 << 20))
    stream.abort()

    def free():
        try:
            start(conn, "early", disk(volume.path())).destroy()
            return True
        except libvirt.libvirtError as error:
            assert error.get_error_code() == libvirt.VIR_ERR_RESOURCE_BUSY
            return False

    wait_until(free, "an upload that was broken off still holds the volume")
    pool.destroy()
