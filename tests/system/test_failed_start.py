"""A start that fails half-way: the error names the step and quotes the evidence, and nothing is left."""
import os
import pathlib
import subprocess

import libvirt
import pytest


def leftovers(daemon):
    state = daemon.root / "run/domus/qemu"
    library = daemon.root / "var/lib/domus/qemu"
    return [path.name for folder in (state, library) for path in folder.iterdir() if path.name != "nvram"]


def failing(daemon, conn, xml, *patterns):
    domain = conn.defineXML(xml)
    with pytest.raises(libvirt.libvirtError) as caught:
        domain.create()
    text = str(caught.value)
    for pattern in patterns:
        assert pattern in text, text
    assert domain.state()[0] == libvirt.VIR_DOMAIN_SHUTOFF
    assert domain.ID() == -1
    assert daemon.pids_of("qemu-system") == []
    assert leftovers(daemon) == []
    descriptors = len(list(pathlib.Path(f"/proc/{daemon.pids_of('domusd')[0]}/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(libvirt.libvirtError):
            domain.create()
    assert len(list(pathlib.Path(f"/proc/{daemon.pids_of('domusd')[0]}/fd").iterdir())) <= descriptors + 1
    domain.undefine()


def test_no_such_disk(daemon, conn, guest):
    failing(daemon, conn, guest("f1", disks=["/nowhere/disk.qcow2"]), "opening its images", "disk 'vda'", "'/nowhere' does not exist")


def test_an_image_of_another_format_than_named(daemon, conn, guest, scratch):
    (scratch / "not.qcow2").write_bytes(b"x" * 65536)
    failing(daemon, conn, guest("f2", disks=[scratch / "not.qcow2"]), "not in the format qcow2")


def test_a_port_that_is_taken(daemon, conn, guest):
    port = 5977
    display = f"<graphics type='vnc' port='{port}' autoport='no'/>"
    first = conn.createXML(guest("f3", memory=32, devices=display), libvirt.VIR_DOMAIN_START_PAUSED)
    second = conn.defineXML(guest("f3b", memory=32, devices=display))
    with pytest.raises(libvirt.libvirtError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
        second.create()
    assert len(daemon.pids_of("qemu-system")) == 1
    first.destroy()
    assert leftovers(daemon) == []


def test_qemu_that_exits_at_once_is_quoted(daemon, conn, guest):
    xml = guest("f4", extra="<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
                            "<qemu:arg value='-no-such-option'/></qemu:commandline>")
    failing(daemon, conn, xml, "QEMU said", "-no-such-option")


def test_an_emulator_that_is_not_there_is_refused_before_anything_is_stored(conn, guest):
    xml = guest("f5").replace("<devices>", "<devices><emulator>/usr/bin/qemu-system-none</emulator>")
    with pytest.raises(libvirt.libvirtError, match="is not installed"):
        conn.defineXML(xml)
    assert conn.listAllDomains() == []


def test_a_missing_network_names_itself(daemon, conn, guest):
    failing(daemon, conn, guest("f6", networks=["nowhere"]), "attaching its interfaces")


def test_a_transient_domain_that_fails_is_gone(daemon, conn, guest):
    with pytest.raises(libvirt.libvirtError):
        conn.createXML(guest("f7", disks=["/nowhere/disk.qcow2"]))
    assert conn.listAllDomains() == []
    assert leftovers(daemon) == []


def test_an_image_in_a_users_folder_starts_and_keeps_its_owner(daemon, conn, guest, scratch):
    image = scratch / "mine.qcow2"
    base = scratch / "base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", base, "16M"], check=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", image], check=True)
    if os.geteuid() == 0:
        os.chown(image, 1234, 1234)
    before = image.stat()
    domain = conn.createXML(guest("own", disks=[image]))
    assert domain.isActive()
    domain.destroy()
    after = image.stat()
    assert (before.st_uid, before.st_gid, before.st_mode) == (after.st_uid, after.st_gid, after.st_mode)
