"""What of a domain clients look at and change, beside its life."""
import os
import subprocess

import libvirt
import pytest

from harness.wait import wait_until

PAUSED = libvirt.VIR_DOMAIN_START_PAUSED
URI = "urn:example:app"


def test_title_description_and_metadata(conn, guest):
    domain = conn.defineXML(guest("meta"))
    with pytest.raises(libvirt.libvirtError) as caught:
        domain.metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None)
    assert caught.value.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_METADATA
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "a title", None, None)
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, "it's <described>", None, None)
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, "<app>one</app>", "x", URI)
    assert domain.metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None) == "a title"
    assert domain.metadata(libvirt.VIR_DOMAIN_METADATA_DESCRIPTION, None) == "it's <described>"
    assert domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, URI) == "<app>one</app>"
    assert "a title" in domain.XMLDesc(0)


@pytest.mark.parametrize("given, kept, told", [
    ("<app a='1'><b/>text</app>", "<x:app xmlns:x='urn:example:app' a='1'><x:b/>text</x:app>", "<app a='1'><b/>text</app>"),
    ("<app xmlns='urn:example:app'><b/></app>", "<x:app xmlns:x='urn:example:app'><x:b/></x:app>", "<app><b/></app>"),
    ("<app><y:c xmlns:y='urn:else'><d/></y:c></app>", "<x:app xmlns:x='urn:example:app'><y:c xmlns:y='urn:else'><x:d/></y:c></x:app>",
     "<app><y:c xmlns:y='urn:else'><d/></y:c></app>"),
    ("<app><c xmlns='urn:else'><d/></c></app>", "<x:app xmlns:x='urn:example:app'><c xmlns='urn:else'><d/></c></x:app>",
     "<app><c xmlns='urn:else'><d/></c></app>"),
])
def test_metadata_lie_in_their_namespace_and_are_told_without(conn, guest, given, kept, told):
    domain = conn.defineXML(guest("meta"))
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, given, "x", URI)
    plain = lambda text: text.replace(" />", "/>")
    assert kept in plain(domain.XMLDesc())
    assert plain(domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, URI)) == told


def test_rename_autostart_and_undefine(conn, guest, virsh):
    domain = conn.defineXML(guest("before"))
    conn.defineXML(guest("taken"))
    with pytest.raises(libvirt.libvirtError, match="already exists"):
        domain.rename("taken", 0)
    domain.rename("after", 0)
    assert sorted(each.name() for each in conn.listAllDomains()) == ["after", "taken"]
    virsh("autostart", "after")
    assert conn.lookupByName("after").autostart() == 1
    virsh("undefine", "after")
    assert [each.name() for each in conn.listAllDomains()] == ["taken"]


def test_a_name_or_uuid_that_is_taken_is_refused_in_words(conn, guest):
    first = conn.defineXML(guest("one"))
    with pytest.raises(libvirt.libvirtError, match="already exists with uuid"):
        conn.defineXML(guest("one", uuid="11111111-2222-3333-4444-555555555555"))
    with pytest.raises(libvirt.libvirtError, match="already defined with uuid"):
        conn.defineXML(guest("two", uuid=first.UUIDString()))
    again = conn.defineXML(guest("one", uuid=first.UUIDString(), memory=64))
    assert again.maxMemory() == 64 * 1024


def test_a_transient_domain_becomes_persistent_while_it_runs(conn, guest):
    domain = conn.createXML(guest("vi", memory=32), PAUSED)
    assert not domain.isPersistent()
    before = domain.ID()
    again = conn.defineXML(guest("vi", memory=32, uuid=domain.UUIDString()))
    assert again.ID() == before and domain.isPersistent()
    domain.destroy()
    assert conn.lookupByName("vi").state()[0] == libvirt.VIR_DOMAIN_SHUTOFF


def test_live_and_inactive_xml(conn, guest):
    xml = guest("xml", memory=32, devices="<graphics type='vnc' passwd='hidden' autoport='yes'/>")
    domain = conn.defineXML(xml)
    inactive = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    assert "hidden" not in inactive and "port='-1'" in inactive and "<alias" not in inactive
    assert "hidden" in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    domain.createWithFlags(PAUSED)
    live = domain.XMLDesc(0)
    assert f"id='{domain.ID()}'" in live and "<alias name='serial0'/>" in live
    assert "/dev/pts/" in live and "port='59" in live and "hidden" not in live
    assert domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE) == inactive
    domain.destroy()
    assert domain.XMLDesc(0) == inactive


def test_memory_and_vcpus_are_judged(conn, guest):
    domain = conn.defineXML(guest("mem", memory=64, vcpus=2))
    domain.setMemoryFlags(48 * 1024, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    assert domain.info()[2] == 48 * 1024
    with pytest.raises(libvirt.libvirtError, match="higher than max memory"):
        domain.setMemoryFlags(128 * 1024, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    domain.setVcpusFlags(1, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    assert domain.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_CONFIG) == 1
    assert domain.vcpusFlags(libvirt.VIR_DOMAIN_AFFECT_CONFIG | libvirt.VIR_DOMAIN_VCPU_MAXIMUM) == 2
    with pytest.raises(libvirt.libvirtError, match="greater than max allowable"):
        domain.setVcpusFlags(3, libvirt.VIR_DOMAIN_AFFECT_CONFIG)


def test_autodestroy_ends_with_its_connection(daemon, conn, guest):
    other = libvirt.open(daemon.uri)
    other.createXML(guest("auto", memory=32), PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY)
    assert len(conn.listAllDomains()) == 1
    other.close()
    wait_until(lambda: conn.listAllDomains() == [], "it still runs")


def test_a_screenshot_is_a_picture(conn, virsh, guest, scratch):
    domain = conn.createXML(guest("shot", memory=32, devices="<graphics type='vnc'/>"), PAUSED)
    virsh("screenshot", "shot", "--file", scratch / "shot.ppm")
    assert (scratch / "shot.ppm").read_bytes().startswith(b"P6")
    domain.destroy()


def test_disks_are_counted_and_named(conn, guest, scratch):
    image = scratch / "d.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "16M"], check=True)
    domain = conn.createXML(guest("disk", disks=[image]))
    [(_, statistics)] = conn.domainListGetStats([domain])
    assert statistics["block.count"] == 1
    assert statistics["block.0.name"] == "vda"
    assert statistics["block.0.path"] == str(image)
    assert "block.0.rd.reqs" in statistics and "vcpu.0.time" in statistics
    domain.destroy()


def test_uefi_variables_are_reset_only_when_asked(daemon, conn, guest):
    if not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
        pytest.skip("no UEFI firmware")
    domain = conn.defineXML(guest("uefi", memory=64).replace("<os>", "<os firmware='efi'>"))
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    domain.destroy()
    variables = daemon.root / "var/lib/domus/qemu/nvram/uefi_VARS.fd"
    first = variables.read_bytes()
    changed = first[:1000] + b"changed" + first[1007:]
    variables.write_bytes(changed)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    domain.destroy()
    assert variables.read_bytes() == changed
    daemon.domus("start", "uefi", "--paused", "--reset-nvram")
    assert domain.isActive() and variables.read_bytes() == first
    domain.destroy()


def test_a_log_is_removed_only_when_asked(daemon, conn, guest):
    domain = conn.defineXML(guest("web", memory=32))
    log = daemon.root / "var/log/domus/qemu/web.log"
    for option in ([], ["--remove-logs"]):
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        daemon.virsh("destroy", "web", *option)
        assert log.exists() == (not option)


def test_memory_is_not_changed_without_a_balloon(daemon, conn, guest):
    domain = conn.defineXML(guest("rigid", memory=64, devices="<memballoon model='none'/>"))
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    done = daemon.virsh("setmem", "rigid", "32M", "--live", check=False)
    assert done.code == 1 and "without the balloon device" in done.err
    assert domain.info()[1:3] == [65536, 65536] and "<currentMemory unit='KiB'>65536<" in domain.XMLDesc()
    daemon.virsh("setmem", "rigid", "32M", "--config")
    assert domain.info()[2] == 65536, "it has its memory until it is started anew"
    domain.destroy()


def test_uefi_has_variables_of_its_own_and_they_go_only_when_asked(daemon, conn, guest):
    if not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
        pytest.skip("the package ovmf is not installed")
    xml = guest("uefi", memory=64).replace("<os>", "<os firmware='efi'>")
    domain = conn.defineXML(xml)
    domain.createWithFlags(PAUSED)
    variables = daemon.root / "var/lib/domus/qemu/nvram/uefi_VARS.fd"
    assert variables.exists()
    assert str(variables) in domain.XMLDesc(0)
    domain.destroy()
    with pytest.raises(libvirt.libvirtError, match="nvram"):
        domain.undefine()
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    assert not variables.exists()


def test_the_agent_shuts_a_guest_down(conn, guest, event_log):
    domain = conn.createXML(guest("agent", memory=128, agent=True))
    wait_until(lambda: "state='connected'" in domain.XMLDesc(0), "the agent does not answer")
    domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
    event_log.wait_for("agent", libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN)


def test_the_host_is_described(conn, virsh):
    assert conn.getType() == "QEMU" and conn.getVersion() >= 7_000_000
    assert "<domain type='qemu'/>" in conn.getCapabilities().replace('"', "'").replace(" />", "/>")
    assert "pc-q35" in conn.getDomainCapabilities(None, "x86_64", "q35", "qemu")
    with pytest.raises(libvirt.libvirtError, match="does not support machine type"):
        conn.getDomainCapabilities(None, "x86_64", "nothing", "qemu")
    assert conn.getInfo()[2] == os.cpu_count()
    assert set(conn.getCPUStats(libvirt.VIR_NODE_CPU_STATS_ALL_CPUS)) == {"kernel", "user", "idle", "iowait"}
    assert conn.getFreeMemory() > 0
    assert "qemu64" in conn.getCPUModelNames("x86_64")
    assert "Total" in virsh("freecell").out


def test_uefi_variables_go_along_with_a_new_name(daemon, conn, guest):
    if not os.path.exists("/usr/share/OVMF/OVMF_CODE_4M.fd"):
        pytest.skip("no UEFI firmware")
    domain = conn.defineXML(guest("uefi", memory=64).replace("<os>", "<os firmware='efi'>"))
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    domain.destroy()
    folder = daemon.root / "var/lib/domus/qemu/nvram"
    before = (folder / "uefi_VARS.fd").stat().st_ino
    domain.rename("renamed")
    assert [(path.name, path.stat().st_ino) for path in folder.iterdir()] == [("renamed_VARS.fd", before)]
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    domain.destroy()
    with pytest.raises(libvirt.libvirtError, match="nvram"):
        domain.undefine()
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_NVRAM)
    assert list(folder.iterdir()) == []
