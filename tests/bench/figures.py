"""What is measured. Each function takes the Bench and yields Figures; both daemons do the same thing in turn, so that
whatever else the machine does hits both."""
import concurrent.futures
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import time
import uuid

import libvirt

PAUSED = libvirt.VIR_DOMAIN_START_PAUSED


class Figure:
    """One line of the table. `goal` is the highest ratio that is good (`better` "lower"), or the lowest ("higher")."""

    def __init__(self, what, unit, ours, theirs, goal=None, better="lower", against="libvirtd", bare=None):
        self.what, self.unit, self.ours, self.theirs, self.goal = what, unit, ours, theirs, goal
        self.better, self.against, self.bare = better, against, bare

    @property
    def ratio(self):
        other = self.bare if self.against == "bare" else self.theirs
        return self.ours / other if other else None

    @property
    def met(self):
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio <= self.goal if self.better == "lower" else self.ratio >= self.goal

    def as_json(self):
        return {"what": self.what, "unit": self.unit, "domusd": self.ours, "libvirtd": self.theirs, "bare": self.bare,
                "ratio": self.ratio, "against": self.against, "goal": self.goal, "better": self.better, "met": self.met}


def timed(act):
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


def in_turn(rounds, *acts):
    """The median of what each returns; the first round is thrown away."""
    results = [[] for _ in acts]
    for number in range(rounds + 1):
        for kept, act in zip(results, acts):
            value = act()
            if number:
                kept.append(value)
    return [statistics.median(kept) for kept in results]


def definition(name, devices=""):
    """A domain that needs no file of the host."""
    return f"""<domain type='qemu'><name>{name}</name><uuid>{uuid.uuid4()}</uuid><memory unit='MiB'>64</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features><cpu mode='custom' match='exact'><model fallback='allow'>qemu64</model></cpu>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{devices}<serial type='pty'/><controller type='usb' model='none'/><memballoon model='virtio'/></devices></domain>"""


def full_definition(name):
    """As virt-install would write it, for figures that depend on a definition's size."""
    return definition(name, f"""<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/var/lib/images/{name}.qcow2'/><target dev='vda' bus='virtio'/></disk>
<interface type='user'><model type='virtio'/></interface><graphics type='vnc' port='-1' autoport='yes' listen='127.0.0.1'/><video><model type='vga'/></video>""")


def remove(connection, prefix):
    for domain in connection.listAllDomains():
        if domain.name().startswith(prefix):
            persistent = domain.isPersistent()
            if domain.isActive():
                domain.destroy()
            if persistent:
                domain.undefine()


# ---- calls --------------------------------------------------------------------------------------------------------

def load(bench, peer, connections, operation="version"):
    """The same call in a loop by the stock library, without an interpreter around it."""
    done = subprocess.run([bench.build / "bin/bench_rpcload", peer.uri, str(connections), str(bench.seconds), operation],
                          text=True, capture_output=True, check=True)
    return json.loads(done.stdout)


def rpc(bench):
    ours, theirs = in_turn(bench.rounds, *(lambda peer=peer: load(bench, peer, 1)["p50"] for peer in bench.peers))
    yield Figure("call and reply (getLibVersion), median", "us", ours, theirs, goal=0.5)
    ours, theirs = in_turn(bench.rounds, *(lambda peer=peer: load(bench, peer, 32)["calls_per_second"] for peer in bench.peers))
    yield Figure("calls with 32 connections", "per s", ours, theirs, goal=2, better="higher")


# ---- definitions --------------------------------------------------------------------------------------------------

def bare_write(folder, text, count):
    """What a durable definition costs at least: write, fsync, rename, fsync of the folder."""
    def write(number):
        new, path = f"{folder}/{number}.new", f"{folder}/{number}.xml"
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.write(fd, text)
        os.fsync(fd)
        os.close(fd)
        os.rename(new, path)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(fd)
        os.close(fd)

    folder.mkdir(exist_ok=True)
    return timed(lambda: [write(number) for number in range(count)]) / count


def define(bench):
    count = bench.size(100, 5)
    connections = [peer.connect() for peer in bench.peers]
    text = connections[0].defineXML(full_definition("sample")).XMLDesc().encode()
    remove(connections[0], "sample")

    def serial(connection):
        xmls = [full_definition(f"d{number}") for number in range(count)]
        taken = timed(lambda: [connection.defineXML(xml) for xml in xmls]) / count
        remove(connection, "d")
        return taken

    bare, ours, theirs = in_turn(bench.rounds, lambda: bare_write(bench.domusd.folder / "bare", text, count),
                                 *(lambda each=each: serial(each) for each in connections))
    yield Figure("define, one after the other", "ms", ours * 1e3, theirs * 1e3, goal=1.6, against="bare", bare=bare * 1e3)

    def parallel(peer):
        eight = [peer.connect() for _ in range(8)]
        xmls = [[full_definition(f"d{number}-{each}") for number in range(count // 4)] for each in range(8)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            begin = time.perf_counter()
            list(pool.map(lambda pair: [pair[0].defineXML(xml) for xml in pair[1]], zip(eight, xmls)))
            taken = time.perf_counter() - begin
        remove(eight[0], "d")
        return 8 * (count // 4) / taken

    ours, theirs = in_turn(bench.rounds, *(lambda peer=peer: parallel(peer) for peer in bench.peers))
    yield Figure("define by 8 clients", "per s", ours, theirs, goal=2, better="higher")


def many(bench):
    """5,000 definitions: listings, memory, and a daemon that starts with them."""
    count = bench.size(5000, 20)
    for peer in bench.peers:
        peer.stop()
        peer.start()
    connections = [peer.connect() for peer in bench.peers]
    idle = [peer.anonymous() for peer in bench.peers]
    for connection in connections:  # the first has each learn what its QEMU can do
        connection.defineXML(full_definition("first")).undefine()
    before = [peer.anonymous() for peer in bench.peers]
    for connection in connections:
        for number in range(count):
            connection.defineXML(full_definition(f"m{number}"))
    after = [peer.anonymous() for peer in bench.peers]
    each = [(b - a) / count for a, b in zip(before, after)]
    yield Figure("anonymous memory, idle after a start", "KiB", *idle, goal=0.5)
    yield Figure("anonymous memory of a definition", "KiB", each[0], each[1], goal=0.5)

    name = f"{count:,}"
    for call, operation in ((f"listAllDomains of {name}", "list"), (f"getAllDomainStats of {name} that do not run", "statistics")):
        ours, theirs = in_turn(bench.rounds, *(lambda peer=peer: load(bench, peer, 1, operation)["p50"] for peer in bench.peers))
        yield Figure(call, "ms", ours / 1e3, theirs / 1e3, goal=0.25)

    def virsh(peer):
        return timed(lambda: subprocess.run(["virsh", "-c", peer.uri, "list", "--all"], stdout=subprocess.DEVNULL, check=True))

    ours, theirs = in_turn(bench.rounds, *(lambda peer=peer: virsh(peer) for peer in bench.peers))
    yield Figure(f"virsh list --all of {name}", "ms", ours * 1e3, theirs * 1e3, goal=0.5)

    def restart(peer):
        peer.stop()
        return peer.start()

    ours, theirs = in_turn(min(bench.rounds, 3), *(lambda peer=peer: restart(peer) for peer in bench.peers))
    yield Figure(f"start with {name} definitions until the first answer", "ms", ours * 1e3, theirs * 1e3, goal=0.25)

    connections = [peer.connect() for peer in bench.peers]
    loaded = [peer.anonymous() for peer in bench.peers]
    for connection in connections:
        remove(connection, "m")
    time.sleep(3)  # domusd looks for memory to give back every two seconds
    left = [peer.anonymous() for peer in bench.peers]
    yield Figure(f"anonymous memory after {name} were undefined, of that before", "share", left[0] / loaded[0], left[1] / loaded[1], goal=0.5)


# ---- running domains ----------------------------------------------------------------------------------------------

class Bare:
    """QEMU by itself, with the arguments that domusd gave it; only its monitor is a socket of our own."""

    def __init__(self, bench):
        connection = bench.domusd.connect()
        domain = connection.createXML(definition("argv"), PAUSED)
        [pid] = [pid for pid, line in bench.domusd.sandbox.processes().items() if "guest=argv" in line]
        arguments = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
        domain.destroy()
        connection.close()
        self.socket = bench.domusd.folder / "bare.sock"
        self.argv = [re.sub(r"^socket,id=charmonitor,fd=\d+", f"socket,id=charmonitor,path={self.socket}", each) for each in arguments]
        assert self.argv != arguments, "the monitor's option is not as it was"

    def life(self):
        """Seconds from spawn until the monitor is ready, and from kill until it is reaped."""
        self.socket.unlink(missing_ok=True)
        begin = time.perf_counter()
        qemu = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        monitor = socket.socket(socket.AF_UNIX)
        while monitor.connect_ex(str(self.socket)):
            assert qemu.poll() is None, "bare QEMU ended"
            time.sleep(0.0005)
        lines = monitor.makefile("rw")
        lines.readline()
        lines.write('{"execute":"qmp_capabilities"}\n')
        lines.flush()
        lines.readline()
        ready = time.perf_counter() - begin
        begin = time.perf_counter()
        qemu.kill()
        qemu.wait()
        gone = time.perf_counter() - begin
        lines.close()
        monitor.close()
        return ready, gone


def life(bench):
    bare = Bare(bench)
    connections = [peer.connect() for peer in bench.peers]

    def create_and_destroy(connection):
        domain = connection.defineXML(definition("life"))
        created = timed(lambda: domain.createWithFlags(PAUSED))
        destroyed = timed(domain.destroy)
        domain.undefine()
        return created, destroyed

    takes = [[], [], []]
    for number in range(bench.size(15, 2) + 1):
        for kept, act in zip(takes, (bare.life, *(lambda c=c: create_and_destroy(c) for c in connections))):
            value = act()
            if number:
                kept.append(value)
    (bare_up, bare_down), (our_up, our_down), (their_up, their_down) = (
        [statistics.median(column) * 1e3 for column in zip(*taken)] for taken in takes)
    yield Figure("create, paused, until it returns", "ms", our_up, their_up, goal=1.5, against="bare", bare=bare_up)
    yield Figure("destroy until it returns", "ms", our_down, their_down, goal=3, against="bare", bare=bare_down)


def running_definition(peer, name):
    """With the devices that statistics ask about."""
    image = peer.folder / f"{name}.raw"
    image.touch()
    os.truncate(image, 1 << 20)
    return definition(name, f"""<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk>
<interface type='user'><model type='virtio'/></interface>""")


def running(bench):
    count = bench.size(20, 2)
    connections = [peer.connect() for peer in bench.peers]
    before = [(peer.anonymous(), peer.threads()) for peer in bench.peers]
    for peer, connection in zip(bench.peers, connections):
        for number in range(count):
            connection.createXML(running_definition(peer, f"r{number}"), PAUSED)
    after = [(peer.anonymous(), peer.threads()) for peer in bench.peers]
    memory = [(b[0] - a[0]) / count for a, b in zip(before, after)]
    threads = [(b[1] - a[1]) / count for a, b in zip(before, after)]
    yield Figure("anonymous memory of a running domain", "KiB", memory[0], memory[1], goal=0.5)
    yield Figure("threads of a running domain", "", threads[0], threads[1], goal=0)

    def statistics_of_all(connection):
        time.sleep(0.4)  # longer than figures are kept: each round asks the monitors
        return timed(connection.getAllDomainStats)

    ours, theirs = in_turn(bench.size(15, 2), *(lambda c=c: statistics_of_all(c) for c in connections))
    yield Figure(f"getAllDomainStats of {count} running", "ms", ours * 1e3, theirs * 1e3, goal=0.1)
    for connection in connections:
        remove(connection, "r")


ALL = {"rpc": rpc, "define": define, "life": life, "running": running, "many": many}
