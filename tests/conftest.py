"""Fixtures of the system tests and those of the lab: a private daemon for each test, stock clients, guests.

A test that needs what this machine lacks is skipped with a reason; if all of a file are, pytest exits with 77, which
ctest counts as skipped. With DOMUS_RESULTS=FILE the outcome of each test is added to FILE for `./check`.
"""
import contextlib
import os
import pathlib
import signal
import subprocess

import libvirt
import pytest

from harness import events
from harness.daemon import BUILD, REPOSITORY, Daemon
from harness.guest import ASSETS, GuestShell, guest_xml
from harness.terminal import Terminal

SKIPPED = 77
DEFAULT_TIMEOUT = 300


def pytest_addoption(parser):
    parser.addoption("--with", dest="fault", choices=["stuck-monitor", "kill-daemon"],
                     help="run the tests under this fault (reserved: no test knows it yet)")


def pytest_configure(config):
    config.addinivalue_line("markers", f"timeout(seconds): longer or shorter than the {DEFAULT_TIMEOUT} s of a test")
    if config.getoption("fault"):
        raise pytest.UsageError("--with is reserved: no fault can be combined with the tests yet")


# -- outcome --

_outcomes = {}


def pytest_runtest_logreport(report):
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _outcomes[report.nodeid] = ("skipped", reason.removeprefix("Skipped: "))
    elif report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        _outcomes[report.nodeid] = ("failed", f"{report.when}: {crash.message[:280] if crash else 'see the log'}")
    elif report.when == "call":
        _outcomes.setdefault(report.nodeid, ("passed", ""))


def pytest_sessionfinish(session, exitstatus):
    results = os.environ.get("DOMUS_RESULTS")
    if results:
        with open(results, "a") as file:
            for nodeid, (outcome, why) in _outcomes.items():
                file.write(f"{outcome}\t{nodeid}\t{' '.join(why.split())}\n")
    if exitstatus == 0 and _outcomes and all(outcome == "skipped" for outcome, _ in _outcomes.values()):
        session.exitstatus = SKIPPED


@pytest.fixture(autouse=True)
def _time_limit(request):
    """A test that hangs fails by itself, so that its fixtures still clean up."""
    mark = request.node.get_closest_marker("timeout")
    seconds = mark.args[0] if mark else DEFAULT_TIMEOUT

    def expired(_signal, _frame):
        raise AssertionError(f"the test took longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


# -- daemon --

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the end of its daemon's log."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for daemon in getattr(item, "domus_daemons", []):
            report.sections.append((f"domusd of {daemon.root}", daemon.log_tail()))


@pytest.fixture
def make_daemon(request):
    """Function that starts one more private daemon; takes the arguments of Daemon."""
    if not (BUILD / "bin/domusd").exists():
        pytest.skip(f"{BUILD}/bin/domusd is not built")
    daemons = request.node.domus_daemons = []

    def make(**options):
        daemon = Daemon(**options)
        daemons.append(daemon)
        daemon.start()
        if options.get("default_network") and daemon.sandbox:
            daemon.wait_logged("network 'default' runs on bridge")
        return daemon

    yield make
    complaints = [complaint for daemon in daemons for complaint in daemon.close()]
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def daemon(make_daemon):
    """A private daemon: system mode as root, session mode otherwise."""
    return make_daemon(session=os.geteuid() != 0)


@pytest.fixture
def virsh(daemon):
    return daemon.virsh


@pytest.fixture
def domus(daemon):
    if not (BUILD / "bin/domus").exists():
        pytest.skip(f"{BUILD}/bin/domus is not built")
    return daemon.domus


# -- python3-libvirt --

@pytest.fixture(scope="session")
def _event_loop():
    libvirt.registerErrorHandler(lambda *_: None, None)
    events.start_loop()


@pytest.fixture
def conn(_event_loop, daemon):
    """A connection of python3-libvirt with a running event loop."""
    connection = libvirt.open(daemon.uri)
    yield connection
    try:
        connection.close()
    except libvirt.libvirtError:
        pass  # the test ended its daemon


@pytest.fixture
def event_log(conn):
    return events.EventLog(conn)


# -- guests --

@pytest.fixture(scope="session")
def guest_assets():
    """The folder with the test guest's kernel and RAM disks."""
    built = subprocess.run([REPOSITORY / "tests/guest/build", "--agent"], text=True, capture_output=True)
    if built.returncode:
        pytest.skip(f"no test guest: {built.stderr.strip()}")
    return ASSETS


@pytest.fixture
def guest(guest_assets):
    """Function that returns the XML of a test guest; see harness/guest.py."""
    return guest_xml


@pytest.fixture
def terminal():
    """Function that runs a program on a terminal of its own."""
    opened = []

    def make(*argv, **options):
        opened.append(Terminal(*argv, **options))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def shell_of(daemon, terminal):
    """Function that opens a running guest's shell over `virsh console`, and waits until it answers."""
    def open_shell(name, timeout=60):
        return GuestShell(terminal("virsh", "-c", daemon.uri, "console", name, "--force")).wait_up(timeout)
    return open_shell


@pytest.fixture
def freeze():
    """Function that stops a process; what still lives goes on in the end."""
    frozen = []

    def stop(pid):
        os.kill(pid, signal.SIGSTOP)
        frozen.append(pid)

    yield stop
    for pid in frozen:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@pytest.fixture
def scratch(tmp_path):
    return pathlib.Path(tmp_path)


@pytest.fixture
def wrappers(daemon):
    """`wrappers(program, script)`: the program is this script to the daemon; a line `real "$@"` runs the real one."""
    def wrap(program, script):
        real = subprocess.run(["sh", "-c", f"command -v {program}"], capture_output=True, text=True, check=True).stdout.strip()
        text = f"#!/bin/sh\nreal() {{ {real} \"$@\"; }}\n{script}\n"
        daemon.sandbox.run("sh", "-c", "cat >/usr/local/sbin/$1; chmod 755 /usr/local/sbin/$1", "sh", program, input=text, check=True)

    daemon.sandbox.run("mount", "-t", "tmpfs", "tmpfs", "/usr/local/sbin", check=True)
    yield wrap
    daemon.sandbox.run("umount", "-l", "/usr/local/sbin", check=True)


@pytest.fixture
def quick_keys(request):
    """LUKS takes seconds of the processor for a passphrase, on purpose; here images are made with fewer rounds."""
    if os.geteuid() == 0:
        request.getfixturevalue("wrappers")("qemu-img", """for each; do
    shift
    [ "$last" = -o ] && each=$(printf %s "$each" | sed 's/\\(encrypt[.]\\)\\{0,1\\}key-secret=[^,]*/&,\\1iter-time=10/')
    set -- "$@" "$each"
    last=$each
done
exec /usr/bin/qemu-img "$@" """)
