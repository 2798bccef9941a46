"""One QEMU is stopped with SIGSTOP: nobody else may notice."""
import concurrent.futures
import os
import signal
import struct
import threading
import time

import libvirt
import pytest

from harness.calls import Outcome, within
from harness.raw import opened, packet, read_packet, string
from harness.wait import wait_until

PAUSED = libvirt.VIR_DOMAIN_START_PAUSED


@pytest.fixture
def stuck(daemon, conn, guest, freeze):
    """Four guests, the second of which is stopped; its name."""
    for name in ("a", "b", "c", "d"):
        conn.defineXML(guest(name, memory=32, disks=())).createWithFlags(PAUSED)
    freeze(*daemon.pids_of("guest=b"))
    return "b"


def test_readers_wait_for_nobody(daemon, conn, virsh, stuck):
    domain = conn.lookupByName(stuck)
    hanging = Outcome(daemon, lambda own: own.lookupByName(stuck).resume())
    for call in (conn.listAllDomains, domain.state, domain.info, lambda: domain.XMLDesc(0), lambda: conn.lookupByName("a").XMLDesc(0)):
        within(0.5, call)
    assert virsh("dominfo", stuck).code == 0
    assert virsh("list").out.count("paused") == 4
    assert hanging.is_alive(), "somebody waited for its 5 s"
    hanging.wait()


def test_statistics_of_all_answer_within_a_second_with_the_others_statistics(conn, stuck):
    def answers():
        by_name = {domain.name(): statistics for domain, statistics in within(1.2, conn.getAllDomainStats)}
        assert set(by_name) == {"a", "b", "c", "d"} and "balloon.last-update" not in by_name[stuck]
        assert by_name[stuck]["state.state"] == libvirt.VIR_DOMAIN_PAUSED
        assert {by_name[name]["balloon.current"] for name in "acd"} == {32 * 1024}
        return all("balloon.last-update" in by_name[name] for name in "acd")
    wait_until(answers, "statistics of QEMU itself are missing")


def test_one_that_ends_while_its_statistics_are_asked_for(daemon, conn, guest):
    ALL_DOMAIN_STATS, MEMORY_STATS = 344, 159
    domain = conn.createXML(guest("web", memory=32), PAUSED)
    [pid] = daemon.pids_of("guest=web,")
    os.kill(pid, signal.SIGSTOP)
    client = opened(daemon)
    ref = string("web") + domain.UUID() + struct.pack(">i", domain.ID())
    client.sendall(packet(ALL_DOMAIN_STATS, struct.pack(">III", 0, 0, 0), 1) + packet(MEMORY_STATS, ref + struct.pack(">II", 16, 0), 2))
    assert domain.isActive()  # they are asked by now
    os.kill(pid, signal.SIGKILL)
    told = {header[4]: header[5] for header, _ in (read_packet(client), read_packet(client))}
    assert set(told) == {1, 2} and told[1] == 0
    wait_until(lambda: conn.listAllDomains() == [], "it is still listed")
    client.close()


def test_thirty_clients_that_ask_for_it_leave_room_for_all_others(daemon, conn, guest, stuck):
    enough = threading.Event()

    def ask():
        mine = libvirt.open(daemon.uri)
        times = []
        while not enough.is_set() or not times:
            begun = time.monotonic()
            mine.getAllDomainStats()
            times.append(time.monotonic() - begun)
        mine.close()
        return min(times)

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        asked = [pool.submit(ask) for _ in range(30)]
        try:
            other = within(1, lambda: conn.defineXML(guest("e", memory=32, uuid="5d7b0c5e-8a7c-4a0e-9f6e-3c1d7a0b2e11")))
            within(5, lambda: other.createWithFlags(PAUSED) or other.destroy())
            left = iter("acd")
            within(2, lambda: conn.lookupByName(next(left)).destroy(), attempts=3)
        finally:
            enough.set()
        assert max(each.result() for each in asked) < 5, "one after another they take 30 s"


def test_a_call_to_the_stuck_one_says_so_and_blocks_no_other_domain(daemon, conn, stuck):
    waiting = Outcome(daemon, lambda own: own.lookupByName(stuck).resume())
    wait_until(lambda: f"resume domain '{stuck}'" in daemon.log.read_text(), "it does not begin", pause=0.01)
    conn.lookupByName("a").resume()
    assert waiting.is_alive(), "the other one waited for its 5 s"
    assert "did not answer within" in str(waiting.wait())


def test_a_client_all_of_whose_calls_hang_is_answered_its_pings(daemon, conn, stuck):
    resume, lookup, keepalive, ping, pong = 28, 23, 0x6b656570, 1, 2
    domain = conn.lookupByName(stuck)
    client = opened(daemon)
    hanging = string(stuck) + domain.UUID() + struct.pack(">i", domain.ID())
    client.sendall(packet(resume, hanging, serial=1) + packet(lookup, string("a"), serial=2))
    header, _ = read_packet(client)
    assert (header[4], header[5]) == (2, 0), "one that hangs holds up no other"
    for serial in range(3, 200):
        client.sendall(packet(resume, hanging, serial=serial))
    client.sendall(packet(ping, kind=2, program=keepalive))
    for _ in range(2):
        header, _ = read_packet(client)
        assert (header[0], header[2]) == (keepalive, pong), "those that hang are answered first"
        client.sendall(packet(ping, kind=2, program=keepalive))
    client.close()
    assert conn.lookupByName("a").state()[0] == libvirt.VIR_DOMAIN_PAUSED


def test_destroy_of_the_stuck_one_takes_under_a_second(daemon, conn, stuck, freeze):
    for name in "acd":
        freeze(*daemon.pids_of(f"guest={name}"))
    left = iter((stuck, *"acd"))
    within(1, lambda: conn.lookupByName(next(left)).destroy(), attempts=4)
    wait_until(lambda: not daemon.pids_of("guest=b"), "the process is still there")
    assert conn.lookupByName(stuck).state()[0] == libvirt.VIR_DOMAIN_SHUTOFF


def test_a_stopped_guest_is_found_by_each_new_daemon_and_answers_when_it_goes_on(daemon, guest, _event_loop):
    conn = libvirt.open(daemon.uri)
    conn.defineXML(guest("stopped", memory=32, disks=())).createWithFlags(PAUSED)
    conn.close()
    [pid] = daemon.pids_of("guest=stopped")
    os.kill(pid, signal.SIGSTOP)
    for _ in range(5):  # each connects once more; QEMU's queue of those who wait is short
        daemon.kill()
        daemon.start()
    conn = libvirt.open(daemon.uri)
    domain = conn.lookupByName("stopped")
    assert domain.isActive()
    with pytest.raises(libvirt.libvirtError):
        domain.resume()
    os.kill(pid, signal.SIGCONT)
    wait_until(lambda: resumes(domain), "its monitor was not reached again")
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    domain.destroy()
    conn.close()


def resumes(domain):
    """Also by a call of before that came through late."""
    try:
        return domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING or domain.resume() == 0
    except libvirt.libvirtError:
        return False


def test_a_guest_that_writes_into_its_agents_port_without_end(daemon, conn, guest, shell_of):
    """It is read only while somebody asks the agent, for as long as an answer may take; its queue and others go on."""
    channel = "<channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>"
    domain = conn.createXML(guest("web", devices=channel))
    shell_of("web").run("(yes >/dev/virtio-ports/org.qemu.guest_agent.0) & true")
    wait_until(lambda: "state='connected'" in domain.XMLDesc(), "the port is not opened")
    for call in (lambda own: own.lookupByName("web").shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT),
                 lambda own: own.lookupByName("web").interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT)):
        asking = Outcome(daemon, call)
        took, begun = [], time.monotonic()
        while asking.is_alive():
            before = time.monotonic()
            assert len(conn.listAllDomains()) == 1
            took.append(time.monotonic() - before)
            time.sleep(0.01)
        assert asking.error is not None and asking.error.get_error_code() == libvirt.VIR_ERR_AGENT_UNRESPONSIVE
        assert sorted(took)[len(took) // 2] < 0.5 and time.monotonic() - begun < 60
        domain.suspend()
        domain.resume()
    domain.destroy()
