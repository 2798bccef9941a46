"""`domus vol-*` beside stock `virsh` on the same daemon: what scripts read is the same to the letter."""
import contextlib
import json
import os
import re
import subprocess
import time

import pytest

from harness.compare import assert_hint, assert_same_options, differences, offered, said, verbs_of
from harness.daemon import BUILD, run

MIB = 1 << 20

READING = [
    "vol-list p", "vol-list p --details", "vol-list --pool p", "vol-list off", "vol-list absent", "vol-list", "--quiet vol-list p",
    "vol-info a p", "vol-info a --pool p", "vol-info a p --bytes", "vol-info q p --physical", "vol-info q p --physical --bytes",
    "vol-info a", "vol-info absent p", "vol-info a off", "vol-info a absent", "vol-info folder p", "vol-info {p}/q",
    "vol-info {p}/q other", "vol-info {p}/absent", "vol-key a p", "vol-key {p}/a", "vol-key a", "vol-path a p", "vol-path a",
    "vol-name {p}/a", "vol-name a", "vol-pool {p}/a", "vol-pool {p}/a --uuid", "vol-pool a", "vol-dumpxml a p",
    "vol-dumpxml q p --xpath //format", "vol-dumpxml a p --xpath //name --wrap", "vol-dumpxml absent p",
    "vol-create p /absent/file", "vol-create-from p /absent/file a --inputpool p", "vol-create-from p /absent/file a",
    "vol-create-as p x 10Q", "vol-create-as p x -1", "vol-create-as p x 1M --allocation y", "vol-create-as absent x 1M",
    "vol-create-as off x 1M", "vol-create-as p x", "vol-create-as p x 1M --print-xml", "vol-create-as p x 1M 10K raw --print-xml",
    "vol-create-as p x 1G --format qcow2 --backing-vol a --backing-vol-format raw --print-xml",
    "vol-create-as p x 1G --format qcow2 --backing-vol {p}/a --print-xml", "vol-create-as other x 1G --backing-vol {p}/a --print-xml",
    "vol-create-as p x 1G --backing-vol absent --print-xml", "vol-create-as p a 1M", "vol-create-as p x 1M --format nonsense",
    "vol-clone a x p --print-xml", "vol-clone a a p", "vol-clone a x", "vol-clone absent x p", "vol-delete absent p",
    "vol-resize a -1M p", "vol-resize a x p", "vol-resize a 1K p", "vol-resize a -1M p --delta", "vol-wipe a p --algorithm nonsense",
    "vol-wipe a p nnsa", "vol-wipe {p}/a --algorithm nnsa", "vol-resize {p}/a 1K", "vol-clone {p}/a q", "vol-download {p}/a {p}/x --offset 999999999",
    "vol-wipe absent p", "vol-upload a /absent/file p", "vol-upload a /absent/file p --offset -1",
    "vol-upload absent /etc/hostname p", "vol-download a /absent/file p", "vol-download absent /absent/file p",
]

LIFE = [
    "vol-create p {f}/one.xml", "vol-create p {f}/one.xml", "vol-create p {f}/broken.xml", "vol-create-as p two 10M",
    "vol-create-as p three 1G --format qcow2 --prealloc-metadata", "vol-create-as p four 20M --allocation 0",
    "vol-create-as p five 1G --format qcow2 --backing-vol two --backing-vol-format raw", "vol-create-from p {f}/six.xml two",
    "vol-create-from p {f}/six.xml two --inputpool p", "vol-create-from other {f}/six.xml {p}/three", "vol-clone two seven p",
    "vol-clone {p}/three eight", "vol-clone two seven p", "vol-list p --details", "vol-list other --details", "vol-resize two 20M p",
    "vol-resize two 1M --delta p", "vol-resize two 1M --delta --allocate --pool p", "vol-resize two -1M p --shrink",
    "vol-resize two -1M p --shrink --delta", "vol-resize two 10M p --shrink", "vol-info two p --bytes", "vol-resize three 2G p",
    "vol-upload two {f}/data p", "vol-download two {f}/out p", "vol-download two {f}/out p --offset 100 --length 50",
    "vol-download two {f}/out p 7 50", "vol-upload two {f}/data p --offset 100", "vol-upload two {f}/data p --sparse",
    "vol-download two {f}/out p --sparse", "vol-download two {f}/out p --offset 999999999", "vol-upload two {f}/data p --offset 999999999",
    "vol-info two p", "vol-wipe two p", "vol-wipe two p --algorithm zero", "vol-wipe {p}/two", "vol-resize {p}/two 12M",
    "vol-wipe two p zero", "vol-delete two p",
    "vol-delete two p", "vol-delete seven --pool p --delete-snapshots", "vol-delete seven p", "vol-delete {p}/three", "vol-list p", "vol-delete one p",
    "vol-delete four p", "vol-delete five p", "vol-delete six p", "vol-delete eight p", "vol-delete six other", "vol-list p",
]


@pytest.fixture
def volumes(daemon, scratch):
    """Pools p and other with volumes a (raw), q (qcow2), Z and a folder; pool off does not run."""
    if not (BUILD / "bin/domus").exists():
        pytest.skip("domus is not built")
    for name in ("p", "other", "off"):
        daemon.virsh("pool-define-as", name, "dir", "--target", scratch / name)
        daemon.virsh("pool-build", name)
    (scratch / "p/folder").mkdir()
    for name in ("p", "other"):
        daemon.virsh("pool-start", name)
    daemon.virsh("vol-create-as", "p", "a", "10M")
    daemon.virsh("vol-create-as", "p", "Z", "100", "--allocation", "0")
    daemon.virsh("vol-create-as", "p", "q", "1G", "--format", "qcow2")
    return daemon


def test_reads_as_virsh_does(volumes, scratch):
    assert not differences(volumes, [line.format(p=scratch / "p") for line in READING])


def test_a_life_in_virshs_words(volumes, scratch):
    (scratch / "data").write_bytes(os.urandom(3_000_000))
    for name in ("one", "six"):
        (scratch / f"{name}.xml").write_text(f"<volume><name>{name}</name><capacity>1048576</capacity></volume>")
    (scratch / "broken.xml").write_text("<volume><name>")
    lives = []
    for client in (volumes.virsh, volumes.domus):
        life = []
        for line in LIFE:
            result = client(*line.format(f=scratch, p=scratch / "p").split(), check=False)
            downloaded = line.startswith("vol-download") and result.code == 0
            life.append((line, *said(result), (scratch / "out").read_bytes() if downloaded else None))
        lives.append(life)
        (scratch / "out").unlink(missing_ok=True)
    for theirs, ours in zip(*lives):
        assert ours[:-1] == theirs[:-1]
        assert ours[-1] == theirs[-1], f"{ours[0]}: other contents"


def test_contents_go_there_and_back(volumes, scratch):
    data = os.urandom(5 * MIB + 123)
    (scratch / "data").write_bytes(data)
    volumes.domus("vol-upload", "a", scratch / "data", "p", "--offset", "1000")
    volumes.domus("vol-download", "a", scratch / "out", "p")
    out = (scratch / "out").read_bytes()
    assert len(out) == 10 * MIB and out[1000:1000 + len(data)] == data and not out[:1000].strip(b"\0")
    volumes.domus("vol-download", "a", scratch / "part", "p", "--offset", "1001", "--length", "77")
    assert (scratch / "part").read_bytes() == data[1:78]
    volumes.domus("vol-upload", "a", scratch / "data", "p", "--length", "10")  # only as much as was said
    volumes.domus("vol-download", "a", scratch / "out", "p", "--length", "20")
    assert (scratch / "out").read_bytes() == data[:10] + out[10:20]


def test_contents_through_pipes(volumes, scratch):
    data = os.urandom(2 * MIB)
    (scratch / "data").write_bytes(data)
    domus = f"{BUILD}/bin/domus -c {volumes.uri}"
    run("sh", "-c", f"cat {scratch}/data | {domus} vol-upload a /dev/stdin p && {domus} -q vol-download a /dev/stdout p --length {len(data)}"
        f" | cat >{scratch}/out")
    assert (scratch / "out").read_bytes()[:len(data)] == data


def test_holes_stay_holes(volumes, scratch):
    volumes.domus("vol-create-as", "p", "big", "64M", "--allocation", "0")
    source = scratch / "holes"
    with open(source, "wb") as file:
        for at in (0, 20 * MIB, 40 * MIB):
            file.seek(at)
            file.write(b"x" * MIB)
        file.truncate(64 * MIB)
    volumes.domus("vol-upload", "big", source, "p", "--sparse")
    volumes.domus("vol-download", "big", scratch / "out", "p", "--sparse")
    assert run("cmp", source, scratch / "out").code == 0
    for path in (scratch / "p/big", scratch / "out"):
        assert path.stat().st_size == 64 * MIB and path.stat().st_blocks * 512 < 8 * MIB, path


def test_a_failed_download_leaves_nothing(volumes, scratch):
    (scratch / "mine").write_text("keep me")
    for target in ("new", "mine"):
        assert volumes.domus("vol-download", "a", scratch / target, "p", "--offset", "999999999", check=False).code == 1
    assert not (scratch / "new").exists() and (scratch / "mine").read_text() == "keep me"
    assert volumes.domus("vol-download", "a", "/dev/full", "p", check=False).code == 1


def test_errors_end_in_a_hint(volumes, scratch):
    for line in ("vol-info absent p", "vol-info a", "vol-info a off", "vol-info {p}/a other", "vol-create-as p x 10Q",
                 "vol-create-as p x 1M --backing-vol absent", "vol-resize a -1M p", "vol-resize a 1K p", "vol-wipe a p --algorithm x",
                 "vol-resize {p}/a 1K", "vol-clone {p}/a q", "vol-download {p}/a {p}/x --offset 999999999",
    "vol-upload a /absent p", "vol-download a /absent/x p", "vol-clone a a p", "vol-list off",
                 "vol-create-as p a 1M", "vol-download a {p}/x p --offset 999999999", "vol-delete absent p", "vol-name a"):
        assert_hint(volumes, line.format(p=scratch / "p"))


def test_what_xml_needs_is_escaped(volumes):
    volumes.domus("vol-create-as", "p", "a<b>&'c'", "1M")
    assert volumes.domus("vol-clone", "a<b>&'c'", "d&e", "p").code == 0
    listed = volumes.virsh("vol-list", "p").out
    assert "a<b>&'c'" in listed and "d&e" in listed


def test_json(volumes, scratch):
    listed = {volume["name"]: volume for volume in json.loads(volumes.domus("vol-list", "p", "--details", "--json").out)}
    assert listed["q"] == {"name": "q", "path": f"{scratch}/p/q", "type": "file", "capacity": 1 << 30, "allocation": listed["q"]["allocation"]}
    told = json.loads(volumes.domus("vol-info", "q", "p", "--json").out)
    assert told["capacity"] == 1 << 30 and told["allocation"] == listed["q"]["allocation"]
    made = json.loads(volumes.domus("vol-create-as", "p", "new", "1M", "--json").out)
    assert (made["volume"], made["pool"], made["key"]) == ("new", "p", f"{scratch}/p/new")
    failed = volumes.domus("vol-info", "absent", "p", "--json", check=False)
    assert json.loads(failed.err)["error"]["code"] == 50


def test_a_long_list_takes_few_trips(volumes, scratch):
    """500 volumes: each question about all of them is one trip, which is seen by its time through a slow relay."""
    for number in range(500):
        (scratch / f"p/v{number:03}").touch()
    volumes.virsh("pool-refresh", "p")
    with slow_way(volumes, scratch, "late") as uri:
        begin = time.monotonic()
        out = run(BUILD / "bin/domus", "-c", uri, "vol-list", "p", "--details").out
        took = time.monotonic() - begin
    assert len(re.findall(r" v\d{3} ", out)) == 500
    assert took < 25, f"{took:.1f} s: more than some trips of 0.1 s"


def test_progress_is_shown_to_a_person(volumes, scratch, terminal):
    (scratch / "data").write_bytes(os.urandom(8 * MIB))
    for verb, word, way in (("vol-upload", "Uploading", "narrow"), ("vol-download", "Downloading", "narrow")):
        with slow_way(volumes, scratch, way) as uri:
            screen = terminal(BUILD / "bin/domus", "-c", uri, verb, "a", scratch / "data", "p")
            screen.expect(word + r" a \[#+ *\] +\d+ %   [\d.]+ MiB/s   0:\d\d left")
            assert screen.wait(30) == 0
            assert screen.text.rstrip("\r\n").endswith("\r\x1b[K"), "the line is gone in the end"


def test_a_copy_shows_how_far_it_is(volumes, scratch, terminal):
    with slow_way(volumes, scratch, "copying") as uri:
        screen = terminal(BUILD / "bin/domus", "-c", uri, "vol-clone", "a", "b", "p")
        screen.expect(r"Copying a to b \[#+\] 100 %   [\d.]+ MiB/s   0:00 left")
        screen.expect(r"\x1b\[KVol b cloned from a")
        assert screen.wait(30) == 0
    with slow_way(volumes, scratch, "wiping") as uri:
        screen = terminal(BUILD / "bin/domus", "-c", uri, "vol-wipe", "b", "p")
        screen.expect(r"Wiping b 0:0[1-9]\x1b\[K")
        screen.expect(r"\r\x1b\[KVol b wiped")
        assert screen.wait(30) == 0


def test_progress_is_silent_where_nobody_looks(volumes, scratch, terminal):
    (scratch / "data").write_bytes(os.urandom(8 * MIB))
    with slow_way(volumes, scratch, "narrow") as uri:
        begin = time.monotonic()
        done = run(BUILD / "bin/domus", "-c", uri, "vol-upload", "a", scratch / "data", "p")
        assert time.monotonic() - begin > 1.5, "too fast to prove anything"
    assert (done.out, done.err) == ("\n", "")
    for option in ("-q", "--json"):
        with slow_way(volumes, scratch, "narrow") as uri:
            screen = terminal(BUILD / "bin/domus", option, "-c", uri, "vol-upload", "a", scratch / "data", "p")
            assert screen.wait(30) == 0 and "Uploading" not in screen.text


@contextlib.contextmanager
def slow_way(daemon, scratch, kind):
    """A URI that leads to the daemon through RELAY."""
    (scratch / "relay.py").write_text(RELAY)
    socket = daemon.root / "slow"
    relay = subprocess.Popen(["/usr/bin/python3", scratch / "relay.py", socket, daemon.socket, kind])
    try:
        while not socket.exists():
            assert relay.poll() is None
            time.sleep(0.01)
        yield f"qemu+unix:///system?socket={socket}"
    finally:
        relay.kill()
        relay.wait()
        socket.unlink(missing_ok=True)


# late: what the client says comes 0.1 s later, as on a long way: 1,000 calls one after another take 100 s.
# narrow: 4 MB a second. copying, wiping: the reply to that (procedure 125, 165) comes
# after 2.5 s, all else at once.
RELAY = """
import os, socket, struct, sys, threading, time
listener = socket.socket(socket.AF_UNIX); listener.bind(sys.argv[1] + ".new"); listener.listen()
os.rename(sys.argv[1] + ".new", sys.argv[1])  # it is there once it listens
client, _ = listener.accept()
server = socket.socket(socket.AF_UNIX); server.connect(sys.argv[2])
kind = sys.argv[3]

def pump(source, target, size, delay):
    while data := source.recv(size):
        target.sendall(data) if len(data) < 1000 and kind == "narrow" else (time.sleep(delay), target.sendall(data))

def packets(source):
    held = b""
    while data := source.recv(1 << 20):
        held += data
        while len(held) >= 4 and len(held) >= (length := struct.unpack(">I", held[:4])[0]):
            yield held[:length]
            held = held[length:]

def hold(source, target, procedure):
    for packet in packets(source):
        if struct.unpack(">I", packet[12:16])[0] == procedure:
            threading.Timer(2.5, target.sendall, [packet]).start()
        else:
            target.sendall(packet)

size, delay = (1 << 20, 0.1) if kind == "late" else (1 << 16, 0.016) if kind == "narrow" else (1 << 20, 0)
threading.Thread(target=pump, args=(client, server, size, delay), daemon=True).start()
if kind in ("copying", "wiping"):
    hold(server, client, 125 if kind == "copying" else 165)
else:
    pump(server, client, size, delay if kind == "narrow" else 0)
"""


def test_completion(volumes, scratch):
    assert offered(volumes, "vol-info", "--pool", "p", "")[1] == {"a", "q", "Z", "folder"}
    assert offered(volumes, "vol-info", str(scratch))[1] == {f"{scratch}/p/{name}" for name in ("a", "q", "Z", "folder")}
    assert offered(volumes, "vol-list", "")[1] == {"p", "other"}
    assert offered(volumes, "vol-create-as", "p", "x", "1M", "--format", "q")[1] == {"qcow2"}
    assert offered(volumes, "vol-wipe", "a", "p", "--algorithm", "pf")[1] == {"pfitzner7", "pfitzner33"}
    assert offered(volumes, "vol-upload", "a", "")[0] == "files"


def test_the_same_options_as_virsh(volumes):
    verbs = verbs_of(volumes, "volume")
    assert len(verbs) == 16
    assert_same_options(volumes, verbs)
