"""The daemon of an ordinary user: no privileges, no virtual networks, files in the user's own folders.

Clients run as that user too, with no variable that a user's shell has not.
"""
import os
import pathlib
import shutil
import socket
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

    def __init__(self, runtime=True):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="domus-user-", dir="/tmp"))
        os.chown(self.home, NOBODY, NOBODY)
        self.runtime = self.home / "run"
        self.runtime.mkdir(mode=0o700)
        os.chown(self.runtime, NOBODY, NOBODY)
        for program in ("domusd", "domus"):  # the build folder need not be open to others
            shutil.copy(BUILD / "bin" / program, self.home / program)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C"}
        if runtime:
            self.environment["XDG_RUNTIME_DIR"] = str(self.runtime)
        self.folder = self.runtime if runtime else self.home / ".cache"
        self.log = open(self.home / "domusd.stderr", "w+")
        self.process = None

    def start(self):
        self.process = subprocess.Popen([*self.user(), self.home / "domusd", "--session"], env=self.environment, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, cwd="/")
        wait_until(self.serves, "no client gets in")
        return self

    def serves(self):
        assert self.process.poll() is None, (self.home / "domusd.stderr").read_text()
        own = self.folder / "domus/libvirt-sock"  # else the client asks whoever has libvirt's
        return own.is_socket() and self.call(self.home / "domus", "list", check=False).code == 0

    @staticmethod
    def user():
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]

    uri = "qemu:///session"

    def run(self, *argv, **options):
        return run(*self.user(), *argv, env=self.environment, cwd="/", **options)

    def call(self, program, *arguments, **options):
        return self.run(program, "-c", self.uri, *arguments, **options)

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

    def stop(self):
        self.process.terminate()
        code = self.process.wait(15)
        self.process = None
        assert code == 0, (self.home / "domusd.stderr").read_text()

    def close(self):
        if self.process is None:
            self.log.close()
            shutil.rmtree(self.home, ignore_errors=True)
            return
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
def make_user():
    """Function that makes a UserDaemon, which is closed in the end."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    made = []

    def make(**options):
        made.append(UserDaemon(**options))
        return made[-1]

    yield make
    for daemon in made:
        daemon.close()


@pytest.fixture
def user(make_user, guest_assets):
    return make_user().start()


@pytest.mark.parametrize("runtime", [True, False], ids=["runtime folder", "no runtime folder"])
def test_stock_clients_find_it_by_themselves(make_user, runtime):
    user = make_user(runtime=runtime).start()
    assert (user.folder / "libvirt/libvirt-sock").is_socket() and (user.folder / "domus/libvirt-sock").is_socket()
    assert not pathlib.Path(f"/tmp/domus-{NOBODY}").exists()
    assert user.run("virsh", "uri").out.strip() == "qemu:///session"  # the default of who is not root
    assert user.virsh("list", "--all").out.splitlines()[0].split() == ["Id", "Name", "State"]
    assert user.run("virsh", "-r", "-c", user.uri, "list").code == 0
    said = user.run("/usr/bin/python3", "-c", "import libvirt; c = libvirt.open('qemu:///session'); print(c.getType(), c.getURI(), c.isAlive())")
    assert said.out.split() == ["QEMU", "qemu:///session", "1"]
    user.run("virt-install", "--connect", user.uri, "--name", "made", "--memory", "64", "--disk", "none", "--osinfo", "generic", "--import",
             "--network", "none", "--graphics", "none", "--noautoconsole", "--virt-type", "qemu")
    assert user.virsh("domstate", "made").out.strip() == "running"


def test_a_live_libvirtd_keeps_its_socket(make_user):
    user = make_user()
    taken = user.folder / "libvirt/libvirt-sock"
    taken.parent.mkdir(mode=0o700)
    os.chown(taken.parent, NOBODY, NOBODY)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(taken))
        os.chown(taken, NOBODY, NOBODY)
        other.listen()
        before = taken.stat().st_ino
        user.start()
        assert taken.stat().st_ino == before
        assert f"another daemon answers on '{taken}'" in (user.home / "domusd.stderr").read_text()
        user.stop()
        assert taken.stat().st_ino == before


def record_of(folder):
    return f"""<domstatus state='1' reason='1' pid='1' started='1' persistent='no' folder='{folder}'>
  <domain type='qemu' id='7'><name>planted</name><uuid>11111111-2222-3333-4444-555555555555</uuid><memory unit='KiB'>65536</memory>
  <vcpu>1</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os></domain></domstatus>"""


@pytest.mark.parametrize("name", ["documents", "domain-7-planted"])
def test_a_record_removes_no_folder_of_its_own_choice(make_user, name):
    user = make_user()
    victim = user.home / name
    victim.mkdir()
    (victim / "thesis").write_text("years")
    state = user.folder / "domus/qemu"
    state.mkdir(parents=True)
    (state / "planted.xml").write_text(record_of(victim))
    link = user.home / ".local/share/domus/qemu/domain-7-planted"  # and none that is only named in the right place
    link.parent.mkdir(parents=True)
    link.symlink_to(victim)
    for path in [victim, victim / "thesis", state.parent, state, state / "planted.xml", *list(link.parents)[:5]]:
        os.chown(path, NOBODY, NOBODY)
    user.start()
    wait_until(lambda: user.virsh("list", "--all", "--name").out.split() == [], "the record is kept")
    assert (victim / "thesis").read_text() == "years"


@pytest.mark.parametrize("runtime", [True, False], ids=["runtime folder", "no runtime folder"])
def test_a_folder_of_somebody_else_is_not_relied_on(make_user, runtime):
    user = make_user(runtime=runtime)
    place = user.folder / "domus"
    place.mkdir(parents=True)
    os.chown(user.folder, NOBODY, NOBODY)
    place.chmod(0o755)
    os.chown(place, 54321, 54321)
    said = user.run(user.home / "domusd", "--session", check=False)
    assert said.code == 1 and f"'{place}' belongs to uid 54321" in said.err
    os.chown(place, NOBODY, NOBODY)
    place.chmod(0o777)
    said = user.run(user.home / "domusd", "--session", check=False)
    assert said.code == 1 and f"'{place}' has mode 777: everybody may write to it" in said.err
    place.rmdir()
    elsewhere = user.home / "elsewhere"
    elsewhere.mkdir()
    place.symlink_to(elsewhere)
    os.chown(place, 54321, 54321, follow_symlinks=False)
    said = user.run(user.home / "domusd", "--session", check=False)
    assert said.code == 1 and f"'{place}' is a link of uid 54321" in said.err


def test_root_has_the_systems_daemon_for_a_session(daemon):
    # Stock clients of root never look for a daemon of root's own.
    uri = daemon.uri.replace("/system", "/session")
    assert run("virsh", "-c", uri, "list", "--all").code == 0
    assert run("virsh", "-c", daemon.uri, "list", "--all").code == 0
    refused = run("virsh", "-c", daemon.uri.replace("/system", "/elsewhere"), "list", check=False)
    assert refused.code == 1 and "unexpected URI" in refused.err


def test_a_guest_of_a_user(user, terminal):
    # The guest's files must be readable for that user: he has copies of his own.
    (user.home / "guest").mkdir()
    xml = guest_xml("mine", networks=["<interface type='user'><model type='virtio'/></interface>"])
    for path in {part.split("<")[0] for part in xml.split(">") if "/build/guest/" in part}:
        copy = user.home / "guest" / pathlib.Path(path).name
        shutil.copy(path, copy)
        xml = xml.replace(path, str(copy))
    (user.home / "mine.xml").write_text(xml)
    assert user.virsh("uri").out.strip() == "qemu:///session"
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
