"""What a definition names lies on storage that answers nothing: that domain waits for it, and nobody else does."""
import libvirt
import pytest

from harness.calls import Outcome, within
from harness.hung import storage
from harness.wait import wait_until

# Each of these parts alone keeps a domain from starting.
DOMAINS = {
    "emulator": "<emulator>HUNG/qemu</emulator>",
    "disk": "<disk><source file='HUNG/a'/><target dev='vda'/></disk>",
    "cdrom": "<disk device='cdrom'><source file='HUNG/a'/><target dev='sda' bus='sata'/></disk>",
    "block": "<disk type='block'><source dev='HUNG/a'/><target dev='vda'/></disk>",
    "shared": "<filesystem><source dir='HUNG/a'/><target dir='x'/></filesystem>",
    "virtiofs": "<filesystem><driver type='virtiofs'/><source dir='HUNG'/><target dir='x'/></filesystem>",
    "file": "<serial type='file'><source path='HUNG/a'/></serial>",
    "device": "<serial type='dev'><source path='HUNG/a'/></serial>",
    "pipe": "<serial type='pipe'><source path='HUNG/a'/></serial>",
    "socket": "<serial type='unix'><source mode='bind' path='HUNG/a'/></serial>",
    "client": "<serial type='unix'><source mode='connect' path='HUNG/a'/></serial>",
    "reconnect": "<serial type='unix'><source mode='connect' path='HUNG/a'><reconnect enabled='yes' timeout='5'/></source></serial>",
    "channel": "<channel type='unix'><source mode='bind' path='HUNG/a'/><target type='virtio' name='x'/></channel>",
    "log": "<serial type='pty'><log file='HUNG/a'/></serial>",
    "display": "<graphics type='vnc' socket='HUNG/a'/>",
    "random": "<rng model='virtio'><backend model='random'>HUNG/a</backend></rng>",
    "entropy": "<rng model='virtio'><backend model='egd' type='unix'><source mode='connect' path='HUNG/a'/></backend></rng>",
    "shmem": "<shmem name='x'><model type='ivshmem-doorbell'/><server path='HUNG/a'/></shmem>",
    "input": "<input type='passthrough' bus='virtio'><source evdev='HUNG/a'/></input>",
    "nvdimm": "<memory model='nvdimm'><source><path>HUNG/a</path></source><target><size unit='MiB'>64</size></target></memory>",
    "tpm": "<tpm model='tpm-tis'><backend type='passthrough'><device path='HUNG/a'/></backend></tpm>",
    "vhostuser": "<interface type='vhostuser'><source type='unix' path='HUNG/a' mode='client'/><model type='virtio'/></interface>",
}
PLATFORMS = {
    "kernel": "<kernel>HUNG/a</kernel>",
    "initrd": "<kernel>/etc/hostname</kernel><initrd>HUNG/a</initrd>",
    "loader": "<loader readonly='yes' type='pflash'>HUNG/a</loader>",
    "bios": "<loader type='rom'>HUNG/a</loader>",
    "nvram": "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>HUNG/a</nvram>",
    "acpi": "<acpi><table type='slic'>HUNG/a</table></acpi>",
}
LATER = {"reconnect"}  # what QEMU connects to when it can
PLENTY = 25  # seconds; what waits for the storage gives up after 30
SHARED_MEMORY = ("virtiofs", "vhostuser")


def document(name, folder):
    devices, platform = DOMAINS.get(name, ""), PLATFORMS.get(name, "")
    backing = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>" if name in SHARED_MEMORY else ""
    slots = "<maxMemory slots='2' unit='MiB'>512</maxMemory><cpu><numa><cell id='0' cpus='0' memory='64' unit='MiB'/></numa></cpu>" if name == "nvdimm" else ""
    return f"""<domain type='qemu'><name>{name}</name><memory unit='MiB'>64</memory>{slots}{backing}
        <os><type arch='x86_64' machine='q35'>hvm</type>{platform}</os><devices>{devices}</devices></domain>""".replace("HUNG", str(folder))


@pytest.fixture
def shelf(daemon, scratch):
    with storage(daemon.sandbox, scratch / "shelf") as mounted:
        yield mounted


def others_go_on(conn, guest):
    """A domain beside them is defined, started and ended."""
    domain = within(PLENTY, lambda: conn.defineXML(guest("other", memory=32)), attempts=1)
    within(0.5, conn.listAllDomains)
    within(PLENTY, lambda: domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED), attempts=1)
    within(PLENTY, domain.destroy, attempts=1)
    domain.undefine()


def test_a_domain_whose_parts_lie_there_holds_up_no_other(daemon, conn, guest, shelf):
    shelf.hang()
    waiting = {name: Outcome(daemon, lambda own, name=name: own.defineXML(document(name, shelf.folder)).create()) for name in (*DOMAINS, *PLATFORMS)}
    rounds = 0
    while any(each.is_alive() for each in waiting.values()):
        others_go_on(conn, guest)
        rounds += 1
    assert rounds > 0
    assert {name for name, each in waiting.items() if each.error is None} <= LATER, "they cannot have started"


def test_guests_whose_images_lie_there_hold_up_no_other(daemon, conn, guest, shelf):
    images = [shelf.folder / f"{number}.qcow2" for number in range(10)]
    for image in images:
        daemon.sandbox.run("qemu-img", "create", "-f", "qcow2", image, "1M", check=True)
    domains = [conn.defineXML(guest(image.stem, memory=32, disks=[image])) for image in images]
    for domain in domains:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    kept = [conn.defineXML(guest(f"kept{number}", memory=32)) for number in range(10)]
    for domain in kept:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    shelf.hang()
    snapshots = [Outcome(daemon, lambda own, name=image.stem: own.lookupByName(name).snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>"))
                 for image in images]
    sizes = [Outcome(daemon, lambda own, name=image.stem: own.lookupByName(name).blockInfo("vda")) for image in images]
    disk = f"<disk><source file='{shelf.folder}/new.img'/><target dev='vdb'/></disk>"
    calls = (lambda own, name: own.lookupByName(name).save(str(shelf.folder / name)), lambda own, name: own.lookupByName(name).attachDevice(disk),
             lambda own, _name: own.restore(str(shelf.folder / "saved")), lambda own, _name: own.saveImageGetXMLDesc(str(shelf.folder / "saved")))
    more = [Outcome(daemon, lambda own, call=call, name=domain.name(): call(own, name)) for call in calls for domain in kept]
    assert len(within(2, conn.getAllDomainStats)) == len(images) + len(kept)
    others_go_on(conn, guest)
    shelf.go_on()
    for each in (*snapshots, *sizes, *more):
        each.wait()
    for domain in (*domains, *kept):
        if domain.isActive():
            domain.destroy()
        assert domain.snapshotNum() <= 1
        for snapshot in domain.listAllSnapshots():
            snapshot.delete()
        domain.undefine()


def folder_pool(name, folder):
    return f"<pool type='dir'><name>{name}</name><target><path>{folder}</path></target></pool>"


def volume(name):
    return f"<volume><name>{name}</name><capacity unit='MiB'>1</capacity><target><format type='qcow2'/></target></volume>"


def test_pools_that_lie_there_hold_up_no_other(daemon, conn, scratch, shelf):
    pools = [conn.storagePoolDefineXML(folder_pool(f"p{number}", shelf.folder / f"p{number}")) for number in range(10)]
    for pool in pools:
        pool.build()
        pool.create()
        pool.createXML(volume("a.qcow2"))
    idle = conn.storagePoolDefineXML(folder_pool("idle", shelf.folder / "idle"))
    idle.build()
    shelf.hang()
    calls = [lambda own, name=pool.name(): own.storagePoolLookupByName(name).refresh() for pool in pools]
    calls += [lambda own, name=pool.name(): own.storagePoolLookupByName(name).createXML(volume("b.qcow2")) for pool in pools]
    calls += [lambda own, name=pool.name(): own.storagePoolLookupByName(name).storageVolLookupByName("a.qcow2").info() for pool in pools]
    calls += [lambda own, name=pool.name(): own.storagePoolLookupByName(name).storageVolLookupByName("a.qcow2").resize(2 << 20) for pool in pools]
    calls += [lambda own: own.storagePoolLookupByName("idle").create(), lambda own: own.storagePoolDefineXML(folder_pool("new", shelf.folder / "new")).build(),
              lambda own: own.storageVolLookupByPath(str(shelf.folder / "p0/b.qcow2")), lambda own: own.storageVolLookupByPath(str(shelf.folder / "c"))]
    waiting = [Outcome(daemon, call) for call in calls]
    for _ in range(3):
        pool = within(PLENTY, lambda: conn.storagePoolDefineXML(folder_pool("other", scratch / "other")), attempts=1)
        within(0.5, conn.listAllStoragePools)
        within(PLENTY, pool.build, attempts=1)
        within(PLENTY, pool.create, attempts=1)
        within(PLENTY, lambda: pool.createXML(volume("a.qcow2")), attempts=1).delete()
        pool.destroy()
        pool.delete()
        pool.undefine()
    shelf.go_on()
    for each in waiting:
        each.wait()
    for pool in conn.listAllStoragePools():
        if pool.isActive():
            pool.destroy()
        pool.undefine()


def test_a_pool_that_hangs_at_boot_keeps_no_domain_from_autostart(daemon, conn, guest, shelf):
    pool = conn.storagePoolDefineXML(folder_pool("slow", shelf.folder / "slow"))
    pool.build()
    pool.setAutostart(1)
    conn.defineXML(guest("web", memory=32)).setAutostart(1)
    conn.close()
    daemon.kill()
    shelf.hang()
    daemon.start()
    again = libvirt.open(daemon.uri)
    domain = again.lookupByName("web")
    wait_until(domain.isActive, "the domain waits for a pool that it does not use")
    pool = again.storagePoolLookupByName("slow")
    assert not pool.isActive()
    domain.destroy()
    shelf.go_on()
    # If its time was over, by hand.
    wait_until(lambda: pool.isActive() or "cannot autostart storage pool 'slow'" in daemon.log.read_text(), "its start does not end")
    if not pool.isActive():
        pool.create()
    pool.destroy()
    again.close()
