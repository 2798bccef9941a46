"""How much one client or user gets, and how large a document may be: what is beyond that is refused with a reason, and
nobody else notices."""
import fcntl
import os
import pathlib
import struct

import libvirt
import pytest

from harness.daemon import BUILD
from harness.raw import opened, packet, raw, read_packet

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a session daemon has no read-only socket")

# Sanitizers keep freed memory aside and pad the rest.
PADDING = 8 if BUILD.name in ("asan", "tsan") else 1

GET_LIB_VERSION, LIST_ALL, COMPARE_CPU = 157, 273, 158
KIB = 1024


def resident(daemon):
    status = pathlib.Path(f"/proc/{daemon.pids_of('domusd')[0]}/status").read_text()
    return KIB * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


def refusal(act):
    with pytest.raises(libvirt.libvirtError) as caught:
        act()
    return str(caught.value)


def closed(client):
    client.settimeout(30)
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def test_documents_have_limits_that_are_named(daemon, conn, guest):
    readonly = libvirt.open(daemon.readonly_uri)
    features = "<feature name='sse2'/>" * 20_001
    assert "20003 elements, at most 20000" in refusal(lambda: readonly.compareCPU(f"<cpu><arch>x86_64</arch>{features}</cpu>"))
    assert "1048576 are allowed" in refusal(lambda: readonly.compareCPU(f"<cpu>{' ' * 1048576}</cpu>"))
    assert readonly.getLibVersion() == 9000000  # and the connection lives
    interfaces = "<interface type='user'/>" * 5_000
    xml = guest("large").replace("</devices>", interfaces + "</devices>")
    assert "has 5000 <interface> devices; at most 1024 are possible" in refusal(lambda: conn.defineXML(xml))
    domain = conn.defineXML(guest("snap"))
    disks = "".join(f"<disk name='vd{number}'/>" for number in range(20_000))
    assert "no disk named 'vd0'" in refusal(lambda: domain.snapshotCreateXML(f"<domainsnapshot><disks>{disks}</disks></domainsnapshot>"))
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>p</name><target><path>{daemon.root}</path></target></pool>")
    labels = "<label/>" * 200_000
    assert "200003 elements, at most 200000" in refusal(lambda: pool.createXML(f"<volume><name>v</name><capacity>1</capacity>{labels}</volume>"))
    pool.destroy()
    # A call names up to 16,384 domains: one that is named again is answered once.
    assert len(readonly.domainListGetStats([readonly.lookupByName("snap")] * 16_384)) == 1
    readonly.close()


def test_what_large_hosts_have_is_no_limit(conn, guest):
    hosts = "".join(f"<host mac='52:54:00:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}' ip='10.1.{number // 250}.{number % 250 + 1}'/>"
                    for number in range(20_000))
    network = conn.networkDefineXML(f"<network><name>big</name><ip address='10.1.255.1' netmask='255.255.0.0'><dhcp>{hosts}</dhcp></ip></network>")
    assert network.XMLDesc().count("<host ") == 20_000
    network.undefine()
    disks = "".join(f"<disk type='file'><source file='/nowhere/{number}'/><target dev='sd{a}{b}' bus='scsi'/></disk>"
                    for number, (a, b) in enumerate((a, b) for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmnopqrstuvwxyz"))
    domain = conn.defineXML(guest("disks").replace("</devices>", "<controller type='scsi' model='virtio-scsi'/>" + disks + "</devices>"))
    assert domain.XMLDesc().count("<disk ") >= 520


def test_clients_that_never_read_cost_little(daemon, conn, guest):
    for number in range(20):
        conn.defineXML(guest(f"v{number}"))
    calls = packet(LIST_ALL, struct.pack(">iI", 1, 0)) * 2000
    for _ in range(3):  # what the daemon needs once for so many calls
        opened(daemon, readonly=True).close()
    before = resident(daemon)
    silent = []
    for _ in range(40):
        client = opened(daemon, readonly=True)
        client.settimeout(0.05)
        try:
            while True:
                client.sendall(calls)
        except TimeoutError:
            silent.append(client)
    assert len(silent) == 40, "who only does not read is not disconnected"
    assert len(conn.listAllDomains()) == 20
    assert resident(daemon) - before < 40 * 3 * KIB * KIB * PADDING
    reader = opened(daemon, readonly=True)
    reader.sendall(packet(GET_LIB_VERSION, serial=5))
    assert read_packet(reader)[0][4] == 5
    for client in silent + [reader]:
        client.close()


def test_a_user_has_so_many_connections_and_others_have_theirs(make_daemon):
    daemon = make_daemon(config="[clients]\nmax_clients = 40\nmax_clients_per_user = 30\n")
    opened(daemon).close()  # the read-only socket is there when the other one answers
    mine = [opened(daemon, readonly=True) for _ in range(30)]
    for _ in range(50):
        assert closed(raw(daemon, readonly=True))
    changes = [opened(daemon) for _ in range(10)]
    assert closed(raw(daemon)), "40 are all that there are"
    daemon.wait_logged("of uid 0: more of that user are refused")
    assert daemon.log_tail(1000).count("30 of uid 0: more of that user are refused") == 1
    for client in changes:
        client.sendall(packet(GET_LIB_VERSION, serial=6))
        assert read_packet(client)[0][4] == 6
    for client in mine + changes:
        client.close()


def test_what_strangers_do_with_the_lock_file_keeps_no_daemon_from_starting(daemon):
    path = daemon.root / "run/domus/domusd.pid"
    assert path.stat().st_mode & 0o777 == 0o600
    daemon.stop()
    path.chmod(0o644)  # as an older version left it
    with open(path, "rb") as held:
        fcntl.lockf(held, fcntl.LOCK_SH)
        daemon.start()
    assert path.stat().st_mode & 0o777 == 0o600
