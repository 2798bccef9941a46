"""The daemon is killed before each step of a start: the next one leaves nothing of it, and starts the domain."""
import contextlib

import libvirt

from harness.wait import wait_until

MOST_STEPS = 40
DEVICES = """
    <interface type='network'><source network='default'/></interface>
    <graphics type='vnc' autoport='yes'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"""


def leftovers(daemon):
    """Folders of runs, records, and processes of guests."""
    library, state = daemon.root / "var/lib/domus/qemu", daemon.root / "run/domus/qemu"
    found = [*library.glob("domain-*"), *state.glob("one.xml")]
    return found + daemon.pids_of("guest=one")


def test_killed_before_each_step_of_a_start(make_daemon, guest):
    daemon = make_daemon(default_network=True)
    with contextlib.closing(libvirt.open(daemon.uri)) as conn:
        conn.defineXML(guest("one", devices=DEVICES))
    daemon.stop()
    for step in range(MOST_STEPS):
        daemon.start(environment={"DOMUS_KILL_AT_STEP": str(step)})
        with contextlib.closing(libvirt.open(daemon.uri)) as conn:
            with contextlib.suppress(libvirt.libvirtError):
                conn.lookupByName("one").create()
                break  # it has no step more
        wait_until(lambda: not daemon.running, "the daemon goes on")
        daemon.kill()
        daemon.start()
        with contextlib.closing(libvirt.open(daemon.uri)) as conn:
            domain = conn.lookupByName("one")
            wait_until(lambda: not domain.isActive(), f"step {step}: half a guest is there")
            wait_until(lambda: not leftovers(daemon), f"step {step}: {leftovers(daemon)} is left")
            assert not conn.networkLookupByName("default").DHCPLeases()
        daemon.stop()
    assert step >= 15, "the steps of a start are not counted"
    with contextlib.closing(libvirt.open(daemon.uri)) as conn:
        conn.lookupByName("one").destroy()
    assert not leftovers(daemon)
