"""What a definition of a network or of an interface on it can ask for: each is seen in the kernel, in dnsmasq's answers, or
in what guests send and receive."""
import contextlib
import json
import os
import re
import struct
import subprocess
import time

import libvirt
import pytest

from harness.calls import Outcome, refused
from harness.wait import wait_until

BOTH = """<network><name>both</name>{forward}<bridge name='dmsbr8'/><domain name='lab.test' localOnly='yes'/>
  <dns><txt name='note.lab.test' value='hello'/><srv service='ldap' protocol='tcp' domain='lab.test' target='a.lab.test' port='389' priority='1' weight='2'/>
    <host ip='10.78.0.9'><hostname>a.lab.test</hostname></host></dns>{more}
  <ip address='10.78.0.1' netmask='255.255.255.0' localPtr='yes'>
    <dhcp><range start='10.78.0.10' end='10.78.0.20'><lease expiry='3' unit='hours'/></range>
      <range start='10.78.0.40' end='10.78.0.50'/></dhcp></ip>
  <ip family='ipv6' address='fd00:78::1' prefix='64'/>
</network>"""


@pytest.fixture
def daemon(make_daemon):
    if os.geteuid() != 0:
        pytest.skip("networks need root")
    return make_daemon()


@pytest.fixture
def both(conn):
    network = conn.networkDefineXML(BOTH.format(forward="", more=""))
    network.create()
    return network


def interface(network, more=""):
    return f"<interface type='network'><source network='{network}'/><model type='virtio'/>{more}</interface>"


def devices(conn, name):
    return re.findall(r"<target dev='(vnet\d+)'", conn.lookupByName(name).XMLDesc())


def in_namespace(daemon, code, *arguments):
    """What the Python code prints, run where the daemon is."""
    done = daemon.sandbox.run("/usr/bin/python3", "-c", code, *map(str, arguments))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def reaches(shell, address):
    """Also once an address that is new may be used (RFC 4862, section 5.4)."""
    ping = "ping6" if ":" in address else "ping"
    wait_until(lambda: " 1 packets received" in shell.run(f"{ping} -c 1 -W 10 {address}"), f"{address} does not answer")


QUERY = """
import socket, struct, sys
server, name, kind = sys.argv[1], sys.argv[2], int(sys.argv[3])
question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\\0" + struct.pack(">HH", kind, 1)
query = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + question
asked = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
asked.settimeout(20)
asked.sendto(query, (server, 53))
answer = asked.recv(4096)
print(answer[3] & 15, struct.unpack(">H", answer[6:8])[0], answer[12 + len(question):].hex())
"""
A, SRV, TXT, PTR = 1, 33, 16, 12


def asked(daemon, name, kind, server="10.78.0.1"):
    """The answer's code, how many records it has, and those as bytes."""
    code, count, data = (in_namespace(daemon, QUERY, server, name, kind) + " ").split(" ")[:3]
    return int(code), int(count), bytes.fromhex(data)


# -- names --

def test_dns_serves_hosts_services_texts_and_keeps_its_addresses_to_itself(daemon, both):
    assert asked(daemon, "a.lab.test", A)[2].endswith(bytes([10, 78, 0, 9]))
    code, count, data = asked(daemon, "_ldap._tcp.lab.test", SRV)
    assert (code, count) == (0, 1) and struct.pack(">HHH", 1, 2, 389) in data
    assert b"hello" in asked(daemon, "note.lab.test", TXT)[2]
    assert asked(daemon, "a.lab.test", A, server="fd00:78::1")[1] == 1
    code, count, _ = asked(daemon, "77.0.78.10.in-addr.arpa", PTR)
    assert (code, count) == (3, 0), "it asked nobody else"


# -- IPv6 --

def test_guests_have_addresses_of_both_families(conn, daemon, both, guest, shell_of):
    for name in ("one", "two"):
        conn.createXML(guest(name, networks=["both"]))
    addresses = {}
    for name in ("one", "two"):
        shell = shell_of(name)

        def own(shell=shell):
            return re.search(r"inet6 (fd00:78:[0-9a-f:]+)/64 scope global", shell.run("ip -6 addr show eth0"))
        wait_until(lambda own=own: own() and "tentative" not in shell.run("ip -6 addr show eth0"), "no address was advertised")
        addresses[name] = own()[1]
        reaches(shell, "fd00:78::1")
        assert "default" not in shell.run("ip -6 route"), "an isolated network has no router"
    reaches(shell_of("one"), addresses["two"])


def test_without_an_ipv6_address_the_host_takes_no_part_in_it(conn, daemon):
    conn.networkCreateXML("<network><name>v4</name><bridge name='dmsbr8'/><ip address='10.78.0.1' netmask='255.255.255.0'/></network>")
    assert "inet6" not in daemon.sandbox.run("ip", "addr", "show", "dmsbr8").stdout


def test_a_guest_reaches_another_subnet_by_both_families(conn, daemon, guest, shell_of):
    """NAT for IPv4, a plain route for IPv6, seen from a host outside."""
    run = daemon.sandbox.run
    conn.networkDefineXML(BOTH.format(forward="<forward mode='nat'/>", more="")).create()
    holder = run("sh", "-c", "unshare --net sleep 600 >/dev/null 2>&1 & echo $!").stdout.strip()
    try:
        outside = ["nsenter", "-t", holder, "-n"]
        ours = run("readlink", "/proc/self/ns/net").stdout.strip()
        wait_until(lambda: os.readlink(f"/proc/{holder}/ns/net") != ours, "it has no network of its own")
        assert run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "out0", "netns", holder).returncode == 0
        for command in ("ip link set up0 up", "ip addr add 10.99.0.1/24 dev up0", "ip addr add fd00:99::1/64 dev up0 nodad"):
            assert run(*command.split()).returncode == 0, command
        for command in ("ip link set lo up", "ip link set out0 up", "ip addr add 10.99.0.2/24 dev out0",
                        "ip addr add fd00:99::2/64 dev out0 nodad", "ip -6 route add fd00:78::/64 via fd00:99::1"):
            assert run(*outside, *command.split()).returncode == 0, command
        conn.createXML(guest("inner", networks=["both"]))
        shell = shell_of("inner")
        wait_until(lambda: "default" in shell.run("ip route") and "default" in shell.run("ip -6 route"), "no default route")
        reaches(shell, "10.99.0.2")  # translated: there is no other way back
        reaches(shell, "fd00:99::2")
    finally:
        os.kill(int(holder), 9)
        wait_until(lambda: "up0" not in run("ip", "-br", "link").stdout, "the way out stays")


# -- routes --

def test_routes_are_the_kernels_while_the_network_runs(conn, daemon):
    routes = """<route address='10.79.0.0' prefix='16' gateway='10.78.0.7' metric='5'/>
      <route family='ipv6' address='fd00:79::' prefix='48' gateway='fd00:78::7'/>"""
    network = conn.networkDefineXML(BOTH.format(forward="<forward mode='route'/>", more="").replace("</network>", routes + "</network>"))
    network.create()
    assert "10.79.0.0/16 via 10.78.0.7 dev dmsbr8 proto static metric 5" in daemon.sandbox.run("ip", "route").stdout
    assert "fd00:79::/48 via fd00:78::7 dev dmsbr8 proto static metric 1 " in daemon.sandbox.run("ip", "-6", "route").stdout
    network.destroy()
    assert "10.79" not in daemon.sandbox.run("ip", "route").stdout
    bad = BOTH.format(forward="<forward mode='route'/>", more="").replace(
        "</network>", "<route address='10.79.0.0' prefix='16' gateway='10.80.0.1'/></network>")
    assert "unreachable static route gateway '10.80.0.1'" in refused(libvirt.VIR_ERR_XML_ERROR, conn.networkDefineXML, bad)


# -- ports --

def test_isolated_ports_reach_the_host_and_not_each_other(conn, daemon, guest, shell_of):
    conn.networkCreateXML("""<network><name>apart</name><bridge name='dmsbr8'/><port isolated='yes'/>
      <ip address='10.78.0.1' netmask='255.255.255.0'/></network>""")
    addresses = {"one": 11, "two": 12, "open": 13}
    for name in addresses:
        conn.createXML(guest(name, networks=[interface("apart", "<port isolated='no'/>" if name == "open" else "")]))
    for name, last in addresses.items():
        shell_of(name).run(f"ip link set eth0 up; ip addr add 10.78.0.{last}/24 dev eth0")
    one = shell_of("one")
    reaches(one, "10.78.0.1")
    reaches(one, "10.78.0.13")
    assert " 0 packets received" in one.run("ping -c 2 -W 2 10.78.0.12")


def shaper_of(daemon, device):
    return json.loads(daemon.sandbox.run("tc", "-j", "qdisc", "show", "dev", device, "root").stdout)[0]


def test_what_a_guest_receives_and_sends_is_limited(conn, daemon, guest, shell_of):
    conn.networkCreateXML("<network><name>slow</name><bridge name='dmsbr8'/><ip address='10.78.0.1' netmask='255.255.255.0'/></network>")
    limits = "<bandwidth><inbound average='200' peak='400' burst='100'/><outbound average='100' burst='150'/></bandwidth>"
    domain = conn.createXML(guest("slow", networks=[interface("slow", limits)]))
    [device] = devices(conn, "slow")
    shaper = shaper_of(daemon, device)
    assert shaper["kind"] == "tbf" and shaper["options"]["rate"] == 200 * 1024 and "peakrate 3276Kbit" in daemon.sandbox.run("tc", "qdisc", "show", "dev", device).stdout
    assert "limit rate over 100 kbytes/second burst 50 kbytes drop" in daemon.sandbox.run("nft", "list", "table", "netdev", f"domus_rate_{device}").stdout
    shell = shell_of("slow")
    shell.run("ip link set eth0 up; ip addr add 10.78.0.5/24 dev eth0")
    receive = """
import socket, time
server = socket.create_server(("10.78.0.1", 9))
server.settimeout(60)
taken = server.accept()[0]
size, begin = 0, time.monotonic()
while data := taken.recv(1 << 16):
    size += len(data)
print(size, time.monotonic() - begin)
"""
    receiver = subprocess.Popen(daemon.sandbox.command("/usr/bin/python3", "-c", receive), stdout=subprocess.PIPE, text=True)
    wait_until(lambda: "10.78.0.1:9" in daemon.sandbox.run("ss", "-tln").stdout, "nobody listens")
    shell.run("dd if=/dev/zero bs=1k count=500 | nc 10.78.0.1 9", timeout=120)
    size, seconds = map(float, receiver.communicate(timeout=60)[0].split())
    assert size == 500 * 1024 and seconds > (500 - 150) / 100 * 0.9
    # And what the host sends to it takes its time.
    shell.run("(nc -l -p 9 >/dev/null &)")
    send = """
import fcntl, socket, struct, termios, time
by = time.monotonic() + 60
while True:
    try:
        out = socket.create_connection(("10.78.0.5", 9), 30)
        break
    except ConnectionRefusedError:  # nobody listens yet
        assert time.monotonic() < by
        time.sleep(0.1)
begin = time.monotonic()
out.sendall(bytes(1 << 20))
while struct.unpack("i", fcntl.ioctl(out, termios.TIOCOUTQ, bytes(4)))[0]:  # until the guest has acknowledged all
    time.sleep(0.01)
print(time.monotonic() - begin)
"""
    assert float(in_namespace(daemon, send)) > (1024 - 100) / 200 * 0.9
    domain.destroy()
    wait_until(lambda: "domus_rate" not in daemon.sandbox.run("nft", "list", "tables").stdout, "the limit stays")


def test_the_networks_own_bandwidth_is_that_of_its_bridge(conn, daemon):
    network = conn.networkCreateXML("""<network><name>slow</name><bridge name='dmsbr8'/>
      <bandwidth><inbound average='300'/><outbound average='200'/></bandwidth></network>""")
    assert shaper_of(daemon, "dmsbr8")["options"]["rate"] == 300 * 1024
    assert "domus_rate_dmsbr8" in daemon.sandbox.run("nft", "list", "tables").stdout
    network.destroy()
    assert daemon.sandbox.run("nft", "list", "tables").stdout == ""


def test_port_groups_are_defaults_and_their_names_are_checked(conn, daemon, guest):
    conn.networkCreateXML("""<network><name>groups</name><bridge name='dmsbr8'/>
      <portgroup name='usual' default='yes'><bandwidth><inbound average='111'/></bandwidth></portgroup>
      <portgroup name='fast'><bandwidth><inbound average='999'/></bandwidth></portgroup></network>""")
    for name, group, rate in (("a", "", 111), ("b", " portgroup='fast'", 999)):
        conn.createXML(guest(name, networks=[f"<interface type='network'><source network='groups'{group}/></interface>"]),
                       libvirt.VIR_DOMAIN_START_PAUSED)
        assert shaper_of(daemon, devices(conn, name)[0])["options"]["rate"] == rate * 1024
    none = guest("c", networks=["<interface type='network'><source network='groups' portgroup='none'/></interface>"])
    assert "does not have a portgroup 'none'" in refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, conn.createXML, none)


# -- one that hangs --

def test_a_network_whose_dnsmasq_hangs_holds_up_no_other(daemon, conn, wrappers):
    wrappers("dnsmasq", 'case "$*" in *both.conf*) exec sleep 60;; esac; exec /usr/sbin/dnsmasq "$@"')
    conn.networkDefineXML(BOTH.format(forward="", more=""))
    hangs = Outcome(daemon, lambda connection: connection.networkLookupByName("both").create())
    wait_until(lambda: daemon.pids_of("sleep 60"), "it does not hang")
    begun = time.monotonic()
    other = conn.networkCreateXML("<network><name>other</name><bridge name='dmsbr9'/><ip address='10.79.0.1' netmask='255.255.255.0'/></network>")
    other.destroy()
    assert hangs.is_alive(), f"it waited for the other one, for {time.monotonic() - begun:.1f} s"
    for pid in daemon.pids_of("sleep 60"):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    assert hangs.wait()


# -- changes while a guest runs --

def test_an_interface_is_moved_limited_and_isolated_while_it_runs(conn, daemon, guest, shell_of):
    for name, bridge, subnet in (("here", "dmsbr8", "10.78.0"), ("there", "dmsbr9", "10.79.0")):
        conn.networkCreateXML(f"<network><name>{name}</name><bridge name='{bridge}'/><ip address='{subnet}.1' netmask='255.255.255.0'/></network>")
    domain = conn.createXML(guest("moved", networks=[interface("here")]))
    [device] = devices(conn, "moved")
    shell = shell_of("moved")
    shell.run("ip link set eth0 up; ip addr add 10.78.0.5/24 dev eth0; ip addr add 10.79.0.5/24 dev eth0")
    reaches(shell, "10.78.0.1")
    index = daemon.sandbox.run("cat", f"/sys/class/net/{device}/ifindex").stdout

    def update(change):
        xml = re.search(r"<interface .*?</interface>", domain.XMLDesc(), re.S)[0]
        domain.updateDeviceFlags(change(xml), libvirt.VIR_DOMAIN_AFFECT_LIVE)

    update(lambda xml: xml.replace("network='here'", "network='there'"))
    reaches(shell, "10.79.0.1")
    assert " 0 packets received" in shell.run("ping -c 1 -W 2 10.78.0.1")
    assert daemon.sandbox.run("cat", f"/sys/class/net/{device}/ifindex").stdout == index
    connections = [re.search(r"connections='(\d+)'", conn.networkLookupByName(name).XMLDesc()) for name in ("here", "there")]
    assert connections[0] is None and connections[1][1] == "1"
    update(lambda xml: xml.replace("<model", "<bandwidth><inbound average='123'/><outbound average='77'/></bandwidth><port isolated='yes'/><model"))
    assert shaper_of(daemon, device)["options"]["rate"] == 123 * 1024
    assert "limit rate over 77 kbytes" in daemon.sandbox.run("nft", "list", "ruleset").stdout
    assert '"isolated":true' in daemon.sandbox.run("bridge", "-j", "-d", "link", "show", "dev", device).stdout
    assert "average='123'" in domain.XMLDesc()
    daemon.restart()
    with contextlib.closing(libvirt.open(daemon.uri)) as again:
        domain = again.lookupByName("moved")
        assert "bridge='dmsbr9'" in domain.XMLDesc()
        update(lambda xml: re.sub(r"<bandwidth>.*</bandwidth>|<port isolated='yes'/>", "", xml, flags=re.S))
        assert shaper_of(daemon, device)["kind"] != "tbf" and "domus_rate" not in daemon.sandbox.run("nft", "list", "tables").stdout
        with pytest.raises(libvirt.libvirtError, match="no network with matching name 'nowhere'"):
            update(lambda xml: xml.replace("network='there'", "network='nowhere'"))
        assert device in daemon.sandbox.run("ip", "-br", "link", "show", "master", "dmsbr9").stdout
        domain.destroy()


def test_a_bridge_that_does_not_keep_vlans_apart_is_refused(conn, daemon, guest):
    run = daemon.sandbox.run
    assert run("ip", "link", "add", "br0", "type", "bridge").returncode == 0
    xml = guest("one", networks=["<interface type='bridge'><source bridge='br0'/><vlan><tag id='10'/></vlan></interface>"])
    assert "does not keep VLANs apart" in refused(libvirt.VIR_ERR_OPERATION_FAILED, conn.createXML, xml, libvirt.VIR_DOMAIN_START_PAUSED)
    assert "vnet" not in run("ip", "-br", "link").stdout
    run("ip", "link", "delete", "br0")
