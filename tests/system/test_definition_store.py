"""Definitions of domains, networks, pools and secrets are kept by one store: all kinds meet a full disk, a file that is in the
way, and a folder of autostart links that somebody has changed."""
import os
import shutil

import libvirt
import pytest

from harness.calls import refused
from harness.full import full_state
from harness.wait import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
UUID = "6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f0007"
LONG = "x" * (64 << 10)  # more than the small disk has left


class Kind:
    folder, file = "etc/domus/qemu", "kept.xml"

    def __init__(self, conn, root):
        self.conn, self.root = conn, root


class Domain(Kind):
    def define(self, more=""):
        return self.conn.defineXML(f"<domain type='qemu'><name>kept</name><uuid>{UUID}</uuid><description>{more}</description>"
                                   "<memory unit='MiB'>32</memory><os><type machine='q35'>hvm</type></os></domain>")


class Network(Kind):
    folder = "etc/domus/qemu/networks"

    def define(self, more=""):
        metadata = f"<metadata><d:x xmlns:d='urn:d'>{more}</d:x></metadata>" if more else ""
        return self.conn.networkDefineXML(f"<network><name>kept</name><uuid>{UUID}</uuid>{metadata}<bridge name='dmsbr8'/></network>")


class Pool(Kind):
    folder = "etc/domus/storage"

    def define(self, more=""):
        path = self.root / "pool"
        return self.conn.storagePoolDefineXML(f"<pool type='dir'><name>kept</name><uuid>{UUID}</uuid>"
                                              f"<target><path>{path}</path></target><d:x xmlns:d='urn:d'>{more}</d:x></pool>")


class Secret(Kind):
    folder, file = "etc/domus/secrets", f"{UUID}.xml"

    def define(self, more=""):
        return self.conn.secretDefineXML(f"<secret><uuid>{UUID}</uuid><description>{more}</description></secret>")


KINDS = [Domain, Network, Pool, Secret]
STARTED = [Domain, Network, Pool]


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_refuses_and_the_old_definition_stays(daemon, conn, kind):
    kind = kind(conn, daemon.root)
    with full_state(daemon, "size=64k,mode=700", kind.folder) as inside:
        kept = kind.define()
        before = inside(f'cat "$1"/{kind.file}').stdout
        xml = kept.XMLDesc()
        inside('cat /dev/zero >"$1"/filler')
        said = refused(libvirt.VIR_ERR_SYSTEM_ERROR, kind.define, LONG)
        assert kind.file in said and "df -h" in said, said
        assert kept.XMLDesc() == xml
        assert inside(f'cat "$1"/{kind.file}').stdout == before
        assert inside('ls -A "$1"').stdout.split() == sorted([kind.file, "filler"])
        inside('rm "$1"/filler')
        kind.define("more")
        assert inside(f'cat "$1"/{kind.file}').stdout != before
    kept.undefine()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_in_the_way_is_not_written_over(daemon, conn, kind):
    kind = kind(conn, daemon.root)
    file = daemon.root / kind.folder / kind.file
    file.symlink_to("/not/mounted/now")
    said = refused(libvirt.VIR_ERR_OPERATION_FAILED, kind.define)
    assert "cannot be read" in said and str(file) in said, said
    assert os.readlink(file) == "/not/mounted/now"
    file.unlink()
    file.write_text("put here by hand")
    kept = kind.define()
    assert file.with_name(kind.file + ".broken").read_text() == "put here by hand"
    assert "set aside" in daemon.domus("doctor", "--root", daemon.root, check=False).out
    kept.undefine()
    assert not file.exists()


@pytest.mark.parametrize("kind", STARTED)
def test_autostart_is_what_has_the_name_of_the_link_and_is_no_folder(daemon, _event_loop, kind):
    with libvirt.open(daemon.uri) as conn:
        kept = kind(conn, daemon.root).define()
        link = daemon.root / kind.folder / "autostart/kept.xml"
        (link / "below").mkdir(parents=True)
        kept.setAutostart(1)
        assert link.is_symlink() and (link.with_name("kept.xml.broken") / "below").is_dir()
        kept.setAutostart(1)
        assert kept.autostart() == 1
    assert str(link) + ".broken" in daemon.log.read_text()
    assert str(link) + ".broken" in daemon.domus("doctor", "--root", daemon.root, check=False).out
    daemon.stop()
    link.unlink()
    (daemon.root / "pool").mkdir()
    shutil.copy(daemon.root / kind.folder / "kept.xml", link)
    daemon.start()
    with libvirt.open(daemon.uri) as conn:
        kept = find(kind, conn)
        assert kept.autostart() == 1
        wait_until(kept.isActive, "it is not started")
        kept.setAutostart(0)
        assert kept.autostart() == 0 and not link.exists()
        kept.destroy()
        kept.undefine()


def find(kind, conn):
    look = {Domain: conn.lookupByName, Network: conn.networkLookupByName, Pool: conn.storagePoolLookupByName}[kind]
    return look("kept")
