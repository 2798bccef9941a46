"""Saved memory starts in exactly the machine that was running, whatever was plugged in, and in whatever order it was saved,
restored and reverted. The seeds are fixed; `./check --full` takes more of them (DOMUS_FULL)."""
import os
import random
import subprocess
import xml.etree.ElementTree as ElementTree

import libvirt
import pytest

LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
PORTS = "".join("<controller type='pci' model='pcie-root-port'/>" for _ in range(10))
MACHINE = f"""<domain type='qemu'><name>grown</name><maxMemory slots='4' unit='MiB'>1024</maxMemory><memory unit='MiB'>64</memory>
<vcpu current='1'>4</vcpu><os><type machine='%s'>hvm</type></os><features><acpi/></features>
<cpu><numa><cell id='0' cpus='0-3' memory='64' unit='MiB'/></numa></cpu>
<devices>%s<controller type='scsi' model='virtio-scsi'/><controller type='virtio-serial'/><memballoon model='virtio'/>%s</devices></domain>"""


def disk(path, target, bus):
    return f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='{target}' bus='{bus}'/></disk>"


class Grower:
    def __init__(self, connection, scratch, seed):
        self.rng = random.Random(seed)
        self.scratch = scratch
        self.vcpus, self.virtio, self.scsi, self.others, self.modules = 1, 1, 0, 0, 0
        self.snapshots, self.steps = [], []
        machine, ports = self.rng.choice([("q35", PORTS), ("pc", "")])
        self.domain = connection.defineXML(MACHINE % (machine, ports, disk(self.image("vda"), "vda", "virtio")))
        self.domain.create()

    def image(self, name):
        path = self.scratch / f"{name}.qcow2"
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
        return path

    def attach(self, xml):
        self.domain.attachDeviceFlags(xml, LIVE)

    def plug_vcpus(self):
        count = self.rng.randrange(1, 5)
        if count > self.vcpus:
            self.domain.setVcpusFlags(count, LIVE)
            self.vcpus = count

    def plug_disk(self):
        if self.virtio < 4:
            target = f"vd{'abcdef'[self.virtio]}"
            self.attach(disk(self.image(target), target, "virtio"))
            self.virtio += 1

    def plug_scsi(self):
        target = f"sd{'abcdefghijkl'[self.scsi]}"
        self.attach(disk(self.image(target), target, "scsi"))
        self.scsi += 1

    def unplug_scsi(self):
        """The one that came last but one, so that a gap stays."""
        targets = [found.get("dev") for found in self.tree().findall("devices/disk/target") if found.get("bus") == "scsi"]
        if len(targets) > 1:
            self.domain.detachDeviceFlags(disk(self.image(targets[-2]), targets[-2], "scsi"), LIVE)

    def plug_other(self):
        if self.others < 4:
            self.attach(self.rng.choice([
                "<interface type='user'><model type='virtio'/></interface>",
                "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>",
                f"<channel type='unix'><target type='virtio' name='channel.{self.others}'/></channel>",
                "<input type='tablet' bus='virtio'/>"]))
            self.others += 1

    def plug_memory(self):
        if self.modules < 3:
            self.attach("<memory model='dimm'><target><size unit='MiB'>128</size><node>0</node></target></memory>")
            self.modules += 1

    def snapshot(self):
        name = f"s{len(self.snapshots)}"
        self.domain.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>")
        self.snapshots.append((name, self.seen()))

    def revert(self):
        if self.snapshots:
            name, then = self.rng.choice(self.snapshots)
            self.domain.revertToSnapshot(self.domain.snapshotLookupByName(name), libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE)
            assert self.seen() == then, self.steps
            self.count()

    def save(self):
        before = self.seen()
        self.domain.managedSave()
        self.domain.create()
        assert self.seen() == before, self.steps

    def tree(self):
        return ElementTree.fromstring(self.domain.XMLDesc())

    def seen(self):
        """What the guest can tell: its devices at their places, with their queues; processors; memory."""
        tree = self.tree()
        devices = []
        for device in tree.find("devices"):
            address, target, driver = (device.find(name) for name in ("address", "target", "driver"))
            devices.append((device.tag, device.get("type"), device.get("model"),
                            tuple(sorted(address.attrib.items())) if address is not None else None,
                            target.get("dev") if target is not None and device.tag == "disk" else None,
                            driver.get("queues") if driver is not None else None))
        return sorted(map(repr, devices)), tree.find("vcpu").get("current"), tree.findtext("memory"), self.domain.maxMemory()

    def count(self):
        tree = self.tree()
        buses = [found.get("bus") for found in tree.findall("devices/disk/target")]
        self.virtio = buses.count("virtio")
        self.scsi = max([buses.count("scsi"), *("abcdefghijkl".index(found.get("dev")[2]) + 1
                                                for found in tree.findall("devices/disk/target") if found.get("bus") == "scsi")])
        self.vcpus = int(tree.find("vcpu").get("current", 4))
        self.modules = len(tree.findall("devices/memory"))

    def step(self):
        what = self.rng.choice([self.plug_vcpus, self.plug_disk, self.plug_scsi, self.unplug_scsi, self.plug_other, self.plug_memory,
                                self.snapshot, self.revert, self.save, self.save])
        self.steps.append(what.__name__)
        try:
            what()
        except libvirt.libvirtError as error:
            raise AssertionError(f"{self.steps}: {error}") from error
        assert self.domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING, self.steps


@pytest.mark.parametrize("seed", range(1, 31) if os.environ.get("DOMUS_FULL") else range(1, 4))
def test_a_machine_that_grew_is_the_same_when_it_comes_back(conn, scratch, seed):
    grower = Grower(conn, scratch, seed)
    for _ in range(12):
        grower.step()
    grower.save()
    grower.domain.destroy()
    flags = libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    grower.domain.undefineFlags(flags)
