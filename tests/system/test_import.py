"""`domus import` on a folder as libvirtd keeps it."""
import json
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
