"""Real storage for one pool of each kind, on what servers.py makes."""
import contextlib
import pathlib

import servers
from harness.daemon import run

MIB = 1 << 20


class Backend:
    """A place for one pool named p. `xml` defines it, `formats` are those of its volumes."""
    formats = ("raw",)
    makes_volumes = resizes = builds = deletes = True
    sparse = False
    long_to_copy = 96 * MIB

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.stack = contextlib.ExitStack()
        try:
            self.make()
        except BaseException:
            self.close()
            raise

    def make(self):
        """Makes what lies below the pool, by `enter`."""

    def enter(self, manager):
        return self.stack.enter_context(manager)

    def close(self):
        self.stack.close()

    def name_of(self, number):
        """What a new volume has to be called."""
        return f"vol{number}"

    def build_flags(self):
        return 0

    def add_by_hand(self, number):
        """Makes a volume without the daemon; returns its name."""
        raise NotImplementedError

    def kept(self):
        """The volumes that the storage has, whether they are listed or not."""
        raise NotImplementedError


class Folder(Backend):
    sparse = True

    @property
    def target(self):
        return self.folder / "target"

    def add_by_hand(self, number):
        (self.target / "hand").write_bytes(b"data")
        return "hand"

    @property
    def xml(self):
        return f"<pool type='dir'><name>p</name><target><path>{self.target}</path></target></pool>"


class Filesystem(Folder):
    kind = "ext4"

    def make(self):
        self.device = self.enter(servers.disk(400 * MIB))

    @property
    def xml(self):
        return (f"<pool type='fs'><name>p</name><source><device path='{self.device}'/><format type='{self.kind}'/></source>"
                f"<target><path>{self.target}</path></target></pool>")

    def build_flags(self):
        return 4  # no-overwrite: makes a file system where there is none


class Xfs(Filesystem):
    kind = "xfs"


class Nfs(Folder):
    def make(self):
        self.server = self.enter(servers.nfs_server(200 * MIB))

    @property
    def xml(self):
        return (f"<pool type='netfs'><name>p</name><source><host name='{self.server.host}'/><dir path='{self.server.path}'/>"
                f"<format type='nfs'/><protocol ver='4'/></source><target><path>{self.target}</path></target></pool>")


class Cifs(Folder):
    """A share that anybody may enter."""
    options = ""

    def make(self):
        self.server = self.enter(servers.smb_server())

    @property
    def share(self):
        return self.server.open

    @property
    def xml(self):
        return (f"<pool type='netfs' xmlns:fs='http://libvirt.org/schemas/storagepool/fs/1.0'><name>p</name>"
                f"<source><host name='{self.server.host}'/><dir path='/{self.share}'/><format type='cifs'/></source>"
                f"<target><path>{self.target}</path></target>{self.options}</pool>")


class ClosedCifs(Cifs):
    """One that asks who comes."""
    def make(self):
        super().make()
        credentials = self.folder / "credentials"
        credentials.write_text(f"username={self.server.user}\npassword={self.server.password}\n")
        self.options = f"<fs:mount_opts><fs:option name='credentials={credentials}'/></fs:mount_opts>"

    @property
    def share(self):
        return self.server.closed


class Logical(Backend):
    kind_name, source_wanted = "logical", None

    def make(self):
        self.enter(servers.udev())
        self.devices = [self.enter(servers.disk(128 * MIB)) for _ in range(2)]
        self.stack.callback(servers.end_dmeventd)

    def add_by_hand(self, number):
        run("lvcreate", "-q", "-y", "-L", "8M", "-n", "hand-made", "domus_test")
        return "hand-made"

    def kept(self):
        return run("lvs", "--noheadings", "-o", "lv_name", "domus_test").out.split()

    def finds(self, sources):
        groups = {each.findtext("name"): [device.get("path") for device in each.iter("device")] for each in sources}
        return groups == {"domus_test": self.devices}

    @property
    def xml(self):
        devices = "".join(f"<device path='{path}'/>" for path in self.devices)
        return f"<pool type='logical'><name>p</name><source>{devices}<name>domus_test</name></source></pool>"


class Zfs(Backend):
    kind_name, source_wanted = "zfs", None
    long_to_copy = 16 * MIB  # all is compressed and summed up

    def make(self):
        self.enter(servers.udev())
        self.enter(servers.zfs())
        self.devices = [self.enter(servers.disk(128 * MIB)) for _ in range(2)]
        self.stack.callback(run, "zpool", "destroy", "domus_test", check=False)

    def add_by_hand(self, number):
        run("zfs", "create", "-V", "8M", "domus_test/hand-made")
        return "hand-made"

    def kept(self):
        return [each.removeprefix("domus_test/") for each in run("zfs", "list", "-H", "-t", "volume", "-o", "name").out.splitlines()]

    def finds(self, sources):
        pools = {each.findtext("name"): [device.get("path") for device in each.iter("device")] for each in sources}
        return pools == {"domus_test": self.devices}

    @property
    def xml(self):
        devices = "".join(f"<device path='{path}'/>" for path in self.devices)
        return f"<pool type='zfs'><name>p</name><source><name>domus_test</name>{devices}</source></pool>"


class Disk(Backend):
    resizes = deletes = False
    formats = ("none",)
    sector = 512

    def make(self):
        self.enter(servers.udev())
        self.device = self.enter(servers.disk(256 * MIB, self.sector))

    def add_by_hand(self, number):
        run("sfdisk", "-q", "--append", self.device, input="size=16384\n")
        return self.name_of(number)

    def name_of(self, number):
        return f"{self.device.removeprefix('/dev/')}p{number}"

    @property
    def xml(self):
        return (f"<pool type='disk'><name>p</name><source><device path='{self.device}'/><format type='gpt'/></source>"
                "<target><path>/dev</path></target></pool>")


class LargeSectors(Disk):
    sector = 4096


class Units(Backend):
    """Disks that are there: no volume is made or goes. `sizes` in MiB."""
    makes_volumes = resizes = builds = deletes = False
    sizes = [32, 64]


class Scsi(Units):
    sizes = [24, 24]

    def make(self):
        self.enter(servers.udev())
        self.host = self.enter(servers.scsi_units(self.sizes))

    @property
    def xml(self):
        return f"<pool type='scsi'><name>p</name><source><adapter type='scsi_host' name='{self.host}'/></source></pool>"


class Multipath(Units):
    xml = "<pool type='mpath'><name>p</name><target><path>/dev/mapper</path></target></pool>"

    def make(self):
        self.enter(servers.udev())
        for number, size in enumerate(self.sizes):
            self.enter(servers.multipath(f"mpath{number}", size * MIB))


class Iscsi(Units):
    """A target with two units."""
    kind_name, source_wanted = "iscsi", "<source><host name='127.0.0.1'/></source>"
    login, auth = None, ""

    def make(self):
        self.enter(servers.udev())
        run("modprobe", "sd_mod")
        self.target = self.enter(servers.iscsi_target("iqn.2026-01.org.example:domus", [size * MIB for size in self.sizes], self.login))

    def finds(self, sources):
        return [each.get("path") for each in sources.iter("device")] == [self.target.iqn]

    @property
    def xml(self):
        return (f"<pool type='iscsi'><name>p</name><source><host name='127.0.0.1'/><device path='{self.target.iqn}'/>"
                f"{self.auth}</source><target><path>/dev/disk/by-path</path></target></pool>")


class Chap(Iscsi):
    """One that asks for a password."""
    login = ("me", "twelve-bytes-and-more")
    auth = ("<initiator><iqn name='iqn.2026-01.org.example:host'/></initiator>"
            "<auth type='chap' username='me'><secret usage='disks'/></auth>")


ALL = {"dir": Folder, "ext4": Filesystem, "xfs": Xfs, "nfs": Nfs, "logical": Logical, "zfs": Zfs, "disk": Disk, "iscsi": Iscsi, "chap": Chap,
       "scsi": Scsi, "mpath": Multipath, "cifs": Cifs, "cifs-login": ClosedCifs}
