"""Folders over virtiofs: virtiofsd runs for the guest as the guest's own user, and shows it that folder and nothing else."""
import os
import pathlib

import libvirt
import pytest

from harness.wait import wait_until

DAEMON = "/usr/lib/qemu/virtiofsd"
SHARED = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
PAUSED = libvirt.VIR_DOMAIN_START_PAUSED

pytestmark = pytest.mark.skipif(not os.path.exists(DAEMON), reason="QEMU's virtiofsd is not installed (qemu-system-common)")


def share_xml(folder, inner="", target="share"):
    return f"<filesystem type='mount'><driver type='virtiofs'/><source dir='{folder}'/><target dir='{target}'/>{inner}</filesystem>"


@pytest.fixture
def folder(scratch):
    """What is shared: all may write to it."""
    path = scratch / "shared, folder"
    path.mkdir()
    path.chmod(0o777)
    (path / "from-host").write_text("hello")
    (scratch / "beside").write_text("hidden")
    return path


@pytest.fixture
def with_share(guest, folder):
    def xml(name="web", inner="", **options):
        return guest(name, devices=share_xml(folder, inner), extra=SHARED, **options)
    return xml


def virtiofsds(daemon):
    return daemon.pids_of("virtiofsd --fd=")


def require_ended(daemon):
    wait_until(lambda: not daemon.pids_of("virtiofsd"), "virtiofsd does not end", timeout=10)


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.split() for name, value in (line.split(":", 1) for line in lines)}


def mount(shell):
    shell.run("modprobe virtiofs; mkdir -p /share; mount -t virtiofs share /share")


def test_the_guest_reads_and_writes_it(daemon, conn, with_share, shell_of, folder):
    domain = conn.defineXML(with_share(inner="<binary xattr='on'><cache mode='none'/><lock posix='on' flock='on'/><thread_pool size='4'/></binary>"))
    domain.create()
    shell = shell_of("web")
    mount(shell)
    assert shell.run("cat /share/from-host") == "hello"
    shell.run("echo back >/share/from-guest; ln -s ../beside /share/link")
    assert (folder / "from-guest").read_text() == "back\n"
    assert "hidden" not in shell.run("cat /share/link /share/../beside 2>&1")
    if os.geteuid() == 0:
        [qemu] = daemon.pids_of("guest=web,")
        assert str((folder / "from-guest").stat().st_uid) == status_of(qemu)["Uid"][0]
    domain.destroy()
    require_ended(daemon)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's daemon has users to give")
def test_it_is_nobody_and_sees_one_folder(daemon, conn, with_share):
    conn.defineXML(with_share()).createWithFlags(PAUSED)
    [qemu] = daemon.pids_of("guest=web,")
    pids = virtiofsds(daemon)
    assert pids
    for pid in pids:
        status = status_of(pid)
        assert status["Uid"] == status_of(qemu)["Uid"] and status["NoNewPrivs"] == ["1"]
        assert os.readlink(f"/proc/{pid}/ns/user") != os.readlink("/proc/self/ns/user")
        assert not pathlib.Path(f"/proc/{pid}/root/etc/shadow").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's daemon has views")
def test_a_folder_to_read_is_not_written_to(daemon, conn, with_share, shell_of, folder):
    conn.defineXML(with_share(inner="<readonly/>")).create()
    shell = shell_of("web")
    mount(shell)
    assert shell.run("cat /share/from-host") == "hello"
    assert "Read-only" in shell.run("echo no >/share/new 2>&1 || touch /share/new 2>&1")
    assert not (folder / "new").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="root may look into everything")
def test_the_guests_user_has_no_more_rights_than_others(daemon, conn, with_share, shell_of, folder):
    (folder / "closed").mkdir(mode=0o700)
    (folder / "from-host").chmod(0o600)
    conn.defineXML(with_share()).create()
    shell = shell_of("web")
    mount(shell)
    said = shell.run("cat /share/from-host 2>&1; ls /share/closed 2>&1; chown 1 /share/from-host 2>&1")
    assert "hello" not in said and said.count("denied") == 2


def test_it_ends_with_the_guest_also_after_a_crash_of_the_daemon(daemon, conn, with_share):
    conn.defineXML(with_share()).createWithFlags(PAUSED)
    before = virtiofsds(daemon)
    daemon.kill()
    daemon.start()
    assert virtiofsds(daemon) == before
    daemon.virsh("destroy", "web")
    require_ended(daemon)


def test_one_that_ends_too_early_is_named(daemon, conn, with_share):
    domain = conn.defineXML(with_share())
    domain.createWithFlags(PAUSED)
    for pid in virtiofsds(daemon):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    said = wait_until(lambda: domain.messages(), "nobody is told")
    assert "virtiofsd of 'fs0'" in said[0], said


def refusal(conn, guest, device, extra=SHARED):
    with pytest.raises(libvirt.libvirtError) as error:
        conn.createXML(guest("web", devices=device, extra=extra))
    return str(error.value)


def test_what_cannot_be_is_refused_by_name(daemon, conn, guest, folder):
    assert "memfd" in refusal(conn, guest, share_xml(folder), extra="")
    assert "accessmode" in refusal(conn, guest, share_xml(folder).replace("type='mount'", "type='mount' accessmode='mapped'"))
    assert "sandbox" in refusal(conn, guest, share_xml(folder, "<binary><sandbox mode='none'/></binary>"))
    assert "No such file" in refusal(conn, guest, share_xml(folder / "nothing"))
    require_ended(daemon)
