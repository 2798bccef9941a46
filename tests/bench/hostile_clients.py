"""What a client notices of others that do their worst: the 99th percentile of its `list`."""
import contextlib
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

import libvirt

import figures
from peers import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tests/system"))
from harness.guest import guest_xml  # noqa: E402

STILL = 3


def list_p99(bench, peer):
    """In ms, of one client that asks in a loop."""
    return figures.load(bench, peer, 1, "list")["p99"] / 1e3


class Beside:
    """A load that runs meanwhile; in a session of its own, as another user's: what is measured is not how its threads crowd out the client."""

    def __init__(self, *command):
        self._process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, start_new_session=True)
        time.sleep(0.3)  # until it has connected

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()


def crowd(bench):
    """500 connections that ask for the library's version without end."""
    connections = bench.size(500, 20)

    def one(peer):
        with Beside(bench.build / "bin/bench_rpcload", peer.uri, connections, bench.seconds * 2 + 1, "version"):
            return list_p99(bench, peer)

    ours, theirs = figures.in_turn(min(bench.rounds, 3), *(lambda peer=peer: one(peer) for peer in bench.peers))
    yield figures.Figure(f"list while {connections} connections ask for the version, p99", "ms", ours, theirs, goal=1)


def hostile(bench):
    """100 read-only clients that do their worst."""
    clients = bench.size(100, 8)
    for peer in bench.peers:
        peer.connect().compareCPU("<cpu><arch>x86_64</arch><model>qemu64</model></cpu>")  # what it looks up once

    def one(peer):
        socket = peer.uri.split("socket=")[1] + "-ro"
        with Beside(bench.build / "bin/bench_hostile", socket, clients, bench.seconds * 2 + 1):
            return list_p99(bench, peer)

    ours, theirs = figures.in_turn(min(bench.rounds, 3), *(lambda peer=peer: one(peer) for peer in bench.peers))
    yield figures.Figure(f"list while {clients} read-only clients do their worst, p99", "ms", ours, theirs, goal=1)


def flooding_guest(peer):
    """A guest that writes into its agent's port, another port and its console without end."""
    flood = peer.folder / "flood"
    channels = f"""<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
        <channel type='unix'><source mode='bind' path='{flood}'/><target type='virtio' name='flood'/></channel>"""
    run = "domus.run=for port in /dev/virtio-ports/* /dev/ttyS0; do yes >$port & done; wait"
    domain = peer.connect().createXML(guest_xml("bench-flood", cmdline=run, devices=channels))
    with socket.socket(socket.AF_UNIX) as port:
        port.settimeout(120)
        port.connect(str(flood))
        if not port.recv(1):
            raise SystemExit(f"{peer.name}: the guest ended before it wrote")
    return domain


@contextlib.contextmanager
def still_guests(peer):
    """QEMUs that were stopped by a signal, and so answer nothing."""
    domains = [peer.connect().createXML(figures.definition(f"bench-still{number}")) for number in range(STILL)]
    pids = [pid for pid, line in peer.sandbox.processes().items() if "guest=bench-still" in line]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        for domain in domains:
            domain.destroy()


@contextlib.contextmanager
def asked(*calls):
    """Clients that repeat these calls, whatever the answer is."""
    over = threading.Event()

    def ask(call):
        while not over.is_set():
            with contextlib.suppress(libvirt.libvirtError):
                call()

    threads = [threading.Thread(target=ask, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def together(bench):
    """All at once: 100 read-only clients that do their worst, a guest that floods its ports and whose agent is asked, QEMUs that stand still."""
    subprocess.run([REPOSITORY / "tests/guest/build"], check=True)
    clients = bench.size(100, 8)
    found = []
    for peer in bench.peers:
        read_only = peer.uri.split("socket=")[1] + "-ro"
        assert pathlib.Path(read_only).exists()
        flooding = flooding_guest(peer)
        agent, all_domains = peer.connect().lookupByName("bench-flood"), peer.connect()
        with asked(lambda: agent.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT), all_domains.getAllDomainStats), still_guests(peer):
            with Beside(bench.build / "bin/bench_hostile", read_only, clients, (bench.seconds + 0.5) * bench.rounds + 1):
                found.append(statistics.median(list_p99(bench, peer) for _ in range(bench.rounds)))
        flooding.destroy()
    ours, theirs = found
    yield figures.Figure(f"list while {clients} read-only clients do their worst, a guest floods its ports and {STILL} QEMUs stand still, p99; "
                         "at most 10 wanted", "ms", ours, theirs, goal=1)


ALL = {"crowd": crowd, "hostile": hostile, "together": together}
