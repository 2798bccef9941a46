"""A server of Gluster for tests, with one volume whose brick lies in memory; it ends with all it started.

Only for a network and mounts of one's own (see `pytest` beside): it changes both.
"""
import contextlib
import os
import pathlib
import signal
import subprocess

from harness.daemon import run
from harness.sandbox import live_processes
from harness.wait import wait_until

HOST = "192.0.2.1"  # a brick on the loopback network is refused
SETTLE = 60  # seconds


@contextlib.contextmanager
def memory(path):
    """A file system of its own there; without it what is below is the machine's."""
    pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "none", path)
    try:
        yield
    finally:
        run("umount", "--lazy", path)


class Gluster:
    host, volume = HOST, "images"

    def __init__(self, folder):
        self.brick = pathlib.Path(folder) / "brick"
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        try:
            for path in ("/var/lib/glusterd", "/var/log/glusterfs", "/run/gluster", self.brick):
                self._stack.enter_context(memory(path))
            run("ip", "address", "add", f"{HOST}/32", "dev", "lo")
            self._stack.callback(self._end)
            self._daemon = subprocess.Popen(["glusterd", "-N"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL, start_new_session=True)
            wait_until(lambda: self.run("pool", "list", check=False).code == 0, "glusterd does not answer", SETTLE)
            self.run("volume", "create", self.volume, f"{HOST}:{self.brick}/images", "force")
            self.run("volume", "start", self.volume)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()

    @property
    def folder(self):
        """What the volume holds."""
        return self.brick / "images"

    def run(self, *arguments, **options):
        return run("gluster", "--mode=script", *arguments, **options)

    def freeze(self):
        for pid in self._processes():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self._processes():
            os.kill(pid, signal.SIGCONT)

    def _processes(self):
        """Those of Gluster in this network, which is ours alone."""
        ours = os.readlink("/proc/self/ns/net")
        for pid, line in live_processes():
            with contextlib.suppress(OSError):
                if os.path.basename(line.split()[0]) in ("glusterd", "glusterfsd") and os.readlink(f"/proc/{pid}/ns/net") == ours:
                    yield pid

    def _end(self):
        for pid in self._processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._daemon.wait()
        wait_until(lambda: not list(self._processes()), "Gluster does not end")
        run("ip", "address", "del", f"{HOST}/32", "dev", "lo")
