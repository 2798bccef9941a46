"""A whole Ceph on loopback for tests: one monitor, one manager, one store in memory. All it has lies in one folder.

    with Cluster(folder) as ceph:
        ceph.run("rbd", "create", "--size", "1G", "rbd/image")

Started in a network namespace of its own (see `pytest` beside), it meets no other.
"""
import os
import pathlib
import signal
import subprocess
import uuid

from harness.daemon import run
from harness.wait import wait_until

HOST, PORT = "127.0.0.1", 6789
SETTLE = 60  # seconds
STORE = 2 << 30  # bytes that the store says it has; memory is taken for what is written


class Cluster:
    host, port, pool = HOST, PORT, "rbd"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._daemons = {}

    def __enter__(self):
        try:
            self._prepare()
            self.start_monitor()
            self._make_store()
            self._start("ceph-mgr", "a")
            self._start("ceph-osd", "0")
            self.run("ceph", "osd", "pool", "create", self.pool, "8")
            self.run("rbd", "pool", "init", self.pool)
            wait_until(lambda: '"total_avail":0,' not in self.run("rados", "df", "--format", "json").out,
                       "Ceph does not know its size", SETTLE)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for name in ("ceph-osd", "ceph-mgr", "ceph-mon"):
            self.stop(name)

    def run(self, program, *arguments, **options):
        """One of Ceph's programs as its administrator."""
        return run(program, "--conf", self.folder / "ceph.conf", *arguments, **options)

    def key(self, client):
        """Makes a client that may use the pool; its key in base64."""
        return self.run("ceph", "auth", "get-or-create-key", f"client.{client}", "mon", "profile rbd", "osd",
                        f"profile rbd pool={self.pool}", "mgr", "profile rbd").out.strip()

    def start_monitor(self):
        self._start("ceph-mon", "a")
        wait_until(lambda: self.run("ceph", "--connect-timeout", "5", "status", check=False).code == 0,
                   "the monitor does not answer", SETTLE, pause=0.3)

    def stop(self, name):
        process = self._daemons.pop(name, None)
        if process:
            process.kill()  # nothing is kept
            process.wait()

    def freeze(self, name):
        """It takes connections and answers no more, until `thaw`."""
        self._daemons[name].send_signal(signal.SIGSTOP)

    def thaw(self, name):
        self._daemons[name].send_signal(signal.SIGCONT)

    def _start(self, program, name):
        with open(self.folder / f"{program}.out", "ab") as log:
            self._daemons[program] = subprocess.Popen(
                [program, "--conf", self.folder / "ceph.conf", "-f", "-i", name], stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, env=dict(os.environ, LC_ALL="C"))

    def _prepare(self):
        identity = str(uuid.uuid4())
        addresses = f"[v2:{HOST}:3300,v1:{HOST}:{PORT}]"
        (self.folder / "ceph.conf").write_text(f"""
[global]
fsid = {identity}
mon host = {addresses}
keyring = {self.folder}/keyring
run dir = {self.folder}
admin socket = ""
log file = ""
log to stderr = false
crash dir = {self.folder}/crash
osd pool default size = 1
osd pool default min size = 1
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon data avail crit = 1
auth allow insecure global id reclaim = false
[mon]
mon data = {self.folder}/mon
[mgr]
mgr data = {self.folder}/mgr
mgr disabled modules = balancer,crash,devicehealth,orchestrator,pg_autoscaler,progress,rbd_support,status,telemetry,volumes
mgr tick period = 1
mgr stats period = 1
[osd]
osd data = {self.folder}/osd
osd objectstore = memstore
memstore device bytes = {STORE}
osd class load list = *
osd class default list = *
""")
        for data in ("mon", "mgr", "osd"):
            (self.folder / data).mkdir()
        keyring = self.folder / "keyring"
        keyring.touch(0o600)
        rights = {"mon": ["allow *"], "osd": ["allow *"], "mgr": ["allow *"], "mds": ["allow *"]}
        for name in ("mon.", "client.admin", "mgr.a", "osd.0"):
            caps = [word for part, right in rights.items() for word in ("--cap", part, *right)]
            self.run("ceph-authtool", keyring, "--gen-key", "-n", name, *caps)
        self.run("monmaptool", "--create", "--addv", "a", addresses, "--fsid", identity, self.folder / "monmap")
        self.run("ceph-mon", "--mkfs", "-i", "a", "--monmap", self.folder / "monmap", "--keyring", keyring)

    def _make_store(self):
        identity = str(uuid.uuid4())
        self.run("ceph", "auth", "import", "-i", self.folder / "keyring")
        self.run("ceph", "osd", "new", identity, "0")
        self.run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", identity)
