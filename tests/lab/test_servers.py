"""The servers of servers.py, and that they are gone afterwards."""
import json
import pathlib

import pytest

from harness.daemon import run
from harness.sandbox import live_processes
from harness.wait import wait_until
from servers import disk, iscsi_target, nfs_server, settle, udev, volume_group

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _nothing_left():
    before = {line for _, line in live_processes()}
    yield
    assert {line for _, line in live_processes()} - before == set()
    assert run("losetup", "--list", "--noheadings").out == ""
    assert "/dev/" not in run("findmnt", "--noheadings", "--output", "SOURCE", "--types", "ext4,nfs4", check=False).out


def test_lvm_has_thin_volumes_and_snapshots():
    with udev(), volume_group("group", 200 * MIB):
        run("lvcreate", "--yes", "-L", "20M", "-n", "plain", "group")
        run("lvcreate", "--yes", "-s", "-L", "8M", "-n", "before", "group/plain")
        run("lvcreate", "--yes", "-L", "40M", "--thinpool", "pool", "group")
        run("lvcreate", "--yes", "-V", "100M", "--thin", "-n", "thin", "group/pool")
        assert pathlib.Path("/dev/group/plain").is_block_device()
        found = json.loads(run("lvs", "--reportformat", "json", "-o", "lv_name,origin,pool_lv", "group").out)
        assert {tuple(volume.values()) for volume in found["report"][0]["lv"]} == {
            ("plain", "", ""), ("before", "plain", ""), ("pool", "", ""), ("thin", "", "pool")}
    assert not pathlib.Path("/dev/group").exists()


def test_a_disk_can_be_partitioned_and_mounted(tmp_path):
    with udev(), disk(64 * MIB) as device:
        run("sfdisk", "--quiet", device, input="label: gpt\nsize=32MiB\n")
        run("partx", "--update", device)
        wait_until(pathlib.Path(f"{device}p1").exists, "no partition")
        run("mkfs.ext4", "-q", f"{device}p1")
        run("mount", f"{device}p1", tmp_path)
        run("dd", "if=/dev/zero", f"of={tmp_path}/file", "bs=4096", "count=1", "oflag=direct")
        run("umount", tmp_path)


def test_a_target_is_logged_in_to():
    with udev(), iscsi_target("iqn.2026-01.test:one", [16 * MIB, 32 * MIB]) as target:
        found = run("iscsiadm", "-m", "discovery", "-t", "sendtargets", "-p", target.portal).out
        assert found.split() == [f"{target.portal},1", target.iqn]
        run("iscsiadm", "-m", "node", "-T", target.iqn, "--login")
        second = pathlib.Path(f"/dev/disk/by-path/ip-{target.portal}-iscsi-{target.iqn}-lun-2")
        wait_until(second.exists, f"no {second}")
        settle()
        assert run("blockdev", "--getsize64", second).out.strip() == str(32 * MIB)


def test_a_target_that_is_cut_answers_no_more():
    with iscsi_target("iqn.2026-01.test:one", [16 * MIB]) as target:
        target.cut()
        assert run("iscsiadm", "-m", "discovery", "-t", "sendtargets", "-p", target.portal, check=False).code != 0


def test_an_export_is_mounted_and_waits_for_its_server(tmp_path):
    with nfs_server(32 * MIB) as server:
        run("mount", "-t", "nfs4", "-o", "soft,timeo=20,retrans=1", f"{server.host}:{server.path}", tmp_path)
        (tmp_path / "file").write_text("hello")
        assert (server.folder / "file").read_text() == "hello"
        server.stop()
        assert run("stat", "-f", tmp_path, check=False).code != 0
        server.start()
        wait_until(lambda: run("stat", "-f", tmp_path, check=False).code == 0, "it did not come back")
        run("umount", tmp_path)
