"""What a client notices of others that do their worst: the 99th percentile of its `list`."""
import subprocess
import time

import figures


def list_p99(bench, peer):
    """In ms, of one client that asks in a loop."""
    return figures.load(bench, peer, 1, "list")["p99"] / 1e3


class Beside:
    """A load that runs meanwhile."""

    def __init__(self, *command):
        self._process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
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


ALL = {"crowd": crowd, "hostile": hostile}
