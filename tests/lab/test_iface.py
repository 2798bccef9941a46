"""Interfaces of the host that need kernel modules: VLANs and bonds."""
import itertools
import xml.etree.ElementTree as ET

import pytest

from harness.cable import Cable
from harness.daemon import run


@pytest.fixture
def cable(daemon):
    for module in ("8021q", "bonding", "veth", "bridge"):
        run("modprobe", module)
    folder = daemon.root / "etc/network/interfaces.d"
    folder.mkdir(parents=True)
    (folder.parent / "interfaces").write_text("source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet manual\n")
    made = Cable(daemon.sandbox)
    made.address()
    yield made
    made.close()


def files(daemon):
    return {path.name: path.read_text() for path in sorted((daemon.root / "etc/network").rglob("*")) if path.is_file()}


def links(cable):
    return {line.split()[0].split("@")[0] for line in cable.run("ip", "-br", "link").splitlines()}


def test_a_vlan_and_its_bridge_come_and_go(daemon, domus, virsh, cable):
    before = files(daemon), cable.state()
    assert domus("net", "vlan", "10", "--on", "eth0").out.strip() == "VLAN eth0.10 joined by bridge brvlan10"
    assert "vlan protocol 802.1Q id 10" in cable.run("ip", "-d", "link", "show", "eth0.10")
    assert "master brvlan10" in cable.run("ip", "link", "show", "eth0.10")
    written = files(daemon)
    assert "auto brvlan10\niface brvlan10 inet manual\n    bridge_ports eth0.10\n" in written["brvlan10"]
    assert "auto eth0.10\niface eth0.10 inet manual\n    vlan-raw-device eth0\n" in written["eth0_10"]
    cable.peer("ip", "link", "add", "link", "far", "name", "far.10", "type", "vlan", "id", "10")
    cable.peer("ip", "addr", "add", "198.51.100.1/24", "dev", "far.10")
    cable.peer("ip", "link", "set", "far.10", "up")
    cable.run("ip", "addr", "add", "198.51.100.2/24", "dev", "brvlan10")
    cable.talk("198.51.100.2")("tagged on the wire, untagged in the bridge")
    vlan = ET.fromstring(virsh("iface-dumpxml", "eth0.10").out)
    assert vlan.get("type") == "vlan" and vlan.find("vlan").get("tag") == "10" and vlan.find("vlan/interface").get("name") == "eth0"
    bridge = ET.fromstring(virsh("iface-dumpxml", "brvlan10").out)
    assert bridge.find("bridge/interface").get("type") == "vlan"
    assert "already exists" in domus("net", "vlan", "10", "--on", "eth0", check=False).err
    domus("net", "vlan", "10", "--on", "eth0", "--remove")
    assert (files(daemon), cable.state()) == before


def test_a_vlan_comes_back_from_its_files(daemon, domus, virsh, cable):
    domus("net-vlan", "20", "--on", "eth0", "--bridge", "lab20")
    cable.run("ip", "link", "del", "lab20")
    cable.run("ip", "link", "del", "eth0.20")
    assert {"lab20", "eth0.20"} <= set(virsh("iface-list", "--inactive").out.split())
    virsh("iface-start", "lab20")
    assert {"lab20", "eth0.20"} <= links(cable)
    domus("net-vlan", "20", "--on", "eth0", "--bridge", "lab20", "--remove")


@pytest.mark.timeout(900)
def test_a_kill_while_a_vlan_is_made_leaves_nothing(daemon, cable):
    before = files(daemon), cable.state()
    for step in itertools.count():
        daemon.stop()
        daemon.start(environment={"DOMUS_KILL_AT_INTERFACE_STEP": str(step)})
        if daemon.domus("net-vlan", "10", "--on", "eth0", check=False).code == 0:
            break
        daemon.process.wait()
        daemon.start()
        assert (files(daemon), cable.state()) == before, f"killed before step {step}"
    assert step > 4
    daemon.restart()
    daemon.domus("net-vlan", "10", "--on", "eth0", "--remove")


def test_a_bond_takes_in_cards(daemon, virsh, cable, scratch):
    for name in ("eth1", "eth2"):
        cable.run("ip", "link", "add", name, "type", "veth", "peer", "name", f"p{name}")
    (scratch / "bond.xml").write_text(
        "<interface type='bond' name='bond0'><start mode='onboot'/><protocol family='ipv4'><ip address='203.0.113.5' prefix='24'/></protocol>"
        "<bond mode='active-backup'><miimon freq='100' updelay='200' downdelay='300' carrier='netif'/><interface type='ethernet' name='eth1'/>"
        "<interface type='ethernet' name='eth2'/></bond></interface>")
    virsh("iface-define", scratch / "bond.xml")
    virsh("iface-start", "bond0")
    shown = cable.run("ip", "-d", "link", "show", "bond0")
    assert "mode active-backup miimon 100 updelay 200 downdelay 300" in shown
    assert "203.0.113.5/24" in cable.run("ip", "addr", "show", "bond0")
    live = ET.fromstring(virsh("iface-dumpxml", "bond0").out)
    assert live.find("bond").get("mode") == "active-backup" and [each.get("name") for each in live.findall("bond/interface")] == ["eth1", "eth2"]
    assert "    bond-slaves eth1 eth2\n    bond-mode active-backup\n    bond-miimon 100\n" in files(daemon)["bond0"]
    virsh("iface-bridge", "bond0", "br1")
    assert "master br1" in cable.run("ip", "link", "show", "bond0") and "203.0.113.5/24" in cable.run("ip", "addr", "show", "br1")
    virsh("iface-unbridge", "br1")
    virsh("iface-destroy", "bond0", check=False)  # virsh 9.0 exits with 1 all the same
    virsh("iface-undefine", "bond0")
    assert "bond0" not in links(cable)
    for name in ("eth1", "eth2"):
        cable.run("ip", "link", "del", name)
