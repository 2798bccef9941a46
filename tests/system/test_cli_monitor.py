"""The verbs of `domus` on disks, interfaces, keys, CPUs and the host's devices beside stock `virsh` on the same daemon."""
import json
import os
import subprocess
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.compare import assert_hint, assert_same_options, differences, offered, said, verbs_of
from harness.daemon import BUILD
from harness.guest import GuestShell
from harness.wait import wait_until

READING = [
    "domblkinfo on vda", "domblkinfo on vda --human", "domblkinfo on --all", "domblkinfo on --all --human", "domblkinfo off --all",
    "domblkinfo off vda", "domblkinfo on", "domblkinfo on vdz", "domblkinfo absent vda",
    "domblkstat on vda", "domblkstat on", "domblkstat on --human", "domblkstat on vda --human", "domblkstat off vda", "domblkstat on vdz",
    "domblkerror on", "domblkerror off", "domifstat on vnet77", "domifstat off vnet0", "domifstat on", "domcontrol on", "domcontrol off",
    "send-key on bogus", "send-key on --codeset bogus 30", "send-key on " + "30 " * 17, "send-key off 30", "send-key on",
    "send-key on 99999", "send-key on --holdtime x 30", "inject-nmi off", "nodecpumap", "nodecpumap --pretty",
    "blockresize on vdz 64M", "blockresize off vda 64M", "blockresize on vda x", "blockresize on vda",
    "domxml-to-native qemu-argv --domain off", "domxml-to-native qemu-argv", "domxml-to-native bogus --domain off",
    "domxml-to-native qemu-argv /absent/file", "domxml-to-native qemu-argv --domain absent",
    "iface-list", "iface-list --all", "iface-list --inactive", "iface-dumpxml lo", "iface-dumpxml 00:00:00:00:00:00",
    "iface-dumpxml lo --xpath //mac", "iface-dumpxml lo --xpath //mac --wrap", "iface-dumpxml absent", "iface-name 00:00:00:00:00:00",
    "iface-mac lo", "iface-mac absent", "iface-name absent",
    "vcpupin on", "vcpupin on 0", "vcpupin on 7", "vcpupin off", "vcpupin off --config", "vcpupin off --live", "vcpupin off 7 --config",
    "vcpupin on --cpulist 0", "vcpupin on 0 bogus", "vcpupin on --live --current",
    "checkpoint-list on", "checkpoint-list on --name", "checkpoint-list on --tree", "checkpoint-list on --parent",
    "checkpoint-list on --roots", "checkpoint-list on --from x", "checkpoint-list on --tree --name", "nwfilter-list",
]
ADDED = ["domblkinfo", "domblkstat", "domblkerror", "domifstat", "domcontrol", "send-key", "inject-nmi", "blockresize", "nodecpumap",
         "domxml-to-native", "vcpupin", "checkpoint-list", "nwfilter-list", "iface-list", "iface-dumpxml", "iface-name", "iface-mac"]


NOTHING = {  # of a domain with nothing but a disk
    "ttyconsole bare": {"tty": None}, "domifaddr bare": [], "domiflist bare": [], "domblkerror bare": [], "snapshot-list bare": [],
    "checkpoint-list bare": [], "iface-list --inactive": [], "nwfilter-list": [], "net-list --inactive": [], "list --inactive": [],
    "list --name --inactive": [], "secret-list": [], "echo": {"text": ""}, "desc bare": {"domain": "bare", "description": None},
}


@pytest.fixture
def both(daemon, conn, guest, scratch):
    if not (BUILD / "bin/domus").exists():
        pytest.skip("domus is not built")
    for name in ("on", "off"):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", scratch / f"{name}.qcow2", "32M"], check=True)
    drive = "<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>"
    conn.defineXML(guest("off", vcpus=2, disks=[scratch / "off.qcow2"], devices=drive))
    conn.createXML(guest("on", memory=32, disks=[scratch / "on.qcow2"], devices=drive), 1)
    yield daemon
    conn.lookupByName("on").destroy()


def answer(daemon, *words):
    return json.loads(daemon.domus("--json", *words).out)


def test_reads_as_virsh_does(both):
    assert not differences(both, READING)


def test_the_same_options_as_virsh(both):
    assert_same_options(both, ADDED)
    assert set(ADDED) - {"send-key", "inject-nmi", "blockresize", "domxml-to-native", "vcpupin"} <= {
        verb for group in ("monitor", "host", "interface", "filter", "checkpoint") for verb in verbs_of(both, group)}


def test_verbs_that_lacked_options(both):
    assert_same_options(both, ["setvcpus", "domdisplay", "metadata", "change-media", "attach-disk", "attach-interface"])
    assert not differences(both, ["setvcpus off 1 --guest --config", "setvcpus off 1 --guest --maximum", "setvcpus off 1 --guest",
                                  "setvcpus off 7 --config", "setvcpus on 1 --hotpluggable --guest --config"])
    for words in ([], ["--block"]):
        described = [ET.fromstring(client("change-media", "off", "sda", "/dev/zero", "--print-xml", "--config", *words).out)
                     for client in (both.virsh, both.domus)]
        theirs, ours = [(disk.attrib, disk.find("source").attrib, {child.tag for child in disk}) for disk in described]
        assert ours == theirs


def test_errors_end_in_a_hint(both):
    for line in ("domblkinfo on", "domblkinfo on vdz", "domifstat on vnet77", "send-key on bogus", "send-key on --codeset bogus 30",
                 "send-key on --codeset win32 VK_TAB", "send-key on " + "30 " * 17, "send-key off 30", "inject-nmi off", "blockresize off vda 1M",
                 "domxml-to-native qemu-argv", "iface-mac absent", "vcpupin off --live", "vcpupin on --cpulist 0", "vcpupin on 0 bogus",
                 "attach-interface off network", "attach-interface off hostdev bogus", "attach-disk off /a vdb --address bogus"):
        assert_hint(both, line)


def test_json_of_disks(both, scratch):
    listed = {disk["target"]: disk for disk in answer(both, "domblkinfo", "on", "--all")}
    assert listed["vda"]["capacity"] == 32 << 20 and listed["sda"] == {"target": "sda", "capacity": None, "allocation": None, "physical": None}
    one = answer(both, "domblkinfo", "on", "vda", "--human")
    assert one == {key: listed["vda"][key] for key in ("capacity", "allocation", "physical")}
    assert one["physical"] == (scratch / "on.qcow2").stat().st_size
    counted = answer(both, "domblkstat", "on", "vda")
    assert counted["device"] == "vda" and counted["rd_bytes"] == 0 and "flush_total_times" in counted
    assert answer(both, "domblkstat", "on")["device"] is None
    assert answer(both, "domblkerror", "on") == []


def test_json_of_the_rest(both):
    assert answer(both, "domcontrol", "on") == {"state": "ok", "details": None, "since_ms": None}
    cpus = answer(both, "nodecpumap")
    assert cpus["online"] == len(cpus["cpus"]) <= cpus["present"]
    assert answer(both, "vcpupin", "off") == [{"vcpu": vcpu, "affinity": cpus["cpus"]} for vcpu in (0, 1)]
    assert answer(both, "vcpupin", "off", "1") == [{"vcpu": 1, "affinity": cpus["cpus"]}]
    assert answer(both, "iface-list") == [{"name": "lo", "state": "active", "mac": "00:00:00:00:00:00"}]
    assert answer(both, "iface-list", "--inactive") == answer(both, "nwfilter-list") == answer(both, "checkpoint-list", "on") == []
    assert answer(both, "iface-name", "00:00:00:00:00:00") == {"name": "lo"} and answer(both, "iface-mac", "lo") == {"mac": "00:00:00:00:00:00"}
    assert ET.fromstring(answer(both, "iface-dumpxml", "lo")["xml"]).get("name") == "lo"
    assert "guest=off" in answer(both, "domxml-to-native", "qemu-argv", "--domain", "off")["native"]
    failed = both.domus("--json", "domcontrol", "off", check=False)
    assert failed.out == "" and json.loads(failed.err)["error"]["code"] == 55


def test_json_where_there_is_nothing(daemon, conn, guest):
    conn.createXML(guest("bare", memory=32, serial="/dev/null"), 1)
    found = {line: answer(daemon, *line.split()) for line in NOTHING}
    failed = daemon.domus("ttyconsole", "bare", check=False)
    conn.lookupByName("bare").destroy()
    assert found == NOTHING
    assert failed.code == 1 and failed.out.strip() == "" and "has no console" in failed.err and "hint: " in failed.err
    assert answer(daemon, "cd", "/") == {"folder": "/"}
    assert {"iface-list", "iface-mac"} <= {verb["name"] for verb in answer(daemon, "help", "interface")}
    assert answer(daemon, "connect", daemon.uri)["uri"] == daemon.domus("uri").out.strip()


def test_displays_with_their_passwords(daemon, conn, guest):
    displays = "<graphics type='vnc' port='-1' autoport='yes' passwd='secret' listen='127.0.0.1'/>"
    conn.createXML(guest("shown", memory=32, devices=displays), 1)
    lines = ["domdisplay shown", "domdisplay shown --all", "domdisplay shown --include-password", "domdisplay shown --include-password --all",
             "domdisplay shown --include-password --type vnc", "vncdisplay shown"]
    found = differences(daemon, lines)
    with_password = daemon.domus("domdisplay", "shown", "--include-password").out
    conn.lookupByName("shown").destroy()
    assert not found and "secret" in with_password


def test_metadata_in_an_editor(daemon, conn, guest):
    conn.defineXML(guest("off"))
    lives = []
    for client in (daemon.virsh, daemon.domus):
        said_so = []
        for editor, *words in (("true", "--edit"), ("true", "--edit", "--key", "k"), ("sed -i s,<k/>,<k><x/></k>,", "--edit", "--key", "k"),
                               ("true", "--edit", "--key", "k"), ("true",), ("true", "--remove"), ("true",), ("true", "--edit", "--set", "<a/>")):
            environment = dict(os.environ, LC_ALL="C", EDITOR=editor)
            said_so.append((words, said(client("metadata", "off", "http://x/1", *words, check=False, env=environment))))
        lives.append(said_so)
    for theirs, ours in zip(*lives):
        assert ours == theirs


def test_a_disk_grows(both, scratch):
    def size():
        out = subprocess.run(["qemu-img", "info", "-U", "--output=json", scratch / "on.qcow2"], check=True, capture_output=True).stdout
        return json.loads(out)["virtual-size"]

    theirs, ours = both.virsh("blockresize", "on", "vda", "40M"), both.domus("blockresize", "on", "vda", "40M")
    assert said(ours) == said(theirs) and size() == 40 << 20
    assert answer(both, "blockresize", "on", "vda", "65536") == {"domain": "on", "device": "vda", "size": 64 << 20}  # KiB
    assert size() == 64 << 20
    both.domus("blockresize", "on", "vda", "70000128B")
    assert size() == 70000128


def test_pinning_says_what_this_daemon_lacks(both):
    failed = both.domus("vcpupin", "on", "0", "0", check=False)
    assert failed.code == 1 and "DOMAIN_PIN_VCPU" in failed.err and "hint: " in failed.err


def test_a_definition_in_a_file_becomes_a_command(both, guest, scratch):
    (scratch / "x.xml").write_text(guest("new", uuid="4dea24b3-1d52-d8f3-2516-782e98a23fa0"))
    assert both.domus("domxml-to-native", "qemu-argv", scratch / "x.xml").out == both.virsh("domxml-to-native", "qemu-argv", scratch / "x.xml").out
    assert said(both.domus("domxml-to-native", "qemu-argv", "--domain", "on"))[1] == 0


def test_completion(both):
    assert offered(both, "iface-dumpxml", "") == ("words", {"lo"})
    assert offered(both, "domblkstat", "") == ("words", {"on"})
    assert {"linux", "qnum"} <= offered(both, "send-key", "--codeset", "")[1]
    assert offered(both, "domxml-to-native", "q") == ("words", {"qemu-argv"})
    assert offered(both, "domxml-to-native", "qemu-argv", "")[0] == "files"


def test_keys_reach_the_guest(daemon, conn, guest, shell_of):
    """As the kernel of the guest counts them: its keyboard controller has an interrupt for each byte."""
    conn.createXML(guest("keys"))
    shell = shell_of("keys")

    def interrupts():
        return sum(int(word) for word in shell.run("grep -E ' i8042' /proc/interrupts || true").replace(":", " ").split()[1:2] or ["0"])

    before = interrupts()
    sent = answer(daemon, "send-key", "keys", "KEY_LEFTCTRL", "0x1e", "030", "--holdtime", "1")
    assert sent == {"domain": "keys", "codeset": "linux", "keycodes": [29, 30, 24]}
    assert said(daemon.domus("send-key", "keys", "--codeset", "win32", "9")) == said(daemon.virsh("send-key", "keys", "--codeset", "win32", "9"))
    assert said(daemon.domus("inject-nmi", "keys")) == said(daemon.virsh("inject-nmi", "keys"))
    if before:
        wait_until(lambda: interrupts() > before, "no key reached the guest")
    assert "NMI" in shell.run("grep NMI /proc/interrupts")
    conn.lookupByName("keys").destroy()


def test_an_interface_counts(make_daemon, guest, terminal, _event_loop):
    daemon = make_daemon(default_network=True)
    conn = libvirt.open(daemon.uri)
    domain = conn.createXML(guest("nic", networks=["default"]))
    GuestShell(terminal("virsh", "-c", daemon.uri, "console", "nic", "--force")).wait_up()
    tap = ET.fromstring(domain.XMLDesc()).find("devices/interface/target").get("dev")
    wait_until(lambda: answer(daemon, "domifstat", "nic", tap)["tx_packets"] > 0, "nothing was sent")
    domain.suspend()
    assert answer(daemon, "domifstat", "nic", tap)["interface"] == tap
    assert not differences(daemon, [f"domifstat nic {tap}", "iface-list", "iface-list --all", "iface-dumpxml virbr0", f"iface-dumpxml {tap}",
                                    "iface-mac virbr0"])
    assert daemon.domus("iface-name", daemon.virsh("iface-mac", "virbr0").out.strip()).out == "virbr0\n\n"
    assert {"lo", "virbr0", tap} <= {each["name"] for each in answer(daemon, "iface-list", "--all")}
    domain.destroy()
    conn.close()
