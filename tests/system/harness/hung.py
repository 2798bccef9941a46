"""Storage that stops to answer: whoever looks up a name in it waits until it goes on, or is killed."""
import contextlib
import os
import signal
import subprocess

from harness.wait import wait_until


@contextlib.contextmanager
def hung_storage(sandbox, folder):
    """A file system whose server is stopped, on `folder` inside the sandbox."""
    behind = folder.with_name("behind")
    behind.mkdir()
    server = subprocess.Popen(sandbox.command("bindfs", "-f", "-o", "attr_timeout=0,entry_timeout=0", behind, folder))
    try:
        wait_until(lambda: sandbox.run("mountpoint", "-q", folder).returncode == 0, "it is not mounted")
        os.kill(server.pid, signal.SIGSTOP)
        yield folder
    finally:
        server.kill()  # whoever waits gets an error now
        server.wait(10)
        sandbox.run("umount", "-l", folder)
