"""Snapshots inside the images of domains, running and stopped."""
import os
import re
import signal
import subprocess

import libvirt
import pytest

from harness.calls import Outcome
from harness.wait import wait_until


@pytest.fixture
def disk(scratch):
    path = scratch / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "64M"], check=True)
    return path


def tags(path):
    listed = subprocess.run(["qemu-img", "snapshot", "-U", "-l", path], check=True, capture_output=True, text=True).stdout
    return re.findall(r"^\d+\s+(\S+)", listed, re.M)


def test_a_running_guest_goes_back(daemon, conn, guest, disk, shell_of, event_log):
    domain = conn.defineXML(guest("web", disks=[disk]))
    domain.create()
    shell = shell_of("web")
    shell.run("echo first > /tmp/word; echo one | dd of=/dev/vda bs=512 conv=sync 2>/dev/null; sync")
    said = daemon.virsh("snapshot-create-as", "web", "s1", "what it is for").out
    assert "Domain snapshot s1 created" in said
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING and tags(disk) == ["s1"]
    shell.run("echo second > /tmp/word; echo two | dd of=/dev/vda bs=512 conv=sync 2>/dev/null; sync")
    daemon.virsh("snapshot-create-as", "web", "s2")
    assert re.search(r"s1\s+.*running\n s2\s+.*running", daemon.virsh("snapshot-list", "web").out)
    assert daemon.virsh("snapshot-current", "web", "--name").out.strip() == "s2"
    assert daemon.virsh("snapshot-parent", "web", "s2").out.strip() == "s1"
    daemon.virsh("snapshot-revert", "web", "s1")
    assert domain.state() == [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_FROM_SNAPSHOT]
    assert shell.run("cat /tmp/word; dd if=/dev/vda bs=512 count=1 2>/dev/null | head -c 3") == "first\none"
    assert daemon.virsh("snapshot-current", "web", "--name").out.strip() == "s1"
    # Into another state, and from nothing.
    daemon.virsh("snapshot-revert", "web", "s2", "--paused")
    assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    domain.destroy()
    daemon.virsh("snapshot-revert", "web", "s2")
    event_log.wait_for("web", libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_FROM_SNAPSHOT)
    assert shell_of("web").run("cat /tmp/word; dd if=/dev/vda bs=512 count=1 2>/dev/null | head -c 3") == "second\ntwo"
    daemon.virsh("snapshot-delete", "web", "s1")
    assert tags(disk) == ["s2"]
    assert daemon.virsh("snapshot-parent", "web", "s2", check=False).code == 1
    domain.destroy()
    daemon.virsh("snapshot-delete", "web", "s2")
    assert tags(disk) == [] and domain.snapshotNum() == 0
    assert not (daemon.root / "var/lib/domus/qemu/snapshot/web").exists()


def test_a_stopped_domain_goes_back(daemon, conn, guest, disk, scratch):
    def write(word):
        subprocess.run(["qemu-io", "-c", f"write -P {ord(word)} 0 512", disk], check=True, stdout=subprocess.DEVNULL)

    def holds(word):
        said = subprocess.run(["qemu-io", "-U", "-c", f"read -P {ord(word)} 0 512", disk], text=True, capture_output=True).stdout
        return "verification failed" not in said

    domain = conn.defineXML(guest("web", memory=32, disks=[disk]))
    write("a")
    first = domain.snapshotCreateXML("<domainsnapshot><name>a</name><description>d</description></domainsnapshot>")
    assert first.getName() == "a" and first.isCurrent() and first.hasMetadata()
    write("b")
    domain.snapshotCreateXML("<domainsnapshot><name>b</name></domainsnapshot>")
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, "changed since", None, None, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    domain.revertToSnapshot(first)
    assert holds("a") and not domain.isActive()
    with pytest.raises(libvirt.libvirtError):
        domain.metadata(libvirt.VIR_DOMAIN_METADATA_TITLE, None)
    # A running one is ended by it, and may be started after it.
    domain.create()
    domain.revertToSnapshot(domain.snapshotLookupByName("b"))
    assert domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_FROM_SNAPSHOT] and holds("b")
    domain.revertToSnapshot(first, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING)
    assert domain.isActive() and domain.snapshotCurrent().getName() == "a"
    domain.destroy()


def test_the_tree(daemon, conn, guest, disk):
    domain = conn.defineXML(guest("web", memory=32, disks=[disk]))
    for name in ("root", "left", "leaf"):
        domain.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>")
    domain.revertToSnapshot(domain.snapshotLookupByName("root"))
    domain.snapshotCreateXML("<domainsnapshot><name>right</name></domainsnapshot>")

    def names(of=domain, **options):
        listing = of.listAllSnapshots if of is domain else of.listAllChildren
        return [snapshot.getName() for snapshot in listing(**options)]

    root = domain.snapshotLookupByName("root")
    assert set(names()) == {"root", "left", "leaf", "right"} and names()[0] == "root"
    assert names(flags=libvirt.VIR_DOMAIN_SNAPSHOT_LIST_ROOTS) == ["root"]
    assert set(names(flags=libvirt.VIR_DOMAIN_SNAPSHOT_LIST_LEAVES)) == {"leaf", "right"}
    assert names(flags=libvirt.VIR_DOMAIN_SNAPSHOT_LIST_ACTIVE) == []
    assert set(names(root)) == {"left", "right"}
    assert set(names(root, flags=libvirt.VIR_DOMAIN_SNAPSHOT_LIST_DESCENDANTS)) == {"left", "leaf", "right"}
    daemon.restart()
    again = libvirt.open(daemon.uri)
    domain = again.lookupByName("web")
    assert domain.snapshotCurrent().getName() == "right"
    assert domain.snapshotLookupByName("leaf").getParent().getName() == "left"
    assert daemon.virsh("list", "--all", "--with-snapshot", "--name").out.split() == ["web"]
    # What is known of them may be changed, but a part of one never lost with the domain.
    xml = domain.snapshotLookupByName("leaf").getXMLDesc().replace("</name>", "</name><description>new</description>", 1)
    domain.snapshotCreateXML(xml, libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE)
    assert "<description>new</description>" in domain.snapshotLookupByName("leaf").getXMLDesc()
    assert domain.snapshotCurrent().getName() == "right"
    for refused in (["undefine", "web"], ["domrename", "web", "other"]):
        assert daemon.virsh(*refused, check=False).code == 1
    domain.snapshotLookupByName("left").delete()
    assert domain.snapshotLookupByName("leaf").getParent().getName() == "root"
    domain.snapshotLookupByName("root").delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN_ONLY)
    assert domain.snapshotListNames() == ["root"] and tags(disk) == ["root"]
    assert domain.snapshotCurrent().getName() == "root"
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)
    assert tags(disk) == ["root"] and not (daemon.root / "var/lib/domus/qemu/snapshot/web").exists()
    again.close()


def test_the_current_one_is_current_after_a_restart_when_its_parent_has_gone(daemon, conn, guest, disk):
    domain = conn.defineXML(guest("web", disks=[disk]))
    for name in ("s1", "s2"):
        domain.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>")
    domain.snapshotLookupByName("s1").delete()
    daemon.restart()
    assert daemon.virsh("snapshot-current", "web", "--name").out.strip() == "s2"


def test_what_cannot_be_is_refused_before_anything_is_touched(daemon, conn, guest, disk, scratch):
    raw = scratch / "disk.raw"
    raw.write_bytes(bytes(1 << 20))
    qcow = conn.defineXML(guest("qcow", memory=32, disks=[disk]))
    other = conn.defineXML(guest("raw", memory=32, disks=[raw]))
    none = conn.defineXML(guest("none", memory=32))

    def refused(domain, inside="", flags=0, code=libvirt.VIR_ERR_CONFIG_UNSUPPORTED):
        with pytest.raises(libvirt.libvirtError) as error:
            domain.snapshotCreateXML(f"<domainsnapshot>{inside}</domainsnapshot>", flags)
        assert error.value.get_error_code() == code, error.value

    refused(other)
    refused(none)
    refused(qcow, "<name>../x</name>", code=libvirt.VIR_ERR_XML_ERROR)
    refused(qcow, "<name>.x</name>", code=libvirt.VIR_ERR_XML_ERROR)
    refused(qcow, "<memory snapshot='external' file='/tmp/x'/>")
    refused(qcow, "<disks><disk name='vdz'/></disks>")
    refused(qcow, "<disks><disk name='vda' snapshot='external'/></disks>")
    refused(qcow, "<disks><disk name='vda' snapshot='no'/></disks>")
    refused(qcow, flags=libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY, code=libvirt.VIR_ERR_OPERATION_UNSUPPORTED)
    refused(qcow, flags=1 << 20, code=libvirt.VIR_ERR_INVALID_ARG)
    qcow.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    refused(qcow, "<name>s</name>", code=libvirt.VIR_ERR_OPERATION_FAILED)
    for call in (lambda: qcow.snapshotLookupByName("t"), lambda: other.snapshotCurrent()):
        with pytest.raises(libvirt.libvirtError) as error:
            call()
        assert error.value.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT
    assert tags(disk) == ["s"] and qcow.snapshotNum() == 1 and other.snapshotNum() == 0


def test_the_daemon_is_killed_while_qemu_makes_one(daemon, conn, guest, disk):
    domain = conn.defineXML(guest("web", disks=[disk]))
    domain.create()
    [pid] = daemon.pids_of("guest=web")
    os.kill(pid, signal.SIGSTOP)
    snapshot = Outcome(daemon, lambda own: own.lookupByName("web").snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>"))
    wait_until(lambda: "kind='snapshot'" in (daemon.root / "run/domus/qemu/web.xml").read_text(), "it did not begin")
    daemon.kill()
    assert snapshot.wait()
    os.kill(pid, signal.SIGCONT)
    daemon.start()
    again = libvirt.open(daemon.uri)
    found = again.lookupByName("web")
    wait_until(lambda: found.state()[0] == libvirt.VIR_DOMAIN_RUNNING, "it does not go on")
    found.snapshotCreateXML("<domainsnapshot><name>later</name></domainsnapshot>")
    assert found.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    found.destroy()
    again.close()


def test_our_command_speaks_virshs_words(daemon, domus, conn, guest, disk, scratch):
    domain = conn.defineXML(guest("web", memory=32, disks=[disk]))

    def same(*arguments, code=0):
        theirs, ours = daemon.virsh(*arguments, check=False), domus(*arguments, check=False)
        assert ours.out.splitlines() == theirs.out.splitlines()
        assert ours.err.splitlines()[:1] == theirs.err.splitlines()[:1]
        assert ours.code == theirs.code == code

    def says(*arguments, **options):
        return domus(*arguments, **options).out.strip()

    same("snapshot-list", "web")
    same("snapshot-current", "web", code=1)
    assert says("snapshot-create-as", "web", "root", "some words") == "Domain snapshot root created"
    assert says("snapshot-create-as", "web", "Left") == "Domain snapshot Left created"
    assert says("snapshot-create-as", "web", "leaf") == "Domain snapshot leaf created"
    assert says("snapshot-revert", "web", "root") == "Domain snapshot root reverted"
    domain.create()
    assert says("snapshot-create-as", "web", "right") == "Domain snapshot right created"
    (scratch / "s.xml").write_text("<domainsnapshot><name>file</name></domainsnapshot>")
    assert says("snapshot-create", "web", scratch / "s.xml") == f"Domain snapshot file created from '{scratch}/s.xml'"
    for options in ([], ["--name"], ["--tree"], ["--parent"], ["--roots"], ["--leaves"], ["--topological"], ["--active", "--name"],
                    ["--from", "root"], ["--from", "root", "--descendants", "--parent"], ["--from", "root", "--tree"],
                    ["--current"], ["--external"]):
        same("snapshot-list", "web", *options)
    for name in ("root", "Left", "file"):
        same("snapshot-info", "web", name)
    same("snapshot-info", "web", "--current")
    same("snapshot-dumpxml", "web", "root")
    same("snapshot-dumpxml", "web", "root", "--xpath", "//name", "--wrap")
    same("snapshot-parent", "web", "file")
    same("snapshot-parent", "web", "root", code=1)
    same("snapshot-current", "web", "--name")
    same("snapshot-current", "web")
    for arguments in (["snapshot-delete", "web"], ["snapshot-delete", "web", "absent"], ["snapshot-revert", "web", "absent"],
                      ["snapshot-create-as", "web", "root"], ["snapshot-create-as", "web", "x", "--disk-only"]):
        same(*arguments, code=1)
    same("snapshot-create-as", "web", "a<b", "words & more", "--print-xml", "--memspec", "/a,,b,snapshot=external",
         "--diskspec", "vda,snapshot=external,driver=qcow2,stype=block,file=/dev/x", "--diskspec", "vdb,snapshot=no")
    assert says("snapshot-current", "web", "--snapshotname", "Left") == "Snapshot Left set as current"
    assert domain.snapshotCurrent().getName() == "Left"
    editor = scratch / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/some words/other words/' \"$1\"\n")
    editor.chmod(0o755)
    assert says("snapshot-edit", "web", "root", env=dict(os.environ, EDITOR=str(editor), VISUAL=str(editor))) == "Snapshot root edited."
    assert "other words" in domain.snapshotLookupByName("root").getXMLDesc()
    assert domain.snapshotCurrent().getName() == "Left"
    domain.destroy()
    same("undefine", "web", code=1)
    assert says("snapshot-delete", "web", "root", "--children-only") == "Domain snapshot root children deleted"
    assert says("snapshot-delete", "web", "root") == "Domain snapshot root deleted"
    assert tags(disk) == []


def fill(path, number):
    subprocess.run(["qemu-io", "-c", f"write -P {number} 0 512", path], check=True, stdout=subprocess.DEVNULL)


def is_filled(path, number):
    said = subprocess.run(["qemu-io", "-U", "-c", f"read -P {number} 0 512", path], text=True, capture_output=True).stdout
    return "verification failed" not in said


def test_a_name_that_is_the_number_of_another(conn, guest, disk):
    """QEMU looks for numbers before names: going back to '1' of a stopped domain gave '2', which is number 1 in the image."""
    domain = conn.defineXML(guest("web", memory=32, disks=[disk]))
    for number in (2, 1):
        fill(disk, number)
        domain.snapshotCreateXML(f"<domainsnapshot><name>{number}</name></domainsnapshot>")
    for number in (1, 2):
        domain.revertToSnapshot(domain.snapshotLookupByName(str(number)))
        assert is_filled(disk, number)


def test_memory_under_a_name_that_is_the_number_of_another(conn, guest, disk):
    domain = conn.defineXML(guest("web", memory=32, disks=[disk]))
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    later = domain.snapshotCreateXML("<domainsnapshot><name>2</name></domainsnapshot>")  # number 1
    with pytest.raises(libvirt.libvirtError, match="would take '1' for snapshot '2'"):
        domain.snapshotCreateXML("<domainsnapshot><name>1</name></domainsnapshot>")
    domain.revertToSnapshot(later)
    domain.snapshotCreateXML("<domainsnapshot><name>other</name></domainsnapshot>")  # number 2
    with pytest.raises(libvirt.libvirtError, match="would take '2' for snapshot 'other'"):
        domain.revertToSnapshot(later)
    domain.snapshotLookupByName("other").delete()
    domain.revertToSnapshot(later)
    domain.destroy()


def test_the_definition_of_another_domain_is_not_taken(daemon, guest, disk, scratch):
    """Whatever a snapshot says, the domain stays the one that it is, and is there after a restart."""
    conn = libvirt.open(daemon.uri)
    domain = conn.defineXML(guest("web", disks=[disk]))
    domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    redefine = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
    document = domain.snapshotLookupByName("s").getXMLDesc()
    earlier = domain.snapshotCreateXML(document.replace("<name>web<", "<name>earlier<"), redefine)
    domain.revertToSnapshot(earlier)
    assert "<name>web<" in domain.XMLDesc()
    inactive = domain.XMLDesc().replace("domain type", "inactiveDomain type").replace("/domain>", "/inactiveDomain>")
    foreign = inactive.replace(domain.UUIDString(), "4dea22b3-1d52-d8f3-2516-782e98ab3fa0")
    with pytest.raises(libvirt.libvirtError, match="another domain"):
        domain.snapshotCreateXML(document.replace("</domainsnapshot>", foreign + "</domainsnapshot>"), redefine)
    # A file that was copied by hand.
    other = scratch / "other.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", other, "1M"], check=True)
    conn.defineXML(guest("other", disks=[other])).snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    conn.close()
    daemon.stop()
    files = daemon.root / "var/lib/domus/qemu/snapshot"
    (files / "other/s.xml").write_text((files / "web/s.xml").read_text())
    daemon.start()
    conn = libvirt.open(daemon.uri)
    with pytest.raises(libvirt.libvirtError, match="another domain: 'web'"):
        conn.lookupByName("other").revertToSnapshot(conn.lookupByName("other").snapshotLookupByName("s"))
    conn.close()
    daemon.restart()
    conn = libvirt.open(daemon.uri)
    assert sorted(domain.name() for domain in conn.listAllDomains()) == ["other", "web"]
    conn.close()


def test_nothing_is_given_up_for_a_snapshot_that_an_image_has_not(daemon, conn, guest, disk):
    domain = conn.defineXML(guest("web", memory=32, disks=[disk]))
    gone = domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    subprocess.run(["qemu-img", "snapshot", "-d", "s", disk], check=True)
    force = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    with pytest.raises(libvirt.libvirtError, match="has no snapshot 's'"):
        domain.revertToSnapshot(gone, force)
    assert domain.isActive()
    domain.managedSave()
    with pytest.raises(libvirt.libvirtError, match="has no snapshot 's'"):
        domain.revertToSnapshot(gone, force)
    assert domain.hasManagedSaveImage()
    daemon.virsh("managedsave-remove", "web")
