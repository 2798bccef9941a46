"""A private domusd below a folder of its own, and the stock clients that talk to it."""
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from .sandbox import Sandbox, live_processes, process_words
from .wait import wait_until

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("DOMUS_BUILD", REPOSITORY / "build/debug"))
SANITIZER = re.compile(r"^.*(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|: runtime error: ).*$", re.M)
CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Result:
    """What a command said: `out`, `err`, `code`."""

    def __init__(self, command, done):
        self.command, self.out, self.err, self.code = command, done.stdout, done.stderr, done.returncode

    def __repr__(self):
        return f"$ {' '.join(map(str, self.command))}\n{self.out}{self.err}[exit {self.code}]"


def log_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/fd/2")
    except OSError:
        return ""


def run(*argv, check=True, timeout=90, **options):
    """Runs a command in the C locale; with `check`, an exit code that is not 0 fails the test."""
    options.setdefault("env", dict(os.environ, LC_ALL="C", LIBVIRT_AUTOSTART="0"))
    if "input" not in options:
        options["stdin"] = subprocess.DEVNULL
    done = subprocess.run([*map(str, argv)], text=True, capture_output=True, timeout=timeout, **options)
    result = Result(argv, done)
    assert not check or result.code == 0, repr(result)
    return result


class Daemon:
    """Start it, use `virsh`, `domus`, `uri`; `close` stops it and returns what it left behind.

    Everything lies below `root`: etc/domus, var/lib/domus, run/domus. The folder's name is short, since a socket's
    path may have 108 characters. One that is not `private` sees the host's mounts and networks: for the lab, whose
    host nobody else uses.
    """

    def __init__(self, session=False, config=None, arguments=(), default_network=False, default_pool=False, default_filters=False,
                 private=True):
        self.binary = BUILD / "bin/domusd"
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="domus-", dir=os.environ.get("DOMUS_TEST_FOLDER", "/tmp")))
        self.root.chmod(0o755)
        self.session = session
        self.sandbox = Sandbox() if private and os.geteuid() == 0 else None
        self.log = self.root / "domusd.stderr"
        self.process = None
        self._killed = False
        self._arguments = list(arguments)
        if session:
            self._arguments.append("--session")
        for wanted, folder in ((default_network, "dnsmasq"), (default_pool, "storage")):
            if not wanted:  # as on a host whose administrator has removed it
                for name in ("default", *(["boot-scratch"] if folder == "storage" else [])):
                    marker = self.root / "var/lib/domus" / folder / f"{name}-was-made"
                    marker.parent.mkdir(parents=True, exist_ok=True)
                    marker.touch()
        if not default_filters:
            marker = self.root / "var/lib/domus/nwfilter/stock-was-made"
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
        if config is not None:
            path = self.root / "test.toml"
            path.write_text(config)
            self._arguments += ["--config", str(path)]

    # -- life --

    def start(self, timeout=60, environment=None):
        """Returns once it accepts connections."""
        self.launch(environment)
        deadline = time.monotonic() + timeout
        while not self._accepts():
            assert self.running, f"domusd ended with {self.process.returncode}:\n{self.log_tail()}"
            assert time.monotonic() < deadline, f"domusd did not open {self.socket}:\n{self.log_tail()}"
            time.sleep(0.01)
        return self

    def launch(self, environment=None):
        """Returns at once. `environment`: variables for the daemon beside those of the test."""
        assert not self.running, "the daemon already runs"
        argv = [self.binary, "--root", self.root, *self._arguments]
        if self.sandbox:
            argv = self.sandbox.command(*argv)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*map(str, argv)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, env=dict(os.environ, LC_ALL="C", **(environment or {})))
        self._killed = False

    def stop(self, timeout=60):
        """Asks it to end, as systemd does; guests go on."""
        self.process.terminate()
        assert self.process.wait(timeout) == 0, f"domusd ended with {self.process.returncode}:\n{self.log_tail()}"

    def kill(self):
        """As a crash."""
        self._killed = True
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    @property
    def running(self):
        return self.process is not None and self.process.poll() is None

    # -- clients --

    @property
    def socket(self):
        return self.root / "run/domus/libvirt-sock"

    @property
    def uri(self):
        return f"qemu+unix:///{'session' if self.session else 'system'}?socket={self.socket}"

    @property
    def readonly_uri(self):
        return self.uri + "-ro"

    def virsh(self, *arguments, readonly=False, **options):
        """Debian's virsh."""
        return run("virsh", *(["-r"] if readonly else []), "-c", self.readonly_uri if readonly else self.uri,
                   *arguments, **options)

    def domus(self, *arguments, **options):
        """Our own command."""
        return run(BUILD / "bin/domus", "-c", self.uri, *arguments, **options)

    # -- what it left --

    def pids_of(self, word):
        """Processes of this daemon (guests, dnsmasq, helpers) whose command line has `word`."""
        return [pid for pid, line in self._processes().items() if word in line]

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def wait_logged(self, text):
        """Until a line of the log has it: a thread of its own writes them, later than what they tell of."""
        wait_until(lambda: text in self.log.read_text(errors="replace"), f"the log does not have '{text}'")

    def close(self):
        """Ends all; returns a list of complaints, empty if the daemon behaved and left nothing."""
        complaints = []
        try:
            if self._killed and not self.running:
                self.start()
            if self.running:
                self._destroy_objects()
                self.stop()
            elif self.process is not None and self.process.returncode != 0:
                complaints.append(f"domusd had ended with {self.process.returncode}")
        except (AssertionError, subprocess.TimeoutExpired) as problem:
            complaints.append(str(problem))
        if self.running:
            self.process.kill()
            self.process.wait()
        complaints += [f"left behind: {thing}" for thing in self._settled_leftovers()]
        complaints += [match.group(0) for match in SANITIZER.finditer(self.log_tail(10_000))]
        self._remove_all()
        return complaints

    def _destroy_objects(self):
        if self.sandbox and not self._settled_leftovers(wait=0, ignore=self.process.pid):
            return
        for listing, end in (("list", "destroy"), ("net-list", "net-destroy"), ("pool-list", "pool-destroy")):
            for name in self.virsh(listing, "--name", check=False, timeout=60).out.split():
                self.virsh(end, name, check=False, timeout=60)
        for line in self.virsh("nwfilter-binding-list", check=False, timeout=60).out.splitlines()[2:]:
            if line.strip():
                self.virsh("nwfilter-binding-delete", line.split()[0], check=False, timeout=60)

    def _settled_leftovers(self, wait=10.0, ignore=None):
        deadline = time.monotonic() + wait
        while True:
            found = process_words({pid: line for pid, line in self._processes().items() if pid != ignore})
            if self.sandbox:
                found += self.sandbox.leftover_objects()
            found = sorted(set(found))
            if not found or time.monotonic() >= deadline:
                return found
            time.sleep(0.05)

    def _processes(self):
        live = list(live_processes())
        if self.sandbox:
            # A helper may have made namespaces of its own; its log is that of its guest.
            logging = {pid: line for pid, line in live if str(self.root) in log_of(pid)}
            return self.sandbox.processes(live) | logging
        return {pid: line for pid, line in live if str(self.root) in line and pid != os.getpid()}

    def _remove_all(self):
        for pid in self._processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.sandbox:
            self.sandbox.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def _accepts(self):
        """Whether it listens itself: what a killed one has just begun to run has that one's socket for a moment longer."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
            return CREDENTIALS.unpack(credentials)[0] == self.process.pid
