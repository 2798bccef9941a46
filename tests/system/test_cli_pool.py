"""`domus pool-*` beside stock `virsh` on the same daemon: what scripts read is the same to the letter."""
import json
import os
import signal

import pytest

from harness.compare import STAMP, UUID, assert_hint, assert_same_options, differences, offered, said, verbs_of
from harness.daemon import BUILD, run
from harness.wait import wait_until

READING = [
    "pool-list", "pool-list --all", "pool-list --inactive", "pool-list --all --name", "pool-list --all --uuid",
    "pool-list --all --uuid --name", "pool-list --all --details", "pool-list --type dir,iscsi --all", "pool-list --type nonsense",
    "pool-list dir", "pool-list --persistent --all", "pool-list --transient", "pool-list --autostart --all",
    "pool-list --no-autostart --all", "pool-list --all --inactive", "pool-list --details --name", "pool-list --details --uuid",
    "--quiet pool-list --all", "pool-info on", "pool-info on --bytes", "pool-info off", "pool-info --pool on",
    "pool-info absent", "pool-info", "pool-info on --nonsense", "pool-dumpxml on", "pool-dumpxml on --inactive",
    "pool-dumpxml on --xpath //path", "pool-dumpxml on --xpath //path --wrap", "pool-dumpxml on --xpath //absent",
    "pool-uuid on", "pool-name on", "pool-uuid absent", "pool-name absent", "pool-capabilities", "pool-event --list",
    "pool-event", "pool-event on", "pool-event --event nonsense", "pool-event --event lifecycle --timeout x",
    "pool-event --event lifecycle --timeout 1", "find-storage-pool-sources-as nonsense", "find-storage-pool-sources dir /absent/file",
    "pool-define /absent/file", "pool-create /absent/file", "pool-define-as x", "pool-start on", "pool-destroy off",
    "pool-refresh off", "pool-build on", "pool-delete on", "pool-autostart absent", "pool-undefine absent",
    "pool-define-as a dir --print-xml --target /a", "pool-define-as --print-xml a t 1 2 3 4 5 6 7",
    "pool-create-as a dir --print-xml --build --overwrite --no-overwrite",
    "pool-create-as a netfs --print-xml --source-host h --source-path /p --source-dev /dev/a --source-name n --source-format nfs"
    " --auth-type chap --auth-username u --secret-usage s --target /t --source-protocol-ver 3 --source-initiator iqn.a",
    "pool-create-as a scsi --print-xml --adapter-name host1 --secret-uuid x --auth-type chap",
    "pool-create-as a scsi --print-xml --adapter-wwnn n --adapter-wwpn p --adapter-parent q",
    "pool-create-as a scsi --print-xml --adapter-wwnn n --adapter-wwpn p --adapter-parent-wwnn q --adapter-parent-wwpn r",
    "pool-create-as a scsi --print-xml --adapter-wwnn n --adapter-wwpn p --adapter-parent-fabric-wwn f",
    "pool-create-as a scsi --print-xml --adapter-wwnn n", "pool-create-as a rbd --print-xml --secret-usage a --secret-uuid b",
    "pool-create-as a rbd --print-xml --source-name n --auth-type ceph --auth-username u --secret-uuid b",
]

# One life after another of the same pool, in virsh's words and in ours.
LIFE = [
    "pool-define-as life dir --target {folder}/life", "pool-start life --build", "pool-autostart life", "pool-refresh life",
    "pool-list --all", "pool-autostart life --disable", "pool-undefine life", "pool-destroy life", "pool-destroy life",
    "pool-define {folder}/life.xml", "pool-define {folder}/life.xml --validate", "pool-build life", "pool-build life --overwrite",
    "pool-edit life", "pool-start life", "pool-start life", "pool-destroy life", "pool-delete life", "pool-undefine life",
    "pool-undefine life", "pool-create {folder}/life.xml", "pool-create {folder}/life.xml --build", "pool-list --transient",
    "pool-destroy life", "pool-create-as life dir --target {folder}/life", "pool-destroy life", "pool-create-as life nonsense",
    "pool-create-as life dir --build --target {folder}/deep/life --no-overwrite", "pool-destroy life", "pool-info life",
    "pool-define {folder}/broken.xml", "pool-create {folder}/broken.xml", "pool-build absent",
]


@pytest.fixture
def pools(daemon, scratch):
    if not (BUILD / "bin/domus").exists():
        pytest.skip("domus is not built")
    for name in ("on", "off", "Zebra"):
        daemon.virsh("pool-define-as", name, "dir", "--target", scratch / name)
        daemon.virsh("pool-build", name)
    daemon.virsh("pool-start", "on")
    daemon.virsh("pool-autostart", "off")
    return daemon


def test_reads_as_virsh_does(pools):
    assert not differences(pools, READING)


def test_a_life_in_virshs_words(pools, scratch):
    (scratch / "life.xml").write_text(f"<pool type='dir'><name>life</name><target><path>{scratch}/life</path></target></pool>")
    (scratch / "broken.xml").write_text("<pool type='dir'><name>life</name>")
    environment = dict(os.environ, LC_ALL="C", EDITOR="true")
    lives = []
    for client in (pools.virsh, pools.domus):
        lives.append([(line, *said(client(*line.format(folder=scratch).split(), check=False, env=environment))) for line in LIFE])
        run("rm", "-rf", scratch / "life", scratch / "deep")
    for theirs, ours in zip(*lives):
        assert ours == theirs


def test_edits(pools):
    environment = dict(os.environ, LC_ALL="C", EDITOR="sed -i 's,/off<,/moved<,'")
    assert pools.domus("pool-edit", "off", env=environment).out == "Pool off XML configuration edited.\n\n"
    assert "/moved</path>" in pools.virsh("pool-dumpxml", "off", "--inactive").out
    refused = pools.domus("pool-edit", "off", check=False, env=dict(environment, EDITOR="sed -i s/dir/nonsense/"))
    assert refused.code == 1 and "nonsense" in refused.err


def test_errors_end_in_a_hint(pools):
    for line in ("pool-info absent", "pool-name on", "pool-start on", "pool-destroy off", "pool-refresh off", "pool-list --type x",
                 "find-storage-pool-sources nonsense", "pool-event", "pool eat x /y", "pool create on /tmp/elsewhere",
                 "pool-create-as a dir --target relative", "pool-undefine on", "pool-define-as b nonsense"):
        assert_hint(pools, line)


def test_what_xml_needs_is_escaped(pools, scratch):
    pools.domus("pool-define-as", "a<b>&'c'", "dir", "--target", scratch / "x&y")
    assert "a<b>&'c'" in pools.virsh("pool-list", "--all").out
    assert pools.domus("pool-dumpxml", "a<b>&'c'", "--xpath", "//path").out.strip() == f"<path>{scratch}/x&amp;y</path>"
    pools.domus("pool-undefine", "a<b>&'c'")


def test_a_pool_of_a_folder_in_one_step(pools, scratch):
    folder = scratch / "new" / "folder"
    (scratch / "new").mkdir()
    out = pools.domus("pool", "create", "mine", "folder", cwd=scratch / "new").out
    assert "mine" in out and str(folder) in out
    told = json.loads(pools.domus("pool-info", "mine", "--json").out)
    assert (told["state"], told["autostart"], told["persistent"]) == ("running", True, True)
    assert folder.is_dir()
    again = pools.domus("pool", "create", "mine", scratch / "other", check=False)
    assert again.code == 1 and "there already" in again.err and not (scratch / "other").exists()


def test_two_words_are_the_verb_of_both(pools):
    """Where 'pool' has no such word of its own."""
    assert pools.domus("pool", "list", "--all").out == pools.virsh("pool-list", "--all").out
    assert pools.domus("vol", "list", "on").out == pools.virsh("vol-list", "on").out


def test_a_pool_that_cannot_be_made_is_not_there(pools, scratch):
    (scratch / "file").write_text("in the way")
    failed = pools.domus("pool", "create", "mine", scratch / "file", check=False)
    assert failed.code == 1
    assert "mine" not in pools.virsh("pool-list", "--all", "--name").out


def test_json(pools):
    listed = {pool["name"]: pool for pool in json.loads(pools.domus("pool-list", "--all", "--json").out)}
    assert listed["on"] == {"name": "on", "state": "active", "autostart": False}
    assert listed["off"]["autostart"] is True
    detailed = {pool["name"]: pool for pool in json.loads(pools.domus("pool-list", "--all", "--details", "--json").out)}
    assert detailed["off"]["capacity"] is None and detailed["on"]["capacity"] > 1_000_000
    assert json.loads(pools.domus("pool-list", "--name", "--json").out) == ["on"]
    told = json.loads(pools.domus("pool-info", "on", "--json").out)
    assert told["capacity"] == detailed["on"]["capacity"] and UUID.fullmatch(told["uuid"])
    failed = pools.domus("pool-info", "absent", "--json", check=False)
    assert json.loads(failed.err)["error"]["code"] == 49
    done = json.loads(pools.domus("pool-refresh", "on", "--json").out)
    assert done["pool"] == "on" and done["message"] == "Pool on refreshed"


@pytest.fixture
def watchers(pools, terminal):
    """Function that has both watch, and does `steps` again and again until both have seen something of them."""
    def begin(*words, steps):
        both = [terminal(*client, "-c", pools.uri, "pool-event", "--event", *words, "--timeout", "200")
                for client in (["virsh"], [BUILD / "bin/domus"])]
        wait_until(lambda: [pools.virsh(*step.split()) for step in steps] and all(each.search("for storage pool.*\n", 0.2) for each in both),
                   "they see nothing")
        return both
    return begin


def test_an_event_as_virsh_shows_it(watchers):
    virsh, domus = watchers("refresh", steps=["pool-refresh on"])
    assert domus.wait() == virsh.wait() == 0
    assert domus.text == virsh.text


@pytest.mark.parametrize("words, count", [(["--timestamp"], 5), (["--pool", "off"], 3)])
def test_events_as_virsh_shows_them(pools, watchers, words, count):
    """Both watch while a third changes pools; how much they saw of what showed that they watch is left aside."""
    both = watchers("lifecycle", "--loop", *words, steps=["pool-start off", "pool-destroy off"])
    for line in ("pool-refresh on", "pool-destroy on", "pool-start on", "pool-start off", "pool-destroy off", "pool-undefine off"):
        pools.virsh(*line.split())
    shown = []
    for each in both:
        assert each.search("Undefined.*\n")
        shown.append([STAMP.sub("STAMP", line) for line in each.text.splitlines()][-count:])
        each.process.send_signal(signal.SIGINT)
        assert each.search(r"events received: \d+") and each.wait() == 0
    assert shown[0] == shown[1] and "Undefined" in shown[0][-1]


def test_completion(pools):
    assert offered(pools, "pool-start", "") == ("words", {"off", "Zebra"})
    assert offered(pools, "pool-destroy", "") == ("words", {"on"})
    assert offered(pools, "pool-info", "o") == ("words", {"on", "off"})
    assert "--details" in offered(pools, "pool-list", "--d")[1]
    assert offered(pools, "pool-event", "--event", "r") == ("words", {"refresh"})
    assert offered(pools, "pool", "create", "x", "")[0] == "folders"
    assert {"create", "list", "start"} <= offered(pools, "pool", "")[1]
    assert offered(pools, "pool-define", "")[0] == "files"
    assert {"pool-capabilities", "pool-create", "pool-create-as"} <= offered(pools, "pool-c")[1]


def test_the_same_options_as_virsh(pools):
    verbs = verbs_of(pools, "pool")
    assert len(verbs) == 21
    assert_same_options(pools, verbs)
