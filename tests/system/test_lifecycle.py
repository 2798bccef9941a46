"""A domain from its definition to its end, with stock clients and a guest that really boots."""
import os

import libvirt
import pytest

from harness.guest import GuestShell
from harness.wait import wait_until


def test_a_guest_boots_answers_on_its_console_and_is_shut_down(conn, virsh, guest, event_log, shell_of):
    domain = conn.defineXML(guest("one"))
    domain.create()
    event_log.wait_for("one", libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_BOOTED)
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    assert shell_of("one").run("echo $((6 * 7))") == "42"
    domain.shutdown()
    event_log.wait_for("one", libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN)
    assert domain.state()[0] == libvirt.VIR_DOMAIN_SHUTOFF
    domain.undefine()
    assert virsh("list", "--all", "--name").out.split() == []


def test_destroy_ends_a_guest_at_once(conn, guest, event_log, daemon):
    domain = conn.createXML(guest("two"))
    assert len(daemon.pids_of("qemu-system")) == 1
    domain.destroy()
    event_log.wait_for("two", libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED)
    assert daemon.pids_of("qemu-system") == []
    assert conn.listAllDomains() == []


def test_a_guest_outlives_the_daemon(daemon, virsh, guest, shell_of, scratch):
    (scratch / "three.xml").write_text(guest("three"))
    virsh("define", scratch / "three.xml")
    virsh("start", "three")
    shell_of("three").run("touch /tmp/mark")
    [before] = daemon.pids_of("qemu-system")
    daemon.kill()
    daemon.start()
    assert daemon.pids_of("qemu-system") == [before]
    assert virsh("domstate", "three").out.strip() == "running"
    assert shell_of("three").run("ls /tmp") == "mark"


def test_suspend_and_resume(conn, guest, event_log):
    domain = conn.createXML(guest("four"))
    domain.suspend()
    event_log.wait_for("four", libvirt.VIR_DOMAIN_EVENT_SUSPENDED)
    assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    domain.resume()
    event_log.wait_for("four", libvirt.VIR_DOMAIN_EVENT_RESUMED)
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    with pytest.raises(libvirt.libvirtError, match="Requested operation is not valid: domain is already running"):
        domain.resume()
    with pytest.raises(libvirt.libvirtError, match="Requested operation is not valid: domain 'four' is already active"):
        conn.createXML(domain.XMLDesc())


@pytest.mark.parametrize("by", ["the host", "the guest"])
def test_a_reboot_keeps_domain_and_id_and_starts_the_guest_anew(conn, guest, shell_of, by):
    domain = conn.createXML(guest("five"))
    shell = shell_of("five")
    shell.run("touch /tmp/mark")
    before = domain.ID()
    if by == "the host":
        domain.reboot()
    else:
        shell.run("(sleep 1; reboot) & true")
    assert shell.wait_anew().run("ls /tmp") == ""
    assert domain.ID() == before


@pytest.mark.parametrize("policy, after", [("coredump-destroy", libvirt.VIR_DOMAIN_SHUTOFF), ("coredump-restart", libvirt.VIR_DOMAIN_RUNNING)])
def test_a_crashed_guest_leaves_its_memory(daemon, conn, guest, shell_of, event_log, terminal, policy, after):
    xml = guest("core", devices="<panic model='pvpanic'/>", cmdline="panic=0").replace("<on_crash>destroy", f"<on_crash>{policy}")
    domain = conn.defineXML(xml)
    domain.create()
    shell = shell_of("core")
    shell._terminal.send("echo c >/proc/sysrq-trigger\r")
    event_log.wait_for("core", libvirt.VIR_DOMAIN_EVENT_CRASHED)
    folder = daemon.root / "var/lib/domus/qemu/dump"
    wait_until(lambda: "the crashed guest's memory is in" in daemon.log.read_text(), "no core was written")
    [core] = folder.glob("core-*.core")
    assert core.read_bytes()[:4] == b"\x7fELF" and core.stat().st_size > 96 << 20
    wait_until(lambda: domain.state()[0] == after, "the policy was not followed")


def crashes(terminal, daemon, name):
    """Crashes the guest. Whoever calls waits for what comes of it."""
    shell = GuestShell(terminal("virsh", "-c", daemon.uri, "console", name, "--force")).wait_up()
    shell._terminal.send("echo c >/proc/sysrq-trigger\r")


def test_a_guest_that_crashes_again_and_again_leaves_few_dumps(make_daemon, guest, terminal, _event_loop):
    daemon = make_daemon(session=os.geteuid() != 0, config="[qemu]\ncrash_dumps = 2\n")
    connection = libvirt.open(daemon.uri)
    xml = guest("core", devices="<panic model='pvpanic'/>", cmdline="panic=0").replace("<on_crash>destroy", "<on_crash>coredump-restart")
    domain = connection.createXML(xml)
    folder = daemon.root / "var/lib/domus/qemu/dump"
    seen = []
    for number in range(1, 4):
        crashes(terminal, daemon, "core")
        wait_until(lambda: daemon.log.read_text().count("the crashed guest's memory is in") == number, "no core was written")
        wait_until(lambda: domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING, "it was not restarted")
        cores = sorted(path.name for path in folder.iterdir())
        seen = sorted({*seen, *cores})
        assert cores == seen[-2:]
    assert len(seen) == 3
    domain.destroy()
    connection.close()


def test_crash_dumps_can_be_turned_off(make_daemon, guest, terminal, _event_loop):
    daemon = make_daemon(session=os.geteuid() != 0, config="[qemu]\ncrash_dumps = 0\n")
    connection = libvirt.open(daemon.uri)
    xml = guest("core", devices="<panic model='pvpanic'/>", cmdline="panic=0").replace("<on_crash>destroy", "<on_crash>coredump-destroy")
    domain = connection.defineXML(xml)
    domain.create()
    crashes(terminal, daemon, "core")
    wait_until(lambda: domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED], "the policy was not followed")
    daemon.wait_logged("crash_dumps is 0")
    assert not (daemon.root / "var/lib/domus/qemu/dump").exists()
    connection.close()
