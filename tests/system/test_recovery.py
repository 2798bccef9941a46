"""The daemon is killed at any instant: guests go on, definitions are whole, the next daemon finds everything."""
import contextlib
import os
import random
import re
import signal
import threading
import time

import libvirt

from harness import events
from harness.wait import wait_until

PAUSED = libvirt.VIR_DOMAIN_START_PAUSED


def test_ten_guests_are_found_after_kill_9(daemon, conn, guest, _event_loop):
    names = [f"g{i}" for i in range(10)]
    for name in names:
        conn.defineXML(guest(name, memory=32)).createWithFlags(PAUSED)
    before = {domain.name(): domain.ID() for domain in conn.listAllDomains()}
    pids = set(daemon.pids_of("qemu-system"))
    assert len(pids) == 10
    daemon.kill()
    # One of them dies while nobody looks.
    [dead] = [pid for pid in daemon.pids_of("guest=g3")]
    os.kill(dead, signal.SIGKILL)
    wait_until(lambda: dead not in daemon.pids_of("qemu-system"), "the guest did not die")
    daemon.start()
    again = libvirt.open(daemon.uri)
    found = {domain.name(): domain for domain in again.listAllDomains()}
    log = events.EventLog(again)
    assert set(found) == set(names)
    assert set(daemon.pids_of("qemu-system")) == pids - {dead}
    for name in names:
        if name != "g3":
            assert found[name].ID() == before[name]
            assert found[name].state()[0] == libvirt.VIR_DOMAIN_PAUSED
    log.wait_for("g3", libvirt.VIR_DOMAIN_EVENT_STOPPED)
    assert found["g3"].state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_CRASHED]
    # Their monitors answer, and they can be ended.
    for name in names:
        if name != "g3":
            wait_until(lambda n=name: found[n].memoryStats().get("actual") == 32 * 1024, f"the monitor of {name} does not answer")
    again.close()

    daemon.kill()
    daemon.start()
    with contextlib.closing(libvirt.open(daemon.uri)) as after:
        assert {domain.name(): domain.ID() for domain in after.listAllDomains()} == {**before, "g3": -1}


def test_a_guest_resumed_and_shut_down_after_a_restart(daemon, conn, guest, _event_loop):
    conn.defineXML(guest("one")).createWithFlags(PAUSED)
    daemon.kill()
    daemon.start()
    again = libvirt.open(daemon.uri)
    log = events.EventLog(again)
    domain = again.lookupByName("one")
    domain.resume()
    log.wait_for("one", libvirt.VIR_DOMAIN_EVENT_RESUMED)
    domain.destroy()
    log.wait_for("one", libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED)
    again.close()


def test_a_definition_is_old_or_new_after_a_kill_inside_the_write(daemon, guest, _event_loop):
    """Kills the daemon at random instants while it defines; each file then parses, and says one of two things."""
    connection = libvirt.open(daemon.uri)
    for i in range(20):
        connection.defineXML(guest(f"d{i}", memory=64))
    for round_number in range(6):
        stop = threading.Event()

        def define_all():
            try:
                mine = libvirt.open(daemon.uri)
                n = 0
                while not stop.is_set():
                    name = f"d{n % 20}"
                    mine.defineXML(guest(name, memory=random.choice([64, 96]), uuid=mine.lookupByName(name).UUIDString()))
                    n += 1
            except libvirt.libvirtError:
                pass  # the daemon was killed

        threads = [threading.Thread(target=define_all) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(random.uniform(0.05, 0.3))
        daemon.kill()
        stop.set()
        for thread in threads:
            thread.join()
        daemon.start()
        connection = libvirt.open(daemon.uri)
        memories = {domain.name(): domain.maxMemory() for domain in connection.listAllDomains()}
        assert set(memories) == {f"d{i}" for i in range(20)}, f"round {round_number}"
        assert set(memories.values()) <= {64 * 1024, 96 * 1024}
    broken = list((daemon.root / "etc/domus/qemu").glob("*.broken"))
    assert broken == []


def test_a_file_that_does_not_parse_is_set_aside_and_harms_no_other(daemon, conn, guest, _event_loop):
    conn.defineXML(guest("good"))
    daemon.stop()
    folder = daemon.root / "etc/domus/qemu"
    (folder / "bad.xml").write_text("<domain><name>bad")
    daemon.start()
    again = libvirt.open(daemon.uri)
    assert [domain.name() for domain in again.listAllDomains()] == ["good"]
    assert (folder / "bad.xml.broken").read_text() == "<domain><name>bad"
    daemon.wait_logged("set aside")
    again.close()


def test_autostart_starts_with_the_daemon(daemon, conn, guest, _event_loop):
    domain = conn.defineXML(guest("auto", memory=32))
    domain.setAutostart(1)
    assert domain.autostart() == 1
    daemon.restart()
    again = libvirt.open(daemon.uri)
    wait_until(lambda: again.lookupByName("auto").isActive(), "it was not started")
    again.lookupByName("auto").destroy()
    again.close()


def test_all_guests_start_with_the_host(daemon, conn, guest):
    """Each with a port of its own; 200 with DOMUS_FULL."""
    count = 200 if os.environ.get("DOMUS_FULL") else 20
    for number in range(count):
        xml = guest(f"boot{number}", memory=16, devices="<graphics type='vnc' autoport='yes'/>")
        conn.defineXML(re.sub("<kernel>.*</cmdline>", "", xml, flags=re.S)).setAutostart(1)
    daemon.restart()
    again = libvirt.open(daemon.uri)
    wait_until(lambda: len(again.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)) == count, "not all are started", timeout=300)
    ports = {re.search("<graphics type='vnc' port='([0-9]+)'", domain.XMLDesc())[1] for domain in again.listAllDomains()}
    assert len(ports) == count
    for domain in again.listAllDomains():
        domain.destroy()
    again.close()
