"""Clients that change the same domain at the same time."""
import os
import signal
import struct
import time

import libvirt
import pytest

from harness.calls import Outcome, refused
from harness.events import EventLog
from harness.hung import storage
from harness.raw import at_once, opened, packet, string
from harness.wait import wait_until

CREATE, CREATE_XML, DEFINE_XML, UNDEFINE, SET_AUTOSTART, RENAME = 9, 10, 11, 35, 29, 358


@pytest.fixture
def web(conn, guest):
    """A domain that is defined: its XML, and how the protocol calls it."""
    xml = guest("web", memory=32, uuid="11111111-2222-4333-8444-555555555555")
    domain = conn.defineXML(xml)
    return xml, string("web") + domain.UUID() + struct.pack(">i", -1)


@pytest.mark.parametrize("procedure, more", [(CREATE, b""), (UNDEFINE, b""), (SET_AUTOSTART, struct.pack(">i", 1)),
                                             (RENAME, struct.pack(">I", 1) + string("other") + struct.pack(">I", 0))],
                         ids=["start", "undefine", "autostart", "rename"])
def test_one_that_is_undefined_takes_nothing_more(daemon, conn, web, procedure, more):
    _, ref = web
    assert at_once(daemon, (UNDEFINE, ref), (procedure, ref + more)) == [True, False]
    assert conn.listAllDomains() == []
    daemon.restart()
    again = libvirt.open(daemon.uri)
    assert again.listAllDomains() == []
    again.close()


def test_one_that_is_defined_while_it_is_undefined_is_there(daemon, conn, web):
    xml, ref = web
    assert at_once(daemon, (UNDEFINE, ref), (DEFINE_XML, string(xml))) == [True, True]
    conn.lookupByName("web").setAutostart(True)
    daemon.restart()
    again = libvirt.open(daemon.uri)
    domain = again.lookupByName("web")
    assert domain.autostart()
    wait_until(domain.isActive, "it is not started")
    domain.destroy()
    again.close()


def test_one_that_is_defined_while_its_start_fails_is_kept(daemon, conn, guest):
    broken = guest("web", memory=32, disks=["/nowhere/disk.raw"], uuid="11111111-2222-4333-8444-555555555555")
    create = (CREATE_XML, string(broken) + struct.pack(">I", 0))
    assert at_once(daemon, create, (DEFINE_XML, string(broken))) == [False, True]
    domain = conn.lookupByName("web")
    assert domain.isPersistent() and not domain.isActive()
    domain.undefine()


def test_one_that_ends_while_it_is_defined_is_kept(daemon, conn, guest):
    for attempt in range(12):
        xml = guest(f"web{attempt}", memory=32)
        domain = conn.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
        [pid] = daemon.pids_of(f"guest=web{attempt},")
        os.kill(pid, signal.SIGKILL)
        time.sleep(attempt / 2000)  # it is found dead before, in the middle, or after
        conn.defineXML(xml.replace("<name>", f"<uuid>{domain.UUIDString()}</uuid><name>"))
        wait_until(lambda: not conn.lookupByName(f"web{attempt}").isActive(), "it does not end")
        assert conn.lookupByName(f"web{attempt}").isPersistent()
    daemon.restart()
    again = libvirt.open(daemon.uri)
    assert len(again.listAllDomains()) == 12
    again.close()


def test_one_that_has_ended_and_is_not_yet_defined_is_not_found(daemon, conn, guest, scratch):
    events = EventLog(conn)
    xml = guest("web", memory=32, uuid="11111111-2222-4333-8444-555555555555")
    domain = conn.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
    with storage(daemon.sandbox, scratch / "slow") as slow:
        (scratch / "slow.behind/old.xml").write_text("<domain/>")
        (daemon.root / "etc/domus/qemu/web.xml").symlink_to(slow.folder / "old.xml")
        slow.hang()
        definition = Outcome(daemon, lambda connection: connection.defineXML(xml))  # it waits for what lies under that name
        wait_until(lambda: domain.controlInfo()[0] == libvirt.VIR_DOMAIN_CONTROL_JOB, "it is not being defined")
        [pid] = daemon.pids_of("guest=web,")
        os.kill(pid, signal.SIGKILL)
        events.wait_for("web", libvirt.VIR_DOMAIN_EVENT_STOPPED)
        for call in (domain.maxMemory, domain.XMLDesc, lambda: domain.blockResize("/nowhere", 1)):
            refused(libvirt.VIR_ERR_NO_DOMAIN, call)
        assert conn.listAllDomains() == [] and conn.getAllDomainStats() == []
        slow.go_on()
        assert definition.wait() is None
    assert conn.lookupByName("web").isPersistent()


def test_one_that_is_renamed_is_not_defined_by_its_old_name(daemon, conn, web):
    xml, ref = web
    rename = (RENAME, ref + struct.pack(">I", 1) + string("other") + struct.pack(">I", 0))
    assert at_once(daemon, rename, (DEFINE_XML, string(xml))) == [True, False]
    assert [domain.name() for domain in conn.listAllDomains()] == ["other"]
    daemon.restart()
    again = libvirt.open(daemon.uri)
    assert [domain.name() for domain in again.listAllDomains()] == ["other"]
    again.close()


def test_one_that_dies_while_it_is_saved_is_gone(daemon, conn, guest):
    for attempt in range(16):
        domain = conn.createXML(guest(f"web{attempt}", memory=32), libvirt.VIR_DOMAIN_START_PAUSED)
        [pid] = daemon.pids_of(f"guest=web{attempt},")
        image = daemon.root / f"web{attempt}.save"
        os.kill(pid, signal.SIGKILL)
        time.sleep(attempt / 4000)  # it is found dead before, in the middle, or after
        with pytest.raises(libvirt.libvirtError):
            domain.save(str(image))
        wait_until(lambda: conn.listAllDomains() == [], "it does not end")
        assert not image.exists()
    assert list((daemon.root / "run/domus/qemu").glob("*.xml")) == []


def test_one_that_ends_with_its_snapshots_takes_nothing_more(daemon, conn, guest):
    for attempt in range(4):
        domain = conn.createXML(guest("web", memory=32), libvirt.VIR_DOMAIN_START_PAUSED)
        known = f"<domain type='qemu'><name>web</name><uuid>{domain.UUIDString()}</uuid><memory>1</memory><os><type>hvm</type></os></domain>"
        for number in range(60):  # their files take a moment to go
            domain.snapshotCreateXML(f"<domainsnapshot><name>s{number}</name><state>shutoff</state>{known}</domainsnapshot>",
                                     libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
        [pid] = daemon.pids_of("guest=web,")
        os.kill(pid, signal.SIGKILL)
        calls = [(domain.create, ()), (domain.rename, (f"other{attempt}",)), (domain.snapshotCreateXML, ("<domainsnapshot/>",))]
        while conn.listAllDomains():
            for call, arguments in calls:
                with pytest.raises(libvirt.libvirtError):
                    call(*arguments)
        assert not (daemon.root / "var/lib/domus/qemu/snapshot/web").exists()


def test_one_whose_client_leaves_while_it_starts_ends(daemon, conn, guest):
    events = EventLog(conn)
    flags = libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY
    names = [f"web{attempt}" for attempt in range(4)]
    for name in names:
        client = opened(daemon)
        client.sendall(packet(CREATE_XML, string(guest(name, memory=32)) + struct.pack(">I", flags)))
        client.close()
    for name in names:
        events.wait_for(name, libvirt.VIR_DOMAIN_EVENT_STOPPED)
    wait_until(lambda: conn.listAllDomains() == [], "they do not end")
