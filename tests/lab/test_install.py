"""`./up --install` on a host with systemd: units, sockets that start the daemon, guests that outlive it, and the undo."""
import os
import pathlib
import subprocess

import pytest

from harness.daemon import run
from harness.guest import REPOSITORY, guest_xml
from harness.wait import wait_until

pytestmark = pytest.mark.timeout(400)
BUILD = os.environ["DOMUS_BUILD"]
UNITS = ("domusd.service", "domusd.socket", "domusd-ro.socket")
SLOW = 120  # seconds, for a command that starts several programs in here
# They walk through whole folders of the shared file system, or want to be the only ones who set up devices.
NOT_NEEDED = ("systemd-tmpfiles-setup.service", "systemd-tmpfiles-setup-dev.service", "systemd-tmpfiles-clean.timer",
              "systemd-udevd.service", "systemd-udev-trigger.service", "systemd-hwdb-update.service", "ldconfig.service")


class Host:
    """A host that systemd runs: as the first process of a container is, with this host's devices and network."""

    def __init__(self):
        masks = pathlib.Path("/run/systemd/system")
        masks.mkdir(parents=True)
        for unit in NOT_NEEDED:
            (masks / unit).symlink_to("/dev/null")
        self._outer = subprocess.Popen(
            ["unshare", "--pid", "--fork", "--mount-proc", "--mount", "--cgroup", "--propagation", "private",
             "env", "container=lab", "/lib/systemd/systemd", "--unit=basic.target", "--show-status=false"],
            stdin=subprocess.DEVNULL)
        wait_until(lambda: run("pgrep", "-P", self._outer.pid, check=False).out.strip(), "systemd did not start")
        self._systemd = run("pgrep", "-P", self._outer.pid).out.strip()
        wait_until(lambda: self.ask("systemctl", "is-active", "basic.target") == "active", "systemd did not come up", SLOW)

    def run(self, *command, check=True):
        # The folder by name: that of this process lies in the other mounts.
        return run("nsenter", f"--target={self._systemd}", "--pid", "--mount", "--cgroup", f"--wd={REPOSITORY}", *command,
                   timeout=SLOW, check=check)

    def ask(self, *command):
        return self.run(*command, check=False).out.strip()

    def states(self):
        return self.ask("systemctl", "is-active", *UNITS).split()

    def qemu(self):
        return self.ask("pgrep", "qemu-system").split()

    def end(self):
        self._outer.kill()
        self._outer.wait()


@pytest.fixture(scope="module")
def host():
    made = Host()
    yield made
    made.end()


@pytest.fixture(scope="module")
def installed(host):
    host.run("./up", "--install", BUILD)
    return host


@pytest.fixture(scope="module")
def guest(installed):
    """Its QEMU's pid."""
    pathlib.Path("/run/lives.xml").write_text(guest_xml("lives"))
    installed.run("virsh", "-c", "qemu:///system", "define", "/run/lives.xml")
    installed.run("virsh", "-c", "qemu:///system", "start", "lives", "--paused")
    pids = installed.qemu()
    assert len(pids) == 1
    return pids[0]


def lives(host):
    return host.ask("virsh", "-c", "qemu:///system", "domstate", "lives")


def test_programs_units_and_manual_pages_are_there_and_run(installed):
    assert installed.states() == ["active"] * 3
    assert installed.run("/usr/local/bin/domus", "list", "--all").out
    assert installed.run("virsh", "-c", "qemu:///system", "uri").out.strip() == "qemu:///system"
    for page in ("man1/domus.1", "man8/domusd.8"):
        assert pathlib.Path("/usr/local/share/man", page).exists(), page
    enabled = installed.ask("systemctl", "is-enabled", *UNITS).split()
    assert enabled == ["enabled"] * 3


def test_a_guest_outlives_restart_and_death_of_the_daemon(guest, installed):
    installed.run("systemctl", "restart", "domusd.service")
    assert lives(installed) == "paused"
    before = installed.ask("systemctl", "show", "-P", "MainPID", "domusd.service")
    installed.run("systemctl", "kill", "--signal=KILL", "--kill-whom=main", "domusd.service")
    wait_until(lambda: installed.ask("systemctl", "show", "-P", "MainPID", "domusd.service") not in ("0", before)
               and installed.states()[0] == "active", "systemd did not start it again", SLOW)
    assert lives(installed) == "paused"
    assert installed.qemu() == [guest]


def test_a_reload_is_told_in_the_journal(installed):
    installed.run("systemctl", "reload", "domusd.service")
    wait_until(lambda: "the configuration was read again" in installed.ask("journalctl", "--unit=domusd.service", "--no-pager"),
               "the journal does not tell it", SLOW)
    assert installed.states()[0] == "active"


def test_a_socket_starts_the_daemon(guest, installed):
    installed.run("systemctl", "stop", "domusd.service")
    assert installed.states() == ["inactive", "active", "active"]
    assert installed.qemu() == [guest]
    said = installed.run("virsh", "-c", "qemu+unix:///system?socket=/run/domus/libvirt-sock", "domstate", "lives").out
    assert said.strip() == "paused"
    assert installed.states() == ["active"] * 3


def test_installing_again_replaces_the_program_under_running_guests(guest, installed):
    before = installed.ask("systemctl", "show", "-P", "MainPID", "domusd.service")
    installed.run("./up", "--install", BUILD)
    assert installed.ask("systemctl", "show", "-P", "MainPID", "domusd.service") != before
    assert lives(installed) == "paused"
    assert installed.qemu() == [guest]


def test_uninstalling_takes_the_programs_and_leaves_guests_and_definitions(guest, installed):
    files = pathlib.Path("/usr/local/share/domus/installed").read_text().split("\n")
    assert "/usr/local/bin/domusd" in files and "/usr/local/lib/systemd/system/domusd.service" in files
    installed.run("./up", "--uninstall")
    assert [each for each in files if os.path.lexists(each)] == []
    assert installed.states() == ["inactive"] * 3
    assert installed.qemu() == [guest]
    assert list(pathlib.Path("/etc/domus").rglob("lives.xml"))
    said = installed.run("./up", "--uninstall", check=False)
    assert said.code == 1 and "nothing is installed" in said.err
