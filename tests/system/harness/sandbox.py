"""A private mount and network namespace, so that a test's bridges, nft tables and mounts are its own.

Everything in it dies with it; `leftovers` says what a daemon left behind. Needs root.
"""
import os
import subprocess
import tempfile

# A new network namespace wants its own /sys/class/net, but the cgroups stay those of the machine.
_SETUP = """
set -e
mount --rbind /sys/fs/cgroup "$1"
mount -t sysfs sysfs /sys
mount --rbind "$1" /sys/fs/cgroup
umount -l "$1"
ip link set lo up
echo ready
exec cat
"""


class Sandbox:
    def __init__(self):
        with tempfile.TemporaryDirectory(prefix="domus-cgroup-") as keep:
            # `cat` ends when we do, whatever happens to us, so no namespace outlives a killed test.
            self._holder = subprocess.Popen(
                ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", _SETUP, "sandbox", keep],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            if self._holder.stdout.readline() != b"ready\n":
                raise RuntimeError("cannot make a mount and network namespace")
        self._namespace = os.readlink(f"/proc/{self._holder.pid}/ns/net")
        self._mounts = set(self._mount_points())

    def command(self, *argv):
        """`argv` to be run inside; the process keeps its pid (nsenter becomes it)."""
        return ["nsenter", "-t", str(self._holder.pid), "-m", "-n", f"--wd={os.getcwd()}", "--", *map(str, argv)]

    def run(self, *argv, **options):
        return subprocess.run(self.command(*argv), text=True, capture_output=True, **options)

    def processes(self, live=None):
        """Pid to command line of each live process inside, without the holder. `live`: those of the machine, if the caller
        has read them already."""
        return {pid: line for pid, line in (live_processes() if live is None else live)
                if pid != self._holder.pid and _network_namespace(pid) == self._namespace}

    def leftovers(self):
        """In words, all that is inside beside an empty namespace."""
        return process_words(self.processes()) + self.leftover_objects()

    def leftover_objects(self):
        """The same without the processes."""
        links = self.run("ip", "-br", "link").stdout.splitlines()
        found = [f"link {line}" for line in links if line.split()[0] != "lo"]
        found += [f"nft {line}" for line in self.run("nft", "list", "tables").stdout.splitlines()]
        found += [f"mount {point}" for point in self._mount_points() if point not in self._mounts]
        return found

    def close(self):
        self._holder.stdin.close()
        self._holder.wait(10)
        self._holder.stdout.close()

    def _mount_points(self):
        with open(f"/proc/{self._holder.pid}/mountinfo") as table:
            return [line.split()[4] for line in table]


def live_processes():
    """Pairs of pid and command line; zombies have none and are left out, as are kernel threads."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if line:
            yield int(entry), line


def process_words(processes):
    return [f"process {pid}: {line}" for pid, line in processes.items()]


def _network_namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return None
