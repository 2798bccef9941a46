"""One client of the chaos test: random calls on objects of its own until its standard input ends, with what it must find
checked after each lost connection and at the end. Prints complaints, one a line.

    client.py URI FOLDER NUMBER SEED JOURNAL
"""
import difflib
import pathlib
import random
import re
import select
import subprocess
import sys
import time

import libvirt

from model import Journal, Lost, Property, is_lost

RECONNECT_WITHIN = 120  # seconds until a daemon must answer again
VOLUME_SIZE = 65536


def or_none(call):
    """What `call` returns; None if there is no such object."""
    missing = {libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_NETWORK, libvirt.VIR_ERR_NO_SECRET,
               libvirt.VIR_ERR_NO_STORAGE_POOL, libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT,
               libvirt.VIR_ERR_NO_DOMAIN_METADATA}
    try:
        return call()
    except libvirt.libvirtError as error:
        if error.get_error_code() in missing:
            return None
        raise


class Domain:
    """A persistent domain with a qcow2 image, and its snapshots and saved memory."""

    def __init__(self, client, number):
        self.client = client
        self.name = f"d{client.number}-{number}"
        self.uuid = f"00000000-0000-4000-8000-{client.number:06}{number:06}"
        self.image = client.folder / f"{self.name}.qcow2"
        self.intents = client.folder.parent / "var/lib/domus/qemu/snapshot" / self.name
        self.record = client.folder.parent / "run/domus/qemu" / f"{self.name}.xml"
        self.known_xml = {}  # title to the whole definition
        self._new_image()
        self.version = Property(f"title of domain {self.name}", self._version, None)
        self.stopped = Property(f"domain {self.name} runs, or is stopped for sure", self._stopped, True)
        self.saved = Property(f"saved memory of domain {self.name}", self._saved, False)
        # One that was undefined while its autostart was under way runs on as a transient one, which has none.
        self.autostart = Property(f"autostart of domain {self.name}",
                                  lambda c: self._ask(c, lambda d: d.autostart() if d.isPersistent() else None), None)
        self.content = Property(f"content of the image of domain {self.name}", lambda c: self._content(), 0)
        self.snapshots = {}
        self.content_of = {}  # snapshot to what the image held

    def _look(self, connection):
        return or_none(lambda: connection.lookupByName(self.name))

    def _ask(self, connection, question):
        found = self._look(connection)
        return None if found is None else or_none(lambda: question(found))

    def _version(self, connection):
        return self._ask(connection, lambda d: or_none(lambda: d.metadata(
            libvirt.VIR_DOMAIN_METADATA_TITLE, None, libvirt.VIR_DOMAIN_AFFECT_CONFIG)) if d.isPersistent() else None)

    def _stopped(self, connection):
        return not self._ask(connection, lambda d: d.isActive())

    def _saved(self, connection):
        return bool(self._ask(connection, lambda d: d.hasManagedSaveImage()))

    def _has_snapshot(self, connection, name):
        return bool(self._ask(connection, lambda d: or_none(lambda: d.snapshotLookupByName(name)) is not None))

    def _xml(self, connection):
        return self._ask(connection, lambda d: d.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE) if d.isPersistent() else None)

    def _learn_xml(self, connection):
        """After a change that was acknowledged."""
        self.known_xml[self.version.sure] = self._xml(connection)

    def _verify_xml(self, connection):
        """All of the definition is what it was when its title was set."""
        actual, known = self._xml(connection), self.known_xml.get(self.version.sure)
        if known is None or actual is None or actual == known:
            return None
        changed = [line.strip() for line in difflib.unified_diff(known.splitlines(), actual.splitlines(), lineterm="", n=0)][2:]
        return f"the definition of {self.name} with title {self.version.sure} is not what it was: {changed}"

    def _content(self):
        """Of a stopped one: the byte that its first sectors have."""
        told = subprocess.run(["qemu-io", "-r", "-U", "-f", "qcow2", "-c", "read -v 0 16", self.image], capture_output=True, text=True, check=True)
        return int(re.search(r"^0+: +([0-9a-f]{2})", told.stdout, re.M).group(1), 16)

    def _write(self, found, rng):
        """Into the image of a stopped one; QEMU's lock keeps it from one that was started just now."""
        if found.isActive():
            return
        byte = rng.randrange(1, 256)
        self.client.journal.say(f"write {self.name} {byte}")
        self.content.possible = self.content.possible | {byte}
        done = subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -P {byte} 0 64k", "-c", "flush", self.image], capture_output=True, text=True)
        if done.returncode == 0 and "wrote" in done.stdout:
            self.content.possible = {byte}

    def properties(self):
        return [self.version, self.saved, self.autostart, *self.snapshots.values()]

    def _unsettled(self, connection):
        """Whether the daemon, which has just begun, is still at what concerns this domain."""
        connection.getLibVersion()  # raises when the daemon has gone
        # A snapshot that was cut off may be there or not until the daemon has looked at the images.
        if any(self.intents.glob("intent*")):
            return True
        # The daemon starts what is marked for it one after the other: until then it may run or not, and its saved memory be there.
        waits = self._ask(connection, lambda d: d.isPersistent() and d.autostart() and not d.isActive())
        if waits and not self.client.autostart_is_done():
            return True
        if self._ask(connection, lambda d: d.state()) == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_STARTING_UP]:
            return True
        # A save or restore that was cut off is completed or taken back when QEMU has answered: until then the memory may be in
        # the file and in the guest. Each running guest has a record, with the job until that is done.
        try:
            return "<job" in self.record.read_text()
        except OSError:
            return False

    def _wait_until_settled(self, connection):
        by = time.monotonic() + RECONNECT_WITHIN
        while self._unsettled(connection):
            if time.monotonic() > by:
                return [f"domain {self.name} is not settled {RECONNECT_WITHIN} s after the daemon has begun"]
            time.sleep(0.05)
        return []

    def verify(self, connection):
        complaints = self._wait_until_settled(connection)
        if self.autostart.possible & {1}:
            self.saved.possible = self.saved.possible | {False}  # the daemon has begun, and started it from there
        complaints += [each.verify(connection) for each in self.properties()]
        complaints.append(self._verify_xml(connection))
        if self.stopped.possible == {True} and not self._ask(connection, lambda d: d.isActive()):
            complaints.append(self.content.verify(connection))
        # One that was started may have been killed since; one that was ended for sure must not run.
        if self.stopped.possible == {True} and not self.autostart.sure:
            complaints.append(self.stopped.verify(connection))
        else:
            self.stopped.possible = {True, False}
        return [complaint for complaint in complaints if complaint]

    def xml(self, version):
        return f"""<domain type='qemu'><name>{self.name}</name><uuid>{self.uuid}</uuid><title>{version}</title>
<memory unit='MiB'>32</memory><vcpu current='1'>3</vcpu><os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>
<devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{self.image}'/><target dev='vda' bus='virtio'/></disk>
{self.client.interface()}<memballoon model='virtio'/></devices></domain>"""

    def step(self, connection, rng):
        client = self.client
        version = str(rng.randrange(10**6))
        found = self._look(connection)
        if found is None or rng.random() < 0.1:
            fresh = found is None or not found.isPersistent()
            effects = [(self.version, version)] + ([(self.autostart, 0)] if fresh else [])
            if client.attempt(f"define {self.name} {version}", lambda: connection.defineXML(self.xml(version)), effects):
                self._learn_xml(connection)
            return
        what = rng.choice(["start", "start", "paused", "destroy", "destroy", "save", "save", "save-remove", "autostart", "undefine",
                           "snapshot", "snapshot", "revert", "snapshot-delete", "suspend", "resume", "vcpus", "metadata", "write"])
        paused = libvirt.VIR_DOMAIN_START_PAUSED
        calls = {
            "start": (lambda: found.create(), [(self.stopped, False), (self.saved, False)]),
            "paused": (lambda: found.createWithFlags(paused), [(self.stopped, False), (self.saved, False)]),
            "destroy": (lambda: found.destroy(), [(self.stopped, True)]),
            "save": (lambda: found.managedSave(), [(self.stopped, True), (self.saved, True)]),
            "save-remove": (lambda: found.managedSaveRemove(), [(self.saved, False)]),
            "suspend": (lambda: found.suspend(), []),
            "resume": (lambda: found.resume(), []),
            "vcpus": (lambda: found.setVcpusFlags(rng.randrange(1, 4), libvirt.VIR_DOMAIN_AFFECT_LIVE), []),
            "metadata": (lambda: found.setMetadata(libvirt.VIR_DOMAIN_METADATA_TITLE, version, None, None,
                                                   libvirt.VIR_DOMAIN_AFFECT_CONFIG), [(self.version, version)]),
        }
        if what in calls:
            call, effects = calls[what]
            if client.attempt(f"{what} {self.name} {version}", call, effects) and what == "metadata":
                self._learn_xml(connection)
        elif what == "autostart":
            on = rng.randrange(2)
            client.attempt(f"autostart {self.name} {on}", lambda: found.setAutostart(on), [(self.autostart, on)])
        elif what == "undefine":
            flags = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            if found.isActive():
                return  # it would become transient, and end with all that is known of it
            gone = [(each, False) for each in self.snapshots.values()]
            # The definition is the last of it that goes: one whose undefine was cut off may be there without the rest.
            if client.attempt(f"undefine {self.name}", lambda: found.undefineFlags(flags),
                              [(self.version, None), (self.saved, False), (self.autostart, None), *gone], halfway=[(self.autostart, 0)]):
                self._forget()
        elif what == "write":
            self._write(found, rng)
        else:
            self._snapshot(found, what, rng)

    def _forget(self):
        """The snapshots stay in the image, where nobody knows them: a new one."""
        self.snapshots = {}
        self._new_image()
        self.content.possible = {0}

    def _new_image(self):
        """Once there is room: the disk may be full just now."""
        self.image.unlink(missing_ok=True)
        make = ["qemu-img", "create", "-q", "-f", "qcow2", self.image, "1M"]
        while subprocess.run(make, stderr=subprocess.DEVNULL).returncode:
            self.image.unlink(missing_ok=True)
            time.sleep(0.1)

    def _snapshot(self, found, what, rng):
        known = sorted(name for name, each in self.snapshots.items() if each.sure)
        if what == "snapshot" and len(known) < 4:
            name = f"s{rng.randrange(10**6)}"
            self.content_of[name] = self.content.possible
            prop = self.snapshots[name] = Property(f"snapshot {name} of {self.name}", lambda c: self._has_snapshot(c, name), False)
            self.client.attempt(f"snapshot {self.name} {name}",
                                lambda: found.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>"), [(prop, True)])
        elif what == "snapshot-delete" and known:
            name = rng.choice(known)
            self.client.attempt(f"snapshot-delete {self.name} {name}", lambda: found.snapshotLookupByName(name).delete(),
                                [(self.snapshots[name], False)])
        elif what == "revert" and known and not found.hasManagedSaveImage():
            name = rng.choice(known)
            snapshot = found.snapshotLookupByName(name)
            # Its definition is that of then, with the title of then.
            self.stopped.possible = {True, False}
            self.version.possible = {"anything"}
            self.content.possible = self.content.possible | self.content_of[name]
            self.known_xml = {}
            try:
                done = self.client.attempt(f"revert {self.name} {name}",
                                           lambda: found.revertToSnapshot(snapshot, libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE), [])
                if done:
                    self.content.possible = self.content_of[name]
            finally:
                self.version = Property(self.version.name, self._version, None)
                self.version.possible = Anything()


class Anything(set):
    """Every value is in it."""

    def __contains__(self, value):
        return True

    def __or__(self, other):
        return self


class Network:
    def __init__(self, client, number):
        self.client = client
        self.name = f"n{client.number}-{number}"
        self.subnet = f"10.{100 + client.number}.{number}"
        self.bridge = f"cb{client.number}-{number}"
        self.version = Property(f"domain name of network {self.name}", self._version, None)
        self.autostart = Property(f"autostart of network {self.name}",
                                  lambda c: self._ask(c, lambda n: n.autostart() if n.isPersistent() else None), None)
        self.active = Property(f"network {self.name} is active", lambda c: bool(self._ask(c, lambda n: n.isActive())), False)

    def _ask(self, connection, question):
        found = or_none(lambda: connection.networkLookupByName(self.name))
        return None if found is None else question(found)

    def _version(self, connection):
        def text(network):
            if not network.isPersistent():
                return None
            return network.XMLDesc(libvirt.VIR_NETWORK_XML_INACTIVE).partition("<domain name='v")[2].partition("'")[0]
        return self._ask(connection, text)

    def verify(self, connection):
        by = time.monotonic() + RECONNECT_WITHIN
        while self.autostart.possible & {1} and not self.client.autostart_is_done() and time.monotonic() < by:
            self._ask(connection, lambda n: n.isActive())  # raises when the daemon has gone
            time.sleep(0.05)
        if self.autostart.possible & {1}:
            self.active.possible = self.active.possible | {True}  # the daemon has begun, and started it
        return [complaint for each in (self.version, self.autostart, self.active) if (complaint := each.verify(connection))]

    def step(self, connection, rng):
        found = or_none(lambda: connection.networkLookupByName(self.name))
        version = str(rng.randrange(10**6))
        xml = (f"<network><name>{self.name}</name><uuid>00000000-0000-4000-9000-{self.client.number:012}</uuid><forward mode='nat'/>"
               f"<bridge name='{self.bridge}'/><domain name='v{version}'/><ip address='{self.subnet}.1' netmask='255.255.255.0'>"
               f"<dhcp><range start='{self.subnet}.2' end='{self.subnet}.20'/></dhcp></ip></network>")
        attempt = self.client.attempt
        if found is None or rng.random() < 0.2:
            fresh = found is None or not found.isPersistent()
            attempt(f"net-define {self.name} {version}", lambda: connection.networkDefineXML(xml),
                    [(self.version, version)] + ([(self.autostart, 0)] if fresh else []))
            return
        what = rng.choice(["start", "start", "destroy", "undefine", "autostart"])
        if what == "start":
            attempt(f"net-start {self.name}", found.create, [(self.active, True)])
        elif what == "destroy":
            attempt(f"net-destroy {self.name}", found.destroy, [(self.active, False)])
        elif what == "autostart":
            on = rng.randrange(2)
            attempt(f"net-autostart {self.name} {on}", lambda: found.setAutostart(on), [(self.autostart, on)])
        elif not found.isActive():
            attempt(f"net-undefine {self.name}", found.undefine, [(self.version, None), (self.autostart, None)], halfway=[(self.autostart, 0)])


class Secret:
    def __init__(self, client, number):
        self.client, self.uuid = client, f"00000000-0000-4000-a000-{client.number:06}{number:06}"
        self.version = Property(f"description of secret {self.uuid}", self._version, None)
        self.value = Property(f"value of secret {self.uuid}", self._value, None)

    def _look(self, connection):
        return or_none(lambda: connection.secretLookupByUUIDString(self.uuid))

    def _version(self, connection):
        found = self._look(connection)
        return None if found is None else found.XMLDesc().partition("<description>")[2].partition("<")[0]

    def _value(self, connection):
        found = self._look(connection)
        return None if found is None else or_none(lambda: bytes(found.value()))

    def verify(self, connection):
        return [complaint for each in (self.version, self.value) if (complaint := each.verify(connection))]

    def step(self, connection, rng):
        attempt = self.client.attempt
        found = self._look(connection)
        if found is None or rng.random() < 0.3:
            version = str(rng.randrange(10**6))
            attempt(f"secret-define {self.uuid} {version}", lambda: connection.secretDefineXML(
                f"<secret><uuid>{self.uuid}</uuid><description>{version}</description></secret>"), [(self.version, version)])
        elif rng.random() < 0.7:
            value = str(rng.randrange(10**9)).encode()
            attempt(f"secret-set-value {self.uuid} {value}", lambda: found.setValue(value), [(self.value, value)])
        else:
            attempt(f"secret-undefine {self.uuid}", found.undefine, [(self.version, None), (self.value, None)])


class Pool:
    def __init__(self, client, number):
        self.client, self.name = client, f"p{client.number}-{number}"
        self.path = client.folder / self.name
        self.path.mkdir()
        self.defined = Property(f"pool {self.name} is defined", lambda c: self._ask(c, lambda p: p.isPersistent()) == 1, False)
        self.active = Property(f"pool {self.name} is active", lambda c: self._ask(c, lambda p: p.isActive()) == 1, False)
        self.volumes = {}
        self.contents = {}  # name to the Property of what a raw volume holds

    def _ask(self, connection, question):
        found = or_none(lambda: connection.storagePoolLookupByName(self.name))
        return None if found is None else question(found)

    def verify(self, connection):
        complaints = [each.verify(connection) for each in (self.defined, self.active)]
        if self.active.sure:
            complaints += [each.verify(connection) for each in self.volumes.values()]
            complaints += [self.contents[name].verify(connection) for name, each in self.volumes.items() if each.sure and name in self.contents]
        return [complaint for complaint in complaints if complaint]

    def step(self, connection, rng):
        attempt = self.client.attempt
        found = or_none(lambda: connection.storagePoolLookupByName(self.name))
        if found is None:
            xml = f"<pool type='dir'><name>{self.name}</name><target><path>{self.path}</path></target></pool>"
            attempt(f"pool-define {self.name}", lambda: connection.storagePoolDefineXML(xml), [(self.defined, True)])
        elif not found.isActive():
            if rng.random() < 0.8:
                attempt(f"pool-start {self.name}", found.create, [(self.active, True)])
            else:
                attempt(f"pool-undefine {self.name}", found.undefine, [(self.defined, False)])
        elif rng.random() < 0.1:
            attempt(f"pool-destroy {self.name}", found.destroy, [(self.active, False)])
        else:
            self._volume(found, rng)

    def _volume(self, pool, rng):
        known = sorted(name for name, each in self.volumes.items() if each.sure)
        if known and (rng.random() < 0.4 or len(known) > 5):
            name = rng.choice(known)
            if name in self.contents and rng.random() < 0.5:
                self._upload(pool, name, rng)
                return
            self.client.attempt(f"vol-delete {name}", lambda: pool.storageVolLookupByName(name).delete(), [(self.volumes[name], False)])
            return
        name = f"v{rng.randrange(10**6)}.{rng.choice(['raw', 'qcow2'])}"

        def there(connection):
            return self._ask(connection, lambda p: or_none(lambda: p.storageVolLookupByName(name)) is not None)
        prop = self.volumes[name] = Property(f"volume {name} of {self.name}", there, False)
        if name.endswith("raw"):
            self.contents[name] = Property(f"content of volume {name} of {self.name}", lambda c: self._content(c, name), 0)
        xml = f"<volume><name>{name}</name><capacity>{VOLUME_SIZE}</capacity><target><format type='{name.partition('.')[2]}'/></target></volume>"
        self.client.attempt(f"vol-create {name}", lambda: pool.createXML(xml), [(prop, True)])

    def _content(self, connection, name):
        """The byte that the whole of it has, as a client downloads it; several if they differ."""
        volume = connection.storagePoolLookupByName(self.name).storageVolLookupByName(name)
        stream = connection.newStream()
        volume.download(stream, 0, 0)
        bytes_ = set()
        while piece := stream.recv(1 << 16):
            bytes_ |= set(piece)
        stream.finish()
        return bytes_.pop() if len(bytes_) == 1 else tuple(sorted(bytes_))

    def _upload(self, pool, name, rng):
        """One byte all over it. One that was refused or cut off leaves a part of it."""
        byte = rng.randrange(1, 256)
        content = self.contents[name]
        content.possible = Anything()

        def upload():
            stream = pool.connect().newStream()
            pool.storageVolLookupByName(name).upload(stream, 0, VOLUME_SIZE)
            left = bytes([byte]) * VOLUME_SIZE
            while left:
                left = left[stream.send(left):]
            stream.finish()
        if self.client.attempt(f"vol-upload {name} {byte}", upload, []):
            content.possible = {byte}


class Client:
    def __init__(self, uri, folder, number, seed, journal):
        self.uri, self.number = uri, number
        self.folder = pathlib.Path(folder)
        self.rng = random.Random(f"{seed}-{number}")
        self.journal = Journal(open(journal, "w"))
        self.attempt = self.journal.attempt
        self.log = pathlib.Path(journal).with_name("domusd.log")
        self.objects = [Domain(self, 0), Domain(self, 1), Secret(self, 0), Pool(self, 0), Network(self, 0)]

    def interface(self):
        return "<interface type='network'><source network='shared'/></interface>" if self.rng.random() < 0.3 else ""

    def autostart_is_done(self):
        """Of the daemon that runs: `begun` says where its lines begin in the log."""
        with open(self.log, "rb") as log:
            log.seek(int(self.log.with_name("begun").read_text()))
            return b"autostart is done" in log.read()

    def connect(self):
        by = time.monotonic() + RECONNECT_WITHIN
        while True:
            try:
                return libvirt.open(self.uri)
            except libvirt.libvirtError:
                if time.monotonic() > by:
                    raise
                time.sleep(0.05)

    def verify(self):
        """All that it has, on a connection that holds; repeated when it breaks."""
        while True:
            try:
                connection = self.connect()
                for each in self.objects:
                    for complaint in each.verify(connection):
                        self.journal.say(f"COMPLAINT {complaint}")
                        print(complaint, flush=True)
                return connection
            except libvirt.libvirtError as error:
                if not is_lost(error):
                    raise

    def run(self):
        connection = self.verify()
        while not select.select([sys.stdin], [], [], 0)[0]:
            try:
                self.rng.choice(self.objects).step(connection, self.rng)
            except Lost:
                connection = self.verify()
            except libvirt.libvirtError as error:
                if not is_lost(error):
                    self.journal.say(f"look-up {error}")
                    continue
                connection = self.verify()
        self.verify().close()
        self.journal.say(f"{self.journal.calls} calls, {self.journal.refused} refused")


def main():
    libvirt.registerErrorHandler(lambda *_: None, None)
    uri, folder, number, seed, journal = sys.argv[1:]
    Client(uri, folder, int(number), seed, journal).run()


if __name__ == "__main__":
    main()
