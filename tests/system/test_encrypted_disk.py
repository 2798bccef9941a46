"""Domains that boot with encrypted images: the passphrase is a secret of the daemon, and stands nowhere in clear."""
import libvirt
import pytest

from harness.daemon import run
from harness.wait import wait_until

PASSPHRASE = "open sesame 4711"
PLAIN = b"this sector was written in clear"
UUID = "2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a111"
SIZE = 4 << 20


@pytest.fixture
def make_image(scratch):
    """Function that makes an encrypted image which begins with PLAIN; `kind` is raw or qcow2."""
    def make(name, kind="raw"):
        plain, image, key = scratch / "plain.img", scratch / name, scratch / "key"
        plain.write_bytes(PLAIN + bytes(SIZE - len(PLAIN)))
        key.write_text(PASSPHRASE)
        options = "key-secret=k,iter-time=10" if kind == "raw" else "encrypt.format=luks,encrypt.key-secret=k,encrypt.iter-time=10"
        for _ in range(10):  # it measures the processor, and gives up where the figure is not plausible
            made = run("qemu-img", "convert", "--object", f"secret,id=k,file={key}", "-f", "raw", "-O",
                       "luks" if kind == "raw" else kind, "-o", options, plain, image, check=False)
            if "accurate CPU usage" not in made.err:
                break
        assert made.code == 0, made
        assert PLAIN not in image.read_bytes()
        return image
    return make


@pytest.fixture
def define(conn):
    """Function that defines the secret for an image, by default with its value."""
    def make(image, value=PASSPHRASE, attributes="private='yes'"):
        secret = conn.secretDefineXML(f"<secret {attributes}><uuid>{UUID}</uuid><usage type='volume'>"
                                      f"<volume>{image}</volume></usage></secret>")
        if value is not None:
            secret.setValue(value.encode())
        return secret
    return make


def disk(image, kind="raw", reference=f"uuid='{UUID}'", target="vdb", beside=False, bus="virtio"):
    encryption = f"<encryption format='luks'><secret type='passphrase' {reference}/></encryption>"
    return (f"<disk type='file'><driver name='qemu' type='{kind}'/><source file='{image}'>"
            f"{'' if beside else encryption}</source><target dev='{target}' bus='{bus}'/>{encryption if beside else ''}</disk>")


def first_bytes(shell, device="/dev/vda"):
    return shell.run(f"dd if={device} bs={len(PLAIN)} count=1 2>/dev/null")


@pytest.mark.parametrize("kind, reference, beside", [("raw", "uuid", True), ("qcow2", "usage", False)])
def test_a_guest_reads_and_writes_its_encrypted_disk(conn, guest, make_image, define, shell_of, daemon, virsh, kind,
                                                     reference, beside):
    image = make_image(f"disk.{kind}", kind)
    define(image)
    how = f"uuid='{UUID}'" if reference == "uuid" else f"usage='{image}'"
    domain = conn.defineXML(guest("locked", devices=disk(image, kind, how, target="vda", beside=beside)))
    domain.create()
    shell = shell_of("locked")
    assert first_bytes(shell) == PLAIN.decode()
    assert str(SIZE // 512) in shell.run("cat /sys/block/vda/size")
    shell.run("printf 'written by the guest' | dd of=/dev/vda conv=notrunc,fsync 2>/dev/null")
    domain.destroy()
    assert b"written by the guest" not in image.read_bytes()
    domain.create()
    assert first_bytes(shell_of("locked")).startswith("written by the guest")
    command = "".join(open(f"/proc/{pid}/cmdline").read() for pid in daemon.pids_of("guest=locked"))
    assert "luks" in command
    documents = virsh("dumpxml", "locked", "--security-info").out + command
    files = [path for path in daemon.root.rglob("*") if path.is_file() and PASSPHRASE.encode() in path.read_bytes()]
    assert PASSPHRASE not in documents and files == []
    assert f"<secret type='passphrase' {how}/>" in documents


def test_a_missing_secret_and_a_missing_value_are_told(conn, guest, make_image, define, virsh):
    image = make_image("disk.raw")
    domain = conn.defineXML(guest("locked", devices=disk(image)))
    with pytest.raises(libvirt.libvirtError) as caught:
        domain.create()
    assert caught.value.get_error_code() == libvirt.VIR_ERR_NO_SECRET
    assert f"disk 'vdb': Secret not found: no secret with matching uuid '{UUID}'" in str(caught.value)
    assert "secret-list" in str(caught.value)
    secret = define(image, value=None)
    with pytest.raises(libvirt.libvirtError, match="does not have a value") as caught:
        domain.create()
    assert f"secret-set-value {UUID}" in str(caught.value)
    secret.setValue(b"wrong")
    with pytest.raises(libvirt.libvirtError, match="Invalid password"):
        domain.create()
    assert domain.isActive() == 0
    secret.setValue(PASSPHRASE.encode())
    domain.create()
    assert domain.isActive() == 1


def test_an_encrypted_disk_is_plugged_in_and_out(conn, guest, make_image, define, shell_of, event_log):
    image = make_image("disk.raw")
    secret = define(image, value="wrong")
    domain = conn.createXML(guest("locked"))
    shell = shell_of("locked")
    with pytest.raises(libvirt.libvirtError, match="Invalid password"):
        domain.attachDevice(disk(image, target="vda"))
    secret.setValue(PASSPHRASE.encode())
    for _ in range(2):  # nothing of the time before is in the way of the next
        domain.attachDevice(disk(image, target="vda"))
        wait_until(lambda: first_bytes(shell) == PLAIN.decode(), "the guest does not read the disk")
        domain.detachDevice(disk(image, target="vda"))
        event_log.wait_for_device("locked", libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, "virtio-disk0")
        event_log.devices.clear()
    secret.undefine()
    with pytest.raises(libvirt.libvirtError, match="no secret with matching uuid"):
        domain.attachDevice(disk(image, target="vda"))
    assert "<disk" not in domain.XMLDesc()
