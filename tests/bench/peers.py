"""The two daemons side by side: each in a private mount and network namespace, each below a process that reaps orphans
at once (the first process of some machines does that so late that it distorts what `destroy` costs)."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import libvirt

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests/system"))
from harness.sandbox import Sandbox  # noqa: E402

libvirt.registerErrorHandler(lambda *_: None, None)  # errors are exceptions; they need no second way out

LIBVIRTD = REPOSITORY / "build/bench/libvirtd"

REAPER = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
child = subprocess.Popen(sys.argv[1:], start_new_session=True)
print(child.pid, flush=True)
while True:
    pid, status = os.wait()
    if pid == child.pid:
        sys.exit(os.waitstatus_to_exitcode(status) if status >= 0 else 1)
"""


def reading(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


class Peer:
    """Start it as often as wanted; what it keeps stays until `close`."""

    name = None

    def __init__(self, log):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="domus-bench-", dir=self.base()))
        self.folder.chmod(0o755)
        self.sandbox = Sandbox()
        self.pid = None
        self._reaper = None
        self._log = log

    @staticmethod
    def base():
        """Definitions lie on a real disk, where the caller's temporary folder is not."""
        return os.environ.get("TMPDIR", "/var/tmp")

    def start(self):
        """Seconds until the first call is answered."""
        begin = time.perf_counter()
        self._reaper = subprocess.Popen(self.sandbox.command(sys.executable, "-c", REAPER, *self.argv()), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=self._log, env=dict(os.environ, **self.environment()))
        self.pid = int(self._reaper.stdout.readline())
        while True:
            try:
                connection = self.connect()
                connection.getLibVersion()
                connection.close()
                return time.perf_counter() - begin
            except libvirt.libvirtError:
                if self._reaper.poll() is not None:
                    raise SystemExit(f"{self.name} did not start; see the log")
                time.sleep(0.001)

    def connect(self):
        return libvirt.open(self.uri)

    def stop(self):
        os.kill(self.pid, signal.SIGTERM)
        while pathlib.Path(f"/proc/{self.pid}").exists():
            time.sleep(0.002)
        if self._reaper.poll() is None:  # it still has guests to reap
            self._reaper.terminate()
        self._reaper.wait()
        self._reaper.stdout.close()
        self.pid = None

    def close(self):
        if self.pid and pathlib.Path(f"/proc/{self.pid}").exists():
            self.stop()
        for pid in self.sandbox.processes():
            os.kill(pid, signal.SIGKILL)
        self.sandbox.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def anonymous(self):
        """KiB of memory that is its own."""
        return int(re.search(r"^Anonymous:\s+(\d+)", reading(f"/proc/{self.pid}/smaps_rollup"), re.M).group(1))

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))


class Domusd(Peer):
    name = "domusd"

    def __init__(self, build, log):
        self._build = build
        super().__init__(log)
        for mark in ("dnsmasq/default", "storage/default", "storage/boot-scratch"):  # no networks and pools, as libvirtd has none here
            marker = self.folder / "var/lib/domus" / f"{mark}-was-made"
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()

    def argv(self):
        return [self._build / "bin/domusd", "--root", self.folder]

    def environment(self):
        return {"LC_ALL": "C"}

    @property
    def uri(self):
        return f"qemu+unix:///system?socket={self.folder}/run/domus/libvirt-sock"


class Libvirtd(Peer):
    name = "libvirtd"
    # Where it has no rights, no labels and no log daemon to care for: less work than on an installed host, not more.
    CONFIGURATION = 'user = "root"\ngroup = "root"\nsecurity_driver = "none"\nstdio_handler = "file"\nremember_owner = 0\n'

    def __init__(self, log):
        super().__init__(log)
        # A place to mount its folders on, on a machine that has never had libvirt: layers of our own over theirs.
        for layered in ("etc", "var/lib", "var/log", "var/cache", "usr/lib"):
            upper, work = self.folder / "layers" / layered, self.folder / "layers" / f"{layered}.work"
            upper.mkdir(parents=True)
            work.mkdir()
            self._inside("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/{layered},upperdir={upper},workdir={work}", f"/{layered}")
        for inside in ("etc/libvirt", "var/lib/libvirt", "var/log/libvirt", "var/cache/libvirt"):
            (self.folder / inside).mkdir(parents=True)
            self._inside("mkdir", "-p", f"/{inside}")
            self._inside("mount", "--bind", self.folder / inside, f"/{inside}")
        self._inside("mkdir", "-p", "/usr/lib/libvirt")  # dnsmasq's script for leases
        self._inside("mount", "--bind", LIBVIRTD / "usr/lib/libvirt", "/usr/lib/libvirt")
        # Its package's users, which it looks up though the configuration names others.
        self._inside("sh", "-c", "getent passwd libvirt-qemu || echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/bin/false' >>/etc/passwd;"
                                 "getent group libvirt-qemu || echo 'libvirt-qemu:x:64055:' >>/etc/group")
        (self.folder / "etc/libvirt/qemu.conf").write_text(self.CONFIGURATION)
        (self.folder / "run").mkdir()
        (self.folder / "etc/libvirt/libvirtd.conf").write_text(f'unix_sock_dir = "{self.folder}/run"\nauth_unix_rw = "none"\n')
        self._inside("mount", "-t", "tmpfs", "tmpfs", "/run")

    def _inside(self, *command):
        done = self.sandbox.run(*command)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")

    def argv(self):
        return [LIBVIRTD / "usr/sbin/libvirtd"]

    def environment(self):
        libraries = LIBVIRTD / "usr/lib/x86_64-linux-gnu"
        return {"LC_ALL": "C", "LIBVIRT_DRIVER_DIR": str(libraries / "libvirt/connection-driver"),
                "LIBVIRT_STORAGE_BACKEND_DIR": str(libraries / "libvirt/storage-backend"), "LIBVIRT_STORAGE_FILE_DIR": str(libraries / "libvirt/storage-file"), "LD_LIBRARY_PATH": str(libraries)}

    @property
    def uri(self):
        return f"qemu+unix:///system?socket={self.folder}/run/libvirt-sock"
