"""Directory pools and their volumes, with stock virsh, python3-libvirt, virt-install and virt-clone."""
import json
import mmap
import os
import subprocess
import time
import xml.etree.ElementTree as ET

import libvirt
import pytest

from harness.calls import code_of
from harness.daemon import run
from harness.wait import wait_until


@pytest.fixture
def pool(virsh, scratch):
    """A folder as pool 'vmspool', made as the article does."""
    folder = scratch / "vms"
    assert virsh("pool-define-as", "vmspool", "--type", "dir", "--target", folder).out == "Pool vmspool defined\n\n"
    assert virsh("pool-build", "vmspool").out == "Pool vmspool built\n\n"
    assert virsh("pool-start", "vmspool").out == "Pool vmspool started\n\n"
    assert virsh("pool-autostart", "vmspool").out == "Pool vmspool marked as autostarted\n\n"
    return folder


def volume_xml(name, capacity, kind="qcow2", allocation=0, extra=""):
    return (f"<volume><name>{name}</name><capacity>{capacity}</capacity><allocation>{allocation}</allocation>"
            f"<target><format type='{kind}'/></target>{extra}</volume>")


def test_the_walk_of_the_article(virsh, pool):
    assert pool.is_dir() and pool.stat().st_mode & 0o777 == 0o711
    assert virsh("pool-list", "--all").out.split()[4:] == ["vmspool", "active", "yes"]
    assert virsh("vol-create-as", "vmspool", "disk1.qcow2", "1G", "--format", "qcow2").out == "Vol disk1.qcow2 created\n\n"
    assert "disk1.qcow2" in virsh("vol-list", "vmspool").out
    info = subprocess.run(["qemu-img", "info", "-U", "--output=json", pool / "disk1.qcow2"], text=True, capture_output=True, check=True).stdout
    assert '"virtual-size": 1073741824' in info and '"format": "qcow2"' in info
    volume = ET.fromstring(virsh("vol-dumpxml", "disk1.qcow2", "--pool", "vmspool").out)
    assert volume.findtext("target/path") == volume.findtext("key") == str(pool / "disk1.qcow2")
    assert volume.find("target/format").get("type") == "qcow2" and volume.findtext("target/compat") == "1.1"
    assert volume.findtext("target/permissions/mode") == "0600"
    assert int(volume.findtext("allocation")) == (pool / "disk1.qcow2").stat().st_blocks * 512
    facts = dict(line.split(":", 1) for line in virsh("pool-info", "vmspool").out.splitlines() if ":" in line)
    assert facts["State"].strip() == "running" and facts["Autostart"].strip() == "yes"
    assert virsh("vol-resize", "disk1.qcow2", "2G", "--pool", "vmspool").code == 0
    assert "2.00 GiB" in virsh("vol-info", "disk1.qcow2", "--pool", "vmspool").out
    assert virsh("vol-delete", "disk1.qcow2", "--pool", "vmspool").out == "Vol disk1.qcow2 deleted\n\n"
    assert list(pool.iterdir()) == []
    assert virsh("pool-destroy", "vmspool").out == "Pool vmspool destroyed\n\n"
    assert virsh("pool-delete", "vmspool").out == "Pool vmspool deleted\n\n"
    assert not pool.exists()
    assert virsh("pool-undefine", "vmspool").out == "Pool vmspool has been undefined\n\n"
    assert virsh("pool-list", "--all", "--name").out.split() == []


def test_formats_allocation_and_backing_images(conn, pool):
    vms = conn.storagePoolLookupByName("vmspool")
    sparse = vms.createXML(volume_xml("sparse.raw", 64 << 20, "raw"))
    assert sparse.info()[1:] == [64 << 20, 0]
    full = vms.createXML(volume_xml("full.raw", 8 << 20, "raw", allocation=8 << 20))
    assert full.info()[2] == 8 << 20
    vms.createXML(volume_xml("base.qcow2", 32 << 20))
    over = vms.createXML(volume_xml("over.qcow2", 32 << 20, extra=f"<backingStore><path>{pool}/base.qcow2</path><format type='qcow2'/></backingStore>"))
    assert ET.fromstring(over.XMLDesc()).findtext("backingStore/path") == f"{pool}/base.qcow2"
    assert code_of(vms.createXML, volume_xml("guessed.qcow2", 1 << 20, extra=f"<backingStore><path>{pool}/base.qcow2</path></backingStore>")) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert code_of(vms.createXML, volume_xml("x.qcow2", 1 << 20, extra="<backingStore><path>/absent</path><format type='raw'/></backingStore>")) == libvirt.VIR_ERR_SYSTEM_ERROR
    for kind in ("vmdk", "vdi", "vpc", "vhdx", "qed"):
        vms.createXML(volume_xml(f"one.{kind}", 4 << 20, kind))
    assert sorted(os.listdir(pool)) == sorted(each.name() for each in vms.listAllVolumes())


@pytest.mark.parametrize("target, expected", [
    ("<compat>0.10</compat>", {"compat": "0.10"}),
    ("<compat>1.1</compat><features><lazy_refcounts/></features>", {"compat": "1.1", "lazy-refcounts": True}),
    ("<clusterSize unit='KiB'>128</clusterSize><features><extended_l2/></features>", {"compat": "1.1", "extended-l2": True}),
], ids=["old", "lazy", "extended"])
def test_features_of_qcow2(conn, pool, target, expected):
    vms = conn.storagePoolLookupByName("vmspool")
    vms.createXML(f"<volume><name>v</name><capacity>1000000</capacity><target><format type='qcow2'/>{target}</target></volume>")
    run("qemu-img", "check", pool / "v")
    told = json.loads(run("qemu-img", "info", "--output=json", pool / "v").out)
    assert told["virtual-size"] == 1000448  # whole sectors
    data = told["format-specific"]["data"]
    assert {key: data[key] for key in expected} == expected
    assert told["cluster-size"] == (131072 if "clusterSize" in target else 65536)


def test_a_new_image_has_its_backing_image_s_size_and_refusals_leave_nothing(conn, pool):
    vms = conn.storagePoolLookupByName("vmspool")
    vms.createXML(volume_xml("base", 5 << 20, "raw"))
    backing = f"<backingStore><path>{pool}/base</path><format type='%s'/></backingStore>"
    over = vms.createXML(f"<volume><name>over</name><target><format type='qcow2'/></target>{backing % 'raw'}</volume>")
    assert over.info()[1] == 5 << 20
    unsupported = libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert code_of(vms.createXML, volume_xml("no", 1 << 20, extra=backing % "qcow2")) == libvirt.VIR_ERR_OPERATION_FAILED
    for wrong in ("<compat>2.0</compat>", "<clusterSize>3000</clusterSize>", "<compat>0.10</compat><features><lazy_refcounts/></features>"):
        assert code_of(vms.createXML, "<volume><name>no</name><capacity>1000</capacity>"
                                      f"<target><format type='qcow2'/>{wrong}</target></volume>") == unsupported
    assert sorted(os.listdir(pool)) == ["base", "over"]


def test_nothing_is_overwritten_and_refusals_touch_nothing(conn, pool, scratch):
    vms = conn.storagePoolLookupByName("vmspool")
    (pool / "precious").write_text("mine")
    for kind in ("raw", "qcow2"):
        assert code_of(vms.createXML, volume_xml("precious", 1 << 20, kind)) == libvirt.VIR_ERR_STORAGE_VOL_EXIST
    assert (pool / "precious").read_text() == "mine"
    for name in ("../escape", "a/b"):
        assert code_of(vms.createXML, volume_xml(name, 1 << 20)) == libvirt.VIR_ERR_OPERATION_INVALID
    for name in ("..", ""):
        assert code_of(vms.createXML, volume_xml(name, 1 << 20)) in (libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_XML_DETAIL)
    assert code_of(vms.createXML, volume_xml("odd", 1 << 20, "cow")) == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert sorted(os.listdir(pool)) == ["precious"]
    assert code_of(conn.storagePoolDefineXML, f"<pool type='dir'><name>second</name><target><path>{pool}/</path></target></pool>") == libvirt.VIR_ERR_OPERATION_FAILED
    assert code_of(conn.storagePoolDefineXML, "<pool type='dir'><name>second</name></pool>") == libvirt.VIR_ERR_XML_ERROR
    assert code_of(conn.storagePoolDefineXML, "<pool type='vstorage'><name>z</name><source><name>t</name></source><target><path>/v</path></target></pool>") == libvirt.VIR_ERR_CONFIG_UNSUPPORTED
    assert code_of(conn.storagePoolLookupByName, "absent") == libvirt.VIR_ERR_NO_STORAGE_POOL
    assert code_of(vms.storageVolLookupByName, "absent") == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert code_of(conn.storageVolLookupByPath, "/absent") == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert code_of(vms.create) == code_of(vms.undefine) == code_of(vms.delete) == libvirt.VIR_ERR_OPERATION_INVALID
    vms.destroy()
    assert code_of(vms.listAllVolumes) == code_of(vms.refresh) == code_of(vms.destroy) == libvirt.VIR_ERR_OPERATION_INVALID


def test_what_is_empty_is_wiped_in_a_moment(conn, pool):
    volume = conn.storagePoolLookupByName("vmspool").createXML(volume_xml("empty", 0, "raw"))
    for algorithm in (libvirt.VIR_STORAGE_VOL_WIPE_ALG_ZERO, libvirt.VIR_STORAGE_VOL_WIPE_ALG_TRIM):
        volume.wipePattern(algorithm)


def test_what_is_done_by_hand_is_in_the_next_listing(conn, pool, scratch):
    vms = conn.storagePoolLookupByName("vmspool")
    qemu_img = lambda *arguments: subprocess.run(["qemu-img", *arguments], check=True)
    qemu_img("create", "-q", "-f", "qcow2", pool / "hand.qcow2", "16M")
    assert vms.listVolumes() == ["hand.qcow2"]
    assert conn.storageVolLookupByPath(f"{pool}/./hand.qcow2").info()[1] == 16 << 20
    qemu_img("resize", "-q", pool / "hand.qcow2", "32M")
    assert vms.listAllVolumes()[0].info()[1] == 32 << 20
    os.rename(pool / "hand.qcow2", pool / "moved.qcow2")
    assert [each.name() for each in vms.listAllVolumes()] == ["moved.qcow2"]
    assert code_of(vms.storageVolLookupByName, "hand.qcow2") == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert conn.storageVolLookupByKey(str(pool / "moved.qcow2")).name() == "moved.qcow2"
    os.unlink(pool / "moved.qcow2")
    assert vms.numOfVolumes() == 0
    # What cannot be a volume is none, by hand as by a refresh.
    os.mkfifo(pool / "pipe")
    os.symlink("/absent", pool / "dangling")
    os.mkdir(pool / "folder")
    assert vms.listVolumes() == ["folder"]
    vms.refresh()
    assert vms.listVolumes() == ["folder"]
    # Many at once, and those that went meanwhile.
    for i in range(500):
        (pool / f"many{i}").touch()
    for i in range(0, 500, 2):
        os.unlink(pool / f"many{i}")
    assert len(vms.listVolumes()) == 251


@pytest.mark.parametrize("look", ["refresh", "info"])
def test_what_has_not_changed_is_known_and_what_has_is_seen(conn, pool, look):
    """Without the kernel's notice of writes: what a mapping or asynchronous I/O writes comes without one."""
    vms = conn.storagePoolLookupByName("vmspool")
    path = pool / "disk"
    path.write_bytes(bytes(1 << 20))
    time.sleep(0.1)  # else it is looked at again anyway, since a clock of files goes in ticks
    vms.refresh()

    def seen():
        if look == "refresh":
            vms.refresh()
        volume = vms.storageVolLookupByName("disk")
        info = volume.info()
        return ET.fromstring(volume.XMLDesc()).find("target/format").get("type"), *info[1:]

    assert seen() == ("raw", 1 << 20, 1 << 20)
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        image = subprocess.run(["sh", "-c", "cd $0 && qemu-img create -q -f qcow2 ../head 5M && cat ../head && rm ../head", pool],
                               check=True, capture_output=True).stdout
        memory[:len(image)] = image
        memory.flush()
        assert seen() == ("qcow2", 5 << 20, 1 << 20)
        memory[:4] = bytes(4)
        memory.flush()
        assert seen() == ("raw", 1 << 20, 1 << 20)


def test_a_full_disk_leaves_no_half_volume(conn, daemon, scratch):
    small = scratch / "small"
    small.mkdir()
    assert daemon.sandbox.run("mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", small).returncode == 0
    try:
        vms = conn.storagePoolCreateXML(f"<pool type='dir'><name>small</name><target><path>{small}</path></target></pool>")
        with pytest.raises(libvirt.libvirtError, match="No space left"):
            vms.createXML(volume_xml("big", 64 << 20, "raw", allocation=64 << 20))
        assert vms.listVolumes() == []
        assert daemon.sandbox.run("ls", "-A", small).stdout == ""
        vms.destroy()
    finally:
        daemon.sandbox.run("umount", small)
    assert conn.listAllStoragePools() == []


def test_upload_and_download_give_back_what_was_sent(virsh, pool, scratch):
    sent, got = scratch / "sent", scratch / "got"
    sent.write_bytes(os.urandom(3_000_000) + bytes(5_000_000) + b"the end")
    size = sent.stat().st_size
    virsh("vol-create-as", "vmspool", "one.raw", f"{size}b", "--format", "raw")
    virsh("vol-upload", "one.raw", sent, "--pool", "vmspool")
    assert (pool / "one.raw").read_bytes() == sent.read_bytes()
    virsh("vol-download", "one.raw", got, "--pool", "vmspool")
    assert got.read_bytes() == sent.read_bytes()
    virsh("vol-download", "one.raw", got, "--pool", "vmspool", "--offset", "1000", "--length", "5000")
    assert got.read_bytes() == sent.read_bytes()[1000:6000]
    virsh("vol-create-as", "vmspool", "two.raw", f"{size}b", "--format", "raw")
    virsh("vol-upload", "two.raw", sent, "--pool", "vmspool", "--sparse")
    assert (pool / "two.raw").read_bytes() == sent.read_bytes()
    with open(sent, "r+b") as file:
        file.truncate(64 << 20)
    virsh("vol-create-as", "vmspool", "three.raw", "64M", "--format", "raw")
    virsh("vol-upload", "three.raw", sent, "--pool", "vmspool", "--sparse")
    assert (pool / "three.raw").stat().st_blocks * 512 < 16 << 20
    virsh("vol-download", "three.raw", got, "--pool", "vmspool", "--sparse")
    assert got.read_bytes() == sent.read_bytes() and got.stat().st_blocks * 512 < 16 << 20
    refused = virsh("vol-upload", "one.raw", sent, "--pool", "vmspool", "--length", "10", check=False)
    assert refused.code == 1
    virsh("vol-wipe", "one.raw", "--pool", "vmspool")
    assert set((pool / "one.raw").read_bytes()) == {0} and (pool / "one.raw").stat().st_size == size


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_clones_are_equal(virsh, pool, kind):
    virsh("vol-create-as", "vmspool", f"a.{kind}", "16M", "--format", kind, "--allocation", "0")
    filled = subprocess.run(["qemu-io", "-f", kind, "-c", "write -P 7 1M 2M", pool / f"a.{kind}"], capture_output=True, text=True)
    assert filled.returncode == 0, filled.stderr
    assert virsh("vol-clone", f"a.{kind}", f"b.{kind}", "--pool", "vmspool").out == f"Vol b.{kind} cloned from a.{kind}\n\n"
    same = subprocess.run(["qemu-img", "compare", "-f", kind, "-F", kind, pool / f"a.{kind}", pool / f"b.{kind}"])
    assert same.returncode == 0
    assert (pool / f"b.{kind}").stat().st_blocks * 512 < 8 << 20


def test_pools_stay_over_a_restart_and_a_crash(daemon, virsh, pool, scratch):
    virsh("vol-create-as", "vmspool", "disk", "1M")
    other = scratch / "other"
    other.mkdir()
    virsh("pool-create-as", "passing", "dir", "--target", other)
    for restart in (daemon.restart, lambda: (daemon.kill(), daemon.start())):
        restart()
        wait_until(lambda: set(virsh("pool-list", "--name").out.split()) == {"vmspool", "passing"}, "the pools are not active again")
        assert "disk" in virsh("vol-list", "vmspool").out
    assert "no" in virsh("pool-info", "passing").out.split("Persistent:")[1].split()[0]
    virsh("pool-destroy", "passing")
    assert virsh("pool-list", "--all", "--name").out.split() == ["vmspool"]


def test_a_login_that_nobody_asks_for_is_kept_and_told_of(conn, daemon, scratch):
    auth = "<source><auth type='chap' username='me'><secret usage='it'/></auth></source>"
    made = conn.storagePoolDefineXML(f"<pool type='dir'><name>d</name>{auth}<target><path>{scratch}</path></target></pool>")
    assert "username='me'" in made.XMLDesc(libvirt.VIR_STORAGE_XML_INACTIVE)
    wait_until(lambda: "storage pool 'd': <auth> has no meaning for type 'dir'" in daemon.log_tail(), "nothing is said of it")
    made.create()
    made.destroy()


def test_events_tell_of_pools(conn, pool):
    seen = []
    conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE, lambda _c, p, event, _d, _o: seen.append((p.name(), event)), None)
    conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH, lambda _c, p, _o: seen.append((p.name(), "refresh")), None)
    vms = conn.storagePoolLookupByName("vmspool")
    vms.refresh()
    vms.destroy()
    vms.undefine()
    wait_until(lambda: len(seen) >= 3, "events are missing")
    assert seen == [("vmspool", "refresh"), ("vmspool", libvirt.VIR_STORAGE_POOL_EVENT_STOPPED), ("vmspool", libvirt.VIR_STORAGE_POOL_EVENT_UNDEFINED)]
