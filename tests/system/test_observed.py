"""What stock clients were seen to ask of libvirtd, call by call, asked of domusd: each command of observed/*.txt is run
through tests/tools/rpc_proxy, and its procedures and error codes are compared. A file is a story: its commands follow on
each other on one daemon.

    # name
    $ command                       in sh; $XML $NET $IMAGES $WORK are the test's files and folders
      PROCEDURE PROCEDURE!42 ...    what libvirtd was asked, without what opens and closes a connection; "!": it failed with
                                    that code; calls of one kind in a row are one, and looks at a job's progress are left out
    = PROCEDURE ...                 what domusd is asked instead: the reason stands in a comment before
    ! PROCEDURE                     not built: that call must fail, and the rest is not compared. A story that gets further
                                    than its mark says fails, so that marks do not stay behind.
"""
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

import pytest

from harness.daemon import REPOSITORY
from harness.guest import guest_xml
from harness.wait import wait_until

STORIES = sorted((pathlib.Path(__file__).parent / "observed").glob("*.txt"))
OPENING = {"AUTH_LIST", "CONNECT_SUPPORTS_FEATURE", "CONNECT_OPEN", "CONNECT_REGISTER_CLOSE_CALLBACK", "CONNECT_UNREGISTER_CLOSE_CALLBACK",
           "CONNECT_CLOSE", "CONNECT_GET_URI"}
PROGRESS = {"DOMAIN_GET_JOB_INFO"}  # asked by virsh as often as it gets to while a job runs
NETWORK = """<network><name>n1</name><forward mode='nat'/><bridge name='virbr9'/><ip address='192.168.99.1' netmask='255.255.255.0'>
<dhcp><range start='192.168.99.10' end='192.168.99.50'/></dhcp></ip></network>"""


@dataclasses.dataclass
class Workflow:
    name: str
    command: str = ""
    calls: list = dataclasses.field(default_factory=list)
    missing: str = ""


def read_story(path):
    workflows, name, replaced = [], "", False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("# "):
            name = name or line[2:]
        elif line.startswith("$ "):
            workflows.append(Workflow(f"{path.stem}:{number} {name}", line[2:]))
            name, replaced = "", False
        elif line.startswith("  ") and not replaced:
            workflows[-1].calls += [call for call in line.split() if call.partition("!")[0] not in PROGRESS]
        elif line.startswith("= "):
            workflows[-1].calls, replaced = line[2:].split(), True
        elif line.startswith("! "):
            workflows[-1].missing = line[2:].strip()
        elif line.strip():
            raise ValueError(f"{path}:{number}: what is '{line}'?")
    return workflows


class Proxy:
    def __init__(self, daemon, folder):
        self.socket, self.log = folder / "proxy.sock", folder / "packets.json"
        self.log.touch()
        self._process = subprocess.Popen([REPOSITORY / "tests/tools/rpc_proxy", "--json", "--output", self.log, self.socket, daemon.socket])
        wait_until(self.socket.exists, "the proxy does not listen")
        self._read = 0

    def calls(self):
        """Since the last time: procedures with their error codes, in the order of the calls."""
        before = -1
        while before != (before := self.log.stat().st_size):  # the last packets are on their way
            time.sleep(0.02)
        lines = self.log.read_text().splitlines()
        packets = [json.loads(line) for line in lines[self._read:]]
        self._read = len(lines)
        failed = {(each["connection"], each["serial"]): each["fields"]["code"] for each in packets if each["type"] == "reply" and each["status"] == "error"}
        calls = []
        for each in packets:
            if not each["type"].startswith("call") or each["program"] != "remote" or each["procedure"] in OPENING | PROGRESS:
                continue
            code = failed.get((each["connection"], each["serial"]))
            call = each["procedure"] + (f"!{code}" if code is not None else "")
            if not calls or calls[-1] != call:
                calls.append(call)
        return calls

    def close(self):
        self._process.terminate()
        assert self._process.wait(10) == 0
        assert not self.socket.exists()


@pytest.fixture
def world(make_daemon, guest_assets, scratch):
    """A daemon behind a proxy, a pool `default` with an image, and the environment of a story's commands."""
    daemon = make_daemon(default_network=True)
    images, tools = scratch / "images", scratch / "tools"
    tools.mkdir()
    (tools / "virsh").write_text('#!/bin/sh\nexec /usr/bin/virsh -c "$DOMUS_URI" "$@"\n')
    (tools / "virsh").chmod(0o755)
    proxy = Proxy(daemon, scratch)
    (scratch / "net.xml").write_text(NETWORK)
    xml = guest_xml("vm1", memory=192, uuid="6e9f2d4c-6f0e-4c4e-9d3a-0d6a3a0f6b22", disks=[images / "vm1.qcow2"],
                    networks=["<interface type='network'><mac address='52:54:00:00:00:77'/><source network='default'/><model type='virtio'/></interface>"],
                    devices="<graphics type='vnc' port='-1' autoport='yes'/><video><model type='vga'/></video><memballoon model='virtio'/>")
    (scratch / "vm1.xml").write_text(xml.replace("<vcpu>1</vcpu>", "<vcpu current='1'>4</vcpu>"))
    environment = dict(os.environ, LC_ALL="C", PATH=f"{tools}:{os.environ['PATH']}", XML=str(scratch / "vm1.xml"), NET=str(scratch / "net.xml"),
                       IMAGES=str(images), WORK=str(scratch), DOMUS_URI=f"qemu+unix:///system?socket={proxy.socket}")
    yield daemon, proxy, environment
    proxy.close()


def prepare(story, daemon, environment):
    """What was there before the first command of a story."""
    virsh = daemon.virsh
    if story == "storage":
        return
    os.makedirs(environment["IMAGES"])
    if story in ("domains", "snapshots", "saves"):
        virsh("pool-define-as", "default", "dir", "--target", environment["IMAGES"])
        virsh("pool-start", "default")
        for name in ("vm1", "x1"):
            virsh("vol-create-as", "default", f"{name}.qcow2", "64M", "--format", "qcow2")
    if story == "snapshots":
        virsh("define", environment["XML"])
        virsh("start", "vm1")


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path, world):
    daemon, proxy, environment = world
    prepare(path.stem, daemon, environment)
    complaints, missing = [], []
    workflows = read_story(path)
    for workflow in workflows:
        done = subprocess.run(["sh", "-c", workflow.command], env=environment, text=True, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        calls = proxy.calls()
        if workflow.missing:
            missing.append(workflow.missing)
            if not any(call.startswith(f"{workflow.missing}!") for call in calls):
                complaints.append(f"{workflow.name}: {workflow.missing} did not fail: take the mark away\n  {' '.join(calls)}")
        elif calls != workflow.calls:
            complaints.append(f"{workflow.name}: {workflow.command}\n  expected {' '.join(workflow.calls)}\n  asked    {' '.join(calls)}\n  {done.stderr.strip()}")
    print(f"{path.stem}: {len(workflows)} workflows, {len(missing)} that need what is not built: {', '.join(sorted(set(missing))) or 'none'}", file=sys.stderr)
    assert not complaints, "\n".join(complaints)


def test_the_proxy_passes_descriptors_and_streams(world, scratch):
    """A console through it works, and its packets are told apart."""
    daemon, proxy, environment = world
    prepare("domains", daemon, environment)
    daemon.virsh("create", environment["XML"])
    subprocess.run(["sh", "-c", "(sleep 1; printf '\\035') | script -qc 'virsh console vm1 --force' /dev/null"], env=environment, capture_output=True)
    packets = [json.loads(line) for line in proxy.log.read_text().splitlines()]
    assert {"DOMAIN_OPEN_CONSOLE"} == {each["procedure"] for each in packets if each["type"] == "stream"}
    assert not [each for each in packets if "undecoded" in (each["fields"] or {})]
