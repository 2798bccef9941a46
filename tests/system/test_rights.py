"""What each kind of caller can reach: each line of docs/security.md has its test here.

The daemon is root's; a member of the socket's group runs clients as a user of its own, and so does a stranger.
"""
import os
import pathlib
import shutil
import stat

import pytest

from harness.daemon import run
from harness.wait import wait_until

GROUP, MEMBER, OTHER_MEMBER, STRANGER = 54321, 54322, 54323, 54324
CONFIG = f'[sockets]\ngroup = "{GROUP}"\n'

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")


class User:
    """Runs stock clients against a daemon as a user; has a folder of its own, and an own disk in it."""

    def __init__(self, daemon, uid, gid):
        self.daemon, self.uid, self.gid = daemon, uid, gid
        self.home = daemon.root / f"home-{uid}"
        self.home.mkdir(mode=0o755)
        os.chown(self.home, uid, gid)
        self.disk = self.file("own.raw", size=1 << 20)

    def file(self, name, text="", size=0):
        path = self.home / name
        path.write_text(text)
        if size:
            os.truncate(path, size)
        os.chown(path, self.uid, self.gid)
        return path

    def run(self, *argv, **options):
        return run("setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--", *argv, cwd="/",
                   env={"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C"}, **options)

    def virsh(self, *arguments, readonly=False, **options):
        uri = self.daemon.readonly_uri if readonly else self.daemon.uri
        return self.run("virsh", *(["-r"] if readonly else []), "-c", uri, *arguments, **options)

    def define(self, xml, **options):
        path = self.file("domain.xml", xml)
        return self.virsh("define", path, **options)

    def refused(self, *arguments, saying="", **options):
        """What is said to a call that is refused."""
        said = self.virsh(*arguments, check=False, **options)
        assert said.code == 1 and saying in said.err, said
        return said.err


@pytest.fixture
def daemon(make_daemon):
    return make_daemon(config=CONFIG)


@pytest.fixture
def member(daemon):
    return User(daemon, MEMBER, GROUP)


@pytest.fixture
def secret(daemon):
    """A folder that is root's alone, with a file in it that nobody else reads and nobody may change."""
    folder = daemon.root / "secret"
    folder.mkdir(mode=0o700)
    (folder / "file").write_text("of root\n")
    (folder / "file").chmod(0o600)
    yield folder
    assert (folder / "file").read_text() == "of root\n"
    assert [entry.name for entry in folder.iterdir()] == ["file"]


def domain(name="mine", devices="", os_more="", more="", emulator=""):
    return f"""<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type>{os_more}</os><features><acpi/></features>
  <devices>{emulator}{devices}</devices>{more}
</domain>"""


def disk(path, bus="virtio", target="vda", more=""):
    return f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{path}'/>{more}<target dev='{target}' bus='{bus}'/></disk>"


# -- doors --

def test_the_group_gets_in_and_a_stranger_may_look(daemon, member):
    info = daemon.socket.stat()
    assert (stat.S_IMODE(info.st_mode), info.st_gid) == (0o770, GROUP)
    assert member.virsh("list", "--all").code == 0
    stranger = User(daemon, STRANGER, STRANGER)
    stranger.refused("list", saying="Permission denied")
    assert stranger.virsh("list", "--all", readonly=True).code == 0
    stranger.refused("define", stranger.file("domain.xml", domain()), readonly=True, saying="read only")
    stranger.refused("pool-list", "--all", saying="Permission denied")


@pytest.mark.parametrize("groups, expected", [(["libvirt", "domus"], 61234), (["domus"], 61235), ([], 0)])
def test_the_group_is_libvirts_or_else_ours(make_daemon, groups, expected, scratch):
    daemon = make_daemon()
    daemon.stop()
    list_of_groups = scratch / "group"
    others = [line for line in pathlib.Path("/etc/group").read_text().splitlines() if line.split(":")[0] not in ("libvirt", "domus")]
    numbers = {"libvirt": 61234, "domus": 61235}
    list_of_groups.write_text("\n".join(others + [f"{name}:x:{numbers[name]}:" for name in groups]) + "\n")
    daemon.sandbox.run("mount", "--bind", list_of_groups, "/etc/group", check=True)
    try:
        daemon.start()
        assert (daemon.socket.stat().st_gid, stat.S_IMODE(daemon.socket.stat().st_mode)) == (expected, 0o770)
    finally:
        daemon.sandbox.run("umount", "/etc/group", check=True)


# -- what definitions name --

OF_ROOT = {
    "disk": disk("{file}"),
    "cdrom": "<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{file}'/><target dev='sda' bus='sata'/><readonly/></disk>",
    "backing store": disk("{own}", more="<backingStore type='file'><format type='raw'/><source file='{file}'/></backingStore>"),
    "serial file": "<serial type='file'><source path='{file}'/></serial>",
    "serial file that is new": "<serial type='file'><source path='{folder}/new'/></serial>",
    "parallel device": "<parallel type='dev'><source path='{file}'/></parallel>",
    "console pipe": "<console type='pipe'><source path='{file}'/></console>",
    "channel that listens": "<channel type='unix'><source mode='bind' path='{file}'/><target type='virtio' name='a'/></channel>",
    "channel that connects": "<channel type='unix'><source mode='connect' path='{file}'/><target type='virtio' name='a'/></channel>",
    "log of a pty": "<serial type='pty'><log file='{file}'/></serial>",
    "9p": "<filesystem type='mount'><source dir='{folder}'/><target dir='it'/></filesystem>",
    "9p, read only": "<filesystem type='mount'><source dir='{folder}'/><target dir='it'/><readonly/></filesystem>",
    "rng": "<rng model='virtio'><backend model='random'>{file}</backend></rng>",
    "rng from a socket": "<rng model='virtio'><backend model='egd' type='unix'><source mode='connect' path='{file}'/></backend></rng>",
    "tpm": "<tpm model='tpm-tis'><backend type='passthrough'><device path='{file}'/></backend></tpm>",
    "smart card": "<smartcard mode='passthrough' type='unix'><source mode='bind' path='{folder}/card'/></smartcard>",
    "input": "<input type='passthrough' bus='virtio'><source evdev='{file}'/></input>",
    "graphics": "<graphics type='vnc' socket='{folder}/vnc'/>",
    "graphics listen": "<graphics type='vnc'><listen type='socket' socket='{folder}/vnc'/></graphics>",
    "vhost-user": "<interface type='vhostuser'><source type='unix' path='{folder}/net' mode='server'/><model type='virtio'/></interface>",
    "rom": "<interface type='user'><model type='virtio'/><rom file='{file}'/></interface>",
}
OF_ROOT_TO_BOOT = {
    "kernel": "<kernel>{file}</kernel>",
    "initrd": "<kernel>{own}</kernel><initrd>{file}</initrd>",
    "loader": "<loader readonly='yes' type='pflash'>{file}</loader>",
    "variables": "<loader readonly='yes' type='pflash'>{own}</loader><nvram>{folder}/vars.fd</nvram>",
    "template of variables": "<loader readonly='yes' type='pflash'>{own}</loader><nvram template='{file}'>{home}/vars.fd</nvram>",
    "acpi table": "<acpi><table type='slic'>{file}</table></acpi>",
}


def test_what_is_roots_alone_a_member_cannot_name(daemon, member, secret):
    """Refused by its path, whether defined, started at once or attached; nothing is stored."""
    words = {"file": secret / "file", "folder": secret, "own": member.disk, "home": member.home}
    wrong = []
    documents = [(kind, domain(devices=text.format(**words))) for kind, text in OF_ROOT.items()]
    documents += [(kind, domain(os_more=text.format(**words))) for kind, text in OF_ROOT_TO_BOOT.items()]
    for kind, xml in documents:
        path = member.file("domain.xml", xml)
        for verb in ("define", "create"):
            said = member.virsh(verb, path, check=False)
            if said.code != 1 or "may not" not in said.err:
                wrong.append((kind, verb, said))
    assert not wrong
    assert daemon.virsh("list", "--all", "--name").out.split() == []


def test_nor_attach_to_a_domain_of_roots(daemon, member, secret):
    (member.home / "root.xml").write_text(domain("roots"))
    daemon.virsh("define", member.home / "root.xml")
    device = member.file("device.xml", disk(secret / "file"))
    member.refused("attach-device", "roots", device, "--config", saying="may not use")
    daemon.virsh("start", "roots")
    member.refused("attach-device", "roots", device, "--live", saying="may not use")
    device = member.file("device.xml", "<channel type='unix'><source mode='bind' path='%s/file'/><target type='virtio' name='a'/></channel>" % secret)
    member.refused("attach-device", "roots", device, "--live", saying="may not use")
    assert "secret" not in daemon.virsh("dumpxml", "roots").out


def test_what_is_the_members_own_works(daemon, member):
    own = member.home
    devices = (disk(member.disk) + f"<serial type='file'><source path='{own}/serial'/><log file='{own}/serial.log'/></serial>"
               f"<channel type='unix'><source mode='bind' path='{own}/channel'/><target type='virtio' name='a'/></channel>"
               "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>")
    member.define(domain(devices=devices))
    member.virsh("start", "mine")
    assert (own / "channel").is_socket() and (own / "channel").stat().st_uid == MEMBER
    assert member.disk.stat().st_uid == MEMBER
    member.virsh("destroy", "mine")
    member.virsh("undefine", "mine")


def test_a_socket_takes_the_place_of_a_socket_only(daemon, member):
    precious = member.file("precious", "text")
    member.define(domain(devices=f"<channel type='unix'><source mode='bind' path='{precious}'/><target type='virtio' name='a'/></channel>"))
    member.refused("start", "mine", saying="File exists")
    assert precious.read_text() == "text"


def test_a_link_that_is_swapped_is_judged_as_who_named_it(daemon, member, secret):
    """Whoever starts it: root, the daemon at its own start, or another one of the group; also after a restart."""
    link = member.home / "link"
    link.symlink_to(member.disk)
    os.chown(link, MEMBER, GROUP, follow_symlinks=False)
    member.define(domain(devices=disk(link)))
    member.virsh("start", "mine")
    member.virsh("destroy", "mine")
    member.virsh("autostart", "mine")
    link.unlink()
    link.symlink_to(secret / "file")
    refused = daemon.virsh("start", "mine", check=False)
    assert refused.code == 1 and f"uid {MEMBER} may not use '{link}'" in refused.err
    User(daemon, OTHER_MEMBER, GROUP).refused("start", "mine", saying="may not use")
    daemon.restart()
    wait_until(lambda: "cannot autostart domain 'mine'" in daemon.log_tail(), "it was not tried")
    assert daemon.virsh("domstate", "mine").out.strip() == "shut off"
    daemon.virsh("setmem", "mine", "16M", "--config")  # root changes what names nothing
    refused = daemon.virsh("start", "mine", check=False)
    assert refused.code == 1 and "may not use" in refused.err
    assert "on behalf" not in daemon.virsh("dumpxml", "mine").out
    link.unlink()
    link.symlink_to(member.disk)
    daemon.virsh("start", "mine")


def test_a_start_that_is_refused_leaves_no_file(daemon, member, secret):
    boot = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>{}</nvram>"
    if not pathlib.Path("/usr/share/OVMF/OVMF_CODE_4M.fd").exists():
        pytest.skip("ovmf is not installed")
    own = member.home / "vars.fd"
    member.define(domain(os_more=boot.format(own), devices=disk(member.home / "missing")))
    member.refused("start", "mine", saying="No such file")
    assert not own.exists()
    shutil.copy(member.disk, member.home / "missing")
    os.chown(member.home / "missing", MEMBER, GROUP)
    member.virsh("start", "mine")
    assert own.stat().st_uid == MEMBER
    member.virsh("destroy", "mine")
    (member.home / "root.xml").write_text(domain("roots", os_more=boot.format(secret / "vars.fd"), devices=disk(member.disk)))
    daemon.virsh("define", member.home / "root.xml")
    member.refused("start", "roots", saying="may not use")


# -- rules --

def emulator(daemon, folder, owner):
    """A program that leaves a mark when it is run."""
    path = folder / "qemu-system-x86_64"
    path.write_text(f"#!/bin/sh\ntouch {daemon.root}/home-{MEMBER}/ran\nexec /usr/bin/qemu-system-x86_64 \"$@\"\n")
    path.chmod(0o755)
    os.chown(path, owner, owner)
    return path


def test_an_emulator_is_the_systems_or_listed(daemon, member):
    path = emulator(daemon, member.home, MEMBER)
    xml = domain(emulator=f"<emulator>{path}</emulator>")
    member.refused("define", member.file("domain.xml", xml), saying="may not name the emulator")
    member.refused("create", member.file("domain.xml", xml), saying="may not name the emulator")
    member.refused("domxml-to-native", "qemu-argv", member.home / "domain.xml", saying="may not name the emulator")
    for other in (f"{member.home}/../..{path}", "/usr/bin/../../" + str(path), "/usr/bin/env"):
        member.refused("domcapabilities", "--emulatorbin", other, saying="may not name the emulator")
    cpu = member.file("cpu.xml", "<cpu><model>qemu64</model></cpu>")
    member.refused("hypervisor-cpu-compare", cpu, "--emulator", path, saying="may not name the emulator")
    member.refused("hypervisor-cpu-baseline", cpu, "--emulator", path, saying="may not name the emulator")
    stranger = User(daemon, STRANGER, STRANGER)
    cpu = stranger.file("cpu.xml", "<cpu><model>qemu64</model></cpu>")
    stranger.refused("domcapabilities", "--emulatorbin", path, readonly=True)
    stranger.refused("hypervisor-cpu-compare", cpu, "--emulator", path, readonly=True)
    stranger.refused("hypervisor-cpu-baseline", cpu, "--emulator", path, readonly=True)
    assert not (member.home / "ran").exists()
    member.define(domain(emulator="<emulator>/usr/bin/qemu-system-x86_64</emulator>"))
    (member.home / "root.xml").write_text(domain("roots", emulator=f"<emulator>{path}</emulator>"))
    daemon.virsh("define", member.home / "root.xml")  # root names any
    assert (member.home / "ran").exists()
    member.refused("start", "roots", saying="may not name the emulator")


def test_an_emulator_that_is_listed_may_be_named(make_daemon):
    daemon = make_daemon(config=CONFIG + '[qemu]\nemulators = ["/usr/bin/qemu-system-x86_64"]\n')
    member = User(daemon, MEMBER, GROUP)
    member.define(domain(emulator="<emulator>/usr/bin/qemu-system-x86_64</emulator>"))
    member.refused("define", member.file("domain.xml", domain("other", emulator="<emulator>/usr/bin/qemu-system-i386</emulator>")),
                   saying="may not name the emulator")


COMMAND_LINE = "<qemu:commandline><qemu:arg value='-name'/><qemu:arg value='guest=other'/></qemu:commandline>"
USB = "<hostdev mode='subsystem' type='usb'><source startupPolicy='optional'><vendor id='0x1234'/><product id='0x5678'/></source></hostdev>"


def test_arguments_and_devices_of_the_host_want_a_rule(daemon, member):
    said = member.refused("define", member.file("domain.xml", domain(more=COMMAND_LINE)), saying="<qemu:commandline>")
    assert "qemu_commandline of domus.toml" in said
    said = member.refused("define", member.file("domain.xml", domain(devices=USB)), saying="devices of the host")
    assert "host_devices of domus.toml" in said
    nvme = "<disk type='nvme' device='disk'><source type='pci' namespace='1'><address domain='0' bus='1' slot='0' function='0'/></source><target dev='vda' bus='virtio'/></disk>"
    member.refused("define", member.file("domain.xml", domain(devices=nvme)), saying="devices of the host")
    member.define(domain())
    member.refused("attach-device", "mine", member.file("device.xml", USB), "--config", saying="devices of the host")
    for name, xml in (("one", domain("one", more=COMMAND_LINE)), ("two", domain("two", devices=USB))):
        (member.home / "root.xml").write_text(xml)
        daemon.virsh("define", member.home / "root.xml")
    member.refused("start", "one", saying="<qemu:commandline>")
    member.refused("start", "two", saying="devices of the host")


def test_whom_a_rule_names_may(make_daemon):
    daemon = make_daemon(config=CONFIG + f'[rights]\nqemu_commandline = ["{MEMBER}"]\nhost_devices = ["@{GROUP}"]\n')
    member = User(daemon, MEMBER, GROUP)
    member.define(domain("one", more=COMMAND_LINE))
    member.define(domain("two", devices=USB))
    other = User(daemon, OTHER_MEMBER, GROUP)
    other.refused("define", other.file("domain.xml", domain("three", more=COMMAND_LINE)), saying="<qemu:commandline>")
    other.define(domain("three", devices=USB))


def test_a_network_device_that_exists_stays_who_it_is(daemon, member):
    daemon.sandbox.run("ip", "link", "add", "br9", "type", "bridge", check=True)
    daemon.sandbox.run("ip", "tuntap", "add", "tap9", "mode", "tap", check=True)
    before = daemon.sandbox.run("ip", "link", "show", "tap9").stdout

    def interface(device):
        return domain(devices=f"<interface type='bridge'><source bridge='br9'/><target dev='{device}'/></interface>")

    member.define(interface("tap9"))
    said = member.refused("start", "mine", saying="cannot create the tap device 'tap9'")
    assert "choose another name" in said
    refused = daemon.virsh("start", "mine", check=False)  # for root as well: the guest is a member's
    assert refused.code == 1 and "cannot create the tap device 'tap9'" in refused.err
    assert daemon.sandbox.run("ip", "link", "show", "tap9").stdout == before
    member.virsh("undefine", "mine")
    member.define(interface("tap8"))
    member.virsh("start", "mine")
    assert "br9" in daemon.sandbox.run("ip", "link", "show", "tap8").stdout
    member.virsh("destroy", "mine")
    daemon.sandbox.run("ip", "link", "del", "tap9", check=True)
    daemon.sandbox.run("ip", "link", "del", "br9", check=True)


def test_a_secret_of_roots_is_the_groups_unless_it_is_private(daemon, member):
    stranger = User(daemon, STRANGER, STRANGER)
    secrets = {}
    for private in ("no", "yes"):
        xml = daemon.root / "secret.xml"
        xml.write_text(f"<secret ephemeral='no' private='{private}'><usage type='volume'><volume>/{private}</volume></usage></secret>")
        secrets[private] = daemon.virsh("secret-define", xml).out.split()[1]
        daemon.virsh("secret-set-value", secrets[private], "dmFsdWU=")
    assert member.virsh("secret-get-value", secrets["no"]).out.strip() == "dmFsdWU="
    member.refused("secret-get-value", secrets["yes"], saying="secret is private")
    opened = member.file("secret.xml", f"<secret ephemeral='no' private='no'><uuid>{secrets['yes']}</uuid><usage type='volume'><volume>/yes</volume></usage></secret>")
    member.refused("secret-define", opened, saying="cannot change private flag")
    stranger.refused("secret-get-value", secrets["no"], readonly=True)


# -- pools --

@pytest.fixture
def images(daemon):
    """Root's folder of images, as an active pool with one volume in it that only root reads."""
    folder = daemon.root / "images"
    folder.mkdir(mode=0o711)
    daemon.virsh("pool-create-as", "images", "dir", "--target", folder)
    daemon.virsh("vol-create-as", "images", "disk", "1M", "--format", "raw")
    assert stat.S_IMODE((folder / "disk").stat().st_mode) == 0o600
    return folder


def test_what_lies_in_a_pool_is_the_pools_to_open(daemon, member, images, secret):
    member.define(domain(devices=disk(images / "disk")))
    member.virsh("start", "mine")
    member.virsh("destroy", "mine")
    member.virsh("undefine", "mine")
    member.define(domain(devices="<disk type='volume' device='disk'><driver name='qemu' type='raw'/><source pool='images' volume='disk'/>"
                                 "<target dev='vda' bus='virtio'/></disk>"))
    member.virsh("start", "mine")
    member.virsh("destroy", "mine")
    (images / "link").symlink_to(secret / "file")  # what a link leads to is not in the pool
    member.refused("define", member.file("domain.xml", domain("other", devices=disk(images / "link"))), saying="may not use")
    member.refused("define", member.file("domain.xml", domain("other", devices=disk(f"{images}/../secret/file"))), saying="may not use")
    (images / "link").unlink()
    daemon.virsh("pool-destroy", "images")
    member.refused("start", "mine", saying="no storage pool with matching name 'images'")
    member.refused("define", member.file("domain.xml", domain("other", devices=disk(images / "disk"))), saying="may not use")


def test_a_volume_names_only_what_its_caller_may_open(member, images, secret):
    """A member chooses the names in the header of a volume of root's pool; qemu-img opens them as root."""
    def overlay(name, backing, form):
        return member.file("volume.xml", f"<volume><name>{name}</name><capacity>0</capacity><target><format type='qcow2'/></target>"
                                         f"<backingStore><path>{backing}</path><format type='{form}'/></backingStore></volume>")

    def upload(name, *options):
        file = member.home / f"{name}.qcow2"
        run("qemu-img", "create", "-q", "-f", "qcow2", *options, file, "1M")
        file.chmod(0o644)
        member.virsh("vol-create-as", "images", name, file.stat().st_size, "--format", "raw")
        member.virsh("vol-upload", name, file, "--pool", "images")
        member.virsh("pool-refresh", "images")

    member.refused("vol-create", "images", overlay("made", secret / "file", "raw"), saying="Permission denied")
    upload("below", "-u", "-b", secret / "file", "-F", "raw")
    member.refused("vol-create-as", "images", "over", "1M", "--format", "qcow2", "--backing-vol", "below", "--backing-vol-format", "qcow2",
                   saying="Permission denied")
    member.file("raw.xml", "<volume><name>copy</name><capacity>0</capacity><target><format type='raw'/></target></volume>")
    for name, named in (("below", secret / "file"), ("elsewhere", "json:{}"), ("own", member.disk)):
        if name != "below":
            upload(name, "-u", "-b", named, "-F", "raw")
        member.refused("vol-create-from", "images", member.home / "raw.xml", name, "--inputpool", "images", saying=f"names '{named}'")
    assert "copy" not in member.virsh("vol-list", "images").out

    data = member.home / "data"
    upload("beside", "-o", f"data_file={data},data_file_raw=on")
    data.unlink()
    data.symlink_to(secret / "file")
    member.refused("vol-resize", "beside", "4M", "--pool", "images", saying=f"names '{data}'")
    # What the pool has is the pool's to open.
    member.virsh("vol-create", "images", overlay("good", images / "disk", "raw"))
    member.virsh("vol-resize", "good", "2M", "--pool", "images")
    member.virsh("vol-create-from", "images", member.home / "raw.xml", "good", "--inputpool", "images")


def test_a_member_clones_from_root_s_pool_to_an_own_one(daemon, member, images, secret):
    own = member.home / "own"
    own.mkdir()
    os.chown(own, member.uid, member.gid)
    member.virsh("pool-create-as", "own", "dir", "--target", own)
    (images / "disk").write_bytes(b"of the pool" + bytes((1 << 20) - 11))
    daemon.virsh("vol-create-as", "images", "cow", "1M", "--format", "qcow2", "--backing-vol", "disk", "--backing-vol-format", "raw")

    def clone(source, name, form, **options):
        xml = member.file("clone.xml", f"<volume><name>{name}</name><capacity>0</capacity><target><format type='{form}'/></target></volume>")
        return member.virsh("vol-create-from", "own", xml, source, "--inputpool", "images", **options)

    for source, name, form in [("disk", "raw-raw", "raw"), ("disk", "raw-cow", "qcow2"), ("cow", "cow-raw", "raw"), ("cow", "cow-cow", "qcow2")]:
        clone(source, name, form)
        assert (own / name).stat().st_uid == member.uid
        read = run("qemu-io", "-r", "-f", form, "-c", "read -v 0 512", own / name).out
        assert "of.the.pool" in read, read  # it shows a blank as a dot
    # Of what an image names, no more is opened than before.
    run("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-b", secret / "file", "-F", "raw", images / "trap", "1M")
    (images / "trap").chmod(0o600)  # the member cannot open it
    (images / "link").symlink_to(secret / "file")
    daemon.virsh("pool-refresh", "images")
    said = clone("trap", "stolen", "raw", check=False)
    assert said.code == 1 and f"names '{secret / 'file'}'" in said.err, said
    # Nor may somebody else change these names.
    os.chown(images / "cow", member.uid, member.gid)
    (images / "cow").chmod(0o600)
    xml = member.file("clone.xml", "<volume><name>same</name><capacity>0</capacity><target><format type='raw'/></target></volume>")
    member.refused("vol-create-from", "images", xml, "cow", "--inputpool", "images", saying="users beside root may write to it")
    if "link" in daemon.virsh("vol-list", "images").out:
        said = clone("link", "stolen", "raw", check=False)
        assert said.code == 1 and "Permission denied" in said.err, said
    assert sorted(os.listdir(own)) == ["cow-cow", "cow-raw", "raw-cow", "raw-raw"]


def test_stock_virt_install_of_a_member_uses_root_s_pool(daemon, member, images):
    member.run("virt-install", "--connect", daemon.uri, "--name", "made", "--memory", "64", "--osinfo", "generic", "--import", "--network", "none",
               "--graphics", "none", "--noautoconsole", "--virt-type", "qemu", "--disk", "size=0.01,pool=images,format=qcow2", timeout=120)
    assert daemon.virsh("domstate", "made").out.strip() == "running"
    assert str(images) in daemon.virsh("domblklist", "made").out


def test_stock_virt_install_of_a_member_makes_a_medium_for_cloud_init(daemon, member):
    """It uploads the medium to a pool at a path that stands in its source, and deletes it while the guest runs."""
    inside = daemon.sandbox.run
    inside("mount", "-t", "tmpfs", "tmpfs", "/var/lib", check=True)
    inside("mkdir", "-p", "-m", "711", "/var/lib/libvirt/boot", check=True)
    daemon.virsh("pool-create-as", "boot-scratch", "dir", "--target", "/var/lib/libvirt/boot")
    member.run("virt-install", "--connect", daemon.uri, "--name", "made", "--memory", "64", "--osinfo", "generic", "--import", "--network", "none",
               "--graphics", "none", "--noautoconsole", "--virt-type", "qemu", "--disk", "none", "--cloud-init", timeout=120)
    assert daemon.virsh("domstate", "made").out.strip() == "running"
    assert "/var/lib/libvirt/boot/" in daemon.virsh("domblklist", "made").out
    assert daemon.virsh("pool-list", "--name").out.split() == ["boot-scratch"]
    assert daemon.virsh("vol-list", "boot-scratch").out.strip().splitlines()[2:] == []
    assert inside("ls", "/var/lib/libvirt/boot").stdout == ""
    daemon.virsh("destroy", "made")
    daemon.virsh("pool-destroy", "boot-scratch")
    inside("umount", "-l", "/var/lib", check=True)


@pytest.mark.parametrize("kind", ["cdrom", "disk"])
def test_a_medium_is_deleted_under_its_guest_and_a_disk_is_not(daemon, images, kind):
    medium = f"<disk type='file' device='cdrom'><driver name='qemu' type='raw'/><source file='{images}/disk'/><target dev='sda' bus='sata'/><readonly/></disk>"
    xml = daemon.root / "reads.xml"
    for name, device in (("one", medium if kind == "cdrom" else disk(images / "disk", more="<readonly/>")), ("two", medium)):
        xml.write_text(domain(name, devices=device))
        daemon.virsh("create", xml)
    said = daemon.virsh("vol-delete", "disk", "--pool", "images", check=False)
    if kind == "disk":  # one guest has it as a medium, and another as a disk
        assert said.code == 1 and "volume 'disk' is still in use" in said.err and ("domain 'one'" in said.err or "domain 'two'" in said.err), said
        assert (images / "disk").exists()
    else:
        assert said.code == 0 and not (images / "disk").exists(), said
        assert daemon.virsh("domstate", "one").out.strip() == "running"
        assert "disk" not in daemon.virsh("vol-list", "images").out


def test_a_pool_acts_as_who_defined_it(daemon, member, secret):
    member.refused("pool-create-as", "p", "dir", "--target", secret, saying="Permission denied")
    member.virsh("pool-define-as", "p", "dir", "--target", secret)
    member.refused("pool-start", "p", saying="Permission denied")
    refused = daemon.virsh("pool-start", "p", check=False)
    assert refused.code == 1 and "Permission denied" in refused.err
    member.virsh("pool-autostart", "p")
    daemon.restart()
    wait_until(lambda: "cannot autostart storage pool 'p'" in daemon.log_tail(), "it was not tried")
    member.virsh("pool-undefine", "p")

    (member.home / "of-root").write_text("of root")
    (member.home / "of-root").chmod(0o600)
    member.virsh("pool-create-as", "own", "dir", "--target", member.home)
    member.refused("vol-download", "of-root", member.home / "copy", "--pool", "own", saying="Permission denied")
    assert daemon.virsh("vol-download", "of-root", daemon.root / "copy", "--pool", "own", check=False).code == 1
    member.refused("define", member.file("domain.xml", domain(devices=disk(member.home / "of-root"))), saying="may not use")
    member.virsh("vol-create-as", "own", "volume", "1M", "--format", "qcow2")
    assert (member.home / "volume").stat().st_uid == MEMBER
    daemon.kill()
    daemon.start()
    wait_until(lambda: "own" in daemon.virsh("pool-list", "--name").out.split(), "the pool is not active again")
    member.refused("vol-download", "of-root", member.home / "copy", "--pool", "own", saying="Permission denied")
    member.virsh("vol-delete", "volume", "--pool", "own")


def test_pools_of_devices_and_mounts_are_roots(daemon, member):
    for kind, words in {"logical": ["--source-name", "vg0", "--target", "/dev/vg0"], "disk": ["--source-dev", "/dev/loop0", "--target", "/dev"],
                        "fs": ["--source-dev", "/dev/loop0", "--target", member.home / "mount"],
                        "netfs": ["--source-host", "localhost", "--source-path", "/srv", "--target", member.home / "mount"]}.items():
        member.refused("pool-define-as", "p", kind, *words, saying=f"pools of type '{kind}' reach devices and mounts of the host")
        daemon.virsh("pool-define-as", "p", kind, *words)
        member.refused("pool-delete", "p", saying="reach devices and mounts")
        member.refused("pool-build", "p", saying="reach devices and mounts")
        daemon.virsh("pool-undefine", "p")


def test_in_a_folder_of_many_no_link_is_followed(daemon, member, secret):
    """A pool of root over a folder in which others write."""
    folder = daemon.root / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    for name in ("upload", "wipe", "resize", "download", "clone"):
        (folder / name).write_bytes(b"x" * 4096)
    daemon.virsh("pool-create-as", "shared", "dir", "--target", folder)
    source = member.file("source", "y" * 4096)
    for name in ("upload", "wipe", "resize", "download", "clone"):  # swapped after they were listed
        (folder / name).unlink()
        (folder / name).symlink_to(secret / "file")
    calls = [("vol-upload", "upload", source, "--pool", "shared"), ("vol-wipe", "wipe", "--pool", "shared"),
             ("vol-resize", "resize", "8K", "--pool", "shared"), ("vol-download", "download", daemon.root / "got", "--pool", "shared"),
             ("vol-clone", "clone", "copy", "--pool", "shared")]
    for call in calls:
        said = daemon.virsh(*call, check=False)
        assert said.code == 1, said
    assert not (folder / "copy").exists()
    (folder / "gone").symlink_to(secret / "file")
    daemon.virsh("pool-refresh", "shared")
    assert "gone" not in daemon.virsh("vol-list", "shared").out
