"""Encrypted volumes: made, resized and copied with stock virsh and python3-libvirt."""
import subprocess
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import code_of
from harness.wait import wait_until

pytestmark = pytest.mark.usefixtures("quick_keys")


@pytest.fixture
def pool(conn, scratch):
    """The folder of pool 'vmspool', which is defined."""
    folder = scratch / "vms"
    folder.mkdir()
    conn.storagePoolDefineXML(f"<pool type='dir'><name>vmspool</name><target><path>{folder}</path></target></pool>").create()
    return folder


def volume_xml(name, capacity, kind):
    return (f"<volume><name>{name}</name><capacity>{capacity}</capacity><allocation>0</allocation>"
            f"<target><format type='{kind}'/></target></volume>")


def test_encrypted_volumes(daemon, conn, virsh, pool, scratch):
    vms = conn.storagePoolLookupByName("vmspool")
    secret = conn.secretDefineXML("<secret><usage type='volume'><volume>any</volume></usage></secret>")
    encryption = f"<encryption format='luks'><secret type='passphrase' uuid='{secret.UUIDString()}'/></encryption>"

    def encrypted(name, kind):
        xml = ET.fromstring(volume_xml(name, 4 << 20, kind))
        xml.find("target").append(ET.fromstring(encryption))
        return ET.tostring(xml, encoding="unicode")

    assert code_of(vms.createXML, encrypted("early", "raw")) == libvirt.VIR_ERR_NO_SECRET
    secret.setValue(b"a passphrase")
    assert list(pool.iterdir()) == []
    (scratch / "key").write_text("a passphrase")
    (scratch / "wrong").write_text("another")
    for kind in ("raw", "qcow2"):
        made = vms.createXML(encrypted(f"one.{kind}", kind))
        assert made.info()[1] == 4 << 20
        seen = ET.fromstring(made.XMLDesc())
        assert seen.find("target/encryption").get("format") == "luks" and seen.find("target/format").get("type") == kind
        options = "driver=luks,key-secret=k" if kind == "raw" else "driver=qcow2,encrypt.key-secret=k"
        for key, opens in (("key", True), ("wrong", False)):
            tried = subprocess.run(["qemu-io", "--object", f"secret,id=k,file={scratch / key}", "-c", "read 0 512", "--image-opts",
                                    f"{options},file.filename={pool}/one.{kind}"], capture_output=True, text=True)
            assert ("read 512/512 bytes" in tried.stdout) == opens and ("Invalid password" in tried.stderr) != opens, tried.stderr
        assert seen.find("target/encryption/secret").get("uuid") == secret.UUIDString()
        copy = vms.createXMLFrom(volume_xml(f"two.{kind}", 4 << 20, kind), made, 0)
        assert (pool / f"two.{kind}").read_bytes() == (pool / f"one.{kind}").read_bytes() and copy.info()[1] == 4 << 20
    assert code_of(vms.createXML, encrypted("odd", "vmdk")) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert "a passphrase" not in daemon.log.read_text()


def content_of(path, kind, key=None):
    """The first of what a guest would see in an image."""
    options = {("raw", True): "driver=luks,key-secret=k", ("qcow2", True): "driver=qcow2,encrypt.key-secret=k"}.get((kind, key is not None), f"driver={kind}")
    words = ["--object", f"secret,id=k,file={key}"] if key else []
    done = subprocess.run(["qemu-io", *words, "-c", "read -P 9 0 1M", "--image-opts", f"{options},file.filename={path}"], text=True, capture_output=True)
    return "read 1048576/1048576" in done.stdout and "Pattern verification failed" not in done.stdout


@pytest.fixture
def keys(conn, scratch):
    """Files with two passphrases, and the <encryption> of a secret for each."""
    made = {}
    for name in ("first", "second"):
        secret = conn.secretDefineXML(f"<secret><usage type='volume'><volume>{name}</volume></usage></secret>")
        secret.setValue(f"the {name} passphrase".encode())
        (scratch / name).write_text(f"the {name} passphrase")
        made[name] = (scratch / name, f"<encryption format='luks'><secret type='passphrase' uuid='{secret.UUIDString()}'/></encryption>")
    return made


def encrypted_xml(name, kind, encryption, size=4 << 20):
    return volume_xml(name, size, kind).replace("</target>", f"{encryption}</target>")


def fill_encrypted(path, kind, key):
    options = "driver=luks,key-secret=k" if kind == "raw" else "driver=qcow2,encrypt.key-secret=k"
    subprocess.run(["qemu-io", "--object", f"secret,id=k,file={key}", "-c", "write -P 9 0 1M", "--image-opts", f"{options},file.filename={path}"],
                   check=True, capture_output=True)


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_encrypted_volumes_change_their_size(daemon, conn, virsh, pool, scratch, keys, kind):
    vms = conn.storagePoolLookupByName("vmspool")
    key, encryption = keys["first"]
    volume = vms.createXML(encrypted_xml("one", kind, encryption))
    path = pool / "one"
    fill_encrypted(path, kind, key)
    virsh("vol-resize", "one", "8M", "--pool", "vmspool")
    assert volume.info()[1] == 8 << 20 and content_of(path, kind, key)
    virsh("vol-resize", "one", "1M", "--pool", "vmspool", "--delta", "--allocate")
    assert volume.info()[1] == 9 << 20
    virsh("vol-resize", "one", "4M", "--pool", "vmspool", "--shrink")
    assert volume.info()[1] == 4 << 20 and content_of(path, kind, key)
    vms.refresh()
    volume.resize(5 << 20)
    # A new daemon knows the secret only if it is kept for this very volume.
    daemon.restart()
    conn = libvirt.open(daemon.uri)
    wait_until(lambda: conn.listAllStoragePools(2), "the pool is not active again")
    volume = conn.storageVolLookupByPath(str(path))
    assert code_of(volume.resize, 6 << 20) == libvirt.VIR_ERR_NO_SECRET
    secret = conn.secretDefineXML(f"<secret><usage type='volume'><volume>{path}</volume></usage></secret>")
    secret.setValue(b"not this one")
    assert code_of(volume.resize, 6 << 20) == libvirt.VIR_ERR_INTERNAL_ERROR and volume.info()[1] == 5 << 20
    secret.setValue(key.read_bytes())
    volume.resize(6 << 20)
    assert volume.info()[1] == 6 << 20 and content_of(path, kind, key)
    assert "passphrase" not in daemon.log.read_text()


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_copies_are_encrypted_decrypted_and_given_other_keys(conn, virsh, pool, keys, kind):
    vms = conn.storagePoolLookupByName("vmspool")
    (first, encryption), (second, other) = keys["first"], keys["second"]
    source = vms.createXML(encrypted_xml("source", kind, encryption))
    fill_encrypted(source.path(), kind, first)
    # As it stands, also by virsh, and a larger one.
    virsh("vol-clone", "source", "clone", "--pool", "vmspool")
    assert (pool / "clone").read_bytes() == (pool / "source").read_bytes()
    larger = vms.createXMLFrom(volume_xml("larger", 8 << 20, kind), source)
    assert larger.info()[1] == 8 << 20 and content_of(pool / "larger", kind, first)
    larger.resize(9 << 20)
    # With another key, in the other format, and without one.
    swapped = "qcow2" if kind == "raw" else "raw"
    for name, to in (("rekeyed", kind), ("swapped", swapped)):
        copy = vms.createXMLFrom(encrypted_xml(name, to, other), source)
        assert copy.info()[1] == 4 << 20
        assert content_of(pool / name, to, second) and not content_of(pool / name, to, first)
    vms.createXMLFrom(volume_xml("open.vmdk", 4 << 20, "vmdk"), source)
    assert content_of(pool / "open.vmdk", "vmdk")
    # One that was open becomes an encrypted one.
    plain = vms.createXMLFrom(encrypted_xml("closed", kind, other, 6 << 20), vms.storageVolLookupByName("open.vmdk"))
    assert plain.info()[1] == 6 << 20 and content_of(pool / "closed", kind, second)
    assert code_of(vms.createXMLFrom, encrypted_xml("bad", "vmdk", other), source) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert code_of(vms.createXMLFrom, encrypted_xml("bad", kind, other), source, 2) == libvirt.VIR_ERR_OPERATION_UNSUPPORTED
    assert "bad" not in vms.listVolumes() and not [each for each in pool.iterdir() if each.name.startswith(".")]
