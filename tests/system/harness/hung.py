"""Storage that stops to answer: whoever looks up a name in it waits until it goes on, or is killed."""
import contextlib
import os
import signal
import subprocess

from harness.wait import wait_until


class Storage:
    """A file system on `folder` inside the sandbox."""

    def __init__(self, sandbox, folder):
        self.folder, self._sandbox = folder, sandbox
        behind = folder.with_name(f"{folder.name}.behind")
        behind.mkdir()
        folder.mkdir()
        self._server = subprocess.Popen(sandbox.command("bindfs", "-f", "-o", "attr_timeout=0,entry_timeout=0", behind, folder))
        wait_until(lambda: sandbox.run("mountpoint", "-q", folder).returncode == 0, "it is not mounted")

    def hang(self):
        os.kill(self._server.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self._server.pid, signal.SIGCONT)

    def close(self):
        self._server.kill()  # whoever waits gets an error now
        self._server.wait(10)
        self._sandbox.run("umount", "-l", self.folder)


@contextlib.contextmanager
def storage(sandbox, folder):
    mounted = Storage(sandbox, folder)
    try:
        yield mounted
    finally:
        mounted.close()
