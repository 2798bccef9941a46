"""A guest's process is nobody: a user id of its own, no capabilities, and of the host's files only what it needs."""
import os
import pathlib
import shutil
import socket
import stat
import subprocess

import libvirt
import pytest

from harness.wait import wait_until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's daemon has users to give")

PAUSED = libvirt.VIR_DOMAIN_START_PAUSED
FIRST, LAST = 2100000000, 2100065535  # the default of [qemu] user_ids
SOMEBODY = 65534
NO_CAPABILITIES = "0000000000000000"


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


def pid_of(daemon, name):
    [pid] = daemon.pids_of(f"guest={name},")
    return pid


def uid_of(daemon, name):
    return int(status_of(pid_of(daemon, name))["Uid"][0])


def look(path):
    """Owner, group and mode: what must not change."""
    info = os.stat(path)
    return info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)


def require_nobody(pid):
    status = status_of(pid)
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[capabilities] == [NO_CAPABILITIES], capabilities
    assert status["NoNewPrivs"] == ["1"] and status["Seccomp"] == ["2"]
    assert len(set(status["Uid"])) == len(set(status["Gid"])) == 1
    return int(status["Uid"][0]), int(status["Gid"][0])


@pytest.fixture
def home():
    """A folder that only its owner may enter, on a way that others may go."""
    folder = pathlib.Path("/tmp") / f"domus-home-{os.getpid()}"
    folder.mkdir(mode=0o700)
    os.chown(folder, SOMEBODY, SOMEBODY)
    yield folder
    shutil.rmtree(folder)


def private(path, contents=b"", size=0):
    """A file in a home, for its owner alone."""
    path.write_bytes(contents)
    if size:
        os.truncate(path, size)
    os.chown(path, SOMEBODY, SOMEBODY)
    path.chmod(0o600)
    return path


def test_each_guest_has_an_id_of_its_own_and_sees_little(daemon, conn, guest):
    domains = [conn.defineXML(guest(name, memory=32)) for name in ("one", "two")]
    for domain in domains:
        domain.createWithFlags(PAUSED)
    pids = [pid_of(daemon, domain.name()) for domain in domains]
    ids = [require_nobody(pid) for pid in pids]
    assert len(set(ids)) == 2 and all(FIRST <= each <= LAST for pair in ids for each in pair)
    root = pathlib.Path(f"/proc/{pids[0]}/root")
    for hidden in ("root", "etc/shadow", "home", "boot", "etc/passwd", "tmp/pytest-of-root", "run/domus-user-ids.lock", "dev/vda", "dev/mem"):
        assert not (root / hidden).exists(), hidden
    library = pathlib.Path(*daemon.root.parts[1:]) / "var/lib/domus/qemu"
    own = [folder.name for folder in (root / library).iterdir()]
    assert len(own) == 1 and own[0].endswith("-one") and os.listdir(root / library / own[0]) == ["guest"]
    mounts = pathlib.Path(f"/proc/{pids[0]}/mountinfo").read_text()
    assert " /usr ro," in mounts
    folders = [str(folder) for folder in (daemon.root / "var/lib/domus/qemu").glob("domain-*")]
    assert len(folders) == 2
    # The same domain again, mostly with the same id; nothing is left of the run before.
    domains[0].destroy()
    domains[0].createWithFlags(PAUSED)
    assert uid_of(daemon, "one") == ids[0][0]
    for domain in domains:
        domain.destroy()
    assert list((daemon.root / "var/lib/domus/qemu").glob("domain-*")) == []


def test_what_lies_in_a_home_starts_at_once_and_stays_as_it_was(daemon, conn, guest, guest_assets, home):
    files = {name: private(home / name, size=8 << 20) for name in ("disk.img", "second.img")}
    for name, asset in (("vmlinuz", "vmlinuz"), ("initrd", "initrd.gz")):
        files[name] = private(home / name, (guest_assets / asset).read_bytes())
    files["table"] = private(home / "table", b"from the host")
    output, log = home / "output", private(home / "log", b"kept\n")
    xml = guest("web", serial=str(output), disks=[files["disk.img"]], cmdline="", devices=f"""
        <serial type='pty'><log file='{log}' append='on'/></serial>""", extra=f"""
        <sysinfo type='fwcfg'><entry name='opt/org.domus/word' file='{files["table"]}'/></sysinfo>""")
    xml = xml.replace(f"{guest_assets}/vmlinuz", str(files["vmlinuz"])).replace(f"{guest_assets}/initrd.gz", str(files["initrd"]))
    before = {path: look(path) for path in (*files.values(), log, home)}
    domain = conn.createXML(xml)
    require_nobody(pid_of(daemon, "web"))
    wait_until(lambda: b"GUEST-UP" in output.read_bytes(), "the guest does not boot", timeout=120)
    domain.attachDevice(f"<disk type='file'><driver name='qemu' type='raw'/><source file='{files['second.img']}'/><target dev='vdb'/></disk>")
    domain.destroy()
    assert {path: look(path) for path in before} == before
    assert log.read_bytes().startswith(b"kept\n")


def test_every_feature_works_for_nobody(daemon, conn, guest, shell_of, home):
    disk = home / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "16M"], check=True)
    private(home / "plain.img", size=1 << 20)
    before = look(disk)
    display = "<graphics type='vnc'><listen type='socket'/></graphics><video><model type='vga'/></video>"
    domain = conn.defineXML(guest("web", disks=[disk], networks=["<interface type='user'><model type='virtio'/></interface>"],
                                  devices=display + "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>"))
    domain.create()
    shell = shell_of("web")
    shell.run("echo one >/tmp/word")
    user = uid_of(daemon, "web")

    def screenshot():
        picture = daemon.root / "picture.ppm"
        daemon.virsh("screenshot", "web", picture)
        assert picture.read_bytes().startswith(b"P6")
        picture.unlink()

    screenshot()
    daemon.virsh("snapshot-create-as", "web", "s1")
    shell.run("echo two >/tmp/word")
    daemon.virsh("snapshot-revert", "web", "s1")
    assert shell.run("cat /tmp/word") == "one"
    daemon.virsh("attach-disk", "web", home / "plain.img", "vdb", "--live")
    wait_until(lambda: shell.run("cat /sys/block/vdb/size") == "2048", "the guest does not see the disk")
    daemon.virsh("blockresize", "web", "vdb", "2M")
    daemon.kill()
    daemon.start()
    again = libvirt.open(daemon.uri)
    domain = again.lookupByName("web")
    assert uid_of(daemon, "web") == user
    screenshot()
    assert shell_of("web").run("cat /tmp/word") == "one"
    daemon.virsh("detach-disk", "web", "vdb", "--live")
    domain.managedSave()
    domain.create()
    assert shell_of("web").run("cat /tmp/word") == "one"
    require_nobody(pid_of(daemon, "web"))
    saved = daemon.root / "saved"
    domain.save(str(saved))
    again.restore(str(saved))
    domain.destroy()
    assert look(disk) == before
    again.close()


def test_two_daemons_never_give_one_id_twice(make_daemon, guest):
    config = "[qemu]\nuser_ids = '2100070000-2100070002'\n"
    daemons = [make_daemon(config=config) for _ in range(2)]
    first, second = (libvirt.open(daemon.uri) for daemon in daemons)
    domain = first.createXML(guest("one", memory=32), PAUSED)
    second.createXML(guest("two", memory=32), PAUSED)
    assert {uid_of(daemons[0], "one"), uid_of(daemons[1], "two")} == {2100070001, 2100070002}
    for connection in (first, second):
        with pytest.raises(libvirt.libvirtError, match="user ids"):
            connection.createXML(guest("three", memory=32), PAUSED)
    domain.destroy()
    second.createXML(guest("four", memory=32), PAUSED).destroy()
    first.close()
    second.close()


def test_one_user_for_all_and_no_namespaces(make_daemon, guest, home):
    daemon = make_daemon(config=f"[qemu]\nuser = '{SOMEBODY}'\ngroup = '{SOMEBODY}'\nmount_namespaces = false\n")
    connection = libvirt.open(daemon.uri)
    disk = private(home / "disk.img", size=1 << 20)
    for name, disks in (("one", [disk]), ("two", [])):
        connection.createXML(guest(name, memory=32, disks=disks), PAUSED)
        pid = pid_of(daemon, name)
        assert require_nobody(pid) == (SOMEBODY, SOMEBODY)
        assert pathlib.Path(f"/proc/{pid}/root/etc/shadow").exists()
    connection.close()


def test_streams_are_opened_for_it(daemon, conn, guest, home):
    """A device, a FIFO, a socket to connect to: none of them the guest's user could open."""
    fifo, path = home / "fifo", home / "socket"
    os.mkfifo(fifo, 0o600)
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    path.chmod(0o600)
    server.listen()
    ports = f"""<serial type='pipe'><source path='{fifo}'/></serial>
        <channel type='unix'><source mode='connect' path='{path}'/><target type='virtio' name='a'/></channel>
        <channel type='file'><source path='{home}/made'/><target type='virtio' name='b'/></channel>"""
    domain = conn.createXML(guest("web", memory=32, devices=ports), PAUSED)
    server.settimeout(60)
    connection, _ = server.accept()
    require_nobody(pid_of(daemon, "web"))
    assert look(home / "made")[2] == 0o600
    domain.attachDevice(f"<channel type='file'><source path='{home}/more'/><target type='virtio' name='c'/></channel>")
    assert (home / "more").exists()
    domain.destroy()
    connection.close()
    server.close()


def test_a_display_listens_where_its_definition_says(daemon, conn, guest, home):
    path = home / "display"
    domain = conn.createXML(guest("web", memory=32, devices=f"<graphics type='vnc'><listen type='socket' socket='{path}'/></graphics>"), PAUSED)
    viewer = socket.socket(socket.AF_UNIX)
    viewer.settimeout(60)
    viewer.connect(str(path))
    assert viewer.recv(4) == b"RFB "
    viewer.close()
    domain.destroy()
    assert not os.path.lexists(path)


def test_two_guests_share_memory(daemon, conn, guest):
    name = f"domus-test-{os.getpid()}"
    shared = pathlib.Path("/dev/shm") / name
    device = f"<shmem name='{name}'><model type='ivshmem-plain'/><size unit='M'>1</size></shmem>"
    try:
        one = conn.createXML(guest("one", memory=32, devices=device), PAUSED)
        two = conn.createXML(guest("two", memory=32).replace("q35", "pc"), PAUSED)  # whose slots are free
        assert shared.stat().st_size == 1 << 20 and look(shared) == (0, FIRST, 0o660)
        two.attachDevice(device)
        assert all(name in pathlib.Path(f"/proc/{pid_of(daemon, each)}/maps").read_text() for each in ("one", "two"))
        one.destroy()
        two.destroy()
    finally:
        shared.unlink(missing_ok=True)
