"""Clients that send garbage, stop in the middle, never read or vanish: the daemon serves the others and leaks nothing."""
import os
import pathlib
import random
import resource
import select
import struct
import threading
import time

import libvirt
import pytest

from harness.daemon import BUILD, run
from harness.raw import OPEN_CALL, opened, packet, raw, read_packet, string
from harness.wait import wait_until

# Sanitizers keep freed memory aside and pad the rest: what grows is judged less sharply in their builds.
PADDING = 8 if BUILD.name in ("asan", "tsan") else 1

AUTH_LIST, OPEN, LIST_ALL, GET_LIB_VERSION, DOMAIN_OPEN_CONSOLE = 66, 1, 273, 157, 201
REGISTER_CLOSE_CALLBACK, CONNECTION_CLOSED = 360, 362


def usage_of(daemon):
    pid = daemon.pids_of("domusd")[0]
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    resident = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    return len(os.listdir(f"/proc/{pid}/fd")), resident


def still_serves(daemon):
    connection = libvirt.open(daemon.uri)
    assert connection.getLibVersion() == 9000000
    connection.close()


def closed_by_daemon(client):
    try:
        while client.recv(65536):
            pass
        return True
    except ConnectionResetError:
        return True


def test_garbage_and_impossible_lengths_end_only_their_own_connection(daemon):
    random.seed(1)
    for data in [b"\xff\xff\xff\xff" * 16, struct.pack(">I", 0) * 8, struct.pack(">I", 27) + b"x" * 40,
                 struct.pack(">I", 2**32 - 1) + b"y" * 100, b"GET / HTTP/1.1\r\n\r\n", random.randbytes(4096)]:
        client = raw(daemon)
        client.sendall(data)
        assert closed_by_daemon(client)
        client.close()
    still_serves(daemon)


def test_a_length_that_is_only_claimed_takes_no_memory(daemon):
    still_serves(daemon)
    before = usage_of(daemon)[1]
    clients = []
    for _ in range(50):
        client = opened(daemon)
        client.sendall(struct.pack(">I", 32 * 1024 * 1024) + b"z" * 100)
        clients.append(client)
    time.sleep(0.5)
    assert usage_of(daemon)[1] - before < 32 * 1024 * PADDING
    for client in clients:
        client.close()
    still_serves(daemon)


def test_calls_before_open_are_refused_by_an_answer(daemon):
    client = raw(daemon)
    client.sendall(packet(LIST_ALL, struct.pack(">iI", 1, 0), serial=7))
    header, _ = read_packet(client)
    assert header[4] == 7 and header[5] == 1
    client.close()


def test_unknown_procedures_and_programs_get_libvirts_answer(daemon):
    client = opened(daemon)
    client.sendall(packet(9999, serial=3) + packet(1, serial=4, program=0x1234))
    header, body = read_packet(client)
    assert header[4] == 3 and header[5] == 1
    assert struct.unpack(">ii", body[:8]) == (39, 7)
    assert b"unknown procedure" in body
    header, body = read_packet(client)
    assert header[4] == 4 and header[5] == 1
    client.close()


def test_arguments_that_do_not_decode_are_answered_with_an_error(daemon):
    client = opened(daemon)
    client.sendall(packet(23, struct.pack(">I", 0xffffffff), serial=5))
    header, _ = read_packet(client)
    assert header[4] == 5 and header[5] == 1
    client.sendall(packet(GET_LIB_VERSION, serial=6))
    header, body = read_packet(client)
    assert header[4] == 6 and struct.unpack(">Q", body)[0] == 9000000
    client.close()


def test_half_a_message_keeps_nobody_waiting(daemon):
    client = opened(daemon)
    client.sendall(packet(GET_LIB_VERSION)[:20])
    still_serves(daemon)
    client.sendall(packet(GET_LIB_VERSION)[20:])
    assert read_packet(client)[0][5] == 0
    client.close()


def test_a_client_that_never_reads_is_bounded(daemon, conn, guest):
    for i in range(50):
        conn.defineXML(guest(f"v{i}"))
    before = usage_of(daemon)[1]
    client = opened(daemon)
    client.settimeout(2)
    call = packet(LIST_ALL, struct.pack(">iI", 1, 0))
    try:
        for _ in range(200_000):
            client.sendall(call)
    except (TimeoutError, BrokenPipeError, ConnectionResetError):
        pass  # it is not read from any more, or was disconnected
    still_serves(daemon)
    assert usage_of(daemon)[1] - before < 128 * 1024 * PADDING
    client.close()


def test_two_hundred_clients_at_once_and_nothing_stays(daemon):
    still_serves(daemon)
    before = usage_of(daemon)
    for _ in range(3):
        clients = [opened(daemon) for _ in range(200)]
        for client in clients:
            client.sendall(packet(GET_LIB_VERSION, serial=1))
        for client in clients:
            assert read_packet(client)[0][4] == 1
        for client in clients:
            client.close()
    wait_until(lambda: usage_of(daemon)[0] <= before[0] + 2, "descriptors stay open")
    assert usage_of(daemon)[1] - before[1] < 24 * 1024 * PADDING


def test_a_client_that_vanishes_in_mid_stream(daemon, conn, guest):
    domain = conn.createXML(guest("stream"))
    call = packet(DOMAIN_OPEN_CONSOLE, string("stream") + domain.UUID() + struct.pack(">iII", domain.ID(), 0, 1), serial=9)
    still_serves(daemon)
    before = usage_of(daemon)[0]
    for _ in range(20):
        client = opened(daemon)
        client.sendall(call)
        assert read_packet(client)[0][5] == 0
        client.close()
    wait_until(lambda: usage_of(daemon)[0] <= before + 1, "descriptors stay open")
    still_serves(daemon)
    domain.destroy()


def test_keepalive_is_answered_between_calls(daemon):
    client = opened(daemon)
    client.sendall(packet(1, kind=2, program=0x6b656570))
    header, _ = read_packet(client)
    assert header[0] == 0x6b656570 and header[2] == 2
    client.close()


def test_a_read_only_connection_changes_nothing(daemon, conn, guest):
    domain = conn.defineXML(guest("ro"))
    readonly = libvirt.open(daemon.readonly_uri)
    mine = readonly.lookupByUUIDString(domain.UUIDString())
    assert mine.name() == "ro"
    for change in (mine.create, mine.undefine, lambda: readonly.defineXML(guest("other")), lambda: mine.setAutostart(1)):
        with pytest.raises(libvirt.libvirtError, match="read only access prevents"):
            change()
    with pytest.raises(libvirt.libvirtError):
        mine.XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    assert not domain.isActive()
    readonly.close()


def test_descriptors_that_were_announced_and_did_not_come_end_the_connection(daemon):
    client = raw(daemon)
    client.sendall(packet(AUTH_LIST, struct.pack(">I", 1), kind=4) + b"\0" * 8)
    assert closed_by_daemon(client)
    client.close()
    still_serves(daemon)


def test_a_console_whose_guest_ends_leaves_its_connection_usable(daemon, conn, guest):
    domain = conn.createXML(guest("full", memory=32), libvirt.VIR_DOMAIN_START_PAUSED)
    client = opened(daemon)
    client.sendall(packet(DOMAIN_OPEN_CONSOLE, string("full") + domain.UUID() + struct.pack(">iII", domain.ID(), 0, 1), serial=9))
    assert read_packet(client)[0][5] == 0
    # More than the paused guest's terminal and the daemon's own queue take: it stops reading until the guest has ended.
    client.settimeout(30)
    chunk = packet(DOMAIN_OPEN_CONSOLE, b"x" * 65536, serial=9, kind=3, status=2)
    sender = threading.Thread(target=lambda: client.sendall(chunk * 120))
    sender.start()
    time.sleep(0.5)
    assert sender.is_alive()
    domain.destroy()
    sender.join(10)
    assert not sender.is_alive(), "the daemon stopped reading for good"
    client.settimeout(10)
    client.sendall(packet(GET_LIB_VERSION, serial=77))
    while True:
        header, _ = read_packet(client)
        if header[4] == 77:
            break
    client.close()


def test_uris_of_other_hypervisors_are_refused(daemon):
    for uri in ("xen:///system", "lxc:///system", "qemu:///bogus"):
        client = raw(daemon)
        client.sendall(packet(OPEN, struct.pack(">I", 1) + string(uri) + struct.pack(">I", 0)))
        assert read_packet(client)[0][5] == 1, uri
        client.close()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_descriptors_the_daemon_waits_and_goes_on(daemon):
    still_serves(daemon)
    pid = daemon.pids_of("domusd")[0]
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    served = opened(daemon)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))  # all of them are open
    waiting = [raw(daemon) for _ in range(3)]
    for client in waiting:
        client.sendall(OPEN_CALL)
    before = cpu_seconds(pid)
    time.sleep(1.5)
    assert cpu_seconds(pid) - before < 0.3 * PADDING
    served.sendall(packet(GET_LIB_VERSION, serial=6))
    assert read_packet(served)[0][4] == 6
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    for client in waiting:
        assert read_packet(client)[0][5] == 0
        client.close()
    served.close()
    daemon.wait_logged("clients are accepted again")
    assert daemon.log_tail(1000).count("no more clients are accepted") == 1


def test_a_clean_stop_tells_clients_that_asked_and_answers_calls(daemon, conn):
    reasons = []
    conn.registerCloseCallback(lambda _conn, reason, _opaque: reasons.append(reason), None)
    told, untold = opened(daemon), opened(daemon)
    told.sendall(packet(REGISTER_CLOSE_CALLBACK, serial=4))
    assert read_packet(told)[0][4] == 4
    daemon.stop()
    header, body = read_packet(told)
    assert (header[2], header[3], header[4]) == (CONNECTION_CLOSED, 2, 0) and body == struct.pack(">i", 1)
    for client in (told, untold):
        assert client.recv(1) == b""
        client.close()
    wait_until(lambda: reasons == [libvirt.VIR_CONNECT_CLOSE_REASON_EOF], "the close callback was not called")
    daemon.start()


def test_a_client_that_goes_lets_go_of_a_console_that_takes_nothing(daemon, conn, guest):
    domain = conn.createXML(guest("held", memory=32), libvirt.VIR_DOMAIN_START_PAUSED)

    def console(flags):
        return packet(DOMAIN_OPEN_CONSOLE, string("held") + domain.UUID() + struct.pack(">iII", domain.ID(), 0, flags), serial=9)

    client = opened(daemon)
    client.sendall(console(0))
    assert read_packet(client)[0][5] == 0
    client.settimeout(1)
    with pytest.raises(TimeoutError):
        client.sendall(packet(DOMAIN_OPEN_CONSOLE, b"x" * 65536, serial=9, kind=3, status=2) * 120)
    other = opened(daemon)
    other.sendall(console(0))
    assert read_packet(other)[0][5] == 1, "it is in use"
    client.close()

    def free():
        other.sendall(console(0))
        return read_packet(other)[0][5] == 0
    wait_until(free, "the console is still held")
    other.close()
    domain.destroy()


def test_clients_that_open_nothing_keep_nobody_out_and_go(make_daemon):
    # The daemon's owner keeps the whole time even in a crowd.
    daemon = make_daemon(session=os.geteuid() != 0, config="[clients]\nopen_timeout = 20\n")
    idle = [raw(daemon) for _ in range(100)]
    still_serves(daemon)
    assert not select.select(idle, [], [], 0)[0], "they were closed to serve another"
    for client in idle:
        assert closed_by_daemon(client)
        client.close()


def test_limits_come_from_the_configuration(make_daemon):
    daemon = make_daemon(session=os.geteuid() != 0, config="[clients]\nopen_timeout = 1\nmax_requests_per_client = 1\n")
    idle = raw(daemon)
    client = opened(daemon)
    assert closed_by_daemon(idle)
    idle.close()
    client.sendall(packet(GET_LIB_VERSION, serial=6) * 3)
    assert [read_packet(client)[0][4] for _ in range(3)] == [6, 6, 6]
    client.close()


@pytest.mark.parametrize("line", ["open_timeout = 0", "max_requests_per_client = 0", "max_clients = 0", "max_anonymous_clients = -1", "max_clients = '9'"])
def test_limits_that_let_nobody_in_are_refused(tmp_path, line):
    file = tmp_path / "domus.toml"
    file.write_text(f"[clients]\n{line}\n")
    done = run(BUILD / "bin/domusd", "--root", tmp_path, "--session", "--config", file, check=False)
    assert done.code == 1 and "line 2" in done.err and line.split()[0] in done.err
