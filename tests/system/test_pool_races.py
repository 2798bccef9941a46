"""Clients that change the same pool at the same time, and pools whose storage has gone while no daemon ran."""
import re
import shutil
import struct
import uuid

import libvirt
import pytest

from harness.calls import refused
from harness.hung import storage
from harness.raw import at_once, string
from harness.wait import wait_until

CREATE_XML, DEFINE_XML, CREATE, UNDEFINE = 76, 77, 78, 82


def pool_xml(name, number, folder):
    return f"<pool type='dir'><name>{name}</name><uuid>{number}</uuid><target><path>{folder}</path></target></pool>"


def with_flags(payload):
    return payload + struct.pack(">I", 0)


@pytest.fixture
def folder(scratch):
    folder = scratch / "pool"
    folder.mkdir()
    return folder


def test_a_pool_that_is_undefined_is_not_started_any_more(conn, daemon, folder):
    number = uuid.uuid4()
    conn.storagePoolDefineXML(pool_xml("p", number, folder))
    pool = string("p") + number.bytes
    assert at_once(daemon, (UNDEFINE, pool), (CREATE, with_flags(pool))) == [True, False]
    assert conn.listAllStoragePools() == []
    daemon.restart()
    assert libvirt.open(daemon.uri).listAllStoragePools() == []


@pytest.mark.parametrize("there", [True, False])
def test_a_pool_that_is_defined_while_it_is_created_is_kept(conn, daemon, folder, there):
    xml = with_flags(string(pool_xml("p", uuid.uuid4(), folder if there else folder / "nowhere")))
    assert at_once(daemon, (CREATE_XML, xml), (DEFINE_XML, xml)) == [there, True]
    pool = conn.storagePoolLookupByName("p")
    assert (pool.isPersistent(), pool.isActive()) == (1, there)
    if there:
        pool.destroy()
    pool.undefine()


def test_a_pool_that_is_defined_while_it_is_undefined_is_there(conn, daemon, folder):
    number = uuid.uuid4()
    xml = pool_xml("p", number, folder)
    conn.storagePoolDefineXML(xml)
    assert at_once(daemon, (UNDEFINE, string("p") + number.bytes), (DEFINE_XML, with_flags(string(xml)))) == [True, True]
    conn.storagePoolLookupByName("p").undefine()


def test_a_pool_that_was_not_kept_goes_when_its_storage_has_gone(conn, daemon, folder):
    conn.storagePoolCreateXML(pool_xml("p", uuid.uuid4(), folder))
    daemon.kill()
    shutil.rmtree(folder)
    daemon.start()
    wait_until(lambda: "taking storage pool 'p' over" in daemon.log_tail(), "nothing is said of it")
    again = libvirt.open(daemon.uri)
    wait_until(lambda: again.listAllStoragePools() == [], "it is still listed")


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("damage", ["<target>.*</target>", "<path>.*</path>", "type='dir'"])
def test_a_record_that_is_none_of_a_pool_is_set_aside(conn, daemon, folder, damage, kept):
    number = uuid.uuid4()
    if kept:
        conn.storagePoolDefineXML(pool_xml("p", number, folder)).create()
    else:
        conn.storagePoolCreateXML(pool_xml("p", number, folder))
    record = daemon.root / "run/domus/storage/p.xml"
    daemon.stop()
    record.write_text(re.sub(damage, "type='none'" if "type" in damage else "", record.read_text(), flags=re.S))
    daemon.start()
    again = libvirt.open(daemon.uri)
    wait_until(lambda: (daemon.root / "run/domus/storage/p.xml.broken").exists(), "it is not set aside")
    if kept:  # active as it is defined
        wait_until(lambda: again.storagePoolLookupByName("p").isActive(), "it is not active")
        again.storagePoolLookupByName("p").destroy()
    else:
        refused(libvirt.VIR_ERR_NO_STORAGE_POOL, again.storagePoolLookupByName, "p")
    again.close()


def test_a_record_with_another_uuid_is_that_of_the_pool(conn, daemon, folder):
    number, other = uuid.uuid4(), uuid.uuid4()
    conn.storagePoolDefineXML(pool_xml("p", number, folder)).create()
    record = daemon.root / "run/domus/storage/p.xml"
    daemon.stop()
    record.write_text(record.read_text().replace(str(number), str(other)))
    daemon.start()
    again = libvirt.open(daemon.uri)
    wait_until(lambda: again.storagePoolLookupByName("p").isActive(), "it is not taken over")
    assert str(number) in again.storagePoolLookupByName("p").XMLDesc() and str(number) in record.read_text()
    again.storagePoolLookupByName("p").destroy()
    again.close()


def test_an_autostarted_pool_that_is_taken_over_is_not_started_twice(conn, daemon, scratch):
    with storage(daemon.sandbox, scratch / "slow") as slow:
        (scratch / "slow.behind/pool").mkdir()
        pool = conn.storagePoolDefineXML(pool_xml("p", uuid.uuid4(), slow.folder / "pool"))
        pool.create()
        pool.setAutostart(1)
        daemon.stop()
        slow.hang()
        daemon.start()
        again = libvirt.open(daemon.uri)
        assert not again.storagePoolLookupByName("p").isActive()
        slow.go_on()
        wait_until(lambda: again.storagePoolLookupByName("p").isActive(), "it is not taken over")
        again.storagePoolLookupByName("p").destroy()  # its turn comes after whatever else was to be done
        again.close()
        daemon.stop()
    assert "cannot autostart" not in daemon.log.read_text()
