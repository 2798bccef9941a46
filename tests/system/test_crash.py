"""The daemon is killed at a chosen step, its records are damaged, its state cannot be written: nothing is lost, nothing
runs that is not known, and everything can be started again."""
import contextlib
import json
import os
import re
import socket
import subprocess

import libvirt
import pytest

from harness.calls import Outcome, refused
from harness.full import full_state
from harness.wait import wait_until

QEMU = "/usr/bin/qemu-system-x86_64"
PAUSED = libvirt.VIR_DOMAIN_START_PAUSED


@pytest.fixture
def tiny():
    """A domain that boots nothing."""
    def xml(name, devices="", vcpu="<vcpu>1</vcpu>", emulator="", boot=""):
        return (f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory>{vcpu}<os><type machine='q35'>hvm</type>{boot}</os>"
                f"<features><acpi/></features><devices>{emulator}{devices}</devices></domain>")
    return xml


@pytest.fixture
def image(scratch):
    def make(name):
        path = scratch / f"{name}.qcow2"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "1M"], check=True)
        return path
    return make


def disk(path, target="vda", bus="virtio"):
    return (f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{path}'/><target dev='{target}' bus='{bus}'/></disk>")


def opened(daemon):
    return contextlib.closing(libvirt.open(daemon.uri))


def starts_and_ends(daemon, name):
    with opened(daemon) as connection:
        domain = connection.lookupByName(name)
        domain.createWithFlags(PAUSED)
        domain.destroy()


# -- processes --

def test_a_daemon_killed_while_it_starts_a_guest_leaves_none(daemon, tiny, scratch):
    """Once while the emulator is a script that has not become QEMU yet, once when it has just become it. QEMU waits for a
    connection that does not come, and the start cannot end before the kill."""
    emulator, held = daemon.root / "emulator", daemon.root / "held"
    emulator.write_text(f"""#!/bin/sh
case "$*" in *-uuid*) sleep 1; [ ! -e {held} ] || exec {QEMU} "$@" -chardev socket,id=held,host=127.0.0.1,port=0,server=on,wait=on;; esac
exec {QEMU} "$@"
""")
    emulator.chmod(0o755)
    with opened(daemon) as connection:
        connection.defineXML(tiny("cut", emulator=f"<emulator>{emulator}</emulator>"))
    for program in ("emulator", QEMU):
        def there():
            return [pid for pid in daemon.pids_of("guest=cut,") if program in open(f"/proc/{pid}/cmdline").read()]
        held.touch()
        call = Outcome(daemon, lambda connection: connection.lookupByName("cut").create())
        wait_until(there, f"no {program} runs", pause=0.001)
        daemon.kill()
        call.wait()
        held.unlink()
        daemon.start()
        with opened(daemon) as again:
            domain = again.lookupByName("cut")
            assert not domain.isActive()
            wait_until(lambda: not daemon.pids_of("guest=cut,"), "a process that nobody knows")
        starts_and_ends(daemon, "cut")
        assert not list((daemon.root / "var/lib/domus/qemu").glob("domain-*"))


def test_what_a_kill_leaves_of_a_domains_folder_goes(daemon, conn, tiny, scratch):
    """Of a clean-up that was cut off, with and without the run lock. The folder of a guest that runs stays."""
    conn.defineXML(tiny("runs")).createWithFlags(PAUSED)
    daemon.kill()
    library = daemon.root / "var/lib/domus/qemu"
    (scratch / "kept").mkdir()
    for name, parts in (("domain-70-cut", ["root", "guest"]), ("domain-71-cut", ["guest"]), ("domain-72-cut", []), ("domain-other", ["guest"])):
        for part in parts or [""]:
            (library / name / part).mkdir(parents=True)
    (library / "domain-70-cut/guest/link").symlink_to(scratch)
    (library / "domain-71-cut/lock").touch()
    daemon.start()
    left = sorted(path.name for path in library.glob("domain-*"))
    assert left[1:] == ["domain-other"] and left[0].endswith("-runs")
    assert (scratch / "kept").exists()
    daemon.wait_logged("domain-other' belongs to no domain that is known")
    with opened(daemon) as again:
        again.lookupByName("runs").destroy()
    starts_and_ends(daemon, "runs")


def test_a_guest_is_found_by_whatever_witness_is_left(daemon, conn, tiny):
    names = ["plain", "missing", "garbage", "empty", "pid", "started", "folder", "both"]
    for name in names:
        conn.defineXML(tiny(name)).createWithFlags(PAUSED)
    pids = {name: daemon.pids_of(f"guest={name},") for name in names}
    folders = {name: next((daemon.root / "var/lib/domus/qemu").glob(f"domain-*-{name}")) for name in names}
    bystander = subprocess.Popen(["tail", "-f", folders["missing"] / "lock", folders["both"] / "lock"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    daemon.kill()
    state = daemon.root / "run/domus/qemu"

    def change(name, pattern, to):
        text = (state / f"{name}.xml").read_text()
        assert re.search(pattern, text)
        (state / f"{name}.xml").write_text(re.sub(pattern, to, text, count=1))

    (state / "missing.xml").unlink()
    (state / "garbage.xml").write_text("<domstatus")
    (state / "empty.xml").write_text("")
    change("pid", r"pid='\d+'", f"pid='{bystander.pid}'")
    change("started", r"started='\d+'", "started='1'")
    change("folder", r"folder='[^']*'", f"folder='{daemon.root}/etc'")
    (state / "both.xml").unlink()
    (folders["both"] / "record.xml").unlink()
    daemon.start()
    with opened(daemon) as again:
        for name in names:
            domain = again.lookupByName(name)
            assert daemon.pids_of(f"guest={name},") == pids[name], name
            assert folders[name].exists()
            assert domain.isActive(), name
            wait_until(lambda d=domain: d.memoryStats().get("actual") == 32 * 1024, f"the monitor of {name} does not answer")
            domain.destroy()
            assert not daemon.pids_of(f"guest={name},") and not folders[name].exists(), name
        daemon.wait_logged(f"process {pids['both'][0]} of domain 'both'")
    assert bystander.poll() is None
    assert (daemon.root / "etc").exists()
    bystander.kill()
    bystander.wait()


def test_a_guest_without_records_and_definition_is_named_and_does_not_run_twice(daemon, conn, tiny):
    xml = conn.createXML(tiny("both"), PAUSED).XMLDesc()
    [pid] = daemon.pids_of("guest=both,")
    daemon.kill()
    (daemon.root / "run/domus/qemu/both.xml").unlink()
    [copy] = (daemon.root / "var/lib/domus/qemu").glob("domain-*-both/record.xml")
    copy.unlink()
    daemon.start()
    with opened(daemon) as again:
        daemon.wait_logged(f"process {pid} of domain 'both'")
        both = again.defineXML(tiny("both").replace("</name>", "</name>" + re.search("<uuid>.*</uuid>", xml)[0]))
        assert not both.isActive()
        assert f"process {pid}" in both.messages()[0] and f"kill {pid}" in daemon.domus("doctor", check=False).out
        assert "has a process of an earlier run" in refused(libvirt.VIR_ERR_OPERATION_FAILED, both.create)
        os.kill(pid, 9)
        wait_until(lambda: not daemon.pids_of("guest=both,"), "it does not die")
        wait_until(lambda: not both.messages(), "its end is not seen")
        both.createWithFlags(PAUSED)
        both.destroy()


# -- a state folder that cannot be written --

@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("how", ["full", "read-only"])
def test_a_record_that_cannot_be_written_fails_the_start(daemon, conn, tiny, how):
    domain = conn.defineXML(tiny("unrecorded"))
    with full_state(daemon, "size=16k" if how == "full" else "ro") as inside:
        inside('cat /dev/zero >"$1"/filler')
        said = refused(libvirt.VIR_ERR_SYSTEM_ERROR, domain.create)
        assert "unrecorded.xml" in said and "writing its record" in said, said
        assert ("df -h" if how == "full" else "findmnt") in said, said
        assert not domain.isActive() and not daemon.pids_of("guest=unrecorded")
    starts_and_ends(daemon, "unrecorded")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_later_record_is_tried_again_and_reported(daemon, conn, tiny, domus):
    domain = conn.defineXML(tiny("later"))
    domain.createWithFlags(PAUSED)
    with full_state(daemon, "size=16k") as inside:
        inside('cat /dev/zero >"$1"/filler')
        domain.resume()
        assert "restarted daemon" in domain.messages()[0]
        assert "domain later" in domus("doctor", check=False).out
        inside('rm "$1"/filler')
        wait_until(lambda: not domain.messages(), "it is not tried again")
        assert "state='1'" in inside('cat "$1"/later.xml').stdout
    domain.destroy()


def test_a_failure_before_qemu_quotes_no_earlier_run(conn, tiny):
    good = conn.defineXML(tiny("quoting"))
    good.createWithFlags(PAUSED)
    good.destroy()
    bad = conn.defineXML(tiny("quoting", boot="<kernel>/nowhere</kernel>").replace("<name>", f"<uuid>{good.UUIDString()}</uuid><name>"))
    for _ in range(2):
        said = refused(libvirt.VIR_ERR_SYSTEM_ERROR, bad.create)
        assert "/nowhere" in said and "QEMU said" not in said, said


# -- networks --

NETWORK = """<network><name>cut</name><forward mode='nat'/><bridge name='cutbr'/><ip address='10.97.0.1' netmask='255.255.255.0'>
<dhcp><range start='10.97.0.2' end='10.97.0.9'/></dhcp></ip></network>"""


@pytest.mark.skipif(os.geteuid() != 0, reason="networks need root")
@pytest.mark.parametrize("call", ["create", "destroy"])
def test_a_network_cut_at_any_step_starts_again(daemon, wrappers, scratch, call):
    """Each program that it runs kills the daemon, before or after it has done its work."""
    count, at = scratch / "count", scratch / "at"
    count.write_text("0")
    at.write_text("never")
    for program in ("nft", "dnsmasq"):
        wrappers(program, f"""n=$(($(cat {count}) + 1)); echo $n >{count}
[ "$(cat {at})" = "$n before" ] && {{ kill -9 $PPID; exit 1; }}
if [ "$(cat {at})" = "$n after" ]; then case "$*" in *--keep-in*) (sleep 0.2; kill -9 $PPID) & exec /usr/sbin/dnsmasq "$@";; esac; real "$@"; kill -9 $PPID; exit; fi
case "$*" in *--keep-in*) exec /usr/sbin/dnsmasq "$@";; esac
real "$@" """)
    with opened(daemon) as connection:
        connection.networkDefineXML(NETWORK)

    def cut(step, moment):
        """Whether the daemon was killed; it may end a program itself that takes too long on a busy machine."""
        with opened(daemon) as connection:
            network = connection.networkLookupByName("cut")
            if call == "destroy" and not network.isActive():
                network.create()
            if call == "create" and network.isActive():
                network.destroy()
            count.write_text("0")
            at.write_text(f"{step} {moment}")
            with contextlib.suppress(libvirt.libvirtError):
                getattr(network, call)()
            has_fewer = daemon.running and int(count.read_text()) < step
            with contextlib.suppress(AssertionError):
                wait_until(lambda: has_fewer or not daemon.running, "nothing has killed it", timeout=5)
        at.write_text("never")
        return None if has_fewer else not daemon.running

    step = 0
    while True:
        step += 1
        for moment in ("before", "after"):
            killed = next((done for _ in range(5) if (done := cut(step, moment)) is not False), False)
            if killed is None:
                break
            assert killed, f"nothing killed the daemon in step {step}"
            daemon.start()
            with opened(daemon) as again:
                network = again.networkLookupByName("cut")
                if not network.isActive():
                    assert "cutbr" not in daemon.sandbox.run("ip", "link").stdout, f"{step} {moment}"
                    network.create()
                wait_until(lambda: len(daemon.pids_of("dnsmasq")) == 1, f"not one dnsmasq: {step} {moment}") # the script has children
                assert daemon.sandbox.run("nft", "list", "tables").stdout.count("domus_cutbr") == 1
                network.destroy()
                left = daemon.sandbox.leftovers()
                assert [thing for thing in left if not thing.startswith((f"process {daemon.process.pid}:", "mount /usr/local/sbin"))] == []
        else:
            continue
        break
    assert step > (3 if call == "create" else 2)
    at.write_text("never")


@pytest.mark.skipif(os.geteuid() != 0, reason="networks need root")
def test_a_network_without_its_record_starts_again_under_its_guests(daemon, conn, tiny):
    conn.networkDefineXML(NETWORK).create()
    domain = conn.defineXML(tiny("guest", devices="<interface type='network'><source network='cut'/></interface>"))
    domain.createWithFlags(PAUSED)
    daemon.kill()
    (daemon.root / "run/domus/network/cut.xml").unlink()
    daemon.start()
    with opened(daemon) as again:
        wait_until(again.networkLookupByName("cut").isActive, "it does not run")
        assert "vnet0" in daemon.sandbox.run("ip", "link", "show", "master", "cutbr").stdout
        assert len(daemon.pids_of("dnsmasq")) == 1
        again.lookupByName("guest").destroy()


# -- saved memory --

@pytest.mark.parametrize("bus", ["virtio", "scsi"])
def test_memory_saved_after_vcpus_came_is_loaded(conn, tiny, image, bus):
    target = "vda" if bus == "virtio" else "sda"
    controller = "<controller type='scsi' model='virtio-scsi'/>" if bus == "scsi" else ""
    domain = conn.defineXML(tiny(f"more-{bus}", controller + disk(image(bus), target, bus), "<vcpu current='1'>4</vcpu>"))
    domain.create()
    domain.setVcpusFlags(3, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    for _ in range(2):
        domain.managedSave()
        domain.create()
        assert domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING
        assert len(domain.vcpus()[0]) == 3
    domain.destroy()


def migrate_away(monitor, daemon):
    """QEMU writes its state to nobody, as at the end of a save."""
    program = ["/usr/bin/python3", "-c", "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True)\n"
               "c = s.accept()[0]\nwhile c.recv(1 << 16): pass"]
    listener = subprocess.Popen(daemon.sandbox.command(*program) if daemon.sandbox else program, stdout=subprocess.PIPE, text=True)
    port = listener.stdout.readline().strip()
    with socket.socket(socket.AF_UNIX) as qmp:
        qmp.connect(str(monitor))
        lines = qmp.makefile("rw")

        def ask(command, **arguments):
            lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            lines.flush()
            while "return" not in (answer := json.loads(lines.readline())):
                assert "error" not in answer, answer
            return answer["return"]
        lines.readline()
        ask("qmp_capabilities")
        ask("migrate", uri=f"tcp:127.0.0.1:{port}")
        wait_until(lambda: ask("query-status")["status"] == "postmigrate", "it does not end")
    listener.wait(60)
    listener.stdout.close()


def test_a_paused_guest_whose_save_was_cut_off_can_be_saved(daemon, conn, tiny, scratch):
    domain = conn.defineXML(tiny("half"))
    domain.createWithFlags(PAUSED)
    daemon.kill()
    folder = next((daemon.root / "var/lib/domus/qemu").glob("domain-*-half"))
    migrate_away(folder / "monitor.sock", daemon)
    for record in (daemon.root / "run/domus/qemu/half.xml", folder / "record.xml"):
        text = record.read_text()
        record.write_text(text.replace("<domain ", f"<job kind='save' file='{scratch}/never' resume='no'/><domain ", 1))
    daemon.start()
    with opened(daemon) as again:
        domain = again.lookupByName("half")
        domain.managedSave()
        domain.create()
        domain.destroy()


# -- snapshots --

def names_in(path):
    told = subprocess.run(["qemu-img", "info", "-U", "--output=json", path], capture_output=True, text=True, check=True)
    return {entry["name"] for entry in json.loads(told.stdout).get("snapshots", [])}


@pytest.mark.skipif(os.geteuid() != 0, reason="wrapping programs needs root")
def test_images_and_tree_agree_after_a_kill_in_the_middle(daemon, conn, tiny, image, wrappers, scratch):
    paths = [image("a"), image("b")]
    at, count = scratch / "at", scratch / "count"
    wrappers("qemu-img", f"""case "$1" in snapshot) ;; *) real "$@"; exit;; esac
n=$(($(cat {count}) + 1)); echo $n >{count}
[ "$(cat {at})" = "$n before" ] && {{ kill -9 $PPID; exit 1; }}
real "$@"; code=$?
[ "$(cat {at})" = "$n after" ] && kill -9 $PPID
exit $code""")
    conn.defineXML(tiny("tree", disk(paths[0], "vda") + disk(paths[1], "vdb")))
    seen = set()
    for change in ("create", "delete"):
        for step in (1, 2):
            for moment in ("before", "after"):
                name = f"{change}-{step}-{moment}"
                at.write_text("never")
                count.write_text("0")
                with opened(daemon) as connection:
                    domain = connection.lookupByName("tree")
                    snapshot = f"<domainsnapshot><name>{name}</name></domainsnapshot>"
                    if change == "delete":
                        domain.snapshotCreateXML(snapshot)
                    count.write_text("0")
                    at.write_text(f"{step} {moment}")
                    with contextlib.suppress(libvirt.libvirtError):
                        if change == "create":
                            domain.snapshotCreateXML(snapshot)
                        else:
                            domain.snapshotLookupByName(name).delete()
                wait_until(lambda: not daemon.running, f"nothing killed the daemon: {name}")
                at.write_text("never")
                daemon.start()
                with opened(daemon) as again:
                    domain = again.lookupByName("tree")

                    def agree():
                        known = set(domain.snapshotListNames())
                        return all(names_in(path) == known for path in paths)
                    wait_until(agree, f"images and tree disagree: {name}")
                    wait_until(lambda: not list((daemon.root / "var/lib/domus/qemu/snapshot").rglob("intent*")), "the intent stays")
                    seen.add(name in domain.snapshotListNames())
                    if name in domain.snapshotListNames():
                        domain.snapshotLookupByName(name).delete()
    assert seen == {True, False}  # what was whole was kept, the rest taken back


@pytest.mark.skipif(os.geteuid() != 0, reason="wrapping programs needs root")
def test_a_change_of_snapshots_that_was_refused_is_not_done_later(daemon, conn, tiny, image, wrappers, scratch):
    """Also where the disk is full, and taking it back fails at first."""
    path, fails, room = image("a"), scratch / "fails", scratch / "room"
    folder = daemon.root / "var/lib/domus/qemu/snapshot/tree"
    folder.mkdir(parents=True)
    # Makes the disk full once it has changed the image, but for some pages.
    wrappers("qemu-img", f"""[ "$1" = snapshot ] || {{ real "$@"; exit $?; }}
[ "$2" = "$(cat {fails})" ] && exit 1
real "$@"; code=$?
[ "$2" = -c ] && [ -e {room} ] && {{ cat /dev/zero >{folder}/filler; truncate -s -"$(cat {room})" {folder}/filler; }}
exit $code""")
    fails.write_text("none")
    domain = conn.defineXML(tiny("tree", disk(path, "vda")))

    def refuse(act, *arguments):
        with pytest.raises(libvirt.libvirtError):
            act(*arguments)

    def snapshot(name):
        return f"<domainsnapshot><name>{name}</name></domainsnapshot>"

    with full_state(daemon, "size=256k,mode=700", folder) as run:
        def inside(command):
            return run(f'cd "$1"; {command}').stdout.split()

        one = domain.snapshotCreateXML(snapshot("one"))
        fails.write_text("-a")
        refuse(domain.revertToSnapshot, one)
        fails.write_text("-d")
        refuse(one.delete)
        assert domain.snapshotListNames() == ["one"] and inside("ls") == ["one.xml"]
        room.write_text("0")
        refuse(domain.snapshotCreateXML, snapshot("two"))
        assert names_in(path) == {"one", "two"} and "intent.reversed" in inside("ls")
        daemon.kill()
        room.unlink()
        fails.write_text("none")
        inside("rm filler")
        daemon.start()
        wait_until(lambda: inside("ls") == ["one.xml"], "it is not taken back")
        with opened(daemon) as again:
            domain = again.lookupByName("tree")
            assert domain.snapshotListNames() == ["one"] and names_in(path) == {"one"}
            # Its own record has room, and that the other one is not the newest any more has none.
            pages = int(inside("stat -c %s one.xml")[0]) // 4096 + 1
            room.write_text(str(pages * 4096))
            refuse(domain.snapshotCreateXML, snapshot("three"))
            assert names_in(path) == {"one"} and inside("ls") == ["filler", "one.xml"]
            domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_snapshot_whose_removal_cannot_be_written_down_stays(daemon, conn, tiny, image):
    path = image("a")
    folder = daemon.root / "var/lib/domus/qemu/snapshot/tree"
    folder.mkdir(parents=True)
    domain = conn.defineXML(tiny("tree", disk(path, "vda")))
    with full_state(daemon, "size=256k,mode=700", folder) as inside:
        for name, description in (("one", ""), ("two", ""), ("three", "x" * 40000)):
            domain.snapshotCreateXML(f"<domainsnapshot><name>{name}</name><description>{description}</description></domainsnapshot>")
        # There is room to note what is under way, and none for that "three" has another parent.
        inside('cat /dev/zero >"$1"/filler; truncate -s -16k "$1"/filler')
        refused(libvirt.VIR_ERR_SYSTEM_ERROR, domain.snapshotLookupByName("two").delete)
        assert names_in(path) == {"one", "two", "three"} and domain.snapshotListNames() == ["one", "two", "three"]
        assert inside('ls "$1"').stdout.split() == ["filler", "one.xml", "three.xml", "two.xml"]
        inside('rm "$1"/filler')
        domain.snapshotLookupByName("two").delete()
        assert names_in(path) == {"one", "three"}
        assert domain.snapshotLookupByName("three").getParent().getName() == "one"
        domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)


@pytest.mark.skipif(os.geteuid() != 0, reason="wrapping programs needs root")
@pytest.mark.parametrize("then", ["delete", "create"])
def test_what_is_left_of_a_removal_goes_before_the_next_change(conn, tiny, image, wrappers, scratch, then):
    paths = [image("a"), image("b")]
    fails = scratch / "fails"
    wrappers("qemu-img", f"""case "$2:$4" in -d:{paths[1]}) [ ! -e {fails} ] || exit 1;; esac
real "$@" """)
    domain = conn.defineXML(tiny("tree", disk(paths[0], "vda") + disk(paths[1], "vdb")))
    for name in ("one", "two", "three"):
        domain.snapshotCreateXML(f"<domainsnapshot><name>{name}</name></domainsnapshot>")
    if then == "create":  # it would stand on the one that goes
        domain.snapshotLookupByName("three").delete()
    fails.touch()
    with pytest.raises(libvirt.libvirtError):
        domain.snapshotLookupByName("two").delete()
    fails.unlink()
    if then == "delete":
        domain.snapshotLookupByName("one").delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_CHILDREN)
        assert domain.snapshotListNames() == []
    else:
        new = domain.snapshotCreateXML("<domainsnapshot><name>new</name></domainsnapshot>")
        assert domain.snapshotListNames() == ["one", "new"] and new.getParent().getName() == "one"
    assert [names_in(path) for path in paths] == [set(domain.snapshotListNames())] * 2
    domain.undefineFlags(libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA)


def test_a_snapshot_of_an_image_that_the_domain_does_not_know_is_left_alone(conn, tiny, image):
    path = image("foreign")
    subprocess.run(["qemu-img", "snapshot", "-c", "mine", path], check=True)
    domain = conn.defineXML(tiny("foreign", disk(path)))
    for _ in ("stopped", "running"):
        said = refused(libvirt.VIR_ERR_OPERATION_FAILED, domain.snapshotCreateXML, "<domainsnapshot><name>mine</name></domainsnapshot>")
        assert "already has a snapshot 'mine'" in said, said
        if not domain.isActive():
            domain.createWithFlags(PAUSED)
    domain.destroy()
    assert names_in(path) == {"mine"}
