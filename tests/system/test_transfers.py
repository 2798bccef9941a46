"""Uploads and downloads that break off: the volume stays usable, and the log says how far they came."""
import os
import re
import subprocess
import sys

import libvirt
import pytest

from harness.wait import wait_until

MIB = 1 << 20
SIZE = 16 * MIB
DATA = os.urandom(SIZE)


@pytest.fixture
def volume(conn, scratch):
    folder = scratch / "vms"
    folder.mkdir()
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>vms</name><target><path>{folder}</path></target></pool>")
    (folder / "one").write_bytes(DATA[::-1])
    yield pool.storageVolLookupByName("one")
    assert pool.listVolumes() == ["one"]


def content(volume):
    with open(volume.path(), "rb") as file:
        return file.read()


def upload(conn, volume, data):
    stream = conn.newStream()
    volume.upload(stream, 0, len(data))
    for at in range(0, len(data), 256 << 10):
        stream.send(data[at:at + (256 << 10)])
    stream.finish()


def usable(conn, volume):
    assert volume.info()[1] == SIZE
    upload(conn, volume, DATA)
    assert content(volume) == DATA


def ended(daemon, what):
    """How many bytes the log says that it had done."""
    line = re.compile(rf"warning: the {what} volume 'one' of pool 'vms' ended after (\d+) bytes, at byte (\d+): (.*)")
    return [(int(found[1]), int(found[2]), found[3]) for found in line.finditer(daemon.log.read_text())]


def told(daemon, what):
    wait_until(lambda: ended(daemon, what), f"nothing is said of the {what} volume")
    assert len(ended(daemon, what)) == 1
    return ended(daemon, what)[0]


def client(daemon, text, ready):
    """Another process that does so with the volume, until `ready()`; then killed."""
    text = ("import libvirt, os, sys, time\nlibvirt.registerErrorHandler(lambda *_: None, None)\n"
            "conn = libvirt.open(sys.argv[1]); volume = conn.storageVolLookupByPath(sys.argv[2]); stream = conn.newStream()\n" + text)
    process = subprocess.Popen([sys.executable, "-c", text, daemon.uri, daemon.volume_path], stdin=subprocess.PIPE)
    try:
        wait_until(ready, "the client does not begin")
    finally:
        process.kill()
        process.wait()


def test_an_upload_whose_client_aborts(conn, daemon, volume):
    stream = conn.newStream()
    volume.upload(stream, 4096, 0)
    stream.send(DATA[:MIB])
    wait_until(lambda: content(volume)[4096:4096 + MIB] == DATA[:MIB], "nothing arrives")
    stream.abort()
    came, at, why = told(daemon, "upload to")
    assert came == MIB and at == MIB + 4096 and "client" in why
    assert content(volume)[MIB + 4096:] == DATA[::-1][MIB + 4096:]
    usable(conn, volume)


def test_an_upload_whose_client_is_killed(conn, daemon, volume):
    daemon.volume_path = volume.path()
    client(daemon, "volume.upload(stream, 0, 0)\nstream.send(b'x' * 100000)\ntime.sleep(60)\n", lambda: content(volume)[:100000] == b"x" * 100000)
    came, at, why = told(daemon, "upload to")
    assert came == at == 100000 and "gone" in why
    assert content(volume)[100000:] == DATA[::-1][100000:]
    usable(conn, volume)


def test_an_upload_that_is_longer_than_announced(conn, daemon, volume):
    stream = conn.newStream()
    volume.upload(stream, 500, 1000)
    with pytest.raises(libvirt.libvirtError, match="more than the 1000 bytes"):
        for _ in range(100):
            stream.send(DATA[:300])
        stream.finish()
    came, _at, _why = told(daemon, "upload to")
    assert came <= 1000 and content(volume)[1500:] == DATA[::-1][1500:]
    usable(conn, volume)


def test_a_download_whose_client_aborts_or_is_killed(conn, daemon, volume):
    daemon.volume_path = volume.path()
    large = 4096 * MIB  # the library takes in what comes while this process does something else
    os.truncate(volume.path(), large)
    stream = conn.newStream()
    volume.download(stream, 0, 0)
    got = stream.recv(65536)
    assert got == DATA[::-1][:len(got)]
    stream.abort()
    came, at, _why = told(daemon, "download of")
    assert 0 < came == at < large
    client(daemon, "volume.download(stream, 0, 0)\nstream.recv(1000)\ntime.sleep(60)\n", lambda: daemon.log.read_text().count("volume.download volume 'vms/one'") == 2)
    wait_until(lambda: len(ended(daemon, "download of")) == 2, "nothing is said of the second")
    os.truncate(volume.path(), SIZE)
    assert content(volume) == DATA[::-1]
    usable(conn, volume)


def test_whole_transfers_say_nothing(conn, daemon, virsh, volume, scratch):
    usable(conn, volume)
    virsh("vol-download", "one", scratch / "got", "--pool", "vms")
    assert (scratch / "got").read_bytes() == DATA
    assert "ended after" not in daemon.log.read_text()
