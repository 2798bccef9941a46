"""Network filters that follow connections: Debian's kernel can on a bridge, unlike that of the outer machine."""
import pytest

from harness.frames import arp, ipv4, tcp, udp
from harness.wire import Wire

GUEST, PEER = "52:54:00:00:00:01", "52:54:00:00:00:fe"
IP, PEER_IP = "10.9.0.1", "10.9.0.254"
UUID = "6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b77"
SYN, SYN_ACK = 2, 18
BINDING = (f"<filterbinding><owner><name>web</name><uuid>{UUID}</uuid></owner><portdev name='port0'/><mac address='{GUEST}'/>"
           "<filterref filter='own'/></filterbinding>")


@pytest.fixture
def wire(daemon):
    wire = Wire(daemon.sandbox, arp(GUEST, GUEST, IP, PEER_IP), arp(PEER, PEER, PEER_IP, IP))
    yield wire
    wire.close()


def out(source, target, flags):
    return ipv4(GUEST, PEER, IP, PEER_IP, 6, tcp(source, target, flags))


def back(source, target, flags):
    return ipv4(PEER, GUEST, PEER_IP, IP, 6, tcp(source, target, flags))


def bind(conn, rules):
    conn.nwfilterDefineXML(f"<filter name='own'><uuid>{UUID}</uuid>{rules}</filter>")
    return conn.nwfilterBindingCreateXML(BINDING)


def test_answers_pass_and_nothing_else_comes_in(conn, wire, daemon):
    binding = bind(conn, "<rule action='accept' direction='out'><tcp dstportstart='80'/></rule>"
                         "<rule action='drop' direction='inout' priority='1000'><all/></rule>")
    assert "ct state established" in daemon.sandbox.run("nft", "list", "ruleset").stdout
    assert wire.to_guest({"unasked": back(80, 5000, SYN_ACK), "new": back(5000, 22, SYN)}) == set()
    assert wire.from_guest({"80": out(5000, 80, SYN), "81": out(5000, 81, SYN)}) == {"80"}
    assert wire.to_guest({"answer": back(80, 5000, SYN_ACK), "another port": back(80, 5001, SYN_ACK)}) == {"answer"}
    binding.delete()


def test_states_are_told_apart(conn, wire):
    bind(conn, "<rule action='drop' direction='in'><all state='NEW'/></rule>").delete()
    conn.nwfilterBindingCreateXML(BINDING)
    packet = ipv4(PEER, GUEST, PEER_IP, IP, 17, udp(9, 1000, b"a" * 20))
    assert wire.to_guest({"new": packet}) == set()
    wire.from_guest({"a question": ipv4(GUEST, PEER, IP, PEER_IP, 17, udp(1000, 9, b"a" * 20))})
    assert wire.to_guest({"its answer": packet}) == {"its answer"}


def test_rejecting_and_counting_connections(conn, wire, daemon):
    bind(conn, "<rule action='reject' direction='out'><tcp dstportstart='22'/></rule>"
               "<rule action='drop' direction='out'><tcp connlimit-above='1' dstportstart='80'/></rule>")
    rules = daemon.sandbox.run("nft", "list", "ruleset").stdout
    assert "reject" in rules and "ct count over 1" in rules
    assert wire.from_guest({"rejected": out(5000, 22, SYN), "first": out(5001, 80, SYN), "second": out(5002, 80, SYN)}) == {"first"}
