"""What may be made as a volume, and with which codes libvirt refuses the rest."""
import os
import subprocess
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import refused


@pytest.fixture
def folder(scratch):
    return scratch / "vms"


@pytest.fixture
def vms(conn, folder):
    return conn.storagePoolCreateXML(f"<pool type='dir'><name>vms</name><target><path>{folder}</path></target></pool>",
                                     libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)


def volume_xml(name, kind="raw", capacity="<capacity>65536</capacity>", target="", rest=""):
    return f"<volume><name>{name}</name>{capacity}<target><format type='{kind}'/>{target}</target>{rest}</volume>"


def backing_xml(path, kind=None):
    return f"<backingStore><path>{path}</path>{f'<format type={kind!r}/>' if kind else ''}</backingStore>"


@pytest.mark.parametrize("code, words", [
    (libvirt.VIR_ERR_OPERATION_INVALID, {"name": "a/b"}),
    (libvirt.VIR_ERR_OPERATION_INVALID, {"name": "../b"}),
    (libvirt.VIR_ERR_OVERFLOW, {"name": "v", "capacity": "<capacity>9223372036854775808</capacity>"}),
    (libvirt.VIR_ERR_OVERFLOW, {"name": "v", "capacity": "<capacity>0</capacity><allocation>18446744073709551615</allocation>"}),
    (libvirt.VIR_ERR_CONFIG_UNSUPPORTED, {"name": "v", "kind": "qcow2", "target": "<features><bogus/></features>"}),
    (libvirt.VIR_ERR_NO_SUPPORT, {"name": "v", "rest": backing_xml("/dev/null", "raw")}),
    (libvirt.VIR_ERR_SYSTEM_ERROR, {"name": "v", "kind": "qcow2", "rest": backing_xml("/absent", "raw")}),
    (libvirt.VIR_ERR_SYSTEM_ERROR, {"name": "v", "kind": "qcow2", "rest": backing_xml("/dev", "raw")}),
    (libvirt.VIR_ERR_XML_ERROR, {"name": "v", "target": "<permissions><mode>4755</mode></permissions>"}),
    (libvirt.VIR_ERR_XML_ERROR, {"name": "v", "kind": "qcow2", "capacity": "", "rest": "<backingStore/>"}),
])
def test_what_cannot_be_a_volume(vms, folder, code, words):
    refused(code, vms.createXML, volume_xml(**words))
    assert vms.listVolumes() == os.listdir(folder) == []


def test_validation_refuses_what_is_not_known(vms):
    strange = volume_xml("v", target="<bogus/>")
    assert "<bogus>" in refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA, vms.createXML, strange, libvirt.VIR_STORAGE_VOL_CREATE_VALIDATE)
    assert vms.listVolumes() == []
    vms.createXML(volume_xml("known"), libvirt.VIR_STORAGE_VOL_CREATE_VALIDATE)
    vms.createXML(strange)


def test_the_format_of_the_image_below_is_raw_unless_it_looks_like_another(vms, folder, virsh):
    vms.createXML(volume_xml("base.raw"))
    vms.createXML(volume_xml("base.qcow2", "qcow2"))
    virsh("vol-create-as", "vms", "over", "65536", "--format", "qcow2", "--backing-vol", "base.raw")
    over = ET.fromstring(vms.storageVolLookupByName("over").XMLDesc()).find("backingStore")
    assert over.findtext("path") == str(folder / "base.raw") and over.find("format").get("type") == "raw"
    refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, vms.createXML, volume_xml("no", "qcow2", rest=backing_xml(folder / "base.qcow2")))
    none = vms.createXML(volume_xml("none", "qcow2", rest="<backingStore/>"))
    assert ET.fromstring(none.XMLDesc()).find("backingStore") is None
    beside = vms.createXML(volume_xml("beside", "qcow2", rest=backing_xml("base.qcow2", "qcow2")))
    assert ET.fromstring(beside.XMLDesc()).findtext("backingStore/path") == str(folder / "base.qcow2")
    subprocess.run(["qemu-img", "check", "-q", folder / "beside"], check=True)
    assert beside.info()[1] == 65536


def test_a_name_of_any_length_that_a_file_can_have(vms, folder):
    longest = "n" * 255
    vms.createXML(volume_xml(longest))
    vms.createXML(volume_xml("m" * 255, "qcow2"))
    assert sorted(os.listdir(folder)) == ["m" * 255, longest]
    vms.createXMLFrom(volume_xml("c" * 255), vms.storageVolLookupByName(longest))
    refused(libvirt.VIR_ERR_SYSTEM_ERROR, vms.createXML, volume_xml("n" * 256))
    assert len(vms.listVolumes()) == len(os.listdir(folder)) == 3


def test_copies(vms, virsh):
    vms.createXML(volume_xml("a", "qcow2"))
    raw = vms.createXML(volume_xml("raw"))
    taken = virsh("vol-clone", "a", "raw", "--pool", "vms", check=False)
    assert taken.code == 1 and "internal error: storage volume name 'raw' already in use." in taken.err
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, vms.createXMLFrom, volume_xml("a"), raw)
    refused(libvirt.VIR_ERR_OPERATION_INVALID, vms.createXMLFrom, volume_xml("a/b"), raw)
    refused(libvirt.VIR_ERR_CONFIG_UNSUPPORTED, vms.createXMLFrom, volume_xml("b"), raw, libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA)
    refused(libvirt.VIR_ERR_INVALID_ARG, vms.createXMLFrom, volume_xml("b"), raw, libvirt.VIR_STORAGE_VOL_CREATE_VALIDATE)
    assert vms.createXMLFrom(volume_xml("b", capacity=""), raw).info()[1] == 65536
    assert sorted(vms.listVolumes()) == ["a", "b", "raw"]


def test_snapshots_of_a_file_are_not_asked_for(vms, virsh):
    vms.createXML(volume_xml("a", "qcow2"))
    done = virsh("vol-delete", "a", "--pool", "vms", "--delete-snapshots", check=False)
    assert done.code == 1 and "unsupported flags (0x2) in function" in done.err
    assert vms.listVolumes() == ["a"]


def test_an_image_that_is_not_copied_on_writing(vms, folder):
    """On btrfs; elsewhere that fails for raw images, as does chattr."""
    (folder / "probe").touch()
    works = subprocess.run(["chattr", "+C", folder / "probe"], capture_output=True).returncode == 0
    (folder / "probe").unlink()
    if works:
        vms.createXML(volume_xml("v", target="<nocow/>"))
        assert "C" in subprocess.run(["lsattr", folder / "v"], capture_output=True, text=True, check=True).stdout.split()[0]
    else:
        assert "NOCOW" in refused(libvirt.VIR_ERR_SYSTEM_ERROR, vms.createXML, volume_xml("v", target="<nocow/>"))
        assert os.listdir(folder) == []
    vms.createXML(volume_xml("q", "qcow2", target="<nocow/>"))
    subprocess.run(["qemu-img", "check", "-q", folder / "q"], check=True)


def test_an_upload_of_more_than_was_announced_ends_as_on_a_full_disk(conn, vms):
    volume = vms.createXML(volume_xml("v"))
    stream = conn.newStream()
    volume.upload(stream, 0, 10)
    stream.send(b"x" * 20)
    assert "cannot write to stream" in refused(libvirt.VIR_ERR_SYSTEM_ERROR, stream.finish)


def test_the_birth_of_a_file_is_told(vms, folder):
    volume = vms.createXML(volume_xml("v"))
    born = subprocess.run(["stat", "-c", "%W", folder / "v"], capture_output=True, text=True, check=True).stdout.strip()
    told = ET.fromstring(volume.XMLDesc()).findtext("target/timestamps/btime")
    assert (told or "0.0").split(".")[0] == born
    vms.refresh()
    assert ET.fromstring(volume.XMLDesc()).findtext("target/timestamps/btime") == told
