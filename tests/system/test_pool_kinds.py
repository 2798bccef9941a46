"""One test for each type of pool that the daemon lists: a type that is new needs a line in SAMPLES and nothing else."""
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import refused

TARGET = "<target><path>{folder}</path></target>"
ISCSI = "<host name='192.0.2.1'/><device path='iqn.2026-01.org.example:disks'/>"
# What a definition of the type needs: nothing of it is there, and nothing is started.
SAMPLES = {
    "dir": TARGET,
    "fs": "<source><device path='/dev/absent'/></source>" + TARGET,
    "netfs": "<source><host name='192.0.2.1'/><dir path='/export'/></source>" + TARGET,
    "logical": "<source><name>absent</name></source>",
    "disk": "<source><device path='/dev/absent'/></source>",
    "iscsi": f"<source>{ISCSI}</source>" + TARGET,
    "iscsi-direct": f"<source>{ISCSI}<initiator><iqn name='iqn.2026-01.org.example:us'/></initiator></source>",
    "scsi": "<source><adapter type='scsi_host' name='host99'/></source>",
    "mpath": "",
    "rbd": "<source><host name='192.0.2.1'/><name>vms</name></source>",
    "gluster": "<source><host name='192.0.2.1'/><dir path='/'/><name>vms</name></source>",
    "zfs": "<source><name>absent</name></source>",
}
# In the order of VIR_CONNECT_LIST_STORAGE_POOLS_DIR and the flags after it.
FLAGS = {type_: getattr(libvirt, f"VIR_CONNECT_LIST_STORAGE_POOLS_{type_.upper().replace('-', '_')}") for type_ in SAMPLES}


def supported(conn):
    listed = ET.fromstring(conn.getStoragePoolCapabilities()).findall("pool")
    return {each.get("type"): each for each in listed if each.get("supported") == "yes"}


def define(conn, type_, folder):
    return conn.storagePoolDefineXML(f"<pool type='{type_}'><name>p-{type_}</name>{SAMPLES[type_].format(folder=folder / type_)}</pool>")


def test_every_type_that_is_listed_has_a_sample(conn):
    assert set(supported(conn)) == set(SAMPLES)


@pytest.mark.parametrize("type_", SAMPLES)
def test_a_type_is_defined_listed_and_undefined(conn, virsh, scratch, type_):
    pool = define(conn, type_, scratch)
    assert ET.fromstring(pool.XMLDesc()).get("type") == type_
    refused(libvirt.VIR_ERR_XML_ERROR, conn.storagePoolDefineXML, f"<pool type='{type_}x'><name>other</name></pool>")
    other = "fs" if type_ != "fs" else "netfs"
    assert [each.name() for each in conn.listAllStoragePools(FLAGS[type_])] == [pool.name()]
    assert conn.listAllStoragePools(FLAGS[other]) == []
    assert virsh("pool-list", "--all", "--name", "--type", type_).out.split() == [pool.name()]
    pool.undefine()
    assert conn.listAllStoragePools() == []


def test_a_type_lists_its_formats_with_the_default_first(conn):
    for type_, listed in supported(conn).items():
        for options in listed:
            values = [each.text for each in options.iter("value")]
            assert values and options.find("defaultFormat").get("type") == values[0], type_


def test_the_words_of_the_command_are_the_types(daemon, conn):
    from harness.daemon import BUILD, run
    domus = BUILD / "bin/domus"
    if not domus.exists():
        pytest.skip("domus is not built")
    wrong = run(domus, "--connect", daemon.uri, "pool-list", "--type", "nonsense", check=False)
    assert all(type_ in wrong.err for type_ in supported(conn))
