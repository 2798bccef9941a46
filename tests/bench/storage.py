"""Figures of storage: pools on folders of the same disk, one for each daemon."""
import os
import pathlib
import shutil
import socket
import subprocess

from figures import Figure, in_turn, load, timed

MIB = 1 << 20


class Pools:
    """A directory pool 'bench' at each daemon, taken away at the end."""

    def __init__(self, bench):
        self.bench = bench

    def __enter__(self):
        self.connections = [peer.connect() for peer in self.bench.peers]
        self.folders = [peer.folder / "pool" for peer in self.bench.peers]
        for folder in self.folders:
            folder.mkdir()
        self.pools = [connection.storagePoolCreateXML(f"<pool type='dir'><name>bench</name><target><path>{folder}</path></target></pool>")
                      for connection, folder in zip(self.connections, self.folders)]
        return self

    def __exit__(self, *_):
        for pool, folder in zip(self.pools, self.folders):
            pool.destroy()
            shutil.rmtree(folder)
        for connection in self.connections:
            connection.close()

    def fill(self, count):
        """With so many small images, put there by hand."""
        for folder in self.folders:
            first = folder / "v0.qcow2"
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", first, "1G"], check=True)
            for number in range(1, count):
                shutil.copyfile(first, folder / f"v{number}.qcow2")
        for pool in self.pools:
            pool.refresh()


def volume_xml(name, size, kind="raw", allocation=0):
    return (f"<volume><name>{name}</name><capacity>{size}</capacity><allocation>{allocation}</allocation>"
            f"<target><format type='{kind}'/></target></volume>")


def listings(bench):
    count = bench.size(1000, 20)
    with Pools(bench) as all_pools:
        all_pools.fill(count)
        ours, theirs = in_turn(bench.rounds, *(lambda p=p: timed(p.refresh) for p in all_pools.pools))
        yield Figure(f"refresh of a folder of {count:,} qcow2 images", "ms", ours * 1e3, theirs * 1e3, goal=0.5)

        def after_a_change(pool, folder, refresh):
            os.utime(folder / "v0.qcow2")
            if refresh:
                return timed(lambda: (pool.refresh(), pool.storageVolLookupByName("v0.qcow2").info()))
            return timed(lambda: pool.storageVolLookupByName("v0.qcow2").info())

        ours, theirs = in_turn(bench.rounds, *(lambda p=p, f=f, refresh=refresh: after_a_change(p, f, refresh)
                                               for p, f, refresh in zip(all_pools.pools, all_pools.folders, (False, True))))
        yield Figure(f"one image of {count:,} after a change by hand (libvirtd: refresh first)", "ms", ours * 1e3, theirs * 1e3, goal=0.5)

        def details(*command):
            return timed(lambda: subprocess.run([*command, "vol-list", "bench", "--details"], stdout=subprocess.DEVNULL, check=True))

        virsh = [("virsh", "-c", peer.uri) for peer in bench.peers]
        domus = (bench.build / "bin/domus", "-c", bench.domusd.uri)
        ours, theirs, own = in_turn(bench.rounds, *(lambda c=c: details(*c) for c in (*virsh, domus)))
        yield Figure(f"virsh vol-list --details of {count:,}", "ms", ours * 1e3, theirs * 1e3, goal=0.5)
        yield Figure(f"domus vol-list --details of {count:,} (libvirtd: virsh)", "ms", own * 1e3, theirs * 1e3, goal=0.1)
    count = bench.size(10000, 50)
    with Pools(bench) as all_pools:
        all_pools.fill(count)
        ours, theirs = in_turn(bench.rounds, *(lambda peer=peer: load(bench, peer, 1, "volumes")["p50"] for peer in bench.peers))
        yield Figure(f"listAllVolumes of {count:,}", "ms", ours / 1e3, theirs / 1e3, goal=0.2)


def through_a_socket(source, target):
    """What two `cat` with a socket pair between them take."""
    left, right = socket.socketpair()
    with left, right, open(source, "rb") as start, open(target, "wb") as end:
        reader = subprocess.Popen(["cat"], stdin=start, stdout=left)
        writer = subprocess.Popen(["cat"], stdin=right, stdout=end)
        left.close()
        right.close()
        assert reader.wait() == 0 and writer.wait() == 0


def transfer(bench):
    size = bench.size(1024, 4) * MIB
    with Pools(bench) as all_pools:
        source, target = bench.domusd.folder / "source", bench.domusd.folder / "target"
        with open(source, "wb") as file:
            block = os.urandom(MIB)
            for _ in range(size // MIB):
                file.write(block)
        for pool in all_pools.pools:
            pool.createXML(volume_xml("big", size))

        def rate(act):
            return size / MIB / timed(act)

        def virsh(peer, verb):
            return lambda: subprocess.run(["virsh", "-c", peer.uri, verb, "--pool", "bench", "big", source if verb == "vol-upload" else target],
                                          stdout=subprocess.DEVNULL, check=True)

        for verb, what in (("vol-upload", "upload"), ("vol-download", "download")):
            bare, ours, theirs = in_turn(min(bench.rounds, 3), lambda: rate(lambda: through_a_socket(source, target)),
                                         *(lambda p=p: rate(virsh(p, verb)) for p in bench.peers))
            yield Figure(f"{what} of {size // MIB:,} MiB", "MiB/s", ours, theirs, goal=0.8, better="higher", against="bare", bare=bare)
            assert verb != "vol-download" or subprocess.run(["cmp", source, target]).returncode == 0

        def clone(pool):
            big = pool.storageVolLookupByName("big")
            taken = timed(lambda: pool.createXMLFrom(volume_xml("copy", size), big, 0))
            pool.storageVolLookupByName("copy").delete()
            return taken

        def copy(folder):
            taken = timed(lambda: subprocess.run(["cp", "--reflink=auto", "--sparse=auto", folder / "big", folder / "copy.cp"], check=True))
            os.unlink(folder / "copy.cp")
            return taken

        bare, ours, theirs = in_turn(min(bench.rounds, 3), lambda: copy(all_pools.folders[0]), *(lambda p=p: clone(p) for p in all_pools.pools))
        yield Figure(f"clone of a raw volume of {size // MIB:,} MiB", "ms", ours * 1e3, theirs * 1e3, goal=1.1, against="bare", bare=bare * 1e3)
        source.unlink()
        target.unlink()


def creation(bench):
    with Pools(bench) as all_pools:
        def create(pool):
            taken = timed(lambda: pool.createXML(volume_xml("new", 1 << 30, "qcow2")))
            pool.storageVolLookupByName("new").delete()
            return taken

        def bare_create(path=pathlib.Path(all_pools.folders[0]).parent / "bare.qcow2"):
            taken = timed(lambda: subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1G"], check=True))
            path.unlink()
            return taken

        bare, ours, theirs = in_turn(bench.size(15, 2), bare_create, *(lambda p=p: create(p) for p in all_pools.pools))
        yield Figure("vol-create of a qcow2 image", "ms", ours * 1e3, theirs * 1e3, goal=1.2, against="bare", bare=bare * 1e3)


ALL = {"listings": listings, "transfer": transfer, "creation": creation}
