"""An emulator that speaks QMP badly, by intent or since its guest has taken it over: only its own domain suffers."""
import os
import pathlib
import shutil
import signal
import time

import libvirt
import pytest

from harness.calls import Outcome, code_of, refused, within
from harness.daemon import REPOSITORY
from harness.guest import guest_xml
from harness.wait import wait_until

OPERATION_INVALID, INTERNAL_ERROR = libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_INTERNAL_ERROR
PLENTY = 40  # seconds; far from the deadlines that an engine which says nothing runs into (60 s)


def define(daemon, connection, name, program="fake_qemu"):
    """A domain on the fake engine; its name says how that behaves (tests/tools/fake_qemu)."""
    emulator = daemon.root / program
    if not emulator.exists():
        shutil.copy(REPOSITORY / "tests/tools/fake_qemu", emulator)
        emulator.chmod(0o755)
    return connection.defineXML(f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>
        <os><type arch='x86_64' machine='pc'>hvm</type></os>
        <devices><emulator>{emulator}</emulator><serial type='pty'/><controller type='virtio-serial'/>
        <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices></domain>""")


@pytest.fixture
def engine(daemon, conn):
    return lambda name: define(daemon, conn, name)


def refusal(domain):
    with pytest.raises(libvirt.libvirtError) as error:
        domain.create()
    return str(error.value)


def start(domain):
    """Starts it beside the test."""
    return lambda own: own.lookupByName(domain.name()).create()


def test_a_start_fails_at_once_with_a_reason(conn, engine):
    for name, reason in (("a-garbage", "cannot be read"), ("a-deep", "cannot be read"), ("a-huge", "KiB"),
                         ("a-die-qmp_capabilities", "has ended meanwhile"), ("a-die-query-chardev", "has ended meanwhile"),
                         ("a-die-query-cpus-fast", "has ended meanwhile"), ("a-die-cont", "has ended meanwhile"),
                         ("a-odd-query-chardev", ""), ("a-odd-query-cpus-fast", ""), ("a-crowd", "reports 160000 vCPUs")):
        domain = engine(name)
        message = within(PLENTY, lambda: refusal(domain), attempts=1)
        assert reason in message, name
        assert not domain.isActive() and code_of(domain.destroy) == OPERATION_INVALID, name


def test_a_start_that_gets_no_answer_can_be_destroyed_at_once(daemon, conn, engine):
    other = engine("b")
    for name in ("a-silent", "a-greeting-stubborn", "a-wrongids", "a-silent-child"):
        domain = engine(name)
        starting = Outcome(daemon, start(domain))
        wait_until(lambda: daemon.pids_of(f"guest={name},"), "it is not run")
        other.create()
        within(PLENTY, domain.destroy, attempts=1)
        assert starting.wait() is not None, "the start must fail"
        assert not domain.isActive() and daemon.pids_of(f"guest={name},") == [], name
        other.destroy()


def test_a_transient_domain_is_seen_and_can_be_destroyed_while_it_starts(daemon, conn, engine):
    document = engine("a-silent").XMLDesc()
    conn.lookupByName("a-silent").undefine()
    starting = Outcome(daemon, lambda own: own.createXML(document))
    wait_until(conn.listAllDomains, "it is not listed")
    domain, = conn.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
    assert domain.state() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP]
    assert conn.getAllDomainStats(), "its statistics are asked for"
    within(PLENTY, domain.destroy, attempts=1)
    assert starting.wait() is not None, "the start must fail"
    assert conn.listAllDomains() == [] and daemon.pids_of("guest=a-silent,") == []


def test_one_that_is_slow_or_sends_events_without_end_disturbs_nobody(daemon, conn, engine, virsh):
    slow, other = engine("a-slow"), engine("b")
    floods = [engine(f"c{number}-flood-stubborn") for number in range(3)]
    for domain in (slow, other, *floods):
        domain.create()
    # The best of some attempts: what holds up the loop holds up each of them.
    within(0.05, conn.listAllDomains, attempts=100)
    assert virsh("list").out.count("running") >= 2
    other.suspend()
    other.resume()
    for domain in floods:
        within(PLENTY, domain.destroy, attempts=1)
    assert conn.numOfDomains() == 2


def test_events_without_end_do_not_fill_the_log(daemon, engine):
    engine("a-refusal").create()
    time.sleep(2)
    assert daemon.log.stat().st_size < 1 << 20


def test_statistics_of_another_shape_hold_up_nobody(conn, engine):
    engine("a-odd-query-balloon").create()
    engine("b").create()
    # Each failure is one answer late at most; the statistics that are asked for later are asked for anew.
    within(0.4, conn.getAllDomainStats)
    assert len(conn.getAllDomainStats()) == 2


def test_one_that_dies_at_a_command_fails_that_command(conn, engine):
    for command, call in (("stop", lambda domain: domain.suspend()), ("system_powerdown", lambda domain: domain.shutdown())):
        domain = engine(f"a-die-{command}")
        domain.create()
        with pytest.raises(libvirt.libvirtError, match="has ended meanwhile"):
            call(domain)
        wait_until(lambda: not domain.isActive(), "it is still there")
        domain.undefine()


def test_saved_memory_is_kept_until_the_guest_runs(daemon):
    """QEMU ends when it is told to go on: with the memory loaded, before or after its guest ran."""
    folder = daemon.root / "var/lib/domus/qemu/save"
    for name, kept in (("a-die-cont", True), ("a-resume-die-cont", False)):
        conn = libvirt.open(daemon.uri)
        domain = define(daemon, conn, name)
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        domain.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)
        with pytest.raises(libvirt.libvirtError, match="has ended meanwhile"):
            domain.create()
        # What ran has changed its disks: the memory does not fit them any more.
        assert domain.hasManagedSaveImage() == kept and not domain.isActive(), name
        assert [path.name for path in folder.iterdir()] == [f"{name}.save"] * kept
        if kept:
            daemon.restart()
            conn = libvirt.open(daemon.uri)
            domain = conn.lookupByName(name)
            assert domain.hasManagedSaveImage()
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        assert not domain.hasManagedSaveImage() and list(folder.iterdir()) == []
        domain.destroy()


def test_a_daemon_killed_before_it_lets_a_restored_guest_go_leaves_the_memory_to_it(daemon):
    """The next daemon lets it go. If its process has ended meanwhile, nobody knows whether it ran: its memory is not used again."""
    folder = daemon.root / "var/lib/domus/qemu/save"
    for end in (False, True):
        name = f"a-hang-cont-{end}"
        conn = libvirt.open(daemon.uri)
        domain = define(daemon, conn, name)
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        domain.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)
        starting = Outcome(daemon, start(domain))
        wait_until(lambda n=name: (folder / f"{n}.loaded").exists(), "it is not loaded")
        daemon.kill()
        starting.wait()
        pids = daemon.pids_of(f"guest={name},")
        if end:
            os.kill(pids[0], signal.SIGKILL)
            wait_until(lambda n=name: not daemon.pids_of(f"guest={n},"), "it does not end")
        daemon.start()
        conn = libvirt.open(daemon.uri)
        domain = conn.lookupByName(name)
        wait_until(lambda: list(folder.iterdir()) == [], "the saved memory stays")
        wait_until(lambda d=domain, e=end: d.isActive() != e, "it is not known whether it runs")
        assert not domain.hasManagedSaveImage()
        if not end:
            wait_until(lambda d=domain: d.state()[0] == libvirt.VIR_DOMAIN_RUNNING, "it does not go on")
            domain.destroy()


def test_it_has_no_more_memory_than_it_was_given(conn, engine):
    seen = []
    conn.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, lambda _connection, _domain, actual, _opaque: seen.append(actual), None)
    domain = engine("a-balloon")
    domain.create()
    wait_until(lambda: domain.info()[2] == 32 << 10, "its last event is not believed")
    wait_until(lambda: seen[-1:] == [32 << 10], "its last event does not come")
    assert max(seen) == 64 << 10


def test_an_answer_of_another_shape_is_told_in_words(conn, engine):
    message = refusal(engine("a-odd-query-cpus-fast"))
    assert "setting the guest up" in message and "boost" not in message and "/usr" not in message


def test_a_monitor_that_was_closed_is_connected_to_again(conn, engine):
    domain = engine("a-relapse")
    domain.create()
    with pytest.raises(libvirt.libvirtError, match="connects to it again"):
        domain.suspend()
    assert domain.isActive()

    def suspends():
        try:
            return domain.suspend() == 0
        except libvirt.libvirtError:
            return False

    wait_until(suspends, "it is not connected to again")
    domain.destroy()


def test_a_record_is_not_written_for_each_event(daemon, conn, engine):
    domain = engine("a-flood-stubborn")
    domain.create()
    record = daemon.root / "run/domus/qemu/a-flood-stubborn.xml"
    written = set()
    until = time.monotonic() + 2
    while time.monotonic() < until:
        status = record.stat()
        written.add((status.st_ino, status.st_mtime_ns))
    assert 1 < len(written) < 40
    domain.destroy()


def test_the_newest_state_is_recorded(daemon, conn, guest):
    domain = conn.defineXML(guest("web", memory=32))
    domain.create()
    record = daemon.root / "run/domus/qemu/web.xml"
    for call, state in [(domain.suspend, "3"), (domain.resume, "1")] * 20 + [(domain.suspend, "3")]:
        call()
    wait_until(lambda: f"state='{state}'" in record.read_text().partition(">")[0], "the last state is not recorded")
    domain.destroy()


def test_what_holds_an_ended_guests_lock_is_not_the_guest(daemon, engine):
    """A process that the engine has started leads a session of its own, and has the lock, the command line and more from it."""
    domain = engine("a-child")
    domain.create()
    parent = min(both(daemon))
    daemon.kill()
    os.kill(parent, signal.SIGKILL)
    daemon.start()
    again = libvirt.open(daemon.uri)
    assert not again.lookupByName("a-child").isActive() and daemon.pids_of("guest=a-child,") == []
    again.close()


def both(daemon):
    """The engine and the process that it leaves behind, once that stands alone."""
    return wait_until(lambda: (pids := daemon.pids_of("guest=a-child,")) and len(pids) == 2 and pids, "there are not two")


def test_what_an_engine_has_started_ends_with_it(daemon, conn, engine):
    domain = engine("a-child")
    for end in ("destroy", "crash", "restart"):
        domain.create()
        parent = min(both(daemon))
        if end == "crash":
            os.kill(parent, signal.SIGKILL)
            wait_until(lambda: not domain.isActive(), "its end is not noticed")
        if end == "restart":
            daemon.restart()
            conn = libvirt.open(daemon.uri)
            domain = conn.lookupByName("a-child")
        if end != "crash":
            domain.destroy()
        assert daemon.pids_of("guest=a-child,") == [], end
    conn.close()


def test_control_groups_go_with_their_guests(daemon, conn, engine):
    domain = engine("a-child")
    domain.create()
    pid = min(both(daemon))
    groups = {line.split(":", 2)[2] for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().split() if "/domus-" in line}
    if not groups:
        pytest.skip("no control groups can be made here")
    [group] = groups
    [folder] = [path for path in pathlib.Path("/sys/fs/cgroup").glob(f"**/{pathlib.Path(group).name}")]
    assert len((folder / "cgroup.procs").read_text().split()) == 2
    domain.destroy()
    assert not folder.exists()
    # One of a guest of which nothing else is left, as after a kill.
    folder.mkdir()
    daemon.restart()
    assert not folder.exists()


def test_no_file_is_opened_for_a_client_that_an_engine_calls_its_terminal(conn, engine):
    domain = engine("a-terminal")
    domain.create()
    stream = conn.newStream(libvirt.VIR_STREAM_NONBLOCK)
    assert "'/etc/passwd' is not a terminal" in refused(INTERNAL_ERROR, domain.openConsole, None, stream)
    domain.destroy()


def test_an_emulator_that_says_nothing_holds_up_no_other(daemon, engine):
    asking = Outcome(daemon, lambda own: define(daemon, own, "a", "mute"))
    [pid] = wait_until(lambda: daemon.pids_of("/mute"), "it is not asked")
    engine("b")
    assert asking.is_alive()
    os.kill(pid, signal.SIGKILL)
    assert "has gone" in str(asking.wait())


def test_a_log_is_bounded_while_a_daemon_is_there(make_daemon):
    daemon = make_daemon(session=os.geteuid() != 0, config="[qemu]\nlog_size = 100000\nlog_backups = 2\n")
    connection = libvirt.open(daemon.uri)
    domain = define(daemon, connection, "a-log")
    domain.create()
    [log] = daemon.root.glob("**/a-log.log")
    backups = [log.with_name(f"a-log.log.{number}") for number in range(3)]
    wait_until(backups[1].exists, "it is not rotated twice")
    daemon.kill()
    size = log.stat().st_size
    wait_until(lambda: log.stat().st_size > size + 3_000_000, "the engine does not go on")
    daemon.start()
    # It writes 30 MB a second at most.
    wait_until(lambda: log.stat().st_size < 1_000_000, "it is not rotated by the next daemon", pause=0.001)
    connection = libvirt.open(daemon.uri)
    connection.lookupByName("a-log").destroy()
    assert all(backup.stat().st_size <= 100_000 for backup in backups[:2]) and not backups[2].exists()
    wait_until(lambda: log.stat().st_size <= 100_000, "its end is not rotated")
    connection.close()


def test_a_console_is_logged_within_the_same_bound(make_daemon, guest_assets):
    daemon = make_daemon(session=os.geteuid() != 0, config="[qemu]\nlog_size = 500\nlog_backups = 1\n")
    log = daemon.root / "console.log"
    log.write_text("of an earlier run\n" * 100)
    connection = libvirt.open(daemon.uri)
    xml = guest_xml("web", cmdline="loglevel=7").replace("console=ttyS0 quiet", "console=ttyS0")
    domain = connection.createXML(xml.replace("<serial type='pty'/>", f"<serial type='pty'><log file='{log}'/></serial>", 1))
    backup = log.with_name("console.log.0")
    wait_until(backup.exists, "it is not rotated")
    domain.destroy()
    wait_until(lambda: log.stat().st_size <= 500, "its end is not rotated")
    assert backup.stat().st_size <= 500 and "earlier run" not in backup.read_text(errors="replace")
    assert not log.with_name("console.log.1").exists()
    connection.close()
