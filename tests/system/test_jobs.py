"""Jobs: long work that is watched, waited for and cancelled by whoever may, and remembered when it has ended."""
import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import threading

import libvirt
import pytest

from harness.calls import Outcome
from harness.compare import offered
from harness.daemon import BUILD, run
from harness.full import full_state
from harness.hung import storage
from harness.raw import PROGRAM, packet, raw, read_packet, string
from harness.wait import wait_until

MIB = 1 << 20
SIZE = 64 * MIB


def volume_xml(name, kind="qcow2", size=SIZE):
    return f"<volume><name>{name}</name><capacity>{size}</capacity><target><format type='{kind}'/></target></volume>"


def make_pool(conn, folder):
    return conn.storagePoolCreateXML(f"<pool type='dir'><name>vms</name><target><path>{folder}</path></target></pool>")


@pytest.fixture
def folder(scratch):
    path = scratch / "vms"
    path.mkdir()
    return path


@pytest.fixture
def pool(conn, folder):
    """With a volume 'source' that holds data."""
    pool = make_pool(conn, folder)
    source = pool.createXML(volume_xml("source"))
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", f"write -q -P 7 0 {SIZE}", source.path()], check=True)
    return pool


@pytest.fixture
def slow_copies(wrappers):
    """Half a minute for a volume, of which some is done at once."""
    wrappers("qemu-img", 'case $1 in convert) shift; exec /usr/bin/qemu-img convert -r 2M "$@";; esac\nexec /usr/bin/qemu-img "$@"')


def jobs(daemon, *options):
    return json.loads(daemon.domus("--json", "job", "list", *options).out)


def running(daemon, condition=lambda job: True):
    """The one job that runs, once it is as it is wanted."""
    def found():
        known = jobs(daemon)
        return known[0] if known and condition(known[0]) else None
    return wait_until(found, "no such job runs")


def ended(daemon, job):
    return json.loads(daemon.domus("--json", "job", "show", job["id"]).out)


def clone(daemon):
    return Outcome(daemon, lambda own: own.storagePoolLookupByName("vms").createXMLFrom(
        volume_xml("copy"), own.storagePoolLookupByName("vms").storageVolLookupByName("source")))


def test_a_clone_is_watched_and_cancelled_by_others(daemon, pool, folder, slow_copies):
    cloning = clone(daemon)
    job = running(daemon, lambda job: 0 < job["done"] < SIZE)
    assert (job["operation"], job["state"], job["total"], job["cancellable"]) == ("volume.clone", "running", SIZE, True)
    assert job["objects"] == "pool 'vms', volume 'vms/source'" and job["principal"] == f"uid {os.getuid()}" and job["rate"] > 0
    row = rf"^ {job['id']} +volume.clone +running +\d+ % +[\d.]+ [KM]iB/s +pool 'vms', volume 'vms/source'$"
    assert re.search(row, daemon.domus("job-list").out, re.M), daemon.domus("job-list")
    assert "Progress:" in daemon.domus("job", "show", job["id"]).out
    late = daemon.domus("job", "wait", job["id"], "--timeout", "1", check=False)
    assert late.code == 1 and f"Job {job['id']} did not end within 1 s" in late.err
    assert offered(daemon, "job-show", "")[1] == {str(known["id"]) for known in jobs(daemon, "--all")}
    daemon.domus("job", "cancel", job["id"])
    assert cloning.wait().get_error_code() == libvirt.VIR_ERR_OPERATION_ABORTED
    assert "the job was cancelled" in str(cloning.error)
    assert pool.listVolumes() == ["source"] and os.listdir(folder) == ["source"]
    job = ended(daemon, job)
    assert (job["state"], job["code"], job["cancellable"]) == ("cancelled", libvirt.VIR_ERR_OPERATION_ABORTED, False)
    assert jobs(daemon) == [] and job in jobs(daemon, "--all")
    again = daemon.domus("job", "cancel", job["id"], check=False)
    assert again.code == 1 and "has ended: it is cancelled" in again.err
    waited = daemon.domus("job", "wait", job["id"], check=False)
    assert waited.code == 1 and f"Job {job['id']} (volume.clone) was cancelled" in waited.err
    nothing = daemon.domus("job", "show", "12345", check=False)
    assert nothing.code == 1 and "there is no job 12345" in nothing.err and "job-list --all" in nothing.err


def test_a_resize_that_is_cancelled_changes_nothing(daemon, pool, wrappers):
    wrappers("qemu-img", "exec sleep 1000")
    source = pool.storageVolLookupByName("source")
    resizing = Outcome(daemon, lambda own: own.storageVolLookupByPath(source.path()).resize(2 * SIZE))
    daemon.domus("job", "cancel", running(daemon)["id"])
    assert resizing.wait().get_error_code() == libvirt.VIR_ERR_OPERATION_ABORTED
    assert not daemon.pids_of("sleep 1000") and source.info()[1] == SIZE


def test_a_wipe_that_is_cancelled_says_what_it_left(daemon, pool, wrappers):
    wrappers("scrub", "exec sleep 1000")
    volume = pool.createXML(volume_xml("disk", "raw", MIB))
    wiping = Outcome(daemon, lambda own: own.storageVolLookupByPath(volume.path()).wipePattern(libvirt.VIR_STORAGE_VOL_WIPE_ALG_NNSA))
    job = running(daemon)
    daemon.domus("job", "cancel", job["id"])
    assert wiping.wait().get_error_code() == libvirt.VIR_ERR_OPERATION_ABORTED
    assert "volume 'disk' is overwritten in part" in str(wiping.error)
    assert not daemon.pids_of("sleep 1000") and volume.info()[1] == MIB
    volume.delete()


def test_work_goes_on_when_its_client_has_gone(daemon, conn, scratch):
    with storage(daemon.sandbox, scratch / "vms") as vms:
        volume = make_pool(conn, vms.folder).createXML(volume_xml("disk", "raw", MIB))
        path = vms.folder.with_name("vms.behind") / "disk"
        path.write_bytes(b"x" * MIB)
        vms.hang()
        with subprocess.Popen([BUILD / "bin/domus", "-c", daemon.uri, "vol-wipe", "disk", "--pool", "vms"]) as client:
            job = running(daemon)
            client.kill()
        with subprocess.Popen([BUILD / "bin/domus", "-c", daemon.uri, "job", "wait", str(job["id"])]) as waiting:
            assert running(daemon)["id"] == job["id"]
            vms.go_on()
            assert waiting.wait(60) == 0
        job = ended(daemon, job)
        assert (job["operation"], job["state"], job["done"], job["total"]) == ("volume.wipe", "completed", MIB, MIB)
        assert "error" not in job and job["ended"] >= job["begun"]
        assert path.read_bytes() == bytes(MIB)
        volume.delete()
        conn.storagePoolLookupByName("vms").destroy()


def test_records_outlive_the_daemon_and_ids_are_not_used_again(daemon, pool):
    pool.createXML(volume_xml("one"))
    with pytest.raises(libvirt.libvirtError):
        pool.createXML(volume_xml("one"))
    before = jobs(daemon, "--all")
    assert [(job["operation"], job["state"]) for job in before] == [
        ("pool.create", "completed"), ("volume.create", "completed"), ("volume.create", "completed"), ("volume.create", "failed")]
    assert before[2]["objects"] == "pool 'vms', volume 'vms/one'" and "exists already" in before[3]["error"]
    daemon.restart()
    assert jobs(daemon, "--all") == before
    daemon.domus("vol-create-as", "vms", "two", "1M")
    assert jobs(daemon, "--all")[-1]["id"] == before[-1]["id"] + 1


def test_a_job_of_a_daemon_that_was_killed_has_failed(daemon, pool, folder, slow_copies):
    cloning = clone(daemon)
    job = running(daemon, lambda job: job["done"] > 0)
    wait_until((daemon.root / f"var/lib/domus/jobs/{job['id']}.json").exists, "its record is not written")
    daemon.kill()
    assert cloning.wait()
    wait_until(lambda: not daemon.pids_of("qemu-img"), "the program goes on")
    daemon.start()
    job = ended(daemon, job)
    assert (job["state"], job["error"]) == ("failed", "the daemon ended before it did")
    assert daemon.domus("vol-list", "vms").out.count("source") == 2  # its name and its path
    assert "copy" not in daemon.domus("vol-list", "vms").out and os.listdir(folder) == ["source"]
    daemon.domus("vol-create-as", "vms", "next", "1M")
    assert jobs(daemon, "--all")[-1]["id"] > job["id"]


def test_readers_look_and_cancel_nothing(daemon, pool, slow_copies):
    cloning = clone(daemon)
    job = running(daemon)

    def reader(*words):
        return daemon.domus("-r", "-c", daemon.readonly_uri, *words, check=False)

    assert [known["id"] for known in json.loads(reader("--json", "job", "list").out)] == [job["id"]]
    assert json.loads(reader("--json", "job", "show", job["id"]).out)["state"] == "running"
    refused = reader("job", "cancel", job["id"])
    assert refused.code == 1 and "read only access prevents JOB_CANCEL" in refused.err
    assert running(daemon)["id"] == job["id"]
    daemon.domus("job", "cancel", job["id"])
    assert cloning.wait()


def test_nothing_fails_where_records_cannot_be_written(daemon, pool):
    with full_state(daemon, "size=8k,nr_inodes=2", "var/lib/domus/jobs") as inside:
        inside("head -c 100k /dev/zero >$1/full")
        pool.createXML(volume_xml("one"))
        assert jobs(daemon, "--all")[-1]["state"] == "completed"
        daemon.wait_logged("records of jobs are not written")
    pool.createXML(volume_xml("two"))
    last = jobs(daemon, "--all")[-1]["id"]
    wait_until((daemon.root / f"var/lib/domus/jobs/{last}.json").exists, "its record is not written")


def without_our_program(daemon, path):
    """Listens there as the daemon would, for one client, if it had no program but libvirt's."""
    def answer(client, server):
        while True:
            try:
                header, body = read_packet(client)
            except EOFError:
                return server.shutdown(socket.SHUT_RDWR)
            if header[0] == PROGRAM:
                server.sendall(packet(header[2], body, header[4], header[3], header[5], header[0]))
                continue
            error = struct.pack(">iiI", libvirt.VIR_ERR_RPC, libvirt.VIR_FROM_RPC, 1)
            error += string(f"Cannot find program {header[0]} version 1") + struct.pack(">i7I", 2, *[0] * 7)
            client.sendall(packet(header[2], error, header[4], 1, 1, header[0]))

    def serve():
        client, _ = listener.accept()
        server = raw(daemon)
        threading.Thread(target=answer, args=(client, server), daemon=True).start()
        while data := server.recv(1 << 16):
            client.sendall(data)
        client.close()

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    threading.Thread(target=serve, daemon=True).start()


def test_a_daemon_without_jobs_is_told_from_one_without_any(daemon, scratch):
    path = scratch / "socket"
    without_our_program(daemon, path)
    said = run(BUILD / "bin/domus", "-c", f"qemu+unix:///system?socket={path}", "job", "list", check=False)
    assert said.code == 1 and "Failed to list jobs" in said.err and "have no list of jobs" in said.err, said


def test_a_client_learns_that_a_job_is_completed(daemon, pool):
    pool.createXML(volume_xml("one"))
    last = jobs(daemon, "--all")[-1]["id"]
    assert daemon.domus("job-wait", last).out == f"Job {last} (volume.create) completed\n\n"
    assert json.loads(daemon.domus("--json", "job-wait", last).out)["state"] == "completed"
    with contextlib.closing(libvirt.open(daemon.uri)) as other:
        assert "one" in other.storagePoolLookupByName("vms").listVolumes()
