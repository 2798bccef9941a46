"""`domus` beside stock `virsh` on the same daemon: what scripts read is the same to the letter."""
import json

import pytest

from harness.daemon import BUILD, run

READING = [
    ["list"], ["list", "--all"], ["list", "--all", "--name"], ["list", "--inactive", "--uuid"], ["list", "--all", "--title"],
    ["dominfo", "off"], ["domstate", "off"], ["domstate", "on", "--reason"], ["domid", "on"], ["domuuid", "off"],
    ["dumpxml", "off"], ["dumpxml", "on", "--inactive"], ["uri"], ["version"], ["hostname"], ["nodeinfo"], ["maxvcpus"],
    ["net-list", "--all"], ["domblklist", "on"], ["domiflist", "on"], ["vcpucount", "off"], ["domjobinfo", "off"],
    ["cpu-models", "x86_64"], ["desc", "off"], ["desc", "off", "--title"], ["desc", "on"], ["domname", "missing"], ["dominfo", "missing"], ["domstate"],
    ["attach-disk", "off", "/images/a", "vdb", "--subdriver", "qcow2", "--cache", "none", "--serial", "S1", "--config", "--print-xml"],
    ["attach-disk", "off", "", "sda", "--type", "cdrom", "--mode", "readonly", "--print-xml"],
    ["attach-interface", "off", "bridge", "br0", "--model", "virtio", "--mac", "52:54:00:00:00:01", "--print-xml"],
    *(["attach-disk", "off", "/images/a", *words.split(), "--print-xml"] for words in (
        "vdb --address pci:0000.00.05.0 --multifunction", "vdb --address pci:0x0000.0x00.0x1f.0x1", "vdb --address ccw:0xfe.0.0x0001",
        "sda --address scsi:0.1.2", "sda --address usb:1.2", "sda --address sata:0.0.3", "hda --address ide:0.1.2", "sda --address ide:0.1.2",
        "hda --address sata:0.0.3", "vdb --address scsi:0.0.1", "vdb --address bogus", "vdb --address pci:1", "sda --address scsi:0.1.x",
        "vdb --sourcetype network --source-protocol nbd", "vdb --source-protocol rbd --source-host-name h:6789 --source-host-transport tcp",
        "vdb --source-protocol nbd --source-host-socket /s --source-host-transport unix", "vdb --source-host-name h",
        "vdb --source-protocol nbd --source-host-socket /s", "vdb --sourcetype file --source-protocol nbd", "vdb --sourcetype network",
        "vdb --sourcetype bogus", "vdb virtio qemu raw 1 none native disk readonly file S1 5000c50015ea71ac ua-x pci:0.0.5.0")),
    *(["attach-interface", "off", *words.split(), "--print-xml"] for words in (
        "network default --inbound 100,200,300 --outbound 50", "network default --inbound 1,2,3,4", "network d --inbound ,,,4",
        "network d --inbound 1,", "network d --inbound ,", "network d --inbound x", "network d --outbound 1,2", "network d --outbound ,,,4",
        "network d --inbound 1,2,3,4,5", "network d --inbound -1", "network d --managed", "bridge br0 --script /x", "direct eth0",
        "direct eth0 --source-mode vepa", "hostdev 0000:00:1f.2 --managed", "hostdev bogus", "vhostuser /s --source-mode server", "vhostuser /s",
        "hostdev 0000:00:1f.2 --mac 52:54:00:00:00:01 --model virtio --target t --alias ua-x --script /s --inbound 1")),
    ["attach-disk", "off", "/images/a", "vdb"], ["detach-disk", "off", "vdb", "--config"], ["detach-interface", "off", "network", "--config"],
    ["attach-device", "off", "/absent/file"], ["detach-device-alias", "on", "ua-absent", "--live"], ["change-media", "off", "sda", "--eject"],
    ["domif-getlink", "on", "vnet7"], ["attach-interface", "off", "carrier-pigeon", "x"],
]


@pytest.fixture
def both(daemon, conn, guest):
    if not (BUILD / "bin/domus").exists():
        pytest.skip("domus is not built")
    conn.defineXML(guest("off"))
    conn.createXML(guest("on", memory=32, extra="<description>some words</description>"), 1)
    yield daemon
    conn.lookupByName("on").destroy()


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_reads_as_virsh_does(both, arguments):
    theirs = both.virsh(*arguments, check=False)
    ours = both.domus(*arguments, check=False)
    assert ours.out == theirs.out
    assert ours.code == theirs.code
    if theirs.code:
        assert ours.err.splitlines()[0] == theirs.err.splitlines()[0]


def test_a_life_in_virshs_words(both, guest, scratch):
    (scratch / "life.xml").write_text(guest("life", memory=32))

    def says(*arguments):
        return both.domus(*arguments).out.strip()

    assert says("define", scratch / "life.xml") == f"Domain 'life' defined from {scratch}/life.xml"
    assert says("start", "life", "--paused") == "Domain 'life' started"
    assert says("domstate", "life") == "paused"
    assert says("resume", "life") == "Domain 'life' resumed"
    assert says("suspend", "life") == "Domain 'life' suspended"
    assert says("destroy", "life") == "Domain 'life' destroyed"
    assert says("autostart", "life") == "Domain 'life' marked as autostarted"
    assert says("undefine", "life") == "Domain 'life' has been undefined"


def test_json_is_one_document_for_results_and_errors(both):
    listed = json.loads(both.domus("--json", "list", "--all").out)
    assert {entry["name"]: entry["state"] for entry in listed} == {"on": "paused", "off": "shut off"}
    failed = both.domus("--json", "start", "missing", check=False)
    assert failed.code == 1 and failed.out == ""
    assert json.loads(failed.err)["error"]["code"] == 42


def test_errors_end_in_a_hint(both):
    failed = both.domus("start", "missing", check=False)
    assert failed.err.splitlines()[-1].startswith("hint: ") or "hint: " in failed.err


def test_waiting(both):
    assert both.domus("wait", "on", "--for", "shutdown", "--timeout", "1", check=False).code == 1
    assert both.domus("wait", "off", "--for", "shutdown", "--timeout", "1").code == 0


def test_help_names_every_command_and_the_manual_is_made(both):
    text = run(BUILD / "bin/domus", "help").out
    for name in ("list", "start", "wait", "doctor", "net-list", "event"):
        assert name in text
        assert name in run(BUILD / "bin/domus", "help", name).out
    assert "NAME" in run(BUILD / "bin/domus", "__manual").out.upper()


def test_several_commands_in_one_line_and_from_a_pipe(both):
    assert both.domus("domstate off; domstate on").out.split() == ["shut", "off", "paused"]
    shell = both.domus(input="domstate on\nquit\n")
    assert "paused" in shell.out
