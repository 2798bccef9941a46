"""Names that are hard for files, sockets and programs: whatever is accepted works, and is found again after a restart."""
import os

import libvirt
import pytest

from harness.calls import refused

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="networks need root")
PAUSED = libvirt.VIR_DOMAIN_START_PAUSED
# A cut at 20 or 200 bytes would be inside a character; the rest means something to shells, dnsmasq or QEMU.
NAMES = ["工作站一号机器备份测试用的虚拟机", "ääääääääääääääääääääää", "a" + "\U0001f600" * 49, "x" * 200, "-rf", "a b #c", 'q"u\\o\'te,d=1',
         ".hidden", "tab\tbed", "%s%n{}", "x.xml", "x.xml.broken", "$(id)"]
REFUSED = ["", " ", ".", "..", "a/b", "/", "two\nlines", "y" * 201, "ä" * 101]


def escaped(name):
    return name.replace("&", "&amp;").replace("<", "&lt;")


def network_xml(index, name):
    return (f"<network><name>{escaped(name)}</name><bridge name='nbr{index}'/><ip address='10.88.{index}.1' prefix='24'>"
            f"<dhcp><range start='10.88.{index}.2' end='10.88.{index}.9'/></dhcp></ip></network>")


def pool_xml(folder, name):
    return f"<pool type='dir'><name>{escaped(name)}</name><target><path>{folder}</path></target></pool>"


def test_objects_of_any_accepted_name_outlive_the_daemon(daemon, conn, guest, scratch, _event_loop):
    for index, name in enumerate(NAMES):
        folder = scratch / str(index)
        folder.mkdir()
        conn.networkDefineXML(network_xml(index, name)).create()
        conn.storagePoolDefineXML(pool_xml(folder, name)).create()
        domain = conn.defineXML(guest(name, memory=32))
        if index < 7:
            domain.createWithFlags(PAUSED)
        (folder / "plain").touch()
        (folder.joinpath(os.fsdecode(b"not-\xff-utf8"))).touch()
    ids = {domain.name(): domain.ID() for domain in conn.listAllDomains()}
    assert set(ids) == set(NAMES)
    daemon.kill()
    daemon.start()
    again = libvirt.open(daemon.uri)
    assert {domain.name(): domain.ID() for domain in again.listAllDomains()} == ids
    assert {network.name() for network in again.listAllNetworks() if network.isActive()} == set(NAMES)
    for name in NAMES:
        pool = again.storagePoolLookupByName(name)
        if not pool.isActive():
            pool.create()
        assert pool.listVolumes() == ["plain"]
    for domain in again.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE):
        domain.destroy()
    for network in again.listAllNetworks():
        network.destroy()
    again.close()


def test_names_that_no_file_can_have_are_refused(conn, guest, scratch):
    for name in REFUSED:
        for define, xml in ((conn.networkDefineXML, network_xml(1, name)),
                            (conn.storagePoolDefineXML, pool_xml(scratch, name)),
                            (conn.defineXML, guest(name))):
            with pytest.raises(libvirt.libvirtError):
                define(xml)
    assert conn.listAllDomains() == [] and conn.listAllNetworks() == []


def test_an_error_quotes_whole_characters(conn, guest):
    long = "中" * 60
    said = refused(libvirt.VIR_ERR_XML_ERROR, conn.defineXML, guest("d").replace("<vcpu>1<", f"<vcpu>{long}<"))
    assert "中" in said and "\ufffd" not in said
