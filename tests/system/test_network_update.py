"""net-update: one entry of a network that runs, of its definition, or of both; guests keep their links, dnsmasq serves what is
new at once."""
import os
import re

import libvirt
import pytest

from harness.calls import refused
from harness.wait import wait_until
from test_network_features import A, asked

LIVE, CONFIG = libvirt.VIR_NETWORK_UPDATE_AFFECT_LIVE, libvirt.VIR_NETWORK_UPDATE_AFFECT_CONFIG
ADD, MODIFY, DELETE = (libvirt.VIR_NETWORK_UPDATE_COMMAND_ADD_LAST, libvirt.VIR_NETWORK_UPDATE_COMMAND_MODIFY,
                       libvirt.VIR_NETWORK_UPDATE_COMMAND_DELETE)
HOST, RANGE, NAME = (libvirt.VIR_NETWORK_SECTION_IP_DHCP_HOST, libvirt.VIR_NETWORK_SECTION_IP_DHCP_RANGE,
                     libvirt.VIR_NETWORK_SECTION_DNS_HOST)
TEXT, SERVICE, GROUP = libvirt.VIR_NETWORK_SECTION_DNS_TXT, libvirt.VIR_NETWORK_SECTION_DNS_SRV, libvirt.VIR_NETWORK_SECTION_PORTGROUP
INVALID = libvirt.VIR_ERR_OPERATION_INVALID

NETWORK = """<network><name>inner</name><bridge name='dmsbr7'/>
  <dns><host ip='10.77.0.9'><hostname>nine</hostname></host></dns>
  <ip address='10.77.0.1' netmask='255.255.255.0'><dhcp><range start='10.77.0.10' end='10.77.0.20'/></dhcp></ip></network>"""


@pytest.fixture
def daemon(make_daemon):
    if os.geteuid() != 0:
        pytest.skip("networks need root")
    return make_daemon()


@pytest.fixture
def network(conn):
    network = conn.networkDefineXML(NETWORK)
    network.create()
    return network


def both(network):
    return network.XMLDesc(), network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE)


def test_names_are_served_at_once_by_the_same_dnsmasq(daemon, network):
    before = daemon.pids_of("inner.conf")
    network.update(ADD, NAME, -1, "<host ip='10.77.0.8'><hostname>eight</hostname></host>", LIVE)
    wait_until(lambda: asked(daemon, "eight", A, "10.77.0.1")[2].endswith(bytes([10, 77, 0, 8])), "it is not served")
    network.update(DELETE, NAME, -1, "<host><hostname>nine</hostname></host>", LIVE | CONFIG)
    wait_until(lambda: asked(daemon, "nine", A, "10.77.0.1")[1] == 0, "it is served still")
    assert daemon.pids_of("inner.conf") == before
    live, defined = both(network)
    assert "eight" in live and "eight" not in defined and "nine" not in live + defined


def test_a_guest_gets_the_address_that_was_fixed_meanwhile(conn, daemon, network, guest, shell_of):
    conn.createXML(guest("one", networks=["inner"]))
    shell = shell_of("one")
    wait_until(lambda: "inet 10.77.0." in shell.run("ip addr show eth0"), "no address")
    [lease] = network.DHCPLeases()
    assert lease["ipaddr"] != "10.77.0.77"
    link = re.search(r"<target dev='(vnet\d+)'", conn.lookupByName("one").XMLDesc())[1]
    index = daemon.sandbox.run("cat", f"/sys/class/net/{link}/ifindex").stdout
    network.update(ADD, HOST, -1, f"<host mac='{lease['mac']}' name='fixed' ip='10.77.0.77'/>", LIVE | CONFIG)
    network.update(ADD, RANGE, 0, "<range start='10.77.0.60' end='10.77.0.70'/>", LIVE | CONFIG)
    shell.run("killall udhcpc; (udhcpc -f -i eth0 -s /etc/udhcpc.script >/dev/null 2>&1 &)")
    wait_until(lambda: "inet 10.77.0.77/24" in shell.run("ip addr show eth0"), "it has not got it")
    assert daemon.sandbox.run("cat", f"/sys/class/net/{link}/ifindex").stdout == index
    assert "1 packets received" in shell.run("ping -c 1 -W 10 10.77.0.1")
    assert all("10.77.0.77" in xml and "10.77.0.70" in xml for xml in both(network))
    [one] = [lease for lease in network.DHCPLeases() if lease["ipaddr"] == "10.77.0.77"]
    assert one["hostname"] == "fixed"


def test_hosts_are_changed_and_removed_by_what_names_them(network):
    host = "<host mac='52:54:00:00:00:0{0}' name='h{0}' ip='10.77.0.3{0}'/>"
    for number in (1, 2):
        network.update(ADD, HOST, -1, host.format(number), CONFIG)
    network.update(MODIFY, HOST, -1, "<host mac='52:54:00:00:00:01' name='h1' ip='10.77.0.41'/>", CONFIG)
    assert "10.77.0.41" in both(network)[1] and "10.77.0.31" not in both(network)[1] and "10.77.0.41" not in both(network)[0]
    assert "existing dhcp host" in refused(INVALID, network.update, ADD, HOST, -1, "<host mac='52:54:00:00:00:09' ip='10.77.0.32'/>", CONFIG)
    assert "couldn't locate" in refused(INVALID, network.update, MODIFY, HOST, -1, host.format(5), CONFIG)
    network.update(DELETE, HOST, -1, "<host name='h2'/>", CONFIG)
    assert "h2" not in both(network)[1] and "h1" in both(network)[1]
    assert "10.99.0.1" in refused(libvirt.VIR_ERR_XML_ERROR, network.update, ADD, HOST, -1, host.format(7).replace("10.77", "10.99").replace("37", "1"), LIVE)


def test_other_sections(network):
    network.update(ADD, TEXT, -1, "<txt name='a' value='b c'/>", LIVE)
    network.update(ADD, SERVICE, -1, "<srv service='ldap' protocol='tcp' target='x.test' port='389'/>", LIVE)
    network.update(ADD, GROUP, -1, "<portgroup name='slow'><bandwidth><inbound average='100'/></bandwidth></portgroup>", LIVE)
    network.update(MODIFY, GROUP, -1, "<portgroup name='slow'><bandwidth><inbound average='200'/></bandwidth></portgroup>", LIVE)
    xml = both(network)[0]
    assert "<txt name='a' value='b c'/>" in xml and "service='ldap'" in xml and "average='200'" in xml
    network.update(DELETE, TEXT, -1, "<txt name='a'/>", LIVE)
    network.update(DELETE, SERVICE, -1, "<srv service='ldap'/>", LIVE)
    network.update(DELETE, GROUP, -1, "<portgroup name='slow'/>", LIVE)
    assert both(network)[0] == both(network)[1]
    assert "cannot be modified" in refused(libvirt.VIR_ERR_OPERATION_UNSUPPORTED, network.update, MODIFY, TEXT, -1, "<txt name='a' value='c'/>", LIVE)
    assert "can't update 'bridge' section" in refused(libvirt.VIR_ERR_NO_SUPPORT, network.update, ADD, libvirt.VIR_NETWORK_SECTION_BRIDGE, -1, "<bridge/>", LIVE)
    assert "not running" in refused(INVALID, lambda: (network.destroy(), network.update(ADD, TEXT, -1, "<txt name='a' value='c'/>", LIVE)))
    network.update(ADD, TEXT, -1, "<txt name='a' value='c'/>", 0)
    assert "value='c'" in network.XMLDesc()


def test_what_dnsmasq_refuses_changes_nothing(daemon, conn, network, wrappers):
    wrappers("dnsmasq", 'case "$*" in *--test*) echo "bad option" >&2; exit 1;; esac; real "$@"')
    with pytest.raises(libvirt.libvirtError, match="dnsmasq refuses the network's configuration"):
        network.update(ADD, TEXT, -1, "<txt name='a' value='c'/>", LIVE | CONFIG)
    assert all("<txt" not in xml for xml in both(network))


@pytest.mark.parametrize("command", ["virsh", "domus"])
def test_the_command_does_the_same(daemon, network, command, scratch):
    call = getattr(daemon, command)
    file = scratch / "host.xml"
    file.write_text("<host mac='52:54:00:00:00:01' ip='10.77.0.31'/>")
    assert call("net-update", "inner", "add", "ip-dhcp-host", str(file), "--live", "--config").out == "Updated network inner persistent config and live state\n"
    assert "Updated network inner live state" in call("net-update", "inner", "delete", "ip-dhcp-host", "<host ip='10.77.0.31'/>", "--live").out
    live, defined = both(network)
    assert "10.77.0.31" in defined and "10.77.0.31" not in live
    assert "unrecognized" in call("net-update", "inner", "add", "nonsense", "<a/>", check=False).err
