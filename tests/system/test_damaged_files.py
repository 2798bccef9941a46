"""Files of the daemon that are damaged while it is down: the next one comes up, what was not damaged is all there, and
what was damaged is still on the disk. With DOMUS_FULL set, many random rounds."""
import json
import os
import random
import socket
import stat

import libvirt
import pytest

from harness.calls import refused
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and networks need root")
ROUNDS = 25 if os.environ.get("DOMUS_FULL") else 1
PAUSED = libvirt.VIR_DOMAIN_START_PAUSED
RUNNING = ["running", "hurt0", "hurt1"]  # the records of the latter two are damaged


# -- damages: each gets the file and one of the same kind, and leaves something else under its name --

def truncate(path, _other):
    os.truncate(path, random.randrange(1, path.stat().st_size))


def empty(path, _other):
    os.truncate(path, 0)


def zero(path, _other):
    path.write_bytes(bytes(path.stat().st_size))


def flip(path, _other):
    text = bytearray(path.read_bytes())
    text[random.randrange(len(text))] ^= 1 << random.randrange(8)
    path.write_bytes(text)


def copy_other(path, other):
    path.write_bytes(other.read_bytes())


def oversize(path, _other):
    path.write_bytes(path.read_bytes() + b" " * (17 << 20))


def give_away(path, _other):
    os.chown(path, 12345, 12345)


def make_unreadable(path, _other):
    path.chmod(0)


def link_to_itself(path, _other):
    path.unlink()
    path.symlink_to(path.name)


def link_to_nothing(path, _other):
    path.unlink()
    path.symlink_to("/not/mounted/now")


def link_to_device(path, _other):
    path.unlink()
    path.symlink_to("/dev/zero")


def link_to_io_error(path, _other):
    """A regular file whose beginning cannot be read."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


def link_to_theirs(path, _other):
    target = path.with_suffix(".theirs")
    path.rename(target)
    os.chown(target, 12345, 12345)
    path.symlink_to(target.name)


def make_fifo(path, _other):
    path.unlink()
    os.mkfifo(path)


def make_socket(path, _other):
    path.unlink()
    folder = os.open(path.parent, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def make_folder(path, _other):
    path.unlink()
    (path / "below").mkdir(parents=True)


DAMAGES = [truncate, empty, zero, flip, copy_other, oversize, give_away, make_unreadable, link_to_itself, link_to_nothing,
           link_to_device, link_to_io_error, link_to_theirs, make_fifo, make_socket, make_folder]


class Kind:
    """Objects of one kind: `make` one by its name, `names` of all, and the `folder` of their files."""

    def __init__(self, folder, make, names, suffix=".xml"):
        self.folder, self.make, self.names, self.suffix = folder, make, names, suffix

    def file(self, root, name):
        return root / self.folder / (name + self.suffix)


def secret_uuid(name):
    return f"6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f{int(name[1:]):04x}"


def make_secret(conn, name):
    xml = f"<secret><uuid>{secret_uuid(name)}</uuid><description>{name}</description></secret>"
    conn.secretDefineXML(xml).setValue(name.encode())


def make_network(conn, name):
    number = int(name[1:])
    conn.networkDefineXML(f"<network><name>{name}</name><bridge name='tbr{number}'/><ip address='10.77.{number}.1' prefix='24'/></network>")


def make_pool(conn, name, root):
    folder = root / "pools" / name
    folder.mkdir(parents=True)
    conn.storagePoolDefineXML(f"<pool type='dir'><name>{name}</name><target><path>{folder}</path></target></pool>")


def make_snapshot(conn, name):
    domain = conn.lookupByName("kept0")
    domain.snapshotCreateXML(f"<domainsnapshot><name>{name}</name><state>shutoff</state>"
                             f"<creationTime>{1700000000 + int(name[1:])}</creationTime>{domain.XMLDesc()}</domainsnapshot>",
                             libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)


def kinds_of(root, guest):
    return {
        "domain": Kind("etc/domus/qemu", lambda conn, name: conn.defineXML(guest(name)), lambda conn: [d.name() for d in conn.listAllDomains()]),
        "network": Kind("etc/domus/qemu/networks", make_network, lambda conn: [n.name() for n in conn.listAllNetworks()]),
        "pool": Kind("etc/domus/storage", lambda conn, name: make_pool(conn, name, root), lambda conn: [p.name() for p in conn.listAllStoragePools()]),
        "secret": Kind("etc/domus/secrets", make_secret, lambda conn: [s.XMLDesc().split("description>")[1][:-2] for s in conn.listAllSecrets()]),
        "value": Kind("etc/domus/secrets", make_secret, lambda conn: [s.value().decode() for s in conn.listAllSecrets() if readable(s)], ".value"),
        "snapshot": Kind("var/lib/domus/qemu/snapshot/kept0", make_snapshot, lambda conn: conn.lookupByName("kept0").snapshotListNames()),
    }


def readable(secret):
    try:
        return secret.value() is not None
    except libvirt.libvirtError:
        return False


def content(path):
    """What must not be lost: bytes, or what else it is."""
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return path.read_bytes()
    return os.readlink(path) if stat.S_ISLNK(mode) else stat.S_IFMT(mode)


def contents_beside(path):
    return [content(each) for each in path.parent.glob(path.name + "*")]


def damage(kind, root, victims):
    """Damages the file of each victim in one way; returns what then lies there."""
    found = {}
    spare = kind.file(root, victims[len(DAMAGES)][0])
    for (name, _file), way in zip(victims, random.sample(DAMAGES, len(DAMAGES))):
        file = kind.file(root, name)
        way(file, spare)
        found[file] = (way.__name__, content(file))
    return found


@pytest.mark.parametrize("round_number", range(ROUNDS))
def test_a_damaged_file_harms_no_other_object_and_is_not_lost(daemon, guest, round_number, _event_loop):
    seed = random.randrange(1 << 32) if round_number else 0
    random.seed(seed)
    note = f"seed {seed}"
    root, conn = daemon.root, libvirt.open(daemon.uri)
    conn.defineXML(guest("kept0"))
    for name in RUNNING:
        conn.defineXML(guest(name, memory=32)).createWithFlags(PAUSED)
    kinds = kinds_of(root, guest)
    victims, kept = {}, {}
    for offset, (word, kind) in enumerate(kinds.items()):
        names = [f"{word[0]}{i + (100 if word == 'value' else 0)}" for i in range(len(DAMAGES) + 3)]
        for name in names:
            kind.make(conn, name)
        files = [(secret_uuid(name) if word in ("secret", "value") else name, name) for name in names]
        victims[word], kept[word] = files[:len(DAMAGES) + 1], names[len(DAMAGES):]
    # Records: of networks and pools that run, and files that are none, under the names of nobody.
    for name in kept["network"]:
        conn.networkLookupByName(name).create()
    for name in kept["pool"]:
        conn.storagePoolLookupByName(name).create()
    conn.close()
    daemon.stop()

    damaged = {}
    for word, kind in kinds.items():
        damaged.update(damage(kind, root, victims[word]))
    for folder in ("qemu", "network", "storage"):
        for index, way in enumerate(DAMAGES):
            file = root / "run/domus" / folder / f"ghost{index}.xml"
            file.write_text("<domstatus state='1' pid='1' started='1' folder='/etc'><domain><name>x</name></domain></domstatus>")
            way(file, root / "etc/domus/qemu/kept0.xml")
            damaged[file] = (way.__name__, content(file))
    for name, way in zip(RUNNING[1:], random.sample([truncate, zero, copy_other, make_fifo, make_folder, link_to_itself], 2)):
        way(root / f"run/domus/qemu/{name}.xml", root / "etc/domus/qemu/kept0.xml")
    [broken_network, *_] = kept["network"]
    (root / f"run/domus/network/{broken_network}.xml").write_text("<networkstatus>")

    daemon.start()
    conn = libvirt.open(daemon.uri)
    for word, kind in kinds.items():
        missing = set(kept[word]) - set(kind.names(conn))
        assert not missing, f"{note}: {word}s are lost: {missing}\n{daemon.log_tail(400)}"
    for name in RUNNING:
        assert conn.lookupByName(name).state()[0] == libvirt.VIR_DOMAIN_PAUSED, f"{note}: {name} was not found"
    wait_until(lambda: all(conn.networkLookupByName(name).isActive() for name in kept["network"]), "a network does not run")
    wait_until(lambda: all(conn.storagePoolLookupByName(name).isActive() for name in kept["pool"]), "a pool is not active")
    for file, (way, was) in damaged.items():
        assert was in contents_beside(file), f"{note}: {way} of {file}: its contents are lost"
    # What was set aside is named by the log and by the doctor, and its name can be used again.
    aside = list(root.rglob("*.broken*"))
    told = json.loads(daemon.domus("doctor", "--root", root, "--json", check=False).out)
    told = [check["found"] for check in told if check["subject"] == "Files of domusd"]
    log = daemon.log.read_text(errors="replace")
    assert aside
    for path in aside:
        assert any(str(path) in line for line in told), f"{note}: the doctor does not name {path}"
        assert str(path) in log, f"{note}: the log does not name {path}"
    for (name, _), file in [(victim, kinds["domain"].file(root, victim[0])) for victim in victims["domain"]]:
        if not file.exists() and not file.is_symlink():
            conn.defineXML(guest(name))
        elif damaged.get(file, ("",))[0] in ("link_to_nothing", "link_to_io_error", "link_to_theirs"):
            assert "cannot be read" in refused(libvirt.VIR_ERR_OPERATION_FAILED, conn.defineXML, guest(name))
    for name in RUNNING:
        conn.lookupByName(name).destroy()
    conn.close()
