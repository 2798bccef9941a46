"""Memory of guests in files: saved, restored, kept for the next start; nothing is lost when something fails."""
import fcntl
import hashlib
import json
import os
import pathlib
import re
import signal
import struct
import subprocess
import threading
import time

import libvirt
import pytest

from harness.calls import Outcome
from harness.wait import wait_until

HEADER = struct.Struct("<16sIIIII")
COUNT = "(i=0; while true; do i=$((i+1)); echo $i >/tmp/next; mv /tmp/next /tmp/count; sleep 0.05; done >/dev/null 2>&1 &)"


@pytest.fixture
def counting(daemon, conn, guest, shell_of):
    """Function that starts a guest in which something counts; returns the domain."""
    def start(name="web", define=True, **options):
        domain = conn.defineXML(guest(name, **options)) if define else conn.createXML(guest(name, **options))
        if define:
            domain.create()
        shell = shell_of(name)
        shell.run(COUNT)
        wait_until(lambda: read_count(shell) > 3, "it does not count")
        return domain
    return start


def read_count(shell):
    text = shell.run("cat /tmp/count")
    return int(text) if text.isdigit() else 0


def count_of(shell_of, name="web"):
    shell = shell_of(name)
    return wait_until(lambda: read_count(shell), "there is no count")


def header_of(path):
    with open(path, "rb") as file:
        return HEADER.unpack(file.read(HEADER.size))


def test_a_guest_goes_on_where_it_was_saved(daemon, conn, counting, shell_of, scratch, event_log):
    domain = counting()
    before = count_of(shell_of)
    image = scratch / "web.save"
    daemon.virsh("save", "web", image)
    assert domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SAVED]
    event_log.wait_for("web", libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED)
    magic, version, length, was_running, compressed, cookie = header_of(image)
    assert (magic, version, was_running, compressed, cookie) == (b"LibvirtQemudSave", 2, 1, 0, 0)
    assert image.stat().st_mode & 0o777 == 0o600
    assert not daemon.pids_of("qemu-system")
    assert "domain 'web'" not in daemon.virsh("list", "--name").out
    daemon.virsh("restore", image)
    assert domain.state() == [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_RESTORED]
    event_log.wait_for("web", libvirt.VIR_DOMAIN_EVENT_STARTED, libvirt.VIR_DOMAIN_EVENT_STARTED_RESTORED)
    after = count_of(shell_of)
    assert before < after < before + 2000
    # Twice is refused, and the guest stays as it is.
    again = daemon.virsh("restore", image, check=False)
    assert again.code == 1 and "domain is already active as 'web'" in again.err
    assert domain.isActive()


def test_the_state_after_a_restore_can_be_chosen(daemon, conn, guest, scratch):
    domain = conn.defineXML(guest("web", memory=32))
    domain.create()
    image = str(scratch / "image")
    running, paused = libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_PAUSED

    def restored(save_flags=0, restore_flags=0, pause=False):
        if pause:
            domain.suspend()
        domain.saveFlags(image, None, save_flags)
        conn.restoreFlags(image, None, restore_flags)
        state = domain.state()[0]
        if state == paused:
            domain.resume()
        return state

    assert restored() == running
    assert restored(pause=True) == paused
    assert restored(save_flags=libvirt.VIR_DOMAIN_SAVE_PAUSED) == paused
    assert restored(save_flags=libvirt.VIR_DOMAIN_SAVE_RUNNING, pause=True) == running
    assert restored(restore_flags=libvirt.VIR_DOMAIN_SAVE_PAUSED) == paused
    assert restored(save_flags=libvirt.VIR_DOMAIN_SAVE_BYPASS_CACHE, restore_flags=libvirt.VIR_DOMAIN_SAVE_BYPASS_CACHE) == running
    for flags in (libvirt.VIR_DOMAIN_SAVE_RUNNING | libvirt.VIR_DOMAIN_SAVE_PAUSED, 1 << 10):
        with pytest.raises(libvirt.libvirtError) as refused:
            domain.saveFlags(image, None, flags)
        assert refused.value.get_error_code() == libvirt.VIR_ERR_INVALID_ARG
    assert domain.state()[0] == running
    domain.destroy()


def test_a_transient_domain_comes_back_as_one(daemon, conn, guest, scratch):
    image = str(scratch / "image")
    domain = conn.createXML(guest("web", memory=32))
    uuid = domain.UUIDString()
    with pytest.raises(libvirt.libvirtError) as refused:
        domain.managedSave()
    assert "cannot do managed save for transient domain" in str(refused.value)
    domain.saveParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: image})
    assert conn.listAllDomains() == []
    conn.restoreParams({libvirt.VIR_DOMAIN_SAVE_PARAM_FILE: image})
    [again] = conn.listAllDomains()
    assert again.UUIDString() == uuid and not again.isPersistent()
    again.destroy()


def test_kept_for_the_next_start(daemon, conn, counting, shell_of):
    domain = counting()
    before = count_of(shell_of)
    daemon.virsh("managedsave", "web")
    assert domain.hasManagedSaveImage() == 1
    assert re.search(r"Managed save:\s+yes", daemon.virsh("dominfo", "web").out)
    assert daemon.virsh("list", "--all", "--with-managed-save", "--name").out.split() == ["web"]
    assert daemon.virsh("list", "--all", "--without-managed-save", "--name").out.split() == []
    assert "saved" in daemon.virsh("list", "--all", "--managed-save").out
    # Neither is it lost by undefining, renaming or another run.
    for refused in (["undefine", "web"], ["domrename", "web", "other"]):
        assert daemon.virsh(*refused, check=False).code == 1
    with pytest.raises(libvirt.libvirtError, match="managed save image"):
        conn.createXML(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    with pytest.raises(libvirt.libvirtError, match="managed save image exists"):
        domain.undefine()
    daemon.restart()
    assert "yes" in daemon.virsh("dominfo", "web").out.split("Managed save:")[1]
    assert "<name>web</name>" in daemon.virsh("managedsave-dumpxml", "web").out
    daemon.virsh("start", "web")
    after = count_of(shell_of)
    assert before < after < before + 2000
    assert "no" in daemon.virsh("dominfo", "web").out.split("Managed save:")[1]
    assert list((daemon.root / "var/lib/domus/qemu/save").iterdir()) == []


def test_forgotten_by_force_boot_by_removal_and_with_the_definition(daemon, conn, guest):
    folder = daemon.root / "var/lib/domus/qemu/save"
    domain = conn.defineXML(guest("web", memory=32))
    domain.create()
    domain.managedSave()
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_FORCE_BOOT)
    assert domain.state()[1] == libvirt.VIR_DOMAIN_RUNNING_BOOTED and not domain.hasManagedSaveImage()
    domain.managedSave()
    daemon.virsh("managedsave-remove", "web")
    assert not domain.hasManagedSaveImage() and list(folder.iterdir()) == []
    domain.create()
    assert domain.state()[1] == libvirt.VIR_DOMAIN_RUNNING_BOOTED
    domain.managedSave()
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
    assert list(folder.iterdir()) == [] and conn.listAllDomains() == []


def test_a_damaged_one_is_told_and_kept(daemon, conn, guest):
    domain = conn.defineXML(guest("web", memory=32))
    domain.create()
    domain.managedSave()
    [image] = (daemon.root / "var/lib/domus/qemu/save").iterdir()
    whole = image.read_bytes()
    stream = HEADER.size + 56 + HEADER.unpack_from(whole)[2]
    for damaged, reason in ((b"x" + whole[1:], "image magic is incorrect"),
                            (whole[:stream + 5000], "cannot be loaded")):
        image.write_bytes(damaged)
        with pytest.raises(libvirt.libvirtError) as refused:
            domain.create()
        assert reason in str(refused.value) and "--force-boot" in str(refused.value)
        assert image.read_bytes() == damaged and domain.hasManagedSaveImage() and not domain.isActive()
    image.write_bytes(whole)
    domain.create()
    assert domain.state()[1] == libvirt.VIR_DOMAIN_RUNNING_RESTORED
    domain.destroy()


@pytest.fixture
def frozen_save(daemon, freeze):
    """Function that begins to save a domain and stops QEMU in the middle of it; returns the thread with the outcome,
    QEMU's pid, and the file. A guest with much in its memory gives time to do so. `written`: the file that grows, if it is
    another one."""
    def begin(domain, path, managed=False, written=None):
        def save(saved):
            return saved.managedSave() if managed else saved.save(str(path))
        [pid] = daemon.pids_of(f"guest={domain.name()}")
        outcome = Outcome(daemon, lambda own: save(own.lookupByName(domain.name())))
        growing = written or path
        while not (growing.exists() and growing.stat().st_size > 1 << 20):
            assert outcome.is_alive(), outcome.error
        freeze(pid)
        assert outcome.is_alive(), "it was over too soon"
        return outcome, pid, path

    return begin


@pytest.fixture
def full_guest(counting, shell_of):
    """A counting guest with 250 MB of what cannot be left out in its memory: so much is not over before it is stopped.
    Its /tmp takes 297 MiB, half of its memory, and has room left for the count."""
    domain = counting(memory=640)
    shell_of("web").run("dd if=/dev/urandom of=/tmp/noise bs=1M count=10; for i in $(seq 24); do cat /tmp/noise; done >/tmp/more",
                        timeout=60)
    return domain


def test_destroyed_in_the_middle(daemon, full_guest, frozen_save, scratch):
    outcome, _, path = frozen_save(full_guest, scratch / "image")
    started = time.monotonic()
    daemon.virsh("destroy", "web")
    assert time.monotonic() - started < 8, "the monitor was asked, for which there are 10 s"
    assert outcome.wait() is not None
    assert full_guest.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_DESTROYED]
    assert not path.exists()


def test_a_save_is_a_job_that_is_seen_and_cancelled_as_libvirt_does(daemon, domus, full_guest, frozen_save, scratch):
    def job(*words):
        return json.loads(domus("--json", "job", *words).out)

    outcome, pid, path = frozen_save(full_guest, scratch / "image")
    [mine] = job("list")
    assert (mine["operation"], mine["objects"]) == ("saved_memory.save", f"domain 'web', file '{path}'")
    theirs = full_guest.jobStats()
    assert (mine["done"], mine["total"], mine["cancellable"]) == (theirs["data_processed"], theirs["data_total"], True)
    canceller = threading.Thread(target=domus, args=("job", "cancel", mine["id"]))
    canceller.start()
    time.sleep(1)  # the order is in the monitor's socket before QEMU can go on
    os.kill(pid, signal.SIGCONT)
    canceller.join()
    assert outcome.wait().get_error_code() == libvirt.VIR_ERR_OPERATION_ABORTED
    assert full_guest.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)["type"] == libvirt.VIR_DOMAIN_JOB_CANCELLED
    assert job("show", mine["id"])["state"] == "cancelled" and job("list") == []
    full_guest.save(str(path))
    last = job("list", "--all")[-1]
    assert last["state"] == "completed" and last["done"] > 1 << 20


def test_looked_at_and_aborted_in_the_middle(daemon, conn, full_guest, frozen_save, shell_of, scratch):
    before = count_of(shell_of)
    outcome, pid, path = frozen_save(full_guest, scratch / "image")
    assert full_guest.state() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_SAVE]
    assert full_guest.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_UNBOUNDED
    assert full_guest.jobStats()["operation"] == libvirt.VIR_DOMAIN_JOB_OPERATION_SAVE
    assert re.search(r"Operation:\s+Save", daemon.virsh("domjobinfo", "web").out)
    abort = Outcome(daemon, lambda own: own.lookupByName("web").abortJob())
    time.sleep(1)  # the order is in the monitor's socket before QEMU can go on
    os.kill(pid, signal.SIGCONT)
    assert abort.wait() is None
    error = outcome.wait()
    assert error and error.get_error_code() == libvirt.VIR_ERR_OPERATION_ABORTED
    assert full_guest.state() == [libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_RUNNING_SAVE_CANCELED]
    assert not path.exists()
    assert full_guest.jobInfo()[0] == libvirt.VIR_DOMAIN_JOB_NONE
    assert full_guest.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)["type"] == libvirt.VIR_DOMAIN_JOB_CANCELLED
    with pytest.raises(libvirt.libvirtError, match="no job is active"):
        full_guest.abortJob()
    assert count_of(shell_of) > before
    # And it can be saved after all.
    full_guest.save(str(path))
    stats = full_guest.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    assert stats["type"] == libvirt.VIR_DOMAIN_JOB_COMPLETED
    assert stats["memory_total"] > 224 << 20 and stats["memory_processed"] > 100 << 20


def test_the_disk_is_full(daemon, conn, counting, shell_of, event_log):
    counting()
    before = count_of(shell_of)
    folder = daemon.root / "small"
    folder.mkdir()
    mounted = daemon.sandbox.run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
    assert mounted.returncode == 0, mounted.stderr
    try:
        failed = daemon.virsh("save", "web", folder / "image", check=False)
        assert failed.code == 1 and "No space left on device" in failed.err
        assert daemon.sandbox.run("ls", str(folder)).stdout == ""
        usage = daemon.sandbox.run("stat", "-f", "-c", "%f %b", str(folder)).stdout.split()
        assert usage[0] == usage[1], "space is still taken"
    finally:
        assert daemon.sandbox.run("umount", str(folder)).returncode == 0
    assert conn.lookupByName("web").state()[0] == libvirt.VIR_DOMAIN_RUNNING
    assert count_of(shell_of) > before


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_an_older_save_stays_when_the_disk_is_full(daemon, conn, counting, scratch):
    """There is room for one and a half of them."""
    domain = counting()
    probe = scratch / "probe"
    domain.save(str(probe))
    size = probe.stat().st_size
    conn.restore(str(probe))
    folder = daemon.root / "small"
    folder.mkdir()
    daemon.sandbox.run("mount", "-t", "tmpfs", "-o", f"size={size * 3 // 2}", "tmpfs", folder, check=True)
    try:
        def look():
            return daemon.sandbox.run("sh", "-c", "ls $1; sha256sum $1/image", "sh", folder, check=True).stdout

        image = str(folder / "image")
        domain.save(image)
        before = look()
        assert before.splitlines()[0] == "image"
        conn.restore(image)
        with pytest.raises(libvirt.libvirtError, match="No space left on device.*room for both"):
            domain.save(image)
        assert look() == before
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        domain.destroy()
        conn.restore(image)
        domain.destroy()
    finally:
        assert daemon.sandbox.run("umount", folder).returncode == 0


@pytest.mark.parametrize("killed", ["daemon", "qemu", "both"])
def test_an_older_save_stays_when_the_next_one_is_cut_off(daemon, full_guest, frozen_save, scratch, killed):
    path, beside = scratch / "image", scratch / "image.unfinished"
    full_guest.save(str(path))
    full_guest.connect().restore(str(path))
    before = digest_of(path)
    outcome, pid, _ = frozen_save(full_guest, path, written=beside)
    if killed != "qemu":
        daemon.kill()
    if killed != "daemon":
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in daemon.pids_of("qemu-system"), "it does not die")
    else:
        os.kill(pid, signal.SIGCONT)
    assert outcome.wait() is not None
    if killed != "qemu":
        daemon.start()
    connection = libvirt.open(daemon.uri)
    domain = connection.lookupByName("web")
    wanted = libvirt.VIR_DOMAIN_RUNNING if killed == "daemon" else libvirt.VIR_DOMAIN_SHUTOFF
    wait_until(lambda: domain.state()[0] == wanted, "it is in another state")
    wait_until(lambda: list(scratch.iterdir()) == [path], "something of the save stays")
    assert digest_of(path) == before
    if killed == "daemon":
        domain.destroy()
    connection.restore(str(path))
    domain.destroy()
    connection.close()


def test_a_save_takes_the_place_of_an_older_one_with_its_owner_and_mode(conn, guest, scratch):
    image = scratch / "image"
    domain = conn.defineXML(guest("web", memory=32))
    domain.create()
    domain.save(str(image))
    image.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(image, 1234, 1234)
    before = image.stat()
    conn.restore(str(image))
    domain.save(str(image))
    after = image.stat()
    assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
    assert after.st_ino != before.st_ino and list(scratch.iterdir()) == [image]
    conn.restore(str(image))
    domain.destroy()


@pytest.mark.parametrize("managed", [False, True])
def test_the_daemon_is_killed_in_the_middle(daemon, full_guest, frozen_save, shell_of, scratch, managed):
    """Whether QEMU is still at it or has finished when the next daemon comes: the guest goes on."""
    path = daemon.root / "var/lib/domus/qemu/save/web.save" if managed else scratch / "image"
    for finish in (False, True):
        before = count_of(shell_of)
        connection = libvirt.open(daemon.uri)
        outcome, pid, _ = frozen_save(connection.lookupByName("web"), path, managed)
        daemon.kill()
        outcome.wait()
        os.kill(pid, signal.SIGCONT)
        if finish:
            sizes = []
            wait_until(lambda: sizes.append(path.stat().st_size) or sizes[-3:] == sizes[-1:] * 3, "it does not end")
        daemon.start()
        connection = libvirt.open(daemon.uri)
        domain = connection.lookupByName("web")
        wait_until(lambda: domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING, "it does not go on")
        assert not path.exists() and not domain.hasManagedSaveImage()
        assert count_of(shell_of) > before
    connection.lookupByName("web").destroy()


@pytest.mark.parametrize("magic", [b"LibvirtQemudPart", b"LibvirtQemudSave"])
def test_another_file_in_the_place_of_a_save_that_was_cut_off(daemon, full_guest, frozen_save, scratch, magic):
    """It is neither removed nor taken for the guest's memory."""
    path = scratch / "image"
    outcome, pid, _ = frozen_save(full_guest, path)
    daemon.kill()
    outcome.wait()
    path.rename(scratch / "aside")
    path.write_bytes(magic + b"somebody's own")
    os.kill(pid, signal.SIGCONT)
    daemon.start()
    connection = libvirt.open(daemon.uri)
    domain = connection.lookupByName("web")
    wait_until(lambda: domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING, "it does not go on")
    assert path.read_bytes() == magic + b"somebody's own" and (scratch / "aside").exists()
    domain.destroy()
    connection.close()


def test_the_daemon_is_killed_after_the_last_byte(daemon, conn, full_guest, frozen_save, shell_of, scratch):
    """The image is whole, its guest still there: one of the two must go, and it is the guest."""
    before = count_of(shell_of)
    path = daemon.root / "var/lib/domus/qemu/save/web.save"
    _, pid, _ = frozen_save(full_guest, path, managed=True)
    daemon.kill()
    os.kill(pid, signal.SIGCONT)
    sizes = []
    wait_until(lambda: sizes.append(path.stat().st_size) or sizes[-3:] == sizes[-1:] * 3, "it does not end")
    with open(path, "r+b") as file:  # the daemon's last act
        file.write(b"LibvirtQemudSave")
    daemon.start()
    again = libvirt.open(daemon.uri)
    domain = again.lookupByName("web")
    wait_until(lambda: domain.state() == [libvirt.VIR_DOMAIN_SHUTOFF, libvirt.VIR_DOMAIN_SHUTOFF_SAVED], "it is not saved")
    assert domain.hasManagedSaveImage() and not daemon.pids_of("qemu-system")
    domain.create()
    assert count_of(shell_of) > before
    domain.destroy()


def test_our_command_speaks_virshs_words(daemon, domus, conn, guest, scratch):
    domain = conn.defineXML(guest("web", memory=32))
    image, xml = scratch / "image", scratch / "new.xml"

    def says(*arguments, **options):
        return domus(*arguments, **options).out

    def same(*arguments):
        theirs, ours = daemon.virsh(*arguments, check=False), domus(*arguments, check=False)
        assert ours.out.splitlines() == theirs.out.splitlines()
        assert ours.code == theirs.code
        assert ours.err.splitlines()[:1] == theirs.err.splitlines()[:1]
        return ours

    domain.create()
    assert says("save", "web", image) == f"\nDomain 'web' saved to {image}\n\n"
    same("save-image-dumpxml", image)
    same("save-image-dumpxml", image, "--xpath", "/domain/name", "--wrap")
    xml.write_text(says("save-image-dumpxml", image, "--security-info").replace("<on_crash>destroy", "<on_crash>restart"))
    assert says("save-image-define", image, xml, "--paused") == f"State file {image} updated.\n\n"
    assert "<on_crash>restart" in same("save-image-dumpxml", image).out
    xml.write_text(xml.read_text().replace("<vcpu>1", "<vcpu>2").replace("<vcpu placement='static'>1", "<vcpu placement='static'>2"))
    refused = same("save-image-define", image, xml)
    assert refused.code == 1 and "another machine" in refused.err and "vcpu" in refused.err
    assert says("save-image-edit", image, env=dict(os.environ, EDITOR="true", VISUAL="true")) \
        == f"Saved image {image} XML configuration not changed.\n\n"
    assert says("restore", image) == f"Domain restored from {image}\n\n"
    assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    same("restore", scratch / "absent")
    same("save", "web", "/absent/folder/image")
    same("domjobinfo", "web")
    same("domjobabort", "web")
    verbose = domus("managedsave", "web", "--running", "--verbose")
    assert verbose.out == "\nDomain 'web' state saved by libvirt\n\n" and verbose.err.endswith("Save: [100 %]")
    same("managedsave-dumpxml", "web")
    same("list", "--all", "--managed-save")
    same("domjobinfo", "web", "--completed", "--keep-completed")
    same("managedsave", "web")
    xml.write_text(says("managedsave-dumpxml", "web").replace("<on_crash>destroy", "<on_crash>restart"))
    assert says("managedsave-define", "web", xml) == "Managed save state file of domain 'web' updated.\n\n"
    assert domus("--json", "managedsave-remove", "web").out.startswith('{"domain":"web","removed":true')
    same("managedsave-remove", "web")
    same("managedsave-dumpxml", "web")


def test_control_c_leaves_the_job(daemon, full_guest, frozen_save, scratch):
    from harness.daemon import BUILD
    path = scratch / "image"
    [pid] = daemon.pids_of("guest=web")
    command = subprocess.Popen([BUILD / "bin/domus", "-c", daemon.uri, "save", "web", path], stderr=subprocess.PIPE, text=True)
    while not (path.exists() and path.stat().st_size > 1 << 20):
        assert command.poll() is None
    os.kill(pid, signal.SIGSTOP)
    command.send_signal(signal.SIGINT)
    time.sleep(1)
    os.kill(pid, signal.SIGCONT)
    _, said = command.communicate(timeout=30)
    assert command.returncode == 1 and "canceled by client" in said
    assert full_guest.state()[0] == libvirt.VIR_DOMAIN_RUNNING and not path.exists()


def test_an_image_as_libvirt_lays_it_out(daemon, conn, counting, shell_of, scratch):
    """XML with its NUL, a cookie with its own, no room between them, the stream wherever that ends."""
    domain = counting()
    before = count_of(shell_of)
    ours, theirs = scratch / "ours", scratch / "theirs"
    domain.save(str(ours))
    whole = ours.read_bytes()
    length = HEADER.unpack_from(whole)[2]
    data, stream = whole[92:92 + length], whole[92 + length:]
    xml = data[:data.index(b"\0") + 1]
    cookie = b"<cookie>\n  <slirpHelper/>\n</cookie>\n\0"
    theirs.write_bytes(HEADER.pack(b"LibvirtQemudSave", 2, len(xml + cookie), 1, 0, len(xml)) + bytes(56)
                       + xml + cookie + stream)
    conn.restore(str(theirs))
    assert count_of(shell_of) > before
    domain.destroy()


@pytest.mark.parametrize("damage, reason", [
    (lambda whole: b"", "failed to read qemu header"),
    (lambda whole: whole[:50], "failed to read qemu header"),
    (lambda whole: b"LibvirtQemudPart" + whole[16:], "save image is incomplete"),
    (lambda whole: whole[:16] + struct.pack("<I", 3) + whole[20:], "image version is not supported (3 > 2)"),
    (lambda whole: whole[:20] + struct.pack("<I", 0xffffffff) + whole[24:], "invalid header data length"),
    (lambda whole: whole[:28] + struct.pack("<I", 2) + whole[32:], "compressed"),
    (lambda whole: whole[:92] + b"<domain>" + bytes(len(whole) - 100), "XML"),
    (lambda whole: whole[:len(whole) // 2], "cannot be loaded"),
], ids=["empty", "short", "unfinished", "version", "length", "compressed", "xml", "stream"])
def test_a_damaged_file_starts_nothing(daemon, conn, guest, scratch, damage, reason):
    image = scratch / "image"
    domain = conn.createXML(guest("web", memory=32))
    domain.save(str(image))
    image.write_bytes(damage(image.read_bytes()))
    with pytest.raises(libvirt.libvirtError) as refused:
        conn.restore(str(image))
    assert reason in str(refused.value)
    assert conn.listAllDomains() == [] and not daemon.pids_of("qemu-system")


def test_with_a_disk_that_was_moved(daemon, conn, guest, scratch):
    image, disk, moved = scratch / "image", scratch / "disk.qcow2", scratch / "moved.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "8M"], check=True)
    domain = conn.createXML(guest("web", memory=32, disks=[disk]))
    # A file that a guest has as its disk is not written over.
    with pytest.raises(libvirt.libvirtError, match="is in use"):
        domain.save(str(disk))
    assert domain.isActive() and disk.read_bytes()[:4] == b"QFI\xfb"
    domain.save(str(image))
    disk.rename(moved)
    xml = conn.saveImageGetXMLDesc(str(image)).replace(str(disk), str(moved))
    with pytest.raises(libvirt.libvirtError, match="disk.qcow2"):
        conn.restore(str(image))
    conn.restoreFlags(str(image), xml)
    again = conn.lookupByName("web")
    assert str(moved) in again.XMLDesc()
    again.destroy()


def test_only_plain_files_and_absolute_paths(conn, guest, scratch):
    domain = conn.createXML(guest("web", memory=32))
    os.mkfifo(scratch / "pipe")
    for path in ("/dev/null", str(scratch / "pipe"), str(scratch)):
        with pytest.raises(libvirt.libvirtError):
            domain.save(path)
    assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
    domain.destroy()


def test_destroyed_while_it_is_restored(daemon, conn, guest, scratch):
    image = scratch / "image"
    domain = conn.defineXML(guest("web", memory=32))
    domain.create()
    domain.save(str(image))
    outcome = Outcome(daemon, lambda own: own.restore(str(image)))
    [pid] = wait_until(lambda: daemon.pids_of("guest=web"), "QEMU does not start", pause=0.001)
    os.kill(pid, signal.SIGSTOP)
    assert outcome.is_alive(), "it was over too soon"
    started = time.monotonic()
    wait_until(lambda: daemon.virsh("destroy", "web", check=False).code == 0, "it cannot be destroyed")
    assert time.monotonic() - started < 8, "the monitor was asked, for which there are 10 s"
    assert outcome.wait() is not None
    assert not domain.isActive() and image.exists()
    conn.restore(str(image))
    domain.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="takes on another user")
def test_one_that_is_loaded_but_does_not_go_on_is_there(daemon, conn, guest, scratch):
    """QEMU lets a guest go only when it has the locks of its images: here of one that Domus does not know."""
    image, disk = str(scratch / "web.save"), daemon.root / "own.img"
    disk.write_bytes(bytes(1 << 20))
    disk.chmod(0o666)
    options = ("-blockdev", f"driver=file,node-name=own,locking=on,filename={disk}", "-device", "virtio-blk-pci,drive=own,addr=0x1c")
    own = "".join(f"<qemu:arg value='{option}'/>" for option in options)
    xml = guest("web", memory=32, extra=f"<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>{own}</qemu:commandline>")
    conn.createXML(xml).save(image)
    with open(disk, "r+b") as taken:
        fcntl.lockf(taken, fcntl.LOCK_EX)
        with pytest.raises(libvirt.libvirtError, match="lock"):
            conn.restore(image)
    domain = conn.lookupByName("web")
    assert domain.state()[0] == libvirt.VIR_DOMAIN_PAUSED
    domain.resume()
    domain.destroy()
    assert conn.listAllDomains() == []


def test_files_are_used_with_the_rights_of_the_caller(daemon, conn, guest):
    nobody = 65534
    folder = pathlib.Path("/tmp") / f"domus-nobody-{os.getpid()}"
    folder.mkdir()
    try:
        os.chown(folder, nobody, nobody)
        secret = daemon.root / "secret"
        secret.mkdir(mode=0o700)
        for path in (daemon.root / "run", daemon.root / "run/domus", daemon.socket):
            path.chmod(0o777)

        def as_nobody(*arguments):
            return subprocess.run(["setpriv", "--reuid", str(nobody), "--regid", str(nobody), "--clear-groups", "virsh", "-c", daemon.uri,
                                   *map(str, arguments)], text=True, capture_output=True, env=dict(os.environ, LC_ALL="C", HOME=str(folder)))

        domain = conn.defineXML(guest("web", memory=32))
        domain.create()
        refused = as_nobody("save", "web", secret / "image")
        assert refused.returncode == 1 and "Permission denied" in refused.stderr, refused
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING and list(secret.iterdir()) == []
        saved = as_nobody("save", "web", folder / "image")
        assert saved.returncode == 0, saved
        assert (folder / "image").stat().st_uid == nobody
        (folder / "image").rename(secret / "image")
        assert as_nobody("restore", secret / "image").returncode == 1
        assert as_nobody("save-image-dumpxml", secret / "image").returncode == 1
        conn.restore(str(secret / "image"))
        domain.destroy()
    finally:
        subprocess.run(["rm", "-r", folder], check=True)


def test_with_an_agent_a_display_and_a_disk_plugged_in(daemon, conn, counting, shell_of, scratch):
    image, disk = scratch / "image", scratch / "disk.raw"
    disk.write_bytes(b"plugged" + bytes((1 << 20) - 7))
    domain = counting(memory=128, agent=True, devices="<graphics type='vnc' autoport='yes'/><video><model type='vga'/></video>")
    wait_until(lambda: "state='connected'" in domain.XMLDesc(), "the agent does not come")
    daemon.virsh("attach-disk", "web", disk, "vdb", "--live")
    before = count_of(shell_of)
    domain.save(str(image))
    conn.restore(str(image))
    shell = shell_of("web")
    assert read_count(shell) > before
    assert shell.run("head -c 7 /dev/vda") == "plugged"
    wait_until(lambda: "state='connected'" in domain.XMLDesc(), "the agent does not come back")
    domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)
    wait_until(lambda: not domain.isActive(), "the agent does not hear")


@pytest.mark.skipif(os.geteuid() != 0, reason="networks need root")
def test_its_network_reaches_it_again(make_daemon, guest, terminal, scratch, _event_loop):
    from harness.guest import GuestShell
    daemon = make_daemon(default_network=True)
    connection = libvirt.open(daemon.uri)
    domain = connection.createXML(guest("web", networks=["default"]))
    network = connection.networkLookupByName("default")
    wait_until(lambda: network.DHCPLeases(), "no lease")
    gateway = network.DHCPLeases()[0]["ipaddr"].rsplit(".", 1)[0] + ".1"
    domain.save(str(scratch / "image"))
    assert "vnet" not in daemon.sandbox.run("ip", "-br", "link").stdout
    assert "vnet" not in connection.saveImageGetXMLDesc(str(scratch / "image"))
    connection.restore(str(scratch / "image"))
    shell = GuestShell(terminal("virsh", "-c", daemon.uri, "console", "web", "--force")).wait_up()
    wait_until(lambda: "1 packets received" in shell.run(f"ping -c 1 -W 2 {gateway}"), "the gateway does not answer")
    connection.lookupByName("web").destroy()
    connection.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_an_undefine_that_fails_gives_nothing_up(daemon, guest, scratch):
    conn = libvirt.open(daemon.uri)
    image = scratch / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    domain = conn.defineXML(guest("web", memory=32, disks=[image]))
    domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    domain.managedSave()
    everything = libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    definitions = daemon.root / "etc/domus/qemu"
    daemon.sandbox.run("mount", "--bind", definitions, definitions, check=True)
    daemon.sandbox.run("mount", "-o", "remount,bind,ro", definitions, check=True)
    with pytest.raises(libvirt.libvirtError, match="Read-only"):
        domain.undefineFlags(everything)
    conn.close()
    daemon.sandbox.run("umount", "-l", definitions, check=True)
    daemon.restart()
    conn = libvirt.open(daemon.uri)
    domain = conn.lookupByName("web")
    assert domain.hasManagedSaveImage() and domain.snapshotListNames() == ["s"]
    domain.undefineFlags(everything)
    conn.close()
