"""Statistics of single disks and interfaces, the host's interfaces, and the command that a definition becomes."""
import subprocess
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.guest import GuestShell
from harness.wait import wait_until


def test_a_disk_counts_what_the_guest_reads(conn, guest, shell_of, scratch):
    image = scratch / "one.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "32M"], check=True)
    domain = conn.createXML(guest("disk", disks=[image]))
    shell = shell_of("disk")
    before = domain.blockStats("vda")
    shell.run("dd if=/dev/vda of=/dev/null bs=1M count=4; dd if=/dev/zero of=/dev/vda bs=1M count=2 conv=fsync")
    wait_until(lambda: domain.blockStats("vda")[3] - before[3] >= 2 << 20, "no bytes were counted as written")
    after = domain.blockStatsFlags(str(image))
    assert after["rd_bytes"] - before[1] >= 4 << 20 and after["wr_bytes"] >= 2 << 20 and "flush_operations" in after
    assert domain.blockStatsFlags("")["wr_bytes"] == domain.blockStatsFlags("vda")["wr_bytes"]
    capacity, allocation, physical = domain.blockInfo("vda")
    assert capacity == 32 << 20 and allocation == image.stat().st_blocks * 512 and physical == image.stat().st_size
    for call in (domain.blockStats, domain.blockInfo):
        with pytest.raises(libvirt.libvirtError) as error:
            call("vdz")
        assert error.value.get_error_code() == libvirt.VIR_ERR_INVALID_ARG
    assert domain.diskErrors() == {}


def test_an_interface_counts_what_the_guest_sends(make_daemon, guest, terminal, _event_loop):
    daemon = make_daemon(default_network=True)
    conn = libvirt.open(daemon.uri)
    domain = conn.createXML(guest("nic", networks=["default"]))
    GuestShell(terminal("virsh", "-c", daemon.uri, "console", "nic", "--force")).wait_up()
    tap = ET.fromstring(domain.XMLDesc()).find("devices/interface/target").get("dev")
    wait_until(lambda: domain.interfaceStats(tap)[4] > 0, "nothing was sent")
    with pytest.raises(libvirt.libvirtError) as error:
        domain.interfaceStats("vnet77")
    assert error.value.get_error_code() == libvirt.VIR_ERR_INVALID_ARG
    assert tap in {each.name() for each in conn.listAllInterfaces()}
    bridge = conn.interfaceLookupByName("virbr0")
    assert bridge.isActive() and [port.get("name") for port in ET.fromstring(bridge.XMLDesc()).findall("bridge/interface")] == [tap]
    assert conn.interfaceLookupByMACString(bridge.MACString()).name() == "virbr0"
    domain.destroy()
    conn.close()


def test_the_hosts_interfaces(conn, virsh):
    assert [(each.name(), each.isActive()) for each in conn.listAllInterfaces()] == [("lo", 1)]
    assert conn.listInterfaces() == ["lo"] and conn.listDefinedInterfaces() == []
    assert ET.fromstring(virsh("iface-dumpxml", "lo").out).find("mac").get("address") == "00:00:00:00:00:00"
    assert "couldn't find" in virsh("iface-dumpxml", "absent", check=False).err


def test_the_command_of_a_definition(virsh, guest, scratch):
    (scratch / "argv.xml").write_text(guest("argv", disks=["/images/a.qcow2"]))
    command = virsh("domxml-to-native", "qemu-argv", scratch / "argv.xml").out
    assert "/usr/bin/qemu-system-x86_64" in command and "guest=argv" in command and "/images/a.qcow2" in command
    assert virsh("domxml-to-native", "vmware-vmx", scratch / "argv.xml", check=False).code == 1
    assert virsh("list", "--all", "--name").out.split() == []


def test_the_balloon_tells_what_the_guest_has(conn, guest, shell_of):
    quiet = conn.createXML(guest("quiet", memory=64, devices="<memballoon model='virtio'/>"), libvirt.VIR_DOMAIN_START_PAUSED)
    statistics = quiet.memoryStats()
    assert statistics["actual"] == 64 * 1024 and statistics["last_update"] == 0 and statistics["rss"] > 0
    assert "unused" not in statistics  # nobody asked the guest
    domain = conn.createXML(guest("telling", memory=128, devices="<memballoon model='virtio'><stats period='1'/></memballoon>"))
    shell_of("telling")
    wait_until(lambda: domain.memoryStats().get("unused"), "the guest told nothing of its memory")
    statistics = domain.memoryStats()
    assert 0 < statistics["unused"] < statistics["available"] < 128 * 1024 and statistics["last_update"] > 0
    quiet.setMemoryStatsPeriod(1, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    assert "<stats period='1'/>" in quiet.XMLDesc()
    domain.setMemory(100 * 1024)
    wait_until(lambda: domain.memoryStats()["actual"] == 100 * 1024, "the balloon was not seen to grow")
    assert {d.name(): s["balloon.current"] for d, s in conn.getAllDomainStats()} == {"quiet": 64 * 1024, "telling": 100 * 1024}


def test_the_period_of_its_statistics_is_changed(conn, virsh, domus, guest, shell_of):
    domain = conn.defineXML(guest("later", memory=128, devices="<memballoon model='virtio'><stats period='5'/></memballoon>"))
    virsh("dommemstat", "later", "--period", "0", "--config")
    assert "<stats" not in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    domain.create()
    shell_of("later")
    assert "unused" not in domain.memoryStats()
    domus("dommemstat", "later", "--period", "1", "--live")
    wait_until(lambda: domain.memoryStats().get("unused"), "the guest is not asked")
    assert "<stats period='1'/>" in domain.XMLDesc() and "<stats" not in domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
    virsh("dommemstat", "later", "--period", "7", "--live", "--config")
    assert all("<stats period='7'/>" in domain.XMLDesc(flags) for flags in (0, libvirt.VIR_DOMAIN_XML_INACTIVE))
    domain.destroy()
    none = conn.defineXML(guest("none", devices="<memballoon model='none'/>"))
    for call, code in ((lambda: none.setMemoryStatsPeriod(1), libvirt.VIR_ERR_OPERATION_INVALID),
                       (lambda: domain.setMemoryStatsPeriod(1, libvirt.VIR_DOMAIN_AFFECT_LIVE), libvirt.VIR_ERR_OPERATION_INVALID),
                       (lambda: domain.setMemoryStatsPeriod(1, 4), libvirt.VIR_ERR_INVALID_ARG)):
        with pytest.raises(libvirt.libvirtError) as refused:
            call()
        assert refused.value.get_error_code() == code, refused.value
