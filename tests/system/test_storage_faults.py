"""A full disk and a killed daemon, while volumes are uploaded to, cloned and resized: nothing half is taken for whole,
and nothing else is lost."""
import os
import re
import subprocess
import time

import libvirt
import pytest

from harness.wait import wait_until

MIB = 1 << 20
ALLOCATE = 1


def volume_xml(name, size, kind="raw", allocation=0):
    return (f"<volume><name>{name}</name><capacity>{size}</capacity><allocation>{allocation}</allocation>"
            f"<target><format type='{kind}'/></target></volume>")


def make_pool(conn, name, folder):
    return conn.storagePoolCreateXML(f"<pool type='dir'><name>{name}</name><target><path>{folder}</path></target></pool>")


def fill(path, kind, size):
    """Data that is not zeros, inside the image."""
    done = subprocess.run(["qemu-io", "-f", kind, "-c", f"write -P 7 0 {size}", path], text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def message(call, *arguments):
    with pytest.raises(libvirt.libvirtError) as error:
        call(*arguments)
    return str(error.value)


def upload(conn, volume, data, offset=0):
    stream = conn.newStream()
    volume.upload(stream, offset, len(data))
    try:
        for at in range(0, len(data), 256 << 10):
            stream.send(data[at:at + (256 << 10)])
    except libvirt.libvirtError:
        pass  # the finish tells why
    stream.finish()


def download(conn, volume, length):
    got = bytearray()
    stream = conn.newStream()
    volume.download(stream, 0, length)
    stream.recvAll(lambda _stream, data, _opaque: got.extend(data), None)
    stream.finish()
    return bytes(got)


# -- a full disk --

@pytest.fixture(params=["tmpfs", "ext4"])
def small(request, conn, daemon, scratch):
    """A pool with little space, 'small', that has a volume with data, 'keep', and beside it a large pool, 'large'."""
    folder, image = scratch / "small", scratch / "ext4.img"
    folder.mkdir()
    if request.param == "tmpfs":
        done = daemon.sandbox.run("mount", "-t", "tmpfs", "-o", "size=24M", "tmpfs", folder)
    else:
        image.write_bytes(b"")
        os.truncate(image, 24 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", image], check=True)
        done = daemon.sandbox.run("mount", "-o", "loop", image, folder)
    assert done.returncode == 0, done.stderr
    try:
        (scratch / "large").mkdir()
        make_pool(conn, "large", scratch / "large")
        yield make_pool(conn, "small", folder)
        for pool in conn.listAllStoragePools():
            pool.destroy()
    finally:
        assert daemon.sandbox.run("umount", folder).returncode == 0


@pytest.fixture
def names(daemon, small, scratch):
    """What lies in the small pool's folder, hidden or not."""
    return lambda: sorted(set(daemon.sandbox.run("ls", "-A", scratch / "small").stdout.split()) - {"lost+found"})


KEPT = os.urandom(4 * MIB)


@pytest.fixture
def keep(conn, small):
    volume = small.createXML(volume_xml("keep", len(KEPT)))
    upload(conn, volume, KEPT)
    yield volume
    assert download(conn, volume, len(KEPT)) == KEPT


def test_an_upload_to_a_full_disk_says_how_far_it_came(conn, daemon, small, names, keep):
    volume = small.createXML(volume_xml("up", 64 * MIB))
    data = os.urandom(40 * MIB)
    said = message(upload, conn, volume, data)
    assert "No space left" in said and "volume 'up'" in said
    came = int(re.search(r"after (\d+) bytes", said)[1])
    assert 8 * MIB < came < 24 * MIB
    assert download(conn, volume, came) == data[:came]
    daemon.wait_logged(f"after {came} bytes")
    assert volume.info()[1] == 64 * MIB and names() == ["keep", "up"]
    volume.delete()
    again = small.createXML(volume_xml("up", 2 * MIB))
    upload(conn, again, data[:2 * MIB])
    assert download(conn, again, 2 * MIB) == data[:2 * MIB]


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_clone_onto_a_full_disk_leaves_nothing(conn, small, names, keep, scratch, kind):
    source = conn.storagePoolLookupByName("large").createXML(volume_xml("source", 64 * MIB, kind))
    fill(source.path(), kind, 40 * MIB)
    before = small.info()[3]
    assert "No space left" in message(small.createXMLFrom, volume_xml("copy", 64 * MIB, kind), source)
    assert names() == ["keep"] and small.listVolumes().count("copy") == 0
    small.refresh()
    assert abs(small.info()[3] - before) < MIB
    assert subprocess.run(["qemu-io", "-r", "-f", kind, "-c", "read -P 7 0 40M", source.path()]).returncode == 0


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_resize_beyond_a_full_disk_changes_nothing(conn, daemon, small, names, keep, kind):
    volume = small.createXML(volume_xml("grown", 2 * MIB, kind))
    allocated = volume.info()[2]
    assert "No space left" in message(volume.resize, 64 * MIB, ALLOCATE)
    assert volume.info()[1] == 2 * MIB and names() == ["grown", "keep"]
    if kind == "raw":
        assert volume.info()[2] == allocated
    else:
        done = daemon.sandbox.run("qemu-img", "check", "-q", "-f", kind, volume.path())
        assert done.returncode in (0, 3), done  # 3: clusters that nobody refers to
    volume.resize(4 * MIB, ALLOCATE)
    assert volume.info()[1] == 4 * MIB
    if kind == "raw":
        assert volume.info()[2] >= 2 * MIB


def test_a_clone_goes_to_another_file_system_and_from_a_device(conn, small, scratch):
    large = conn.storagePoolLookupByName("large")
    source = large.createXML(volume_xml("source", 8 * MIB))
    fill(source.path(), "raw", 3 * MIB)
    copy = small.createXMLFrom(volume_xml("copy", 8 * MIB), source)
    data = bytes([7]) * (3 * MIB) + bytes(5 * MIB)
    assert download(conn, copy, 8 * MIB) == data
    assert copy.info()[2] < 4 * MIB
    device = subprocess.run(["losetup", "-f", "--show", source.path()], text=True, capture_output=True, check=True).stdout.strip()
    try:
        (scratch / "large/device").symlink_to(device)
        copy = large.createXMLFrom(volume_xml("from-device", 8 * MIB), large.storageVolLookupByName("device"))
        assert (scratch / "large/from-device").read_bytes() == data and copy.info()[2] < 4 * MIB
        (scratch / "large/device").unlink()
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


def test_holes_of_an_upload_are_zeros_on_a_device(conn, virsh, small, scratch):
    large, image, sent = conn.storagePoolLookupByName("large"), scratch / "image", scratch / "sent"
    image.write_bytes(b"old" * MIB + bytes(MIB))
    with sent.open("wb") as file:
        file.write(b"x" * 100_000)
        file.seek(2 * MIB + 4096)
        file.write(b"y" * 4096)
        file.truncate(3 * MIB)
    device = subprocess.run(["losetup", "-f", "--show", image], text=True, capture_output=True, check=True).stdout.strip()
    try:
        (scratch / "large/device").symlink_to(device)
        virsh("vol-upload", "device", sent, "--pool", "large", "--sparse")
        assert download(conn, large.storageVolLookupByName("device"), 4 * MIB) == sent.read_bytes() + bytes(MIB)
        with sent.open("ab") as file:
            file.truncate(5 * MIB)
        refused = virsh("vol-upload", "device", sent, "--pool", "large", "--sparse", check=False)
        assert refused.code == 1 and "No space left on device" in refused.err
        (scratch / "large/device").unlink()
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


# -- a killed daemon --

@pytest.fixture
def vms(conn, scratch):
    folder = scratch / "vms"
    folder.mkdir()
    make_pool(conn, "vms", folder).createXML(volume_xml("keep", 1 * MIB))
    (folder / "keep").write_bytes(KEPT[:MIB])
    yield folder
    assert (folder / "keep").read_bytes() == KEPT[:MIB]


def come_again(daemon):
    """After a kill; returns a connection to a daemon whose pools are active."""
    daemon.start()
    conn = libvirt.open(daemon.uri)
    wait_until(lambda: "vms" in [each.name() for each in conn.listAllStoragePools(2)], "the pool is not active again")
    return conn


def hidden(folder):
    return [each for each in folder.iterdir() if each.name.startswith(".")]


def test_an_upload_cut_off_by_a_kill_leaves_the_volume(conn, daemon, vms):
    volume = conn.storagePoolLookupByName("vms").createXML(volume_xml("up", 8 * MIB))
    stream = conn.newStream()
    volume.upload(stream, 0, 0)
    stream.send(KEPT)
    wait_until(lambda: (vms / "up").read_bytes()[:MIB] == KEPT[:MIB], "nothing arrives")
    daemon.kill()
    conn = come_again(daemon)
    volume = conn.storageVolLookupByPath(str(vms / "up"))
    assert volume.info()[1] == 8 * MIB
    upload(conn, volume, KEPT)  # nobody holds it any more
    assert download(conn, volume, len(KEPT)) == KEPT
    assert sorted(os.listdir(vms)) == ["keep", "up"]


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_clone_cut_off_by_a_kill_is_none(conn, daemon, vms, kind):
    source = conn.storagePoolLookupByName("vms").createXML(volume_xml("source", 512 * MIB, kind))
    fill(source.path(), kind, 512 * MIB)
    for attempt in range(5):
        argv = ["virsh", "-c", daemon.uri, "vol-clone", "source", f"copy{attempt}", "--pool", "vms"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as cloning:
            made = vms / f".domus-unfinished.copy{attempt}"
            wait_until(lambda: cloning.poll() is not None or made.exists() and made.stat().st_blocks > 0, "no clone begins", pause=0.001)
            daemon.kill()
            cloning.wait()
        caught = made.exists()
        conn = come_again(daemon)
        pool = conn.storagePoolLookupByName("vms")
        if caught:
            break
    else:
        pytest.fail("each clone was done before the kill")
    assert f"copy{attempt}" not in pool.listVolumes()
    wait_until(lambda: not hidden(vms) or pool.refresh(), "what was begun stays")
    wait_until(lambda: not daemon.pids_of("qemu-img"), "qemu-img goes on")
    copy = pool.createXMLFrom(volume_xml(f"copy{attempt}", 512 * MIB, kind), pool.storageVolLookupByName("source"))
    assert subprocess.run(["qemu-img", "compare", "-q", "-f", kind, "-F", kind, vms / "source", copy.path()]).returncode == 0


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_a_resize_cut_off_by_a_kill_is_done_or_not(conn, daemon, vms, kind):
    path = vms / "grown"
    conn.storagePoolLookupByName("vms").createXML(volume_xml("grown", 4 * MIB, kind))
    fill(path, kind, 4 * MIB)
    size = 4 * MIB
    for delay in (0, 0.005, 0.02, 0.05):
        argv = ["virsh", "-c", daemon.uri, "vol-resize", "grown", f"{size + 256 * MIB}B", "--pool", "vms", "--allocate"]
        asked = daemon.log.read_text().count("resize volume")
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as resizing:
            wait_until(lambda: daemon.log.read_text().count("resize volume") > asked, "no resize begins", pause=0.001)
            time.sleep(delay)
            daemon.kill()
            resizing.wait()
        conn = come_again(daemon)
        volume = conn.storageVolLookupByPath(str(path))
        wait_until(lambda: not daemon.pids_of("qemu-img"), "qemu-img goes on")
        conn.storagePoolLookupByName("vms").refresh()
        assert volume.info()[1] in (size, size + 256 * MIB), "a size that nobody asked for"
        size = volume.info()[1]
        assert subprocess.run(["qemu-img", "check", "-q", "-f", kind, path]).returncode in ((0, 3) if kind == "qcow2" else (63,))
        assert subprocess.run(["qemu-io", "-r", "-f", kind, "-c", "read -P 7 0 4M", path]).returncode == 0
    volume.resize(size + MIB)
    assert volume.info()[1] == size + MIB


# -- a folder that others may write to --

@pytest.mark.skipif(os.geteuid() != 0, reason="wrapping programs needs root")
@pytest.mark.parametrize("change", ["create", "clone", "resize", "wipe"])
def test_nothing_is_done_to_what_takes_the_place_of_a_volume(conn, wrappers, scratch, change):
    """Somebody puts a link there just before the program begins that the daemon runs for it."""
    folder, victim = scratch / "open", scratch / "victim"
    folder.mkdir()
    folder.chmod(0o777)
    pool = make_pool(conn, "open", folder)
    plain = pool.createXML(volume_xml("plain", 4 * MIB, "qcow2"))
    victim.write_bytes(b"precious" * 1000)
    swap = f"""for each in {folder}/.domus-unfinished.* {folder}/plain; do
    [ -f "$each" ] && [ ! -L "$each" ] && mv "$each" "$each.moved" && ln -s {victim} "$each"
done
real "$@"
exit $?"""
    for program in ("qemu-img", "scrub"):
        wrappers(program, swap)
    full = volume_xml("new", 4 * MIB, "qcow2", 4 * MIB)  # reserving is left to qemu-img
    if change in ("create", "clone"):
        call = (lambda: pool.createXML(full)) if change == "create" else (lambda: pool.createXMLFrom(full.replace("qcow2", "vmdk"), plain))
        assert "put another one in its place" in message(call)
        assert not (folder / "new").exists() or (folder / "new").is_symlink()
    elif change == "resize":
        assert "no longer in its folder" in message(plain.resize, 8 * MIB)
        told = subprocess.run(["qemu-img", "info", folder / "plain.moved"], capture_output=True, text=True, check=True).stdout
        assert "8 MiB" in told
    else:
        assert "no longer in its folder" in message(plain.wipePattern, libvirt.VIR_STORAGE_VOL_WIPE_ALG_RANDOM)
        assert not (folder / "plain.moved").read_bytes().startswith(b"QFI")
    assert victim.read_bytes() == b"precious" * 1000
