"""Network interfaces of the host: a veth is its card, with a peer at the other end; ifupdown configures it."""
import itertools
import os
import shutil
import signal
import subprocess
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.cable import Cable
from harness.daemon import BUILD
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for devices")

INTERFACES = """# the host's own
source /etc/network/interfaces.d/*

auto lo
iface lo inet loopback

auto eth0
iface eth0 inet static
    address 192.0.2.2/24
    gateway 192.0.2.1
    dns-nameservers 192.0.2.53
"""


@pytest.fixture
def cable(daemon):
    with_files(daemon)
    made = Cable(daemon.sandbox)
    made.address()
    yield made
    made.close()


def with_files(daemon, text=INTERFACES):
    folder = daemon.root / "etc/network"
    folder.mkdir(exist_ok=True)
    (folder / "interfaces").write_text(text)
    (folder / "interfaces.d").mkdir(exist_ok=True)


def files(daemon):
    return {str(path.relative_to(daemon.root)): path.read_text() for path in sorted((daemon.root / "etc/network").rglob("*")) if path.is_file()}


def is_as_before(daemon, cable, before):
    return (files(daemon), cable.state()) == before


def records(daemon):
    folder = daemon.root / "var/lib/domus/interfaces"
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


# -- as one change --

def test_a_connection_lives_through_a_bridge_and_back(daemon, domus, cable):
    cable.run("ip", "addr", "add", "192.0.2.9/24", "dev", "eth0", "label", "eth0:9", "valid_lft", "5000", "preferred_lft", "4000")
    cable.run("ip", "route", "add", "198.51.100.0/24", "via", "192.0.2.1", "dev", "eth0", "table", "100")
    say = cable.talk()
    before = files(daemon), cable.state()
    assert domus("iface-bridge", "eth0", "br0").out == "Created bridge br0 with attached device eth0\nBridge interface br0 started\n\n"
    say("over the bridge")
    addresses = cable.run("ip", "-o", "addr", "show", "br0")
    assert "192.0.2.2/24" in addresses and "br0:9" in addresses and "valid_lft 49" in addresses
    assert cable.run("ip", "-o", "addr", "show", "eth0", "scope", "global") == ""
    assert "52:54:00:00:01:01" in cable.run("ip", "link", "show", "br0")
    assert cable.run("ip", "route", "show", "default").startswith("default via 192.0.2.1 dev br0 metric 7 ")
    assert "dev br0" in cable.run("ip", "route", "show", "table", "100")
    written = files(daemon)
    assert "iface eth0 inet manual\n" in written["etc/network/interfaces"]
    assert "    bridge_ports eth0\n" in written["etc/network/interfaces.d/br0"] and "dns-nameservers 192.0.2.53" in written["etc/network/interfaces.d/br0"]
    assert records(daemon) == []
    assert domus("iface-unbridge", "br0").out == "Device eth0 un-attached from bridge br0\nInterface eth0 started\n\n"
    say("over the card again")
    assert cable.state() == before[1]
    assert "address 192.0.2.2/24" in files(daemon)["etc/network/interfaces"] and "etc/network/interfaces.d/br0" not in files(daemon)


def test_what_is_not_confirmed_comes_back(daemon, domus, cable):
    say = cable.talk()
    before = files(daemon), cable.state()
    done = domus("iface-bridge", "eth0", "br0", "--timeout", "1", check=False)
    assert done.code == 1 and "was not confirmed" in done.err
    assert is_as_before(daemon, cable, before) and records(daemon) == []
    say("still there")


def started(daemon, *arguments):
    return subprocess.Popen([str(BUILD / "bin/domus"), "-c", daemon.uri, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def test_who_is_cut_off_gets_the_old_state_back(daemon, cable):
    before = files(daemon), cable.state()
    command = started(daemon, "iface-bridge", "eth0", "br0", "--timeout", "500")
    wait_until(lambda: "change.xml" in records(daemon) and "br0" in cable.run("ip", "-br", "link"), "there is no bridge")
    command.kill()
    command.communicate()
    wait_until(lambda: is_as_before(daemon, cable, before), "the old state did not return")
    wait_until(lambda: records(daemon) == [], "the record stays")


def test_somebody_else_may_confirm_it(daemon, domus, cable):
    command = started(daemon, "iface-bridge", "eth0", "br0", "--timeout", "500")
    wait_until(lambda: "busy='no'" in record(daemon), "it does not wait")
    refused = domus("iface-bridge", "eth0", "br1", check=False)
    assert refused.code == 1 and "waits to be confirmed" in refused.err
    assert domus("iface-commit").out.strip() == "Network config change transaction committed"
    assert "Bridge interface br0 started" in command.communicate(timeout=60)[0] and command.returncode == 0
    assert "br0" in cable.run("ip", "-br", "link") and records(daemon) == []
    domus("iface-unbridge", "br0")


def record(daemon):
    path = daemon.root / "var/lib/domus/interfaces/change.xml"
    return path.read_text() if path.exists() else ""


def test_a_terminal_is_asked(daemon, cable, terminal):
    asked = terminal(BUILD / "bin/domus", "-c", daemon.uri, "iface-bridge", "eth0", "br0")
    asked.expect("Press Enter within 30 s to keep it")
    asked.send("\n")
    wait_until(lambda: records(daemon) == [], "it was not confirmed")
    assert "br0" in cable.run("ip", "-br", "link")
    daemon.domus("iface-unbridge", "br0")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("verb", ["bridge", "unbridge"])
def test_a_kill_at_any_step_leaves_the_old_state(daemon, cable, verb):
    if verb == "unbridge":
        daemon.domus("iface-bridge", "eth0", "br0")
    before = files(daemon), cable.state()
    arguments = ["iface-bridge", "eth0", "br0"] if verb == "bridge" else ["iface-unbridge", "br0"]
    for step in itertools.count():
        daemon.stop()
        daemon.start(environment={"DOMUS_KILL_AT_INTERFACE_STEP": str(step)})
        if daemon.domus(*arguments, "--yes", check=False).code == 0:
            break
        daemon.process.wait()
        daemon.start()
        assert is_as_before(daemon, cable, before), f"killed before step {step}"
        assert records(daemon) == []
    assert step > 5
    daemon.restart()
    if verb == "bridge":
        daemon.domus("iface-unbridge", "br0")


def test_what_fails_in_the_middle_is_taken_back(daemon, domus, cable):
    (daemon.root / "etc/network/interfaces").write_text("iface eth0 inet manual\n    bridge_ports\n")
    before = files(daemon), cable.state()
    cable.run("ip", "link", "add", "br9", "type", "bridge")
    cable.run("ip", "link", "set", "eth0", "master", "br9")
    refused = domus("iface-bridge", "eth0", "br0", check=False)
    assert refused.code == 1, refused
    cable.run("ip", "link", "del", "br9")
    assert is_as_before(daemon, cable, before) and records(daemon) == []


def test_a_dry_run_writes_nothing(daemon, domus, cable):
    before = files(daemon), cable.state()
    said = domus("iface-bridge", "eth0", "br0", "--no-stp", "--delay", "3", "--dry-run").out
    assert "--- /etc/network/interfaces.d/br0: new\n" in said and "    bridge_stp off\n    bridge_fd 3\n" in said
    assert "--- /etc/network/interfaces.d/brvlan7: new\n" in domus("net", "vlan", "7", "--on", "eth0", "--dry-run").out
    assert is_as_before(daemon, cable, before) and records(daemon) == []


def test_only_defined_a_bridge_waits_for_the_next_boot(daemon, domus, cable):
    before = cable.state()
    assert domus("iface-bridge", "eth0", "br0", "--no-start").out == "Created bridge br0 with attached device eth0\n\n"
    assert cable.state() == before
    assert [line.split() for line in domus("iface-list", "--inactive").out.splitlines()[2:] if line] == [["br0", "inactive", "52:54:00:00:01:01"]]
    domus("iface-start", "br0")
    assert cable.run("ip", "route", "show", "default").startswith("default via 192.0.2.1 dev br0 metric 7 ")
    domus("iface-unbridge", "br0")


@pytest.fixture
def dhclient(daemon, cable, scratch):
    """A client that writes down its arguments, in place of the host's own."""
    (scratch / "sbin").mkdir()
    program, log = scratch / "sbin/dhclient", scratch / "calls"
    program.write_text(f'#!/bin/sh\necho "$*" >>{log}\n')
    program.chmod(0o755)
    cable.run("mount", "--bind", scratch / "sbin", "/usr/local/sbin")
    yield log
    cable.run("umount", "/usr/local/sbin")


def test_a_lease_goes_to_the_bridge(daemon, domus, cable, dhclient, scratch):
    cable.run("ip", "addr", "change", "192.0.2.2/24", "dev", "eth0", "valid_lft", "3000", "preferred_lft", "3000")
    with_files(daemon, "source /etc/network/interfaces.d/*\nauto eth0\niface eth0 inet dhcp\n")
    shutil.copy("/usr/bin/sleep", scratch / "dhclient")
    with subprocess.Popen([scratch / "dhclient", "1000"]) as renews:
        (daemon.root / "run/dhclient.eth0.pid").write_text(f"{renews.pid}\n")
        leases = daemon.root / "var/lib/dhcp"
        leases.mkdir()
        (leases / "dhclient.eth0.leases").write_text('lease {\n  interface "eth0";\n  fixed-address 192.0.2.2;\n}\n')
        domus("iface-bridge", "eth0", "br0")
        assert renews.wait(30) == -signal.SIGTERM
    assert (leases / "dhclient.br0.leases").read_text() == 'lease {\n  interface "br0";\n  fixed-address 192.0.2.2;\n}\n'
    wait_until(dhclient.exists, "no client was started")
    run, lib = daemon.root / "run", leases
    assert dhclient.read_text() == f"-4 -nw -pf {run}/dhclient.br0.pid -lf {lib}/dhclient.br0.leases br0\n"
    written = files(daemon)["etc/network/interfaces.d/br0"]
    assert "iface br0 inet dhcp\n    bridge_ports eth0\n" in written and "    bridge_hw 52:54:00:00:01:01\n" in written
    assert "192.0.2.2/24" in cable.run("ip", "-o", "addr", "show", "br0")
    domus("iface-unbridge", "br0")


# -- stock clients --

def test_virsh_makes_and_removes_a_bridge(daemon, virsh, cable):
    say = cable.talk()
    assert virsh("iface-bridge", "eth0", "br0").out == "Created bridge br0 with attached device eth0\nBridge interface br0 started\n\n"
    say("over virsh's bridge")
    bridge = ET.fromstring(virsh("iface-dumpxml", "br0").out)
    assert bridge.get("type") == "bridge" and bridge.find("bridge").get("stp") == "on"
    assert [port.get("name") for port in bridge.findall("bridge/interface")] == ["eth0"]
    assert bridge.find("protocol[@family='ipv4']/ip").get("address") == "192.0.2.2"
    virsh("iface-unbridge", "br0")
    say("and without it")
    assert "br0" not in cable.run("ip", "-br", "link")
    assert "address 192.0.2.2/24" in files(daemon)["etc/network/interfaces"]


def test_a_change_that_was_begun_is_rolled_back(daemon, conn, cable):
    before = files(daemon), cable.state()
    conn.changeBegin()
    with pytest.raises(libvirt.libvirtError, match="failed to begin transaction"):
        conn.changeBegin()
    interface = conn.interfaceDefineXML("<interface type='bridge' name='br7'><start mode='onboot'/><protocol family='ipv4'>"
                                        "<ip address='198.51.100.7' prefix='24'/></protocol><bridge stp='off'/></interface>")
    interface.create()
    assert interface.isActive() and "198.51.100.7/24" in cable.run("ip", "-o", "addr", "show", "br7")
    conn.interfaceLookupByName("eth0").destroy()
    conn.interfaceLookupByName("eth0").undefine()
    conn.changeRollback()
    assert is_as_before(daemon, cable, before) and records(daemon) == []
    for call in (conn.changeRollback, conn.changeCommit):
        with pytest.raises(libvirt.libvirtError, match="none is open"):
            call()
    conn.changeBegin()
    interface = conn.interfaceDefineXML("<interface type='bridge' name='br7'><bridge/></interface>")
    conn.changeCommit()
    interface.undefine()


def test_a_reboot_takes_back_what_was_begun_and_a_restart_does_not(daemon, conn, cable):
    before = files(daemon), cable.state()
    conn.changeBegin()
    conn.interfaceLookupByName("eth0").undefine()
    conn.interfaceLookupByName("eth0").destroy()
    daemon.restart()
    assert not is_as_before(daemon, cable, before)
    daemon.stop()
    path = daemon.root / "var/lib/domus/interfaces/change.xml"
    tree = ET.parse(path)
    tree.find("boot").text = "another boot"
    tree.write(path)
    daemon.start()
    assert is_as_before(daemon, cable, before) and records(daemon) == []


def test_definitions_and_states(daemon, virsh, cable, scratch):
    (scratch / "eth0.xml").write_text(virsh("iface-dumpxml", "eth0", "--inactive").out.replace("192.0.2.2", "192.0.2.3"))
    assert virsh("iface-define", scratch / "eth0.xml").out.strip() == f"Interface eth0 defined from {scratch / 'eth0.xml'}"
    assert "    address 192.0.2.3/24\n    gateway 192.0.2.1\n    dns-nameservers 192.0.2.53\n" in files(daemon)["etc/network/interfaces"]
    assert virsh("iface-destroy", "eth0", check=False).out.strip() == "Interface eth0 destroyed"  # virsh 9.0 exits with 1 all the same
    assert cable.run("ip", "-o", "addr", "show", "eth0", "scope", "global") == ""
    assert "interface is not running" in virsh("iface-destroy", "eth0", check=False).err
    assert virsh("iface-start", "eth0").out.strip() == "Interface eth0 started"
    assert "192.0.2.3/24" in cable.run("ip", "-o", "addr", "show", "eth0")
    assert cable.run("ip", "route", "show", "default").startswith("default via 192.0.2.1 dev eth0")
    assert "interface is already running" in virsh("iface-start", "eth0", check=False).err
    assert virsh("iface-undefine", "eth0").out.strip() == "Interface eth0 undefined"
    assert "eth0" not in files(daemon)["etc/network/interfaces"].replace("# eth0", "")
    (scratch / "bad.xml").write_text("<interface type='ethernet' name='eth0'><mtu size='1'/></interface>")
    assert "an MTU of 1" in virsh("iface-define", scratch / "bad.xml", check=False).err
    assert virsh("iface-name", "52:54:00:00:01:01").out.strip() == "eth0"


def test_the_articles_vlan_is_read(daemon, virsh, cable):
    with_files(daemon, INTERFACES + "\nauto eth0.10\niface eth0.10 inet manual\n    vlan-raw-device eth0\n\nauto brvlan10\n"
                                    "iface brvlan10 inet manual\n    bridge_ports eth0.10\n    bridge_stp off\n    bridge_fd 0\n")
    bridge = ET.fromstring(virsh("iface-dumpxml", "brvlan10", "--inactive").out)
    assert bridge.find("bridge/interface/vlan").get("tag") == "10" and bridge.find("bridge/interface/vlan/interface").get("name") == "eth0"
    assert {"brvlan10", "eth0.10"} <= set(virsh("iface-list", "--inactive").out.split())


def test_a_host_without_a_known_system_is_told(daemon, virsh, scratch):
    (scratch / "br.xml").write_text("<interface type='bridge' name='br0'><bridge/></interface>")
    assert "by no system that is known here" in virsh("iface-define", scratch / "br.xml", check=False).err
    (daemon.root / "etc/netplan").mkdir()
    (daemon.root / "etc/netplan/01.yaml").touch()
    assert "by netplan" in virsh("iface-define", scratch / "br.xml", check=False).err


def test_a_session_changes_nothing(make_daemon, scratch):
    daemon = make_daemon(session=True)
    (scratch / "br.xml").write_text("<interface type='bridge' name='br0'><bridge/></interface>")
    for command in (["iface-define", scratch / "br.xml"], ["iface-begin"], ["iface-start", "lo"]):
        assert "this function is not supported by the connection driver" in daemon.virsh(*command, check=False).err
