"""What storage lies on, for tests in the lab: disks, volume groups, an iSCSI target, an NFS server; all of them real.

Each is a context manager that ends what it began, so that one lab can have several after each other:

    with udev(), iscsi_target("iqn.2026-01.test:one", [50 << 20]) as target:
        run("iscsiadm", "-m", "discovery", "-t", "st", "-p", target.portal)

They change the host itself, whose names are theirs alone: only for the lab.
"""
import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile

from harness.daemon import run
from harness.wait import wait_until

SETTLE = 30  # seconds: programs are slow here


@contextlib.contextmanager
def background(*argv, ready):
    """A server in the foreground mode of its own, until `ready()` and then until the end of the block."""
    with tempfile.TemporaryFile("w+") as log:
        # In a process group of its own: iscsid takes all of its group with it.
        process = subprocess.Popen([*map(str, argv)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
        try:
            def up():
                log.seek(0)
                assert process.poll() is None, f"{argv[0]} ended with {process.returncode}:\n{log.read()}"
                return ready()
            wait_until(up, f"{argv[0]} was not ready", SETTLE)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(SETTLE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(*argv):
    """Whether the command succeeds."""
    return run(*argv, check=False, timeout=SETTLE).code == 0


@contextlib.contextmanager
def udev():
    """udevd, which makes the links below /dev/disk. `settle` waits until it has."""
    control = pathlib.Path("/run/udev/control")
    with background("/lib/systemd/systemd-udevd", ready=control.exists):
        yield
    control.unlink(missing_ok=True)  # LVM believes it


def settle():
    run("udevadm", "settle", f"--timeout={SETTLE}")


@contextlib.contextmanager
def disk(size):
    """Path of a block device of `size` bytes, empty; it takes the memory that is written to."""
    with tempfile.NamedTemporaryFile(dir="/run", prefix="disk-") as file:
        file.truncate(size)
        device = run("losetup", "--partscan", "--find", "--show", file.name).out.strip()
        try:
            yield device
        finally:
            run("losetup", "--detach", device)


@contextlib.contextmanager
def volume_group(name, size):
    """An LVM volume group on a disk of its own; yields the disk's path."""
    with disk(size) as device:
        run("vgcreate", "--quiet", name, device)
        try:
            yield device
        finally:
            run("vgremove", "--force", "--yes", "--quiet", name)
            run("pvremove", "--quiet", device)
            end_dmeventd()


def end_dmeventd():
    """LVM starts it to watch snapshots and thin pools, and leaves it running."""
    try:
        pid = int(pathlib.Path("/run/dmeventd.pid").read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        return
    wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), "dmeventd did not end", SETTLE)


class IscsiTarget:
    """`portal` and `iqn` as an initiator names it; its disks are LUN 1 and on. `cut` ends it as a lost server."""

    def __init__(self, iqn, server):
        self.iqn, self.portal, self._server = iqn, "127.0.0.1:3260", server

    def cut(self):
        self._server.kill()
        self._server.wait()


@contextlib.contextmanager
def iscsi_target(iqn, sizes):
    """A target of tgtd with disks of these sizes in bytes, and the initiator's daemon."""
    def administer(operation, mode, *more):
        run("tgtadm", "--lld", "iscsi", "--op", operation, "--mode", mode, "--tid", "1", *more)

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(background("tgtd", "-f", "--iscsi", "portal=127.0.0.1:3260", ready=lambda: answers(
            "tgtadm", "--lld", "iscsi", "--op", "show", "--mode", "target")))
        administer("new", "target", "-T", iqn)
        for lun, size in enumerate(sizes, 1):
            file = stack.enter_context(tempfile.NamedTemporaryFile(dir="/run", prefix="lun-"))
            file.truncate(size)
            administer("new", "logicalunit", "--lun", str(lun), "--backing-store", file.name)
        administer("bind", "target", "--initiator-address", "ALL")
        run("modprobe", "iscsi_tcp")
        stack.enter_context(background("iscsid", "-f", ready=lambda: answers("iscsiadm", "-m", "iface")))
        yield IscsiTarget(iqn, server)
        run("iscsiadm", "-m", "node", "-T", iqn, "--logout", check=False, timeout=150)


class NfsServer:
    """`host` and `path` of its export, as a client names them, for NFS version 4; `folder` is what lies behind."""
    host, path = "127.0.0.1", "/"

    def __init__(self, folder):
        self.folder = folder

    def start(self):
        run("rpc.nfsd", "--no-nfs-version", "3", "--grace-time", "10", "--lease-time", "10", "2")

    def stop(self):
        """As a lost server: no answer, clients wait."""
        run("rpc.nfsd", "0")


@contextlib.contextmanager
def nfs_server(size):
    """An NFS server for one folder, on an ext4 of `size` bytes: what the lab itself lies on cannot be exported."""
    with contextlib.ExitStack() as stack:
        device = stack.enter_context(disk(size))
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/srv", prefix="nfs-")))
        run("mkfs.ext4", "-q", device)
        run("mount", device, folder)
        stack.callback(run, "umount", folder)
        if not pathlib.Path("/proc/fs/nfsd/threads").exists():
            run("modprobe", "nfsd")
            run("mount", "-t", "nfsd", "nfsd", "/proc/fs/nfsd")
        run("exportfs", "-o", "rw,no_root_squash,fsid=0", f"{NfsServer.host}:{folder}")
        stack.callback(run, "exportfs", "-u", f"{NfsServer.host}:{folder}")
        stack.enter_context(background("rpc.mountd", "--foreground", "--no-nfs-version", "3", ready=lambda: True))
        server = NfsServer(folder)
        server.start()
        stack.callback(server.stop)
        yield server
