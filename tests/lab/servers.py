"""What storage lies on, for tests in the lab: disks, volume groups, ZFS, an iSCSI target, an NFS server; all of them real.

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

import harness.target
from harness.daemon import run
from harness.wait import wait_until

SETTLE = 30  # seconds: programs are slow here
ZFS = pathlib.Path(__file__).resolve().parents[2] / "build/zfs/tree"  # made by build-zfs


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
def disk(size, sector=512):
    """Path of a block device of `size` bytes, empty; it takes the memory that is written to."""
    with tempfile.NamedTemporaryFile(dir="/run", prefix="disk-") as file:
        file.truncate(size)
        device = run("losetup", "--sector-size", str(sector), "--partscan", "--find", "--show", file.name).out.strip()
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


@contextlib.contextmanager
def iscsi_target(iqn, sizes, login=None):
    """A target as harness.target has it, and the initiator's daemon."""
    with contextlib.ExitStack() as stack:
        target = stack.enter_context(harness.target.iscsi_target(iqn, sizes, login))
        run("modprobe", "iscsi_tcp")
        stack.enter_context(background("iscsid", "-f", ready=lambda: answers("iscsiadm", "-m", "iface")))
        yield target
        run("iscsiadm", "-m", "node", "-T", iqn, "--logout", check=False, timeout=150)


class SmbServer:
    """`host`, and shares for guests (`open`) and for `user` with `password` (`closed`); `folder` lies behind both."""
    host, open, closed, user, password = "127.0.0.1", "open", "closed", "daemon", "secret of smb"

    def __init__(self, folder):
        self.folder = folder


_SMB_CONFIGURATION = """
[global]
server role = standalone server
interfaces = lo
bind interfaces only = yes
disable netbios = yes
smb ports = 445
map to guest = Bad User
load printers = no
private dir = {work}
lock directory = {work}
state directory = {work}
cache directory = {work}
pid directory = {work}
ncalrpc dir = {work}/rpc
log file = {work}/log
[open]
path = {folder}
guest ok = yes
guest only = yes
read only = no
force user = root
[closed]
path = {folder}
valid users = {user}
read only = no
force user = root
"""


@contextlib.contextmanager
def smb_server():
    with tempfile.TemporaryDirectory(dir="/run", prefix="smb-") as work, contextlib.ExitStack() as stack:
        folder = pathlib.Path(work, "shared")
        folder.mkdir()
        configuration = pathlib.Path(work, "smb.conf")
        configuration.write_text(_SMB_CONFIGURATION.format(work=work, folder=folder, user=SmbServer.user))
        run("smbpasswd", "-c", configuration, "-a", "-s", SmbServer.user, input=f"{SmbServer.password}\n" * 2)
        run("modprobe", "cifs")
        stack.enter_context(background("smbd", "--foreground", "--no-process-group", "-s", configuration, ready=lambda: answers(
            "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/445")))
        yield SmbServer(folder)


@contextlib.contextmanager
def scsi_units(sizes_mib):
    """A SCSI host of the kernel's own making, a unit of that size each; they share their memory. Yields the host's name."""
    run("modprobe", "-a", "sd_mod", "scsi_mod")
    run("modprobe", "scsi_debug", "num_tgts=1", f"max_luns={len(sizes_mib)}", f"dev_size_mb={sizes_mib[0]}")
    try:
        [host] = [each.parent.name for each in pathlib.Path("/sys/class/scsi_host").glob("host*/proc_name")
                  if each.read_text().strip() == "scsi_debug"]
        yield host
    finally:
        run("modprobe", "-r", "scsi_debug")


@contextlib.contextmanager
def multipath(name, size):
    """A multipath device over two paths to one disk of `size` bytes."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(tempfile.NamedTemporaryFile(dir="/run", prefix="disk-"))
        file.truncate(size)
        paths = []
        for _ in range(2):
            paths.append(run("losetup", "--find", "--show", file.name).out.strip())
            stack.callback(run, "losetup", "--detach", paths[-1])
        run("modprobe", "-a", "dm-multipath", "dm-round-robin")
        # Nothing special, no handler, one group of paths in turn, a thousand requests each.
        run("dmsetup", "create", name, "--table", f"0 {size // 512} multipath 0 0 1 1 round-robin 0 2 1 {paths[0]} 1000 {paths[1]} 1000")
        stack.callback(run, "dmsetup", "remove", "--retry", name)
        yield f"/dev/mapper/{name}"


@contextlib.contextmanager
def zfs():
    """OpenZFS's programs and module. Needs udev()."""
    assert ZFS.exists(), "run tests/lab/build-zfs first"
    places = {"/usr/local/sbin": ["sbin/zfs", "sbin/zpool"], "/usr/lib/x86_64-linux-gnu": ZFS.glob("lib/x86_64-linux-gnu/*.so.*"),
              "/lib/udev": ["lib/udev/zvol_id"], "/run/udev/rules.d": ["lib/udev/rules.d/60-zvol.rules"]}
    links = []
    for folder, files in places.items():
        pathlib.Path(folder).mkdir(exist_ok=True)
        for file in files:
            links.append(pathlib.Path(folder, pathlib.Path(file).name))
            links[-1].symlink_to(ZFS / file)
    try:
        run("udevadm", "control", "--reload")
        run("modprobe", "-d", ZFS, "zfs")
        yield
    finally:
        run("modprobe", "-d", ZFS, "-r", "zfs")
        for link in links:
            link.unlink()
        run("udevadm", "control", "--reload")


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
