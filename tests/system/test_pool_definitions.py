"""What may be defined, made and changed as a pool, and with which codes libvirt refuses the rest."""
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import refused

IDENTITY = "2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a%03d"
INACTIVE = libvirt.VIR_STORAGE_XML_INACTIVE


def pool_xml(name, folder, number=None, target="", rest="", kind="dir"):
    uuid = f"<uuid>{IDENTITY % number}</uuid>" if number else ""
    return f"<pool type='{kind}'><name>{name}</name>{uuid}{rest}<target><path>{folder}</path>{target}</target></pool>"


@pytest.mark.parametrize("code, changes", [
    (libvirt.VIR_ERR_XML_ERROR, {"kind": "nonsense"}),
    (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, {"kind": "sheepdog"}),
    (libvirt.VIR_ERR_XML_ERROR, {"target": "<permissions><mode>4755</mode></permissions>"}),
    (libvirt.VIR_ERR_XML_ERROR, {"target": "<permissions><mode>01777</mode></permissions>"}),
    (libvirt.VIR_ERR_XML_ERROR, {"target": "<permissions><owner>-2</owner></permissions>"}),
    (libvirt.VIR_ERR_XML_ERROR, {"target": "<permissions><group>-2</group></permissions>"}),
    (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, {"kind": "fs", "rest": "<source><device path='/dev/absent'/><format type='bogus'/></source>"}),
    (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, {"kind": "netfs", "rest": "<source><host name='h'/><dir path='/x'/><format type='bogus'/></source>"}),
    (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, {"kind": "logical", "rest": "<source><name>vg</name><format type='bogus'/></source>"}),
    (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, {"rest": "<refresh><volume allocation='x'/></refresh>"}),
])
def test_what_cannot_be_a_pool(conn, scratch, code, changes):
    for make in (conn.storagePoolDefineXML, conn.storagePoolCreateXML):
        refused(code, make, pool_xml("p", scratch, **changes))
    assert conn.listAllStoragePools() == []


def test_validation_refuses_what_is_not_known(conn, scratch):
    strange = pool_xml("p", scratch, rest="<bogus/>", target="<permissions><colour>1</colour></permissions>")
    said = refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA, conn.storagePoolDefineXML, strange, libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE)
    assert "<bogus>" in said and "<colour>" in said
    assert conn.listAllStoragePools() == []
    assert "<bogus/>" in conn.storagePoolDefineXML(strange).XMLDesc()
    conn.storagePoolDefineXML(pool_xml("q", scratch / "q", target="<permissions><mode>0755</mode></permissions>"), libvirt.VIR_STORAGE_POOL_DEFINE_VALIDATE)


def test_a_name_belongs_to_its_uuid(virsh, conn, scratch):
    assert virsh("pool-define-as", "p", "dir", "--target", scratch / "p").code == 0
    again = virsh("pool-define-as", "p", "dir", "--target", scratch / "p", check=False)
    assert again.code == 1 and "operation failed: pool 'p' already exists with uuid" in again.err
    refused(libvirt.VIR_ERR_OPERATION_FAILED, conn.storagePoolDefineXML, pool_xml("p", scratch / "p", 1))
    refused(libvirt.VIR_ERR_OPERATION_FAILED, conn.storagePoolCreateXML, pool_xml("p", scratch / "p"))
    uuid = conn.storagePoolLookupByName("p").UUIDString()
    refused(libvirt.VIR_ERR_OPERATION_FAILED, conn.storagePoolDefineXML, pool_xml("other", scratch / "o").replace("</name>", f"</name><uuid>{uuid}</uuid>"))
    changed = conn.storagePoolDefineXML(pool_xml("p", scratch / "n").replace("</name>", f"</name><uuid>{uuid}</uuid>"))
    assert ET.fromstring(changed.XMLDesc()).findtext("target/path") == str(scratch / "n")


def test_an_active_pool_is_edited_for_the_next_time(daemon, virsh, conn, scratch):
    old, new = scratch / "old", scratch / "new"
    old.mkdir()
    new.mkdir()
    pool = conn.storagePoolDefineXML(pool_xml("p", old, 1))
    pool.create()
    (old / "disk").write_bytes(bytes(512))
    conn.storagePoolDefineXML(pool_xml("p", new, 1))

    def folders():
        return [ET.fromstring(virsh("pool-dumpxml", "p", *options).out).findtext("target/path") for options in ([], ["--inactive"])]

    assert folders() == [str(old), str(new)] and pool.listVolumes() == ["disk"]
    for folder in (old, new):  # what it is, and what it will be
        refused(libvirt.VIR_ERR_OPERATION_FAILED, conn.storagePoolDefineXML, pool_xml("q", folder, 2))
    mounted = pool_xml("p", new, 1, rest="<source><device path='/dev/absent'/></source>", kind="fs")
    refused(libvirt.VIR_ERR_OPERATION_INVALID, conn.storagePoolDefineXML, mounted)
    conn.close()
    daemon.restart()
    again = libvirt.open(daemon.uri)
    pool = again.storagePoolLookupByName("p")
    assert folders() == [str(old), str(new)] and pool.listVolumes() == ["disk"]
    pool.destroy()
    assert folders() == [str(new), str(new)]
    pool.create()
    assert pool.listVolumes() == []
    again.close()


def test_a_kept_pool_is_started_as_something_else_once(conn, scratch):
    kept, once = scratch / "kept", scratch / "once"
    kept.mkdir()
    pool = conn.storagePoolDefineXML(pool_xml("p", kept, 1))
    refused(libvirt.VIR_ERR_SYSTEM_ERROR, conn.storagePoolCreateXML, pool_xml("p", once, 1))
    assert not pool.isActive() and pool.isPersistent()
    conn.storagePoolCreateXML(pool_xml("p", once, 1), libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    assert pool.isActive() and pool.isPersistent()
    assert str(once) in pool.XMLDesc() and str(kept) in pool.XMLDesc(INACTIVE)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, conn.storagePoolCreateXML, pool_xml("p", once, 1))
    pool.destroy()
    pool.create()
    assert str(kept) in pool.XMLDesc()


def test_a_passing_pool_becomes_a_kept_one(conn, scratch):
    pool = conn.storagePoolCreateXML(pool_xml("p", scratch, 1))
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, pool.setAutostart, 1)
    conn.storagePoolDefineXML(pool_xml("p", scratch, 1))
    assert pool.isPersistent()
    pool.setAutostart(1)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, pool.undefine)
    pool.destroy()
    assert pool.isActive() == 0
    pool.undefine()


@pytest.mark.parametrize("kind, source, why", [
    ("dir", "", "No source device specified"),
    ("netfs", "<source><host name='localhost'/><dir path='/x'/></source>", "No source device specified"),
    ("fs", "<source><device path='/dev/absent'/><format type='ext4'/></source>", "Source device does not exist"),
])
def test_what_cannot_be_formatted(conn, scratch, kind, source, why):
    pool = conn.storagePoolDefineXML(pool_xml("p", scratch / "p", kind=kind, rest=source))
    for flag in (libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE, libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE):
        assert f"{why} when formatting pool 'p'" in refused(libvirt.VIR_ERR_OPERATION_INVALID, pool.build, flag)


def test_flags_of_building(virsh, conn, scratch):
    pool = conn.storagePoolDefineXML(pool_xml("p", scratch / "p"))
    both = libvirt.VIR_STORAGE_POOL_BUILD_OVERWRITE | libvirt.VIR_STORAGE_POOL_BUILD_NO_OVERWRITE
    for flag in (libvirt.VIR_STORAGE_POOL_BUILD_REPAIR, libvirt.VIR_STORAGE_POOL_BUILD_RESIZE, both):
        refused(libvirt.VIR_ERR_INVALID_ARG, pool.build, flag)
    made = virsh("pool-create-as", "q", "dir", "--target", scratch / "q", "--build", "--overwrite", check=False)
    assert made.code == 1 and "No source device specified" in made.err
    assert conn.listStoragePools() == []


def test_the_permissions_of_the_folder_are_told(conn, scratch):
    pool = conn.storagePoolCreateXML(pool_xml("p", scratch / "p"), libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)

    def told():
        permissions = ET.fromstring(pool.XMLDesc()).find("target/permissions")
        return [permissions.findtext(each) for each in ("mode", "owner", "group")]

    owner = (scratch / "p").stat()
    assert told() == ["0711", str(owner.st_uid), str(owner.st_gid)]
    (scratch / "p").chmod(0o750)
    pool.refresh()
    assert told()[0] == "0750"


def test_a_search_that_finds_nothing(virsh, conn):
    assert virsh("find-storage-pool-sources-as", "logical").out == "<sources>\n</sources>\n\n"
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, conn.findStoragePoolSources, "nonsense", None, 0)
