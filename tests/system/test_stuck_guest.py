"""One QEMU is stopped with SIGSTOP: nobody else may notice."""
import concurrent.futures
import os
import signal
import struct
import time

import libvirt
import pytest

from harness.raw import opened, packet, read_packet, string
from harness.wait import wait_until

PAUSED = libvirt.VIR_DOMAIN_START_PAUSED


@pytest.fixture
def stuck(daemon, conn, guest):
    """Four guests, the second of which is stopped; its name."""
    for name in ("a", "b", "c", "d"):
        conn.defineXML(guest(name, memory=32, disks=())).createWithFlags(PAUSED)
    [pid] = daemon.pids_of("guest=b")
    os.kill(pid, signal.SIGSTOP)
    yield "b"
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def timed(call):
    begin = time.monotonic()
    result = call()
    return result, time.monotonic() - begin


def test_readers_wait_for_nobody(conn, virsh, stuck):
    domain = conn.lookupByName(stuck)
    for call in (conn.listAllDomains, domain.state, domain.info, lambda: domain.XMLDesc(0), lambda: conn.lookupByName("a").XMLDesc(0)):
        _, took = timed(call)
        assert took < 0.5
    assert virsh("dominfo", stuck, timeout=5).code == 0
    assert virsh("list", timeout=5).out.count("paused") == 4


def test_statistics_of_all_answer_within_a_second_with_the_others_figures(conn, stuck):
    statistics, took = timed(lambda: conn.getAllDomainStats())
    assert took < 1.2, f"took {took:.2f} s"
    by_name = {domain.name(): figures for domain, figures in statistics}
    assert set(by_name) == {"a", "b", "c", "d"}
    for name in ("a", "c", "d"):
        assert by_name[name]["balloon.current"] == 32 * 1024
        assert "balloon.last-update" in by_name[name]
    assert "balloon.last-update" not in by_name[stuck]
    assert by_name[stuck]["state.state"] == libvirt.VIR_DOMAIN_PAUSED


def test_thirty_clients_that_ask_for_it_leave_room_for_all_others(daemon, conn, guest, stuck):
    def ask():
        mine = libvirt.open(daemon.uri)
        try:
            return timed(lambda: mine.getAllDomainStats())[1]
        finally:
            mine.close()

    with concurrent.futures.ThreadPoolExecutor(30) as pool:
        asked = [pool.submit(ask) for _ in range(30)]
        other, took = timed(lambda: conn.defineXML(guest("e", memory=32)))
        assert took < 1.0
        _, took = timed(lambda: other.createWithFlags(PAUSED))
        assert took < 5.0
        _, took = timed(conn.lookupByName("a").destroy)
        assert took < 2.0
        assert max(each.result() for each in asked) < 5.0
    other.destroy()


def test_a_call_to_the_stuck_one_says_so_and_blocks_no_other_domain(conn, stuck):
    domain = conn.lookupByName(stuck)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(domain.resume)
        time.sleep(0.2)
        _, took = timed(conn.lookupByName("a").resume)
        assert took < 1.0
        with pytest.raises(libvirt.libvirtError, match="did not answer within"):
            waiting.result(timeout=30)


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
    _, took = timed(lambda: read_packet(client))
    assert took < 1
    client.sendall(packet(ping, kind=2, program=keepalive))
    header, _ = read_packet(client)
    assert (header[0], header[2]) == (keepalive, pong)
    client.close()
    assert conn.lookupByName("a").state()[0] == libvirt.VIR_DOMAIN_PAUSED


def test_destroy_of_the_stuck_one_takes_under_a_second(daemon, conn, stuck):
    _, took = timed(conn.lookupByName(stuck).destroy)
    assert took < 1.0
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
    try:
        return domain.resume() == 0
    except libvirt.libvirtError:
        return False
