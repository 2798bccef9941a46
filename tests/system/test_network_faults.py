"""What goes wrong with virtual networks: nothing half-made stays, nothing is taken twice, what dies comes back."""
import json
import os
import signal
import subprocess

import libvirt
import pytest

from harness.wait import wait_until

NETWORK = """<network><name>{name}</name><bridge name='{bridge}'/><mac address='52:54:00:00:77:01'/>
  <ip address='{address}' netmask='255.255.255.0'><dhcp><range start='{address}0' end='{address}1'/></dhcp></ip></network>"""


def network_xml(name="inner", bridge="dmsbr7", address="10.77.0.1"):
    return NETWORK.format(name=name, bridge=bridge, address=address)


@pytest.fixture
def daemon(make_daemon):
    if os.geteuid() != 0:
        pytest.skip("networks need root")
    return make_daemon()


def files_left(daemon, name, leases=False):
    """Leases stay until the network is gone for good: guests get their addresses again."""
    folders = [daemon.root / "var/lib/domus/dnsmasq", daemon.root / "run/domus/network"]
    return [str(file) for folder in folders if folder.is_dir() for file in folder.iterdir() 
            if file.name.startswith(name + ".") and (leases or file.suffix != ".leases")]


def links(daemon):
    return json.loads(daemon.sandbox.run("ip", "-j", "link").stdout)


def test_a_record_that_cannot_be_written_fails_the_start_and_leaves_nothing(conn, daemon):
    network = conn.networkDefineXML(network_xml())
    # Not by permissions, which do not hold root: a folder stands where the file would go.
    obstacle = daemon.root / "run/domus/network/inner.xml/x"
    obstacle.mkdir(parents=True)
    with pytest.raises(libvirt.libvirtError, match="cannot start network 'inner': writing its record"):
        network.create()
    assert not network.isActive()
    assert [link["ifname"] for link in links(daemon)] == ["lo"]
    assert daemon.sandbox.run("nft", "list", "tables").stdout == ""
    assert daemon.pids_of("inner.conf") == []
    obstacle.rmdir()
    obstacle.parent.rmdir()
    assert files_left(daemon, "inner") == []
    network.create()
    network.destroy()
    assert files_left(daemon, "inner", leases=True) != []
    network.undefine()
    assert files_left(daemon, "inner", leases=True) == []
    conn.networkCreateXML(network_xml()).destroy()
    assert files_left(daemon, "inner", leases=True) == []


def test_a_start_that_dnsmasq_refuses_leaves_nothing(conn, daemon):
    network = conn.networkDefineXML(network_xml().replace(
        "<network>", "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>").replace(
        "</network>", "<dnsmasq:options><dnsmasq:option value='dhcp-lease-max=many'/></dnsmasq:options></network>"))
    with pytest.raises(libvirt.libvirtError, match="running dnsmasq"):
        network.create()
    assert [link["ifname"] for link in links(daemon)] == ["lo"]
    assert files_left(daemon, "inner") == []


def test_a_start_fails_if_dnsmasq_ends_once_it_has_given_up_its_rights(conn, daemon):
    folder = daemon.root / "boot"
    folder.mkdir(mode=0o700)  # --test finds nothing wrong with it: it runs as root
    network = conn.networkDefineXML(network_xml().replace("netmask='255.255.255.0'>", f"netmask='255.255.255.0'><tftp root='{folder}'/>"))
    with pytest.raises(libvirt.libvirtError, match=f"running dnsmasq: dnsmasq exited with status 3.*TFTP directory {folder} inaccessible"):
        network.create()
    assert not network.isActive()
    assert [link["ifname"] for link in links(daemon)] == ["lo"]
    assert daemon.sandbox.run("nft", "list", "tables").stdout == ""
    assert daemon.pids_of("inner.conf") == []
    assert files_left(daemon, "inner") == []
    folder.chmod(0o755)
    network.create()
    assert len(daemon.pids_of(SERVER)) == 1
    network.destroy()


def test_a_start_waits_for_a_dnsmasq_that_is_slow(conn, daemon, wrappers):
    wrappers("dnsmasq", 'case "$*" in *--keep-in*) sleep 1; echo "dnsmasq: cannot read the stars" >&2; exit 5;; esac; exec /usr/sbin/dnsmasq "$@"')
    with pytest.raises(libvirt.libvirtError, match="dnsmasq exited with status 5.*cannot read the stars"):
        conn.networkCreateXML(network_xml())
    assert [link["ifname"] for link in links(daemon)] == ["lo"]
    assert files_left(daemon, "inner") == []


@pytest.mark.parametrize("body", ["<forward mode='bridge'/><bridge name='host0'/>", "<forward mode='open'/><bridge name='dmsbr7'/>",
                                  "<bridge name='dmsbr7'/>"], ids=["bridge", "open", "none"])
def test_a_network_of_any_mode_is_active_after_a_restart_of_the_daemon(conn, virsh, daemon, body):
    conn.networkDefineXML(f"<network><name>inner</name>{body}</network>").create()
    daemon.restart()
    assert "inner   active" in virsh("net-list").out
    virsh("net-destroy", "inner")
    assert files_left(daemon, "inner") == []
    daemon.restart()
    assert "inner" not in virsh("net-list").out


def test_a_network_whose_bridge_is_gone_is_inactive_and_leaves_nothing(conn, virsh, daemon):
    conn.networkDefineXML(network_xml()).create()
    daemon.kill()
    daemon.sandbox.run("ip", "link", "delete", "dmsbr7")
    daemon.start()
    assert "inner" not in virsh("net-list").out
    assert daemon.sandbox.run("nft", "list", "tables").stdout == ""
    assert daemon.pids_of("inner.conf") == []
    assert files_left(daemon, "inner") == []


def test_a_network_whose_stop_was_cut_off_goes_and_is_not_started_again(conn, virsh, daemon):
    conn.networkDefineXML(network_xml()).create()
    daemon.kill()
    record = daemon.root / "run/domus/network/inner.xml"
    written = record.read_text()
    assert "unfinished='no'" in written
    record.write_text(written.replace("unfinished='no'", "unfinished='yes'"))
    daemon.start()
    assert "inner" not in virsh("net-list").out and "inner" in virsh("net-list", "--all").out
    assert [link["ifname"] for link in links(daemon)] == ["lo"]
    assert daemon.sandbox.run("nft", "list", "tables").stdout == ""
    assert daemon.pids_of("inner.conf") == []
    assert "found without a record" not in daemon.log.read_text()


def test_two_networks_have_neither_one_bridge_nor_one_subnet(conn):
    first = conn.networkDefineXML(network_xml())
    with pytest.raises(libvirt.libvirtError, match="bridge name 'dmsbr7' already in use") as failure:
        conn.networkDefineXML(network_xml("second", address="10.78.0.1"))
    assert failure.value.get_error_code() == libvirt.VIR_ERR_INTERNAL_ERROR
    with pytest.raises(libvirt.libvirtError, match="bridge name 'dmsbr7' already in use"):
        conn.networkCreateXML(network_xml("second", address="10.78.0.1"))
    second = conn.networkDefineXML(network_xml("second", "dmsbr8"))
    first.create()
    with pytest.raises(libvirt.libvirtError, match="Network is already in use by interface dmsbr7"):
        second.create()
    first.destroy()
    second.create()
    second.destroy()


def test_a_bridge_without_a_name_gets_one_that_nobody_has_and_keeps_it(conn, daemon):
    daemon.sandbox.run("ip", "link", "add", "virbr0", "type", "bridge")
    network = conn.networkDefineXML("<network><name>inner</name></network>")
    assert network.bridgeName() == "virbr1"
    again = conn.networkDefineXML(f"<network><name>inner</name><uuid>{network.UUIDString()}</uuid></network>")
    assert again.bridgeName() == "virbr1"
    daemon.sandbox.run("ip", "link", "delete", "virbr0")


def test_a_tap_has_its_guests_address_and_the_bridge_keeps_its_own(conn, daemon, guest):
    network = conn.networkDefineXML(network_xml())
    network.create()
    xml = guest("addr", networks=["inner"])
    domain = conn.createXML(xml)
    mac = domain.XMLDesc().split("<mac address='")[1][:17]
    by_name = {link["ifname"]: link for link in links(daemon)}
    [tap] = [link for link in by_name.values() if link.get("master") == "dmsbr7"]
    assert tap["address"] == "fe" + mac[2:]
    assert by_name["dmsbr7"]["address"] == "52:54:00:00:77:01"
    domain.destroy()
    network.destroy()


# Not the one that only tests the configuration.
SERVER = "inner.conf --pid-file"


def test_dnsmasq_that_dies_comes_back(conn, daemon):
    network = conn.networkDefineXML(network_xml())
    network.create()
    [before] = daemon.pids_of(SERVER)
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: daemon.pids_of(SERVER) not in ([], [before]), "dnsmasq did not come back")
    daemon.wait_logged("dnsmasq was killed by signal 9")
    [second] = daemon.pids_of(SERVER)
    # Also where it died while the daemon was away.
    daemon.kill()
    os.kill(second, signal.SIGKILL)
    daemon.start()
    wait_until(lambda: daemon.pids_of(SERVER) not in ([], [second]), "dnsmasq did not come back")
    daemon.kill()
    third = daemon.pids_of(SERVER)
    daemon.start()
    assert daemon.pids_of(SERVER) == third, "the record names the one that came back"
    daemon.virsh("net-destroy", "inner")
    assert daemon.pids_of(SERVER) == []


def test_options_that_run_programs_are_refused(conn):
    for option in ("dhcp-script=/bin/sh", "user=root", "conf-file=/etc/shadow"):
        xml = network_xml().replace("<network>", "<network xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'>")
        xml = xml.replace("</network>", f"<dnsmasq:options><dnsmasq:option value='{option}'/></dnsmasq:options></network>")
        with pytest.raises(libvirt.libvirtError, match="is not handed over to dnsmasq"):
            conn.networkDefineXML(xml)
    assert conn.listAllNetworks() == []


DOCKER = """table ip filter {
  chain DOCKER-USER { counter return; }
  chain FORWARD { type filter hook forward priority filter; policy drop; counter jump DOCKER-USER; iifname "docker0" accept; }
  chain INPUT { type filter hook input priority filter; policy drop; iifname "lo" accept; }
}"""


@pytest.fixture
def stranger(daemon):
    """A network namespace of its own, for one that is a guest to the host; a function that runs a command in it."""
    holder = subprocess.Popen(daemon.sandbox.command("unshare", "--net", "sleep", "100"))
    outside = os.readlink(f"/proc/{os.getpid()}/ns/net")
    inside = daemon.sandbox.run("readlink", "/proc/self/ns/net").stdout.strip()
    wait_until(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") not in (outside, inside), "no namespace")
    run = lambda *argv: daemon.sandbox.run("nsenter", "-t", holder.pid, "-n", *argv)
    run.pid = holder.pid
    yield run
    holder.kill()
    holder.wait()


ASK = """import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
s.sendto(bytes.fromhex('123401000001000000000000036f6e6504746573740000010001'), ('10.77.0.1', 53))
print(s.recv(512)[:2].hex())"""


def test_guests_are_let_through_the_chains_of_docker_and_these_are_left_as_they_were(conn, daemon, stranger):
    run = daemon.sandbox.run
    assert run("nft", "-f", "-", input=DOCKER).returncode == 0
    before = run("nft", "-s", "list", "ruleset").stdout
    network = conn.networkDefineXML(network_xml().replace("<bridge", "<forward mode='nat'/><bridge"))
    network.create()
    try:
        for argv in (f"ip link add outer7 master dmsbr7 up type veth peer name inside7 netns {stranger.pid}",
                     "ip link add world7 type bridge", "ip addr add 10.99.0.1/24 dev world7", "ip link set world7 up"):
            done = run(*argv.split())
            assert done.returncode == 0, done.stderr
        for argv in ("addr add 10.77.0.9/24 dev inside7", "link set inside7 up", "route add default via 10.77.0.1"):
            done = stranger("ip", *argv.split())
            assert done.returncode == 0, done.stderr
        wait_until(lambda: stranger("python3", "-c", ASK).stdout == "1234\n", "the question of a guest was dropped")
        # To a host that nobody has: that the packet itself is forwarded tells the counter of the rule.
        stranger("python3", "-c", ASK.replace("10.77.0.1", "10.99.0.5"))
        listed = run("nft", "list", "chain", "ip", "filter", "FORWARD").stdout
        [line] = [line for line in listed.splitlines() if 'iifname "dmsbr7"' in line]
        assert "packets 0 " not in line
        network.destroy()
        assert run("nft", "-s", "list", "ruleset").stdout == before
    finally:
        for argv in ("ip link delete world7", "ip link delete outer7", "nft delete table ip filter"):
            run(*argv.split())


def test_a_chain_that_belongs_to_another_process_is_told_of_and_stops_no_network(conn, daemon):
    owner = subprocess.Popen(daemon.sandbox.command("nft", "-i"), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    owner.stdin.write("add table ip owned { flags owner; }\n"
                      "add chain ip owned forward { type filter hook forward priority 0; policy drop; }\n")
    owner.stdin.flush()
    wait_until(lambda: "policy drop" in daemon.sandbox.run("nft", "list", "ruleset").stdout, "the table was not made")
    network = conn.networkDefineXML(network_xml())
    network.create()
    daemon.wait_logged("bridge 'dmsbr7': chains of others may drop what its guests send")
    network.destroy()
    owner.stdin.close()
    owner.wait(10)
    assert daemon.sandbox.run("nft", "list", "tables").stdout == ""


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("bridge", ["dmsbr8", "lo", "a/b;c", "none of its own"])
def test_a_record_with_a_bridge_of_another_harms_neither(conn, daemon, kept, bridge):
    for name, own, address in (("inner", "dmsbr7", "10.77.0.1"), ("other", "dmsbr8", "10.78.0.1")):
        xml = network_xml(name, own, address)
        if kept:
            conn.networkDefineXML(xml).create()
        else:
            conn.networkCreateXML(xml)
    daemon.stop()
    record = daemon.root / "run/domus/network/inner.xml"
    text = record.read_text()
    record.write_text(text.replace("dmsbr7", bridge) if " " not in bridge else text.replace("<bridge", "<forward mode='bridge'/><bridge", 1))
    daemon.start()
    again = libvirt.open(daemon.uri)
    other = again.networkLookupByName("other")
    assert other.isActive() and other.bridgeName() == "dmsbr8"
    if kept:  # what was found of it is made anew
        assert again.networkLookupByName("inner").bridgeName() == "dmsbr7" and again.networkLookupByName("inner").isActive()
    else:
        assert [network.name() for network in again.listAllNetworks()] == ["other"] and not record.exists()
    tables = daemon.sandbox.run("nft", "list", "tables").stdout.split()
    assert {word for word in tables if word.startswith("domus_")} == ({"domus_dmsbr7", "domus_dmsbr8"} if kept else {"domus_dmsbr8"})
    assert len(daemon.pids_of("dnsmasq")) == (2 if kept else 1)
    for network in again.listAllNetworks():
        network.destroy()
    again.close()
    daemon.stop()
    assert "rules stay" not in daemon.log.read_text()


def test_a_record_with_the_uuid_of_another_gets_its_own(conn, daemon):
    uuids = {}
    for name, own, address in (("inner", "dmsbr7", "10.77.0.1"), ("other", "dmsbr8", "10.78.0.1")):
        network = conn.networkCreateXML(network_xml(name, own, address))
        uuids[name] = network.UUIDString()
    daemon.stop()
    record = daemon.root / "run/domus/network/inner.xml"
    record.write_text(record.read_text().replace(uuids["inner"], uuids["other"]))
    daemon.start()
    again = libvirt.open(daemon.uri)
    networks = again.listAllNetworks()
    assert sorted(again.networkLookupByUUIDString(network.UUIDString()).name() for network in networks) == ["inner", "other"]
    for network in networks:
        network.destroy()
    again.close()
