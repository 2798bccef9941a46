"""`domus import` on a folder as libvirtd keeps it."""
import json
import os
import xml.etree.ElementTree as ET

import pytest

from harness.guest import guest_xml

HEADER = "<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE\nOVERWRITTEN AND LOST.\n-->\n\n"
UUIDS = {"web": "6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b01", "db": "6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b02"}
SECRET = "6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b05"


@pytest.fixture
def kept(scratch):
    """Two domains, a network, a pool; 'web', the network and the pool start with the host; and what is not taken over."""
    etc = scratch / "libvirt"
    for folder in ("qemu/autostart", "qemu/networks/autostart", "storage/autostart", "secrets"):
        (etc / folder).mkdir(parents=True)
    for name, uuid in UUIDS.items():
        (etc / f"qemu/{name}.xml").write_text(HEADER + guest_xml(name, uuid=uuid))
    (etc / "qemu/networks/lan.xml").write_text(HEADER + "<network><name>lan</name><uuid>6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b03</uuid><bridge name='virbr7'/>"
                                               "<ip address='192.168.77.1' netmask='255.255.255.0'/></network>")
    (etc / "storage/images.xml").write_text(HEADER + f"<pool type='dir'><name>images</name><uuid>6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b04</uuid><target><path>{scratch}</path></target></pool>")
    (etc / f"secrets/{SECRET}.xml").write_text(HEADER + f"<secret ephemeral='no' private='no'><uuid>{SECRET}</uuid><usage type='volume'>"
                                               "<volume>/images/one</volume></usage></secret>")
    (etc / f"secrets/{SECRET}.base64").write_text("b3BlbiBzZXNhbWU=")
    (etc / "nwfilter").mkdir()
    (etc / "nwfilter/clean.xml").write_text(HEADER + "<filter name='clean'/>")
    for link in ("qemu/{}/web.xml", "qemu/networks/{}/lan.xml", "storage/{}/images.xml"):
        (etc / link.format("autostart")).symlink_to(etc / link.format("."))
    return etc


def results(done):
    return {(each["kind"], each["name"]): each["result"] for each in json.loads(done.out)}


def test_all_is_taken_over_once(domus, virsh, kept):
    before = {path: path.read_bytes() for path in kept.rglob("*.xml")}
    planned = domus("import", kept, "--dry-run", "--json")
    assert set(results(planned).values()) == {"would be imported"} and len(results(planned)) == 5
    assert virsh("list", "--all", "--name").out.split() == []
    done = domus("import", kept, "--json")
    assert set(results(done).values()) == {"imported"}
    assert "1 network filters" in done.err
    assert virsh("secret-get-value", SECRET).out.split()[0] == "b3BlbiBzZXNhbWU="
    assert {name: virsh("domuuid", name).out.strip() for name in UUIDS} == UUIDS
    assert "enable" in virsh("dominfo", "web").out and "enable" not in virsh("dominfo", "db").out.split("Autostart:")[1].splitlines()[0]
    assert "yes" in virsh("net-list", "--all").out and "yes" in virsh("pool-list", "--all").out
    assert {path: path.read_bytes() for path in kept.rglob("*.xml")} == before
    again = domus("import", kept, "--json")
    assert set(results(again).values()) == {"there already"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root copies what is another user's")
def test_what_a_tpm_keeps_comes_with_its_domain(daemon, domus, kept):
    xml = guest_xml("web", uuid=UUIDS["web"], devices="<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>")
    (kept / "qemu/web.xml").write_text(HEADER + xml)
    state = kept / "qemu/swtpm" / UUIDS["web"] / "tpm2"
    state.mkdir(parents=True)
    (state / "tpm2-00.permall").write_bytes(b"state")
    (state / "link").symlink_to("/etc/shadow")
    assert "with the state of its TPM" in domus("import", kept, "--root", daemon.root).out
    copy = daemon.root / "var/lib/domus/swtpm" / UUIDS["web"] / "tpm2"
    assert [path.name for path in copy.iterdir()] == ["tpm2-00.permall"] and copy.stat().st_mode & 0o777 == 0o700
    (state / "tpm2-00.permall").write_bytes(b"other")
    domus("import", kept, "--root", daemon.root, "--replace")
    assert (copy / "tpm2-00.permall").read_bytes() == b"state"


def test_what_differs_is_replaced_only_when_asked(domus, virsh, kept):
    domus("import", kept)
    file = kept / "qemu/db.xml"
    file.write_text(file.read_text().replace("<memory unit='MiB'>96", "<memory unit='MiB'>128"))
    domus("import", kept)
    memory = lambda: int(ET.fromstring(virsh("dumpxml", "db").out).findtext("memory"))
    assert memory() == 96 * 1024
    domus("import", kept, "--replace")
    assert memory() == 128 * 1024


def test_refusals_name_each_and_harm_no_other(domus, virsh, kept, scratch):
    (kept / "qemu/broken.xml").write_text("<domain><name>broken</na")
    (scratch / "other.xml").write_text(guest_xml("db", uuid="6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6bff"))
    virsh("define", scratch / "other.xml")
    done = domus("import", kept, "--json", check=False)
    assert done.code == 1
    found = results(done)
    assert found[("domain", "broken")] == found[("domain", "db")] == "refused"
    assert found[("domain", "web")] == found[("network", "lan")] == found[("pool", "images")] == "imported"
    assert virsh("domuuid", "db").out.strip().endswith("6bff")
    assert domus("import", scratch / "absent", check=False).code == 1


DEFAULT = "6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b07"
# As Debian's package has it, with what libvirtd adds at its first start.
DEBIAN_DEFAULT = (f"<network><name>default</name><uuid>{DEFAULT}</uuid><forward mode='nat'/><bridge name='virbr0' stp='on' delay='0'/>"
                  "<mac address='52:54:00:0a:cd:21'/><ip address='192.168.122.1' netmask='255.255.255.0'>"
                  "<dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>")


@pytest.fixture
def with_default(make_daemon, kept):
    """A daemon that made its own default network, as the first start on each host does, and libvirtd's beside it."""
    if os.geteuid() != 0:
        pytest.skip("networks need root")
    (kept / "qemu/networks/default.xml").write_text(HEADER + DEBIAN_DEFAULT)
    (kept / "qemu/networks/autostart/default.xml").symlink_to(kept / "qemu/networks/default.xml")
    return make_daemon(default_network=True)


def test_the_default_network_of_libvirtd_takes_the_place_of_ours(with_default, kept):
    daemon = with_default
    ours = daemon.virsh("net-uuid", "default").out.strip()
    planned = daemon.domus("import", kept, "--dry-run", "--json")
    assert results(planned)[("network", "default")] == "would be imported"
    assert daemon.virsh("net-uuid", "default").out.strip() == ours
    done = daemon.domus("import", kept, "--json")
    assert set(results(done).values()) == {"imported"}
    assert daemon.virsh("net-uuid", "default").out.strip() == DEFAULT
    network = ET.fromstring(daemon.virsh("net-dumpxml", "default").out)
    assert network.find("mac").get("address") == "52:54:00:0a:cd:21" and network.find("ip").get("address") == "192.168.122.1"
    line = daemon.virsh("net-list").out.splitlines()[2].split()
    assert line == ["default", "active", "yes", "yes"]
    assert results(daemon.domus("import", kept, "--json"))[("network", "default")] == "there already"


def test_a_default_network_that_was_changed_or_is_refused_keeps_ours(with_default, kept, scratch):
    daemon = with_default
    ours = daemon.virsh("net-uuid", "default").out.strip()
    file = kept / "qemu/networks/default.xml"
    file.write_text(DEBIAN_DEFAULT.replace("192.168.122.1'", "no address'"))
    for options in (["--dry-run"], []):
        done = daemon.domus("import", kept, "--json", *options, check=False)
        assert done.code == 1 and results(done)[("network", "default")] == "refused"
        assert daemon.virsh("net-uuid", "default").out.strip() == ours and "active" in daemon.virsh("net-list").out
    file.write_text(DEBIAN_DEFAULT)
    changed = ET.fromstring(daemon.virsh("net-dumpxml", "default").out)
    ET.SubElement(changed, "domain", name="example.org")
    (scratch / "changed.xml").write_text(ET.tostring(changed, encoding="unicode"))
    daemon.virsh("net-define", scratch / "changed.xml")
    daemon.virsh("net-destroy", "default")
    done = daemon.domus("import", kept, "--json", check=False)
    assert results(done)[("network", "default")] == "refused" and ours in done.out


def test_a_dry_run_finds_what_is_refused(domus, kept):
    (kept / "qemu/odd.xml").write_text(guest_xml("odd", uuid="6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b08").replace("machine='q35'", "machine='of-tomorrow'"))
    (kept / "qemu/ztwin.xml").write_text(guest_xml("ztwin", uuid=UUIDS["web"]))
    (kept / "qemu/networks/bad.xml").write_text("<network><name>bad</name><uuid>6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b09</uuid><bridge name='a name too long'/></network>")
    (kept / "storage/odd.xml").write_text("<pool type='tape'><name>odd</name><uuid>6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b0a</uuid></pool>")
    bad_value = "6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b0b"
    (kept / f"secrets/{bad_value}.xml").write_text(f"<secret><uuid>{bad_value}</uuid></secret>")
    (kept / f"secrets/{bad_value}.base64").write_text("?")
    planned, done = domus("import", kept, "--dry-run", "--json", check=False), domus("import", kept, "--json", check=False)
    assert planned.code == done.code == 1
    refused = {each for each, result in results(done).items() if result == "refused"}
    assert refused == {("domain", "odd"), ("domain", "ztwin"), ("network", "bad"), ("pool", "odd"), ("secret", bad_value)}
    assert {each for each, result in results(planned).items() if result == "refused"} == refused


def test_files_that_are_none_are_refused_one_by_one(domus, kept):
    os.mkfifo(kept / "qemu/fifo.xml")
    (kept / "qemu/loop.xml").symlink_to("loop.xml")
    (kept / "qemu/folder.xml").mkdir()
    (kept / "storage/empty.xml").write_text("")
    (kept / "qemu/networks/large.xml").write_text("<network/>" + " " * (17 << 20))
    os.mkfifo(kept / f"secrets/{SECRET}.fifo.xml")
    done = domus("import", kept, "--json", check=False, timeout=30)
    assert done.code == 1
    assert sum(result == "refused" for result in results(done).values()) == 6
    assert sum(result == "imported" for result in results(done).values()) == 5
