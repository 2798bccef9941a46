"""Network filters: definitions, bindings, and real frames that pass or do not, over a bridge in the test's own namespace."""
import json
import os
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness import frames
from harness.frames import arp, dhcp_answer, ethernet, ipv4, ipv6, tagged, tcp, udp
from harness.wait import wait_until
from harness.wire import Wire

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="network filters need root")

GUEST, OTHER, PEER = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:fe"
IP, OTHER_IP, PEER_IP = "10.9.0.1", "10.9.0.2", "10.9.0.254"
OWNER = "6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b77"
STOCK = """allow-arp allow-dhcp allow-dhcp-server allow-dhcpv6 allow-dhcpv6-server allow-incoming-ipv4 allow-incoming-ipv6
allow-ipv4 allow-ipv6 clean-traffic clean-traffic-gateway no-arp-ip-spoofing no-arp-mac-spoofing no-arp-spoofing
no-ip-multicast no-ip-spoofing no-ipv6-multicast no-ipv6-spoofing no-mac-broadcast no-mac-spoofing no-other-l2-traffic
no-other-rarp-traffic qemu-announce-self qemu-announce-self-rarp""".split()


@pytest.fixture
def daemon(make_daemon):
    return make_daemon(default_filters=True)


def binding_xml(name="clean-traffic", device="port0", mac=GUEST, owner="web", **parameters):
    values = "".join(f"<parameter name='{key}' value='{value}'/>" for key, values in parameters.items()
                     for value in ([values] if isinstance(values, str) else values))
    return (f"<filterbinding><owner><name>{owner}</name><uuid>{OWNER}</uuid></owner><portdev name='{device}'/>"
            f"<mac address='{mac}'/><filterref filter='{name}'>{values}</filterref></filterbinding>")


def filter_xml(name, rules="", **attributes):
    words = "".join(f" {key}='{value}'" for key, value in attributes.items())
    return f"<filter name='{name}'{words}>{rules}</filter>"


def rule(action, direction, inside, **attributes):
    words = "".join(f" {key}='{value}'" for key, value in attributes.items())
    return f"<rule action='{action}' direction='{direction}'{words}>{inside}</rule>"


def refused(code, call, *arguments):
    with pytest.raises(libvirt.libvirtError) as caught:
        call(*arguments)
    assert caught.value.get_error_code() == code, caught.value
    return str(caught.value)


def ruleset(daemon):
    return daemon.sandbox.run("nft", "list", "ruleset").stdout


# -- frames ----------------------------------------------------------------------------------------------------------


def packet(source_mac=GUEST, source_ip=IP, port=9, **more):
    return ipv4(source_mac, PEER, source_ip, PEER_IP, 17, udp(1000, port, b"p" * 20), **more)


LAST_OUT = packet(port=4242)
LAST_IN = ipv4(PEER, GUEST, PEER_IP, IP, 17, udp(9, 4242, b"l" * 20))


@pytest.fixture
def wire(daemon):
    wire = Wire(daemon.sandbox, LAST_OUT, LAST_IN)
    yield wire
    wire.close()


HONEST = {
    "its address": packet(),
    "a request for an address": ipv4(GUEST, frames.BROADCAST, "0.0.0.0", "255.255.255.255", 17, udp(68, 67, b"d" * 40)),
    "an ARP request": arp(GUEST, GUEST, IP, PEER_IP),
    "an ARP reply": arp(GUEST, GUEST, IP, PEER_IP, opcode=2, target=PEER),
    "an ARP probe": arp(GUEST, GUEST, "0.0.0.0", IP),
    "an announcement of QEMU": arp(GUEST, GUEST, "0.0.0.0", "0.0.0.0", opcode=3, kind=0x8035)[:32] + frames.mac(GUEST)
                               + arp(GUEST, GUEST, "0.0.0.0", "0.0.0.0", opcode=3, kind=0x8035)[38:],
}
SPOOFED = {
    "another MAC": packet(source_mac=OTHER),
    "another address": packet(source_ip=OTHER_IP),
    "both": packet(source_mac=OTHER, source_ip=OTHER_IP),
    "ARP of another MAC": arp(OTHER, GUEST, IP, PEER_IP),
    "ARP that says another MAC": arp(GUEST, OTHER, IP, PEER_IP),
    "ARP that says another address": arp(GUEST, GUEST, OTHER_IP, PEER_IP),
    "ARP reply that says another address": arp(GUEST, GUEST, PEER_IP, OTHER_IP, opcode=2),
    "IPv6": ipv6(GUEST, PEER, "fd00::1", "fd00::fe", 17, udp(1, 2, b"6" * 20)),
    "IPv6 of another MAC": ipv6(OTHER, PEER, "fd00::2", "fd00::fe", 17, udp(1, 2, b"6" * 20)),
    "a tagged packet": tagged(packet(source_ip=OTHER_IP), 5),
    "its own packet, tagged": tagged(packet(), 6),
    "another protocol": ethernet(GUEST, PEER, 0x88b5, b"x" * 50),
    "an announcement of another": arp(OTHER, OTHER, "0.0.0.0", "0.0.0.0", opcode=3, kind=0x8035),
}
WELCOME = {
    "a packet": ipv4(PEER, GUEST, PEER_IP, IP, 17, udp(9, 1000, b"a" * 20)),
    "ARP": arp(PEER, PEER, PEER_IP, IP),
}


def test_clean_traffic_lets_what_is_honest_pass_and_nothing_else(conn, wire, daemon):
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST | SPOOFED), "nothing is filtered yet"
    binding = conn.nwfilterBindingCreateXML(binding_xml(IP=IP))
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST)
    assert wire.to_guest(WELCOME | {"IPv6": ipv6(PEER, GUEST, "fd00::fe", "fd00::1", 17, udp(1, 2, b"6" * 20))}) == set(WELCOME)
    dropped = [int(line.split("packets ")[1].split()[0]) for line in ruleset(daemon).splitlines()
               if "counter packets" in line and line.endswith("drop")]
    assert sum(dropped) >= len(SPOOFED), "what was dropped is counted"
    binding.delete()
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST | SPOOFED)
    assert "domus_filter" not in ruleset(daemon)


def test_no_spoofing_of_ipv6(conn, wire):
    own, link_local = "fd00::1", "fe80::5054:ff:fe00:1"
    v6 = {address: ipv6(GUEST, PEER, address, "fd00::fe", 17, udp(1, 2, b"6" * 20)) for address in (own, link_local, "fd00::2")}
    conn.nwfilterBindingCreateXML(binding_xml("no-ipv6-spoofing", IPV6=own))
    assert wire.from_guest(v6) == {own, link_local}


def test_several_addresses_and_ports(conn, wire):
    conn.nwfilterDefineXML(filter_xml("ports", rule("accept", "out", "<ip srcipaddr='$IP' protocol='udp' dstportstart='$P[@1]'/>")
                                      + rule("drop", "out", "<ip/>", priority=900)))
    sent = {f"{ip} {port}": packet(source_ip=ip, port=port) for ip in (IP, OTHER_IP, "10.9.0.3") for port in (9, 10, 11)}
    conn.nwfilterBindingCreateXML(binding_xml("ports", IP=[IP, OTHER_IP], P=["9", "10"]))
    assert wire.from_guest(sent, arp(GUEST, GUEST, IP, PEER_IP)) == {f"{ip} {port}" for ip in (IP, OTHER_IP) for port in (9, 10)}


RULES = {  # what is in a rule: frames that it drops, and frames that it does not
    "<mac srcmacaddr='52:54:00:00:00:02' srcmacmask='ff:ff:ff:ff:ff:fe'/>": ([packet(OTHER)], [packet("52:54:00:00:00:05")]),
    "<mac dstmacaddr='ff:ff:ff:ff:ff:ff' protocolid='arp'/>": ([arp(GUEST, GUEST, IP, PEER_IP)], [arp(GUEST, GUEST, IP, IP, target=PEER)]),
    "<vlan vlanid='5' encap-protocol='ipv4'/>": ([tagged(packet(port=3), 5)], [tagged(packet(port=3), 6), packet(port=3)]),
    "<arp opcode='Reply' arpsrcipaddr='10.9.0.0' arpsrcipmask='31'/>": ([arp(GUEST, GUEST, IP, PEER_IP, 2)],
                                                                     [arp(GUEST, GUEST, IP, PEER_IP), arp(GUEST, GUEST, OTHER_IP, PEER_IP, 2)]),
    "<rarp arpsrcmacaddr='52:54:00:00:00:01'/>": ([arp(GUEST, GUEST, IP, IP, 3, kind=0x8035)], [arp(GUEST, OTHER, IP, IP, 3, kind=0x8035)]),
    "<ip protocol='udp' dstportstart='20' dstportend='30'/>": ([packet(port=20), packet(port=30)], [packet(port=31), packet(port=19)]),
    "<ip match='no' srcipaddr='10.9.0.1'/>": ([packet(source_ip=OTHER_IP)], [packet(port=7)]),
    "<ipv6 srcipaddr='fd00::' srcipmask='64'/>": ([ipv6(GUEST, PEER, "fd00::5", "fd00::1", 17, udp(1, 2, b"6" * 20))],
                                                   [ipv6(GUEST, PEER, "fd01::5", "fd00::1", 17, udp(1, 2, b"6" * 20))]),
    "<ipv6 protocol='icmpv6' type='135'/>": ([ipv6(GUEST, PEER, "fd00::5", "fd00::1", 58, bytes([135]) + bytes(23))],
                                             [ipv6(GUEST, PEER, "fd00::5", "fd00::1", 58, bytes([136]) + bytes(23))]),
    "<tcp dstportstart='80' flags='SYN,ACK/SYN'/>": ([ipv4(GUEST, PEER, IP, PEER_IP, 6, tcp(5, 80, 2))],
                                                     [ipv4(GUEST, PEER, IP, PEER_IP, 6, tcp(5, 80, 18)), ipv4(GUEST, PEER, IP, PEER_IP, 6, tcp(5, 81, 2))]),
    "<udp srcipfrom='10.9.0.2' srcipto='10.9.0.9'/>": ([packet(source_ip=OTHER_IP)], [packet(source_ip="10.9.0.10")]),
    "<icmp type='8'/>": ([ipv4(GUEST, PEER, IP, PEER_IP, 1, bytes([8]) + bytes(27))], [ipv4(GUEST, PEER, IP, PEER_IP, 1, bytes(28))]),
    "<sctp/>": ([ipv4(GUEST, PEER, IP, PEER_IP, 132, bytes(24))], [ipv4(GUEST, PEER, IP, PEER_IP, 6, tcp(1, 2, 2))]),
    "<igmp/>": ([ipv4(GUEST, PEER, IP, PEER_IP, 2, bytes(24))], [packet(port=8)]),
    "<esp/>": ([ipv4(GUEST, PEER, IP, PEER_IP, 50, bytes(24))], [ipv4(GUEST, PEER, IP, PEER_IP, 51, bytes(24))]),
    "<ah/>": ([ipv4(GUEST, PEER, IP, PEER_IP, 51, bytes(24))], [ipv4(GUEST, PEER, IP, PEER_IP, 50, bytes(24))]),
    "<udplite/>": ([ipv4(GUEST, PEER, IP, PEER_IP, 136, bytes(24))], [packet(port=6)]),
    "<all/>": ([packet(port=5)], [arp(GUEST, GUEST, IP, PEER_IP, 1)]),
    "<tcp-ipv6/>": ([ipv6(GUEST, PEER, "fd00::5", "fd00::1", 6, tcp(1, 2, 2))], [ipv6(GUEST, PEER, "fd00::5", "fd00::1", 17, udp(1, 2, b"6" * 20))]),
    "<all-ipv6/>": ([ipv6(GUEST, PEER, "fd00::5", "fd00::1", 17, udp(1, 2, b"6" * 20))], [packet(port=5)]),
    "": ([arp(GUEST, GUEST, IP, PEER_IP, 1), packet(port=5)], []),
}


def test_each_protocol_has_its_effect(conn, wire):
    last = ethernet(GUEST, PEER, 0x9000, b"last" * 12)
    conn.nwfilterDefineXML(filter_xml("one", f"<uuid>{OWNER}</uuid>"))
    conn.nwfilterBindingCreateXML(binding_xml("one"))
    for inside, (dropped, passing) in RULES.items():
        letting = rule("accept", "out", "<mac protocolid='0x9000'/>", priority=-1)
        conn.nwfilterDefineXML(filter_xml("one", f"<uuid>{OWNER}</uuid>" + letting + rule("drop", "out", inside)))
        named = {f"dropped {i}": frame for i, frame in enumerate(dropped)} | {f"passing {i}": frame for i, frame in enumerate(passing)}
        assert wire.from_guest(named, last) == {name for name in named if name.startswith("passing")}, inside


def test_rules_of_both_ways_are_written_as_packets_come_in(conn, wire):
    conn.nwfilterDefineXML(filter_xml("both", rule("drop", "inout", f"<ip srcipaddr='{PEER_IP}'/>")))
    conn.nwfilterBindingCreateXML(binding_xml("both"))
    last_out, last_in = arp(GUEST, GUEST, IP, PEER_IP), arp(PEER, PEER, PEER_IP, IP)
    others = ipv4(GUEST, PEER, IP, OTHER_IP, 17, udp(1, 2, b"o" * 20))
    assert wire.from_guest({"to the peer": packet(), "to another": others}, last_out) == {"to another"}
    assert wire.to_guest({"from the peer": WELCOME["a packet"]}, last_in) == set()


def test_no_packet_slips_through_while_a_filter_changes(conn, wire):
    """Neither does an honest one get lost."""
    uuid = f"<uuid>{OWNER}</uuid>"
    versions = [filter_xml("own", uuid + "<filterref filter='no-mac-spoofing'/><filterref filter='no-ip-spoofing'/>"
                           + "".join(rule("accept", "in", f"<ip srcipaddr='10.9.{n}.{each}'/>") for each in range(n * 20)))
                for n in (1, 2)]
    conn.nwfilterDefineXML(versions[0])
    conn.nwfilterBindingCreateXML(binding_xml("own", IP=IP))
    flood = wire.flood(HONEST["its address"], SPOOFED["another address"])
    for turn in range(30):
        conn.nwfilterDefineXML(versions[turn % 2])
    counts = json.loads(flood.communicate("end\n")[0])
    assert counts["bad"] == 0 and counts["good"] == counts["sent"] > 100, counts


def test_a_change_that_a_port_cannot_have_changes_nothing(conn, wire, daemon):
    conn.nwfilterDefineXML(filter_xml("own", f"<uuid>{OWNER}</uuid>" + rule("drop", "out", "<arp/>")))
    conn.nwfilterBindingCreateXML(binding_xml("own"))
    before = ruleset(daemon).replace("packets 0 bytes 0", "")
    said = refused(libvirt.VIR_ERR_INTERNAL_ERROR, conn.nwfilterDefineXML,
                   filter_xml("own", f"<uuid>{OWNER}</uuid>" + rule("drop", "out", "<ip srcipaddr='$MINE'/>")))
    assert "unresolvable variables" in said and "MINE" in said
    assert ruleset(daemon).replace("packets 0 bytes 0", "") == before
    assert "<arp/>" in conn.nwfilterLookupByName("own").XMLDesc()


def test_rules_outlive_the_daemon(conn, wire, daemon, virsh):
    conn.nwfilterBindingCreateXML(binding_xml(IP=IP))
    daemon.kill()
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST)
    daemon.start()
    assert "port0      clean-traffic" in virsh("nwfilter-binding-list").out
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST)
    daemon.restart()
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST)
    virsh("nwfilter-binding-delete", "port0")
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST | SPOOFED) and ruleset(daemon) == ""


def test_a_port_whose_filter_is_broken_is_closed(conn, wire, daemon):
    conn.nwfilterBindingCreateXML(binding_xml(IP=IP))
    daemon.stop()
    (daemon.root / "etc/domus/nwfilter/no-ip-spoofing.xml").write_text("<filter")
    daemon.start()
    daemon.wait_logged("nothing passes, since its filter cannot be made")
    conn.nwfilterBindingLookupByPortDev("port0") if conn.isAlive() else None
    assert "counter packets 0 bytes 0 drop" in ruleset(daemon)
    daemon.virsh("nwfilter-binding-delete", "port0")


# -- learning --------------------------------------------------------------------------------------------------------


def test_an_address_is_learnt_from_what_the_guest_sends_first(conn, wire, daemon):
    asking = ipv4(GUEST, frames.BROADCAST, "0.0.0.0", "255.255.255.255", 17, udp(68, 67, b"last" * 10))
    binding = conn.nwfilterBindingCreateXML(binding_xml())
    assert wire.from_guest({"another MAC": SPOOFED["another MAC"], "another protocol": SPOOFED["another protocol"]}, asking) == set()
    wire.from_guest({"the first": HONEST["an ARP request"]}, asking)
    wait_until(lambda: f"whose sender says its address is {IP}" in daemon.domus("filter-explain", "port0").out, "nothing was learnt")
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST)
    daemon.restart()
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST), "what was learnt is kept"
    daemon.virsh("nwfilter-binding-delete", "port0")
    del binding


def test_an_address_is_learnt_from_a_dhcp_server_and_forgotten(conn, wire, daemon):
    asking = ipv4(GUEST, frames.BROADCAST, "0.0.0.0", "255.255.255.255", 17, udp(68, 67, b"last" * 10))
    conn.nwfilterBindingCreateXML(binding_xml(CTRL_IP_LEARNING="dhcp", DHCPSERVER=PEER_IP))
    assert wire.from_guest(HONEST | SPOOFED, asking) == {"a request for an address"}
    explained = lambda: daemon.domus("filter-explain", "port0").out
    answers = {"of another server": dhcp_answer(PEER, GUEST, OTHER_IP, OTHER_IP), "an offer": dhcp_answer(PEER, GUEST, PEER_IP, OTHER_IP, kind=2)}
    wire.to_guest(answers, dhcp_answer(PEER, GUEST, PEER_IP, IP, lease=20))
    wait_until(lambda: f"from {IP}" in explained(), "nothing was learnt")
    assert OTHER_IP not in explained()
    assert wire.from_guest(HONEST | SPOOFED) == set(HONEST)
    wait_until(lambda: f"from {IP}" not in explained(), "the lease does not end")
    assert wire.from_guest(HONEST | SPOOFED, asking) == {"a request for an address"}


def test_learning_can_be_forbidden(conn):
    said = refused(libvirt.VIR_ERR_INTERNAL_ERROR, conn.nwfilterBindingCreateXML, binding_xml(CTRL_IP_LEARNING="none"))
    assert "Cannot instantiate filter due to unresolvable variables or unavailable list elements: IP" in said
    assert "learning value 'perhaps' invalid" in refused(libvirt.VIR_ERR_PARSE_FAILED, conn.nwfilterBindingCreateXML,
                                                         binding_xml(CTRL_IP_LEARNING="perhaps"))
    assert conn.listAllNWFilterBindings() == []


# -- definitions -----------------------------------------------------------------------------------------------------


def test_stock_filters_are_made_once(conn, virsh, daemon):
    assert sorted(conn.listNWFilters()) == STOCK and conn.numOfNWFilters() == len(STOCK)
    assert [line.split()[1] for line in virsh("nwfilter-list").out.splitlines()[2:] if line] == STOCK
    root = ET.fromstring(virsh("nwfilter-dumpxml", "clean-traffic").out)
    assert [child.tag for child in root] == ["uuid", "filterref", "filterref", "rule", "filterref", "filterref", "rule", "filterref", "filterref"]
    assert virsh("nwfilter-dumpxml", "no-mac-spoofing").out.startswith("<filter name='no-mac-spoofing' chain='mac' priority='-800'>")
    virsh("nwfilter-undefine", "clean-traffic-gateway")
    daemon.restart()
    assert "clean-traffic-gateway" not in virsh("nwfilter-list").out


def test_a_filter_is_defined_changed_and_gone(conn, virsh, tmp_path):
    document = filter_xml("own", "<uuid>6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b01</uuid>" + rule("accept", "in", "<tcp dstportstart='22'/>"), chain="root")
    (tmp_path / "own.xml").write_text(document)
    assert virsh("nwfilter-define", tmp_path / "own.xml").out.strip() == f"Network filter own defined from {tmp_path}/own.xml"
    text = virsh("nwfilter-dumpxml", "own").out
    virsh("nwfilter-define", "--validate", tmp_path / "own.xml")
    assert virsh("nwfilter-dumpxml", "6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b01").out == text
    edited = virsh("nwfilter-edit", "own", env=dict(os.environ, EDITOR="sed -i s/22/23/", LC_ALL="C"))
    assert edited.out.strip() == "Network filter own XML configuration edited." and "'23'" in virsh("nwfilter-dumpxml", "own").out
    assert conn.nwfilterLookupByUUIDString("6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b01").name() == "own"
    assert virsh("nwfilter-undefine", "own").out.strip() == "Network filter own undefined"
    assert "no nwfilter with matching name 'own'" in refused(libvirt.VIR_ERR_NO_NWFILTER, conn.nwfilterLookupByName, "own")


def test_filters_that_cannot_be_are_refused_as_libvirt_does(conn, virsh, tmp_path):
    own = conn.nwfilterDefineXML(filter_xml("own", "<filterref filter='allow-arp'/>"))
    failed = libvirt.VIR_ERR_OPERATION_FAILED
    assert f"filter 'own' already exists with uuid {own.UUIDString()}" in refused(failed, conn.nwfilterDefineXML, filter_xml("own"))
    assert "filter with same UUID but different name ('own') already exists" in refused(
        failed, conn.nwfilterDefineXML, filter_xml("other", f"<uuid>{own.UUIDString()}</uuid>"))
    arp_uuid = conn.nwfilterLookupByName("allow-arp").UUIDString()
    assert "filter would introduce a loop" in refused(failed, conn.nwfilterDefineXML,
                                                      filter_xml("allow-arp", f"<uuid>{arp_uuid}</uuid><filterref filter='own'/>"))
    assert "referenced filter 'absent' is missing" in refused(failed, conn.nwfilterDefineXML, filter_xml("x", "<filterref filter='absent'/>"))
    for document in ("<filter", "<filter/>", filter_xml("x", chain="spoon"), filter_xml("x", rule("eat", "in", "<mac/>")),
                     filter_xml("x", rule("drop", "in", "<ip srcipaddr='1.2.3'/>"))):
        assert refused(libvirt.VIR_ERR_XML_ERROR if document != "<filter" else libvirt.VIR_ERR_XML_DETAIL, conn.nwfilterDefineXML, document)
    for inside, word in (("<arp gratuitous='yes'/>", "gratuitous"), ("<tcp ipset='s' ipsetflags='src'/>", "ipset")):
        assert word in refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, conn.nwfilterDefineXML, filter_xml("x", rule("drop", "in", inside)))
    (tmp_path / "strange.xml").write_text(filter_xml("x", "<spoon/>"))
    assert "spoon" in virsh("nwfilter-define", "--validate", tmp_path / "strange.xml", check=False).err
    conn.nwfilterBindingCreateXML(binding_xml("own", IP=IP))
    assert "nwfilter is in use" in refused(libvirt.VIR_ERR_OPERATION_INVALID, own.undefine)
    assert "nwfilter is in use" in refused(libvirt.VIR_ERR_OPERATION_INVALID, conn.nwfilterLookupByName("allow-arp").undefine)


def test_bindings_are_made_listed_and_deleted(conn, virsh, domus, tmp_path, daemon):
    (tmp_path / "b.xml").write_text(binding_xml(IP=IP))
    assert virsh("nwfilter-binding-create", "--validate", tmp_path / "b.xml").out.strip() == f"Network filter binding on port0 created from {tmp_path}/b.xml"
    assert "binding 'port0' already exists" in refused(libvirt.VIR_ERR_OPERATION_FAILED, conn.nwfilterBindingCreateXML, binding_xml())
    [binding] = conn.listAllNWFilterBindings()
    assert (binding.portDev(), binding.filterName()) == ("port0", "clean-traffic")
    assert ET.fromstring(virsh("nwfilter-binding-dumpxml", "port0").out).find("mac").get("address") == GUEST
    assert "referenced filter 'absent' is missing" in refused(libvirt.VIR_ERR_INTERNAL_ERROR, conn.nwfilterBindingCreateXML, binding_xml("absent", "port9"))
    assert "no nwfilter binding for port dev 'port9'" in refused(libvirt.VIR_ERR_NO_NWFILTER_BINDING, conn.nwfilterBindingLookupByPortDev, "port9")
    mine = domus("nwfilter-binding-list", "--json").out
    assert json.loads(mine) == [{"portdev": "port0", "filter": "clean-traffic"}]
    assert virsh("nwfilter-binding-delete", "port0").out.strip() == "Network filter binding on port0 deleted"
    assert ruleset(daemon) == ""


def test_the_commands_of_domus_print_what_those_of_virsh_do(virsh, domus, tmp_path):
    (tmp_path / "f.xml").write_text(filter_xml("own", "<uuid>6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b01</uuid>"))
    (tmp_path / "b.xml").write_text(binding_xml("own"))
    for words in (("nwfilter-define", tmp_path / "f.xml"), ("nwfilter-list",), ("nwfilter-dumpxml", "own"), ("nwfilter-dumpxml", "absent"),
                  ("nwfilter-dumpxml", "clean-traffic", "--xpath", "//filterref"), ("nwfilter-binding-create", tmp_path / "b.xml"),
                  ("nwfilter-binding-list",), ("nwfilter-binding-dumpxml", "port0"), ("nwfilter-binding-dumpxml", "absent"),
                  ("nwfilter-undefine", "own"), ("nwfilter-binding-delete", "port0"), ("nwfilter-undefine", "own")):
        stock, ours = [], []
        for answers, command in ((stock, virsh), (ours, domus)):
            done = command(*words, check=False)
            answers += [done.code, done.out.strip()]
            if words[0].endswith("create"):
                command("nwfilter-binding-delete", "port0")
            if words[0].endswith(("delete", "undefine")) and done.code == 0:
                virsh(*(("nwfilter-define", tmp_path / "f.xml") if words[0] == "nwfilter-undefine" else ("nwfilter-binding-create", tmp_path / "b.xml")))
        if words[0] == "nwfilter-binding-create":
            virsh(*words)
        assert stock == ours, words
    virsh("nwfilter-binding-delete", "port0")


def test_what_the_kernel_lacks_is_named(conn, daemon):
    """Connection tracking on bridges: rules that need it are refused, or work."""
    conn.nwfilterDefineXML(filter_xml("tracking", rule("accept", "out", "<tcp dstportstart='80'/>")))
    daemon.sandbox.run("true")
    try:
        conn.nwfilterBindingCreateXML(binding_xml("tracking"))
        assert "ct state" in ruleset(daemon)
    except libvirt.libvirtError as error:
        assert error.get_error_code() == libvirt.VIR_ERR_CONFIG_UNSUPPORTED and "CONFIG_NF_CONNTRACK_BRIDGE" in str(error)
        assert conn.listAllNWFilterBindings() == []


def test_filters_are_explained_in_words(conn, domus):
    conn.nwfilterBindingCreateXML(binding_xml(IP=[IP, OTHER_IP]))
    conn.nwfilterBindingCreateXML(binding_xml("allow-arp", device="port1"))
    text = domus("filter", "explain", "web").out
    assert text == domus("filter-explain", OWNER).out
    assert "port0, what the guest sends:\n  leave the chain with frames from MAC 52:54:00:00:00:01 (no-mac-spoofing, chain mac, priority 500)" in text
    assert f"leave the chain with IPv4 packets from {OTHER_IP}" in text and "port1, what the guest gets:\n  accept ARP messages" in text
    told = json.loads(domus("filter-explain", "port1", "--json").out)
    assert {each["way"] for each in told} == {"from-guest", "to-guest"} and {each["device"] for each in told} == {"port1"}
    assert domus("filter-explain", "absent", check=False).code == 1


def test_a_session_has_no_filters(make_daemon, _event_loop):
    daemon = make_daemon(session=True)
    conn = libvirt.open(daemon.uri)
    assert conn.listAllNWFilters() == [] and conn.listAllNWFilterBindings() == []
    refused(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, conn.nwfilterDefineXML, filter_xml("x"))
    refused(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, conn.nwfilterBindingCreateXML, binding_xml())
    conn.close()


# -- guests ----------------------------------------------------------------------------------------------------------


def test_a_guest_has_its_filter_as_long_as_it_runs(conn, virsh, domus, guest, make_daemon, shell_of, daemon):
    network = conn.networkCreateXML("<network><name>lan</name><bridge name='dmsbr7'/><ip address='10.77.0.1' netmask='255.255.255.0'>"
                                    "<dhcp><range start='10.77.0.10' end='10.77.0.20'/></dhcp></ip></network>")
    interface = ("<interface type='network'><mac address='52:54:00:00:00:77'/><source network='lan'/><model type='virtio'/>"
                 "<filterref filter='clean-traffic'/></interface>")
    conn.createXML(guest("web", networks=[interface]))
    [binding] = conn.listAllNWFilterBindings()
    assert binding.filterName() == "clean-traffic" and "<name>web</name>" in binding.XMLDesc()
    shell = shell_of("web")
    wait_until(lambda: network.DHCPLeases(), "no lease")
    address = network.DHCPLeases()[0]["ipaddr"]
    wait_until(lambda: address in shell.run("ip -4 addr show"), "the guest has no address")
    wait_until(lambda: f"from {address}" in domus("filter-explain", "web").out, "its address was not learnt")
    assert "1 packets received" in shell.run("ping -c 1 -W 20 10.77.0.1")
    shell.run("ip addr add 10.77.0.99/24 dev eth0")
    assert "1 packets received" not in shell.run("ping -c 1 -W 2 -I 10.77.0.99 10.77.0.1")
    daemon.restart()
    shell = shell_of("web")
    assert "1 packets received" in shell.run("ping -c 1 -W 20 10.77.0.1")
    live = libvirt.VIR_DOMAIN_AFFECT_LIVE
    domain = libvirt.open(daemon.uri).lookupByName("web")
    open_to_both = interface.replace("<filterref filter='clean-traffic'/>", "<filterref filter='clean-traffic'><parameter name='IP' "
                                     f"value='{address}'/><parameter name='IP' value='10.77.0.99'/></filterref>")
    domain.updateDeviceFlags(open_to_both, live)
    assert "10.77.0.99" in domain.XMLDesc()
    assert "1 packets received" in shell.run("ping -c 1 -W 20 -I 10.77.0.99 10.77.0.1")
    assert "absent" in refused(libvirt.VIR_ERR_INTERNAL_ERROR, domain.updateDeviceFlags, interface.replace("clean-traffic", "absent"), live)
    assert "10.77.0.99" in domain.XMLDesc() and "10.77.0.99" in domus("filter-explain", "web").out
    domain.updateDeviceFlags(interface.replace("<filterref filter='clean-traffic'/>", ""), live)
    assert "domus_filter" not in ruleset(daemon) and "filterref" not in domain.XMLDesc()
    domain.updateDeviceFlags(interface, live)
    assert "clean-traffic" in virsh("nwfilter-binding-list").out
    virsh("destroy", "web")
    assert virsh("nwfilter-binding-list").out.split("\n")[2:] == ["", ""]
    assert "domus_filter" not in ruleset(daemon)
    virsh("net-destroy", "lan")


def test_a_start_with_a_filter_that_cannot_be_fails(conn, guest, daemon):
    interface = "<interface type='bridge'><source bridge='dmsbr9'/><model type='virtio'/><filterref filter='absent'/></interface>"
    daemon.sandbox.run("ip", "link", "add", "dmsbr9", "type", "bridge")
    assert "referenced filter 'absent' is missing" in refused(libvirt.VIR_ERR_INTERNAL_ERROR, conn.createXML, guest("web", networks=[interface]))
    assert conn.listAllNWFilterBindings() == [] and "vnet" not in daemon.sandbox.run("ip", "-br", "link").stdout
    daemon.sandbox.run("ip", "link", "delete", "dmsbr9")
    assert "<filterref>" in refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, conn.defineXML, guest("web", networks=[
        "<interface type='user'><model type='virtio'/><filterref filter='clean-traffic'/></interface>"]))
