"""Virtual networks: the default one makes itself, starts when a guest needs it, and gives it an address."""
import os

import libvirt
import pytest

from harness.wait import wait_until

ISOLATED = """<network><name>inner</name><bridge name='dmsbr7'/>
  <ip address='10.77.0.1' netmask='255.255.255.0'><dhcp><range start='10.77.0.10' end='10.77.0.20'/>
  <host mac='52:54:00:00:00:77' name='fixed' ip='10.77.0.15'/></dhcp></ip></network>"""


@pytest.fixture
def daemon(make_daemon):
    if os.geteuid() != 0:
        pytest.skip("networks need root")
    return make_daemon(default_network=True)


def test_the_default_network_is_there_and_runs(virsh):
    assert "default   active   yes         yes" in virsh("net-list", "--all").out
    xml = virsh("net-dumpxml", "default").out
    assert "<forward mode='nat'" in xml and "bridge name='virbr0'" in xml


def test_a_guest_gets_an_address_that_both_sides_know(conn, virsh, guest, shell_of):
    network = conn.networkLookupByName("default")
    network.destroy()
    domain = conn.createXML(guest("addr", networks=["default"]))
    assert network.isActive() == 1, "a domain that needs a network starts it"
    wait_until(lambda: network.DHCPLeases(), "no lease")
    [lease] = network.DHCPLeases()
    addresses = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
    [interface] = addresses.values()
    assert interface["addrs"][0]["addr"] == lease["ipaddr"]
    assert interface["addrs"][0]["prefix"] == 24
    assert lease["ipaddr"] in virsh("domifaddr", "addr").out
    shell = shell_of("addr")
    wait_until(lambda: lease["ipaddr"] in shell.run("ip -4 addr show"), "the guest has another address")
    gateway = lease["ipaddr"].rsplit(".", 1)[0] + ".1"
    assert "1 packets received" in shell.run(f"ping -c 1 -W 5 {gateway}")
    [device] = addresses.keys()
    assert "net.0.name" in conn.getAllDomainStats()[0][1]
    domain.destroy()
    assert device not in virsh("net-dumpxml", "default").out


def test_a_network_is_defined_started_stopped_and_gone(conn, virsh, daemon, event_log):
    network = conn.networkDefineXML(ISOLATED)
    assert not network.isActive()
    network.create()
    assert network.bridgeName() == "dmsbr7"
    assert "dmsbr7" in daemon.sandbox.run("ip", "-br", "addr").stdout
    assert "10.77.0.1/24" in daemon.sandbox.run("ip", "-br", "addr").stdout
    assert "domus_dmsbr7" in daemon.sandbox.run("nft", "list", "tables").stdout
    with pytest.raises(libvirt.libvirtError, match="already active"):
        network.create()
    network.setAutostart(1)
    daemon.restart()
    assert "inner     active   yes" in virsh("net-list").out
    virsh("net-destroy", "inner")
    assert "dmsbr7" not in daemon.sandbox.run("ip", "-br", "link").stdout
    assert "domus_dmsbr7" not in daemon.sandbox.run("nft", "list", "tables").stdout
    assert daemon.pids_of("inner.conf") == []
    virsh("net-undefine", "inner")
    assert "inner" not in virsh("net-list", "--all").out


def test_a_network_outlives_the_daemon(conn, virsh, daemon):
    before = daemon.pids_of("default.conf")
    assert len(before) == 1
    daemon.kill()
    daemon.start()
    assert daemon.pids_of("default.conf") == before
    assert "default   active" in virsh("net-list").out


def test_a_bridge_that_exists_already_is_not_touched(conn, daemon):
    daemon.sandbox.run("ip", "link", "add", "dmsbr7", "type", "bridge")
    network = conn.networkDefineXML(ISOLATED)
    with pytest.raises(libvirt.libvirtError, match="making the bridge: a network device 'dmsbr7' exists already"):
        network.create()
    assert "dmsbr7" in daemon.sandbox.run("ip", "-br", "link").stdout
    daemon.sandbox.run("ip", "link", "delete", "dmsbr7")


def test_what_is_wrong_in_a_definition_is_said(conn):
    with pytest.raises(libvirt.libvirtError, match="no network with matching name 'nothing'"):
        conn.networkLookupByName("nothing")
    with pytest.raises(libvirt.libvirtError):
        conn.networkDefineXML("<network><name>bad</name><ip address='not an address'/></network>")
    for xml, what in (("<network><name>bad</name><bridge name='a&quot;b'/></network>", "no such name has"),
                      ("<network><name>bad</name><domain name='x&#10;dhcp-script=/bin/sh'/></network>", "no such name has"),
                      ("<network><name>bad</name><ip family='ipv6' address='10.0.0.1' prefix='64'/></network>", "line 1: '10.0.0.1' is no ipv6 address")):
        with pytest.raises(libvirt.libvirtError, match=what):
            conn.networkDefineXML(xml)
    assert [network.name() for network in conn.listAllNetworks()] == ["default"]
