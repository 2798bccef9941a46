"""The daemon of an ordinary user: no privileges, no virtual networks, files in the user's own folders."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

import pytest

from harness.daemon import BUILD, run
from harness.guest import GuestShell, guest_xml
from harness.wait import wait_until

NOBODY = 65534


class UserDaemon:
    """domusd --session as the user `nobody`, with a home of its own."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="domus-user-", dir="/tmp"))
        os.chown(self.home, NOBODY, NOBODY)
        self.runtime = self.home / "run"
        self.runtime.mkdir(mode=0o700)
        os.chown(self.runtime, NOBODY, NOBODY)
        for program in ("domusd", "domus"):  # the build folder need not be open to others
            shutil.copy(BUILD / "bin" / program, self.home / program)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.runtime), "LC_ALL": "C", "LIBVIRT_AUTOSTART": "0"}
        self.log = open(self.home / "domusd.stderr", "w+")
        self.process = subprocess.Popen([*self.user(), self.home / "domusd", "--session"], env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, cwd="/")
        self.socket = self.runtime / "domus/libvirt-sock"
        wait_until(self.socket.exists, "the socket is not there")

    @staticmethod
    def user():
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]

    @property
    def uri(self):
        return f"qemu+unix:///session?socket={self.socket}"

    def call(self, program, *arguments, **options):
        return run(*self.user(), program, "-c", self.uri, *arguments, env=self.environment, cwd="/", **options)

    def virsh(self, *arguments, **options):
        return self.call("virsh", *arguments, **options)

    def processes(self):
        """Command lines of what runs for this daemon: its home is in their environment."""
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and entry.stat().st_uid == NOBODY and str(self.home).encode() in (entry / "environ").read_bytes():
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
        return found

    def close(self):
        for name in self.virsh("list", "--name", check=False).out.split():
            self.virsh("destroy", name, check=False)
        self.process.terminate()
        code = self.process.wait(15)
        deadline = time.monotonic() + 5
        while self.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        left = self.processes()
        self.log.close()
        shutil.rmtree(self.home, ignore_errors=True)
        assert code == 0 and not left, (code, left)


@pytest.fixture
def user(guest_assets):
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    daemon = UserDaemon()
    yield daemon
    daemon.close()


def test_a_guest_of_a_user(user, terminal):
    # The guest's files must be readable for that user: he has copies of his own.
    (user.home / "guest").mkdir()
    xml = guest_xml("mine", networks=["<interface type='user'><model type='virtio'/></interface>"])
    for path in {part.split("<")[0] for part in xml.split(">") if "/build/guest/" in part}:
        copy = user.home / "guest" / pathlib.Path(path).name
        shutil.copy(path, copy)
        xml = xml.replace(path, str(copy))
    (user.home / "mine.xml").write_text(xml)
    assert user.virsh("uri").out.strip().startswith("qemu+unix:///session")
    user.virsh("define", user.home / "mine.xml")
    user.virsh("start", "mine")
    [qemu] = [pid for pid, line in user.processes().items() if "guest=mine" in line]
    assert os.stat(f"/proc/{qemu}").st_uid == NOBODY
    shell = GuestShell(terminal(*user.user(), "virsh", "-c", user.uri, "console", "mine", "--force", env=user.environment)).wait_up()
    assert "10.0.2.15" in shell.run("for i in 1 2 3 4 5 6 7 8 9; do ip -4 addr show eth0 | grep inet && break; sleep 1; done")
    assert "mine" in user.call(user.home / "domus", "list").out
    user.virsh("shutdown", "mine")
    wait_until(lambda: user.virsh("domstate", "mine").out.strip() == "shut off", "it does not shut down")
    kept = user.home / ".config/domus/qemu/mine.xml"
    assert kept.exists() and kept.stat().st_uid == NOBODY
    user.virsh("undefine", "mine")
    assert not kept.exists()


def test_what_needs_privileges_says_so(user):
    (user.home / "net.xml").write_text(guest_xml("net", networks=["default"]))
    user.virsh("define", user.home / "net.xml")
    refused = user.virsh("start", "net", check=False)
    assert refused.code == 1 and "<interface type='user'>" in refused.err
    assert user.virsh("net-list", "--all").out.count("\n") <= 3
    folder = user.home / "pool"
    user.virsh("pool-create-as", "mine", "dir", "--target", folder, "--build")
    user.virsh("vol-create-as", "mine", "disk", "1M")
    assert (folder / "disk").stat().st_uid == NOBODY
    user.virsh("pool-destroy", "mine")


def test_files_of_others_keep_no_pool_from_its_own(user):
    folder = user.home / "shared"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    (folder / "closed").write_bytes(b"x" * 4096)
    (folder / "closed").chmod(0o600)
    (folder / "hidden").mkdir(mode=0o700)
    user.virsh("pool-create-as", "mine", "dir", "--target", folder)
    user.virsh("vol-create-as", "mine", "disk", "1M", "--format", "qcow2")
    user.virsh("pool-refresh", "mine")
    assert {line.split()[0] for line in user.virsh("vol-list", "mine").out.splitlines()[2:] if line} == {"closed", "disk", "hidden"}
    assert "4.00 KiB" in user.virsh("vol-info", "closed", "mine").out
    refused = user.virsh("vol-download", "closed", user.home / "copy", "--pool", "mine", check=False)
    assert refused.code == 1 and "Permission denied" in refused.err
    user.virsh("pool-destroy", "mine")
