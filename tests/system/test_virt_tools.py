"""Debian's virt-install and virt-clone, unchanged: disks of every kind that they can ask for."""
import hashlib
import json
import os
import subprocess
import xml.etree.ElementTree as ET

import pytest

from harness.daemon import run

MIB = 1 << 20


@pytest.fixture
def pool(virsh, scratch):
    """A folder as pool 'vmspool'."""
    virsh("pool-create-as", "vmspool", "dir", "--target", scratch / "vms", "--build")
    return scratch / "vms"


@pytest.fixture
def tool(daemon):
    """Function that runs one of them against the daemon, with a home of its own."""
    home = daemon.root / "home"
    home.mkdir()

    def call(program, *arguments, **options):
        return run(program, "--connect", daemon.uri, *arguments, env=dict(os.environ, LC_ALL="C", HOME=str(home)), timeout=120,
                   **options)
    return call


@pytest.fixture
def install(tool, guest_assets):
    """Function that installs a domain with these arguments of virt-install, and starts it."""
    def call(name, *arguments, **options):
        return tool("virt-install", "--name", name, "--memory", "128", "--virt-type", "qemu", "--osinfo", "generic", "--import",
                    "--graphics", "none", "--noautoconsole", "--network", "none", "--boot",
                    f"kernel={guest_assets}/vmlinuz,initrd={guest_assets}/initrd.gz,kernel_args=console=ttyS0 quiet",
                    *arguments, **options)
    return call


@pytest.fixture
def clone(tool, virsh, install):
    """Function that makes a stopped domain 'original' with these disks, and clones it with these arguments of virt-clone."""
    def call(disks, *arguments):
        install("original", *(word for disk in disks for word in ("--disk", disk)))
        virsh("destroy", "original")
        return tool("virt-clone", "--original", "original", *arguments)
    return call


def info(path):
    return json.loads(subprocess.run(["qemu-img", "info", "-U", "--output=json", path], check=True, capture_output=True).stdout)


def disks_of(virsh, name):
    """(format, path) of each disk."""
    devices = ET.fromstring(virsh("dumpxml", name, "--inactive").out).findall("devices/disk")
    return [(disk.find("driver").get("type"), disk.find("source").get("file")) for disk in devices]


def digest(path):
    """Of what a guest would read."""
    with subprocess.Popen(["qemu-img", "convert", "-O", "raw", path, "/dev/stdout"], stdout=subprocess.PIPE) as process:
        return hashlib.sha256(process.stdout.read()).hexdigest()


@pytest.mark.parametrize("kind, sparse", [("qcow2", "yes"), ("qcow2", "no"), ("raw", "yes"), ("raw", "no")])
@pytest.mark.parametrize("place", ["pool=vmspool", "path=new.img"], ids=["pool", "path"])
def test_install_makes_disks(virsh, install, pool, kind, sparse, place):
    place = place.replace("new.img", str(pool / "new.img"))
    install("fresh", "--disk", f"{place},size=0.03125,format={kind},sparse={sparse}")
    assert virsh("domstate", "fresh").out.strip() == "running"
    (driver, path), = disks_of(virsh, "fresh")
    assert driver == kind and os.path.dirname(path) == str(pool)
    told = info(path)
    assert (told["format"], told["virtual-size"]) == (kind, 32 * MIB)
    taken = os.stat(path).st_blocks * 512
    assert taken < MIB if sparse == "yes" else taken >= 32 * MIB
    virsh("destroy", "fresh")
    virsh("undefine", "fresh", "--remove-all-storage")
    assert os.listdir(pool) == []


def test_install_on_top_of_another_image(virsh, install, pool):
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", pool / "base.qcow2", "30M"], check=True)
    install("over", "--disk", f"pool=vmspool,size=0.05,backing_store={pool}/base.qcow2,backing_format=qcow2")
    (kind, path), = disks_of(virsh, "over")
    told = info(path)
    assert (kind, told["backing-filename"], told["backing-filename-format"]) == ("qcow2", f"{pool}/base.qcow2", "qcow2")
    assert ET.fromstring(virsh("dumpxml", "over").out).find("devices/disk/backingStore/source").get("file") == f"{pool}/base.qcow2"
    virsh("destroy", "over")


def test_install_with_volumes_that_are_there_and_several_disks(virsh, install, pool):
    virsh("vol-create-as", "vmspool", "one.qcow2", "20M", "--format", "qcow2")
    virsh("vol-create-as", "vmspool", "two.raw", "10M", "--format", "raw")
    install("several", "--disk", "vol=vmspool/one.qcow2", "--disk", f"path={pool}/two.raw,format=raw,bus=sata",
            "--disk", "pool=vmspool,size=0.01,format=raw,bus=scsi")
    assert disks_of(virsh, "several")[:2] == [("qcow2", f"{pool}/one.qcow2"), ("raw", f"{pool}/two.raw")]
    assert len(virsh("domblklist", "several", "--details").out.strip().splitlines()) == 5
    virsh("destroy", "several")


def test_install_refuses_what_another_guest_uses_and_what_does_not_fit(virsh, install, pool):
    install("first", "--disk", "pool=vmspool,size=0.01,format=raw")
    path = disks_of(virsh, "first")[0][1]
    said = install("second", "--disk", f"path={path},format=raw", check=False)
    assert said.code != 0 and "already in use" in said.err
    said = install("third", "--disk", "pool=vmspool,size=100000,format=raw,sparse=no", check=False)
    assert said.code != 0 and "not enough free space" in said.err
    assert virsh("list", "--all", "--name").out.split() == ["first"]
    assert os.listdir(pool) == [os.path.basename(path)]
    virsh("destroy", "first")


@pytest.mark.parametrize("kind", ["raw", "qcow2"])
def test_clone_copies_what_the_guest_sees(virsh, clone, pool, kind):
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, pool / "disk", "20M"], check=True)
    subprocess.run(["qemu-io", "-f", kind, "-c", "write -P 7 3M 2M", pool / "disk"], check=True, stdout=subprocess.DEVNULL)
    said = clone([f"path={pool}/disk,format={kind}"], "--name", "twin", "--file", pool / "twin.disk")
    assert "Clone 'twin' created successfully." in said.out
    assert disks_of(virsh, "twin") == [(kind, f"{pool}/twin.disk")]
    assert digest(pool / "twin.disk") == digest(pool / "disk")
    assert os.stat(pool / "twin.disk").st_blocks * 512 < 6 * MIB  # holes stay holes
    assert virsh("domuuid", "twin").out != virsh("domuuid", "original").out


def test_clone_without_holes(virsh, clone, pool):
    clone(["pool=vmspool,size=0.01,format=raw"], "--name", "full", "--nonsparse", "--file", pool / "full.raw")
    assert os.stat(pool / "full.raw").st_blocks * 512 >= 10 * MIB


def test_clone_several_disks_and_start_the_clone(virsh, clone, pool):
    said = clone(["pool=vmspool,size=0.01,format=qcow2", "pool=vmspool,size=0.01,format=raw", f"path={pool}/data.raw,size=0.01,format=raw"],
                 "--auto-clone")
    assert "Clone 'original-clone' created successfully." in said.out
    first, second = disks_of(virsh, "original"), disks_of(virsh, "original-clone")
    assert [kind for kind, _ in first] == [kind for kind, _ in second]
    assert len({path for _, path in first + second}) == 6 == len(os.listdir(pool))
    virsh("start", "original")
    virsh("start", "original-clone")  # each with its own images
    for name in ("original", "original-clone"):
        virsh("destroy", name)
        virsh("undefine", name, "--remove-all-storage")
    assert os.listdir(pool) == []


def test_clone_keeps_the_disks_that_it_is_told_to(virsh, clone, pool):
    clone(["pool=vmspool,size=0.01,format=qcow2", f"path={pool}/shared.raw,size=0.01,format=raw,readonly=on,bus=virtio"], "--auto-clone",
          "--skip-copy", "vdb")
    assert disks_of(virsh, "original")[1] == disks_of(virsh, "original-clone")[1]
    assert len(os.listdir(pool)) == 3


def test_clone_of_a_running_domain_and_over_a_file_that_is_there_is_refused(virsh, install, tool, pool):
    install("original", "--disk", "pool=vmspool,size=0.01,format=qcow2")
    said = tool("virt-clone", "--original", "original", "--auto-clone", check=False)
    assert said.code != 0 and "must be shutoff" in said.err
    virsh("destroy", "original")
    (pool / "mine").write_bytes(b"precious")
    before = os.listdir(pool)
    said = tool("virt-clone", "--original", "original", "--name", "twin", "--file", pool / "mine", check=False)
    assert said.code != 0
    assert (pool / "mine").read_bytes() == b"precious" and os.listdir(pool) == before
    assert virsh("list", "--all", "--name").out.split() == ["original"]


def test_a_guest_gets_the_default_machine(conn, tool, virsh):
    """virt-install takes the first one of the capabilities for an operating system that it does not know."""
    first = ET.fromstring(conn.getCapabilities()).findtext("guest/arch/machine")
    default = ET.fromstring(virsh("domcapabilities").out).findtext("machine")
    assert first == default
    xml = tool("virt-install", "--name", "a", "--memory", "128", "--virt-type", "qemu", "--osinfo", "generic", "--import", "--disk", "none",
               "--graphics", "none", "--network", "none", "--print-xml").out
    assert ET.fromstring(xml).find("os/type").get("machine") == default
