"""Pools of type zfs where ZFS is not installed: what a definition must be like, and what the errors say. tests/lab/test_zfs.py
has them on a real zpool."""
import shutil
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import code_of


def pool_xml(source, name="p"):
    return f"<pool type='zfs'><name>{name}</name><source>{source}</source></pool>"


@pytest.fixture
def without_zfs(daemon):
    hidden = [path for path in map(shutil.which, ("zfs", "zpool")) if path]
    for path in hidden:
        assert daemon.sandbox.run("mount", "--bind", "/dev/null", path).returncode == 0
    yield
    for path in hidden:
        daemon.sandbox.run("umount", path)


def test_a_definition_is_completed(conn):
    pool = conn.storagePoolDefineXML(pool_xml("<name>tank/guests</name>"))
    xml = ET.fromstring(pool.XMLDesc())
    assert xml.findtext("source/name") == "tank/guests" and xml.findtext("target/path") == "/dev/zvol/tank/guests"
    own = ET.fromstring(conn.storagePoolDefineXML(pool_xml("<device path='/dev/absent'/>", "named")).XMLDesc())
    assert own.findtext("source/name") == "named" and own.findtext("target/path") == "/dev/zvol/named"
    conn.storagePoolDefineXML(pool_xml("<name>tank</name>", "other"))  # what is in a dataset of it is not in it
    assert code_of(conn.storagePoolDefineXML, pool_xml("<name>tank</name>", "same")) == libvirt.VIR_ERR_OPERATION_FAILED
    assert {each.name() for each in conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ZFS)} == {"p", "named", "other"}


@pytest.mark.parametrize("source", ["<name>-f</name>", "<name>tank@snapshot</name>", "<name>tank//x</name>", "<name>/tank</name>", "<name>a b</name>",
                                    "<name>tank</name><device path='-f'/>", "<name>tank</name><device path='sdb'/>"])
def test_what_cannot_be_one_is_refused(conn, source):
    assert code_of(conn.storagePoolDefineXML, pool_xml(source)) == libvirt.VIR_ERR_XML_ERROR


def test_devices_make_a_whole_pool(conn):
    assert code_of(conn.storagePoolDefineXML(pool_xml("<name>tank</name>")).build) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    both = conn.storagePoolDefineXML(pool_xml("<name>tank/guests</name><device path='/dev/absent'/>", "both"))
    assert code_of(both.build) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED


def test_the_kind_is_told_of_and_its_package_is_named(conn, without_zfs):
    told = ET.fromstring(conn.getStoragePoolCapabilities()).find("pool[@type='zfs']")
    assert told.get("supported") == "yes" and [each.text for each in told.iter("value")] == ["raw"]
    pool = conn.storagePoolDefineXML(pool_xml("<name>tank</name><device path='/dev/absent'/>"))
    for call in (pool.create, pool.build, pool.delete, lambda: conn.findStoragePoolSources("zfs", None, 0)):
        with pytest.raises(libvirt.libvirtError, match="apt install zfsutils-linux.*contrib") as error:
            call()
        assert error.value.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT
    assert not pool.isActive()
