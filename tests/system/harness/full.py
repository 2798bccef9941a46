"""A folder of a daemon on a small file system, which is full or cannot be written."""
import contextlib


@contextlib.contextmanager
def full_state(daemon, options, folder="run/domus/qemu"):
    """A small file system over the folder, by default that of records."""
    folder = daemon.root / folder
    daemon.sandbox.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder, check=True)
    try:
        yield lambda *argv: daemon.sandbox.run("sh", "-c", *argv, "sh", folder, check=False)
    finally:
        daemon.sandbox.run("umount", "-l", folder, check=True)
