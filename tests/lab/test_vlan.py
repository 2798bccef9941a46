"""VLANs on bridges: guests of one hear those of their own and nobody else, a trunk carries several with their tags."""
import json
import re

import libvirt
import pytest

from harness.calls import refused
from harness.wait import wait_until

NETWORK = """<network><name>switch</name><bridge name='dmsbr7'/>
  <portgroup name='ten'><vlan><tag id='10'/></vlan></portgroup>
  <portgroup name='twenty'><vlan><tag id='20'/></vlan></portgroup>
  <portgroup name='trunk'><vlan trunk='yes'><tag id='10'/><tag id='20'/><tag id='30' nativeMode='untagged'/></vlan></portgroup>
</network>"""


def vlans_of(daemon, device):
    """Pairs of number and flags."""
    listed = json.loads(daemon.sandbox.run("bridge", "-j", "vlan", "show", "dev", device).stdout)
    return {(each["vlan"], tuple(sorted(each.get("flags", [])))) for entry in listed for each in entry["vlans"]}


def device_of(conn, name):
    return re.search(r"<target dev='(vnet\d+)'", conn.lookupByName(name).XMLDesc())[1]


def interface(group, source="type='network'><source network='switch'"):
    return f"<interface {source} portgroup='{group}'/><model type='virtio'/></interface>"


@pytest.fixture
def start(conn, guest):
    def started(name, card, flags=0):
        xml = guest(name, memory=128, networks=[card]).replace("<domain type='qemu'>", "<domain type='kvm'>")
        return conn.createXML(xml, flags)
    return started


@pytest.fixture
def arps_sent_to(daemon):
    """Function that counts what the bridge hands to a guest from now on."""
    yield lambda device: counter_of(daemon, device)
    daemon.sandbox.run("nft", "delete", "table", "netdev", "count")


def counter_of(daemon, device):
    script = f"add table netdev count; add chain netdev count {device} {{ type filter hook egress device {device} priority 0; }}; " \
             f"add rule netdev count {device} ether type arp counter"
    done = daemon.sandbox.run("nft", script)
    assert done.returncode == 0, done.stderr

    def count():
        return int(re.search(r"packets (\d+)", daemon.sandbox.run("nft", "list", "chain", "netdev", "count", device).stdout)[1])
    return count


def test_guests_hear_those_of_their_vlan_alone(conn, daemon, start, shell_of, arps_sent_to):
    conn.networkCreateXML(NETWORK)
    addresses = {"a10": ("ten", 1), "a20": ("twenty", 2), "b20": ("twenty", 3)}
    shells = {}
    for name, (group, _) in addresses.items():  # one boots at a time
        start(name, interface(group))
        shells[name] = shell_of(name, timeout=300)
    assert vlans_of(daemon, device_of(conn, "a10")) == {(10, ("Egress Untagged", "PVID"))}
    counts = {name: arps_sent_to(device_of(conn, name)) for name in addresses}
    for name, (_, last) in addresses.items():
        shells[name].run(f"ip link set eth0 up; ip addr add 10.77.0.{last}/24 dev eth0", timeout=300)
    a20 = shells["a20"]
    wait_until(lambda: "1 packets received" in a20.run("ping -c 1 -W 10 10.77.0.3", timeout=300), "its own VLAN is not heard", timeout=300)
    assert " 0 packets received" in a20.run("ping -c 3 -W 2 10.77.0.1", timeout=300)
    assert counts["b20"]() >= 1, "it counts"
    assert counts["a10"]() == 0, "not even who asks for its address"


def test_a_trunk_has_the_tags_and_what_has_none_is_in_the_native_vlan(conn, daemon, start):
    conn.networkCreateXML(NETWORK)
    start("trunk", interface("trunk"), libvirt.VIR_DOMAIN_START_PAUSED)
    assert vlans_of(daemon, device_of(conn, "trunk")) == {(10, ()), (20, ()), (30, ("Egress Untagged", "PVID"))}


def test_a_network_may_be_in_a_vlan_as_a_whole(conn, daemon, start):
    """The host's own end of the bridge too, so that guests reach its DHCP server."""
    conn.networkCreateXML("<network><name>switch</name><bridge name='dmsbr7'/><vlan><tag id='12'/></vlan>"
                          "<ip address='10.77.0.1' netmask='255.255.255.0'/></network>")
    start("one", "<interface type='network'><source network='switch'/></interface>", libvirt.VIR_DOMAIN_START_PAUSED)
    for device in ("dmsbr7", device_of(conn, "one")):
        assert vlans_of(daemon, device) == {(12, ("Egress Untagged", "PVID"))}, device


def test_a_bridge_of_the_host_is_used_as_it_is(conn, daemon, start):
    run = daemon.sandbox.run
    assert run("ip", "link", "add", "br0", "type", "bridge").returncode == 0
    card = "<interface type='bridge'><source bridge='br0'/><vlan><tag id='10'/></vlan></interface>"
    said = refused(libvirt.VIR_ERR_OPERATION_FAILED, start, "one", card, libvirt.VIR_DOMAIN_START_PAUSED)
    assert "does not keep VLANs apart" in said
    assert "vnet" not in run("ip", "-br", "link").stdout
    assert run("ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1").returncode == 0
    domain = start("one", card, libvirt.VIR_DOMAIN_START_PAUSED)
    assert vlans_of(daemon, device_of(conn, "one")) == {(10, ("Egress Untagged", "PVID"))}
    assert vlans_of(daemon, "br0") == {(1, ("Egress Untagged", "PVID"))}
    domain.destroy()
    run("ip", "link", "delete", "br0")
