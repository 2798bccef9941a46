"""`domus event` beside stock `virsh` on the same daemon: each type of event, as a line and as JSON."""
import json
import signal

import pytest

from harness.compare import STAMP, assert_hint, assert_same_options, differences, offered, said
from harness.daemon import BUILD
from harness.injector import Injector, number, optional, params
from harness.raw import string
from harness.wait import wait_until

DOMAIN = string("on") + bytes(range(16)) + number(7)
LOCAL, REMOTE = number(0) + string("127.0.0.1") + string("5900"), number(2) + string("/run/x") + string("0")

# By event ID: the procedure that carries it, what follows the callback ID, and members of its JSON.
EVENTS = {
    0: (318, DOMAIN + number(5) + number(2), {"event": "lifecycle", "kind": "Stopped", "detail": "Crashed"}),
    1: (319, DOMAIN, {"event": "reboot"}),
    2: (320, DOMAIN + number(-90, "q"), {"event": "rtc-change", "offset": -90}),
    3: (321, DOMAIN + number(6), {"event": "watchdog", "action": "inject-nmi"}),
    4: (322, DOMAIN + string("/a.img") + string("virtio-disk0") + number(1), {"event": "io-error", "source": "/a.img", "action": "pause"}),
    5: (323, DOMAIN + number(1) + LOCAL + REMOTE + string("vnc") + number(2) + string("x509dname") + string("CN=a") + string("saslUsername") + string("b"),
        {"event": "graphics", "phase": "initialize", "local": {"family": "IPv4", "node": "127.0.0.1", "service": "5900"},
         "auth_scheme": "vnc", "subject": {"x509dname": "CN=a", "saslUsername": "b"}}),
    6: (324, DOMAIN + string("/a.img") + string("virtio-disk0") + number(2) + string("enospc"), {"event": "io-error-reason", "reason": "enospc"}),
    7: (325, DOMAIN, {"event": "control-error"}),
    8: (326, DOMAIN + string("/a.img") + number(4) + number(3), {"event": "block-job", "job": "Active Block Commit", "status": "ready"}),
    9: (327, DOMAIN + optional("/old") + optional(None) + string("ide0") + number(1),
        {"event": "disk-change", "old_source": "/old", "new_source": None, "reason": "dropped"}),
    10: (328, DOMAIN + string("sata0") + number(0), {"event": "tray-change", "device": "sata0", "tray": "opened"}),
    11: (329, number(0) + DOMAIN, {"event": "pm-wakeup"}),
    12: (330, number(0) + DOMAIN, {"event": "pm-suspend"}),
    13: (331, DOMAIN + number(4096, "Q"), {"event": "balloon-change", "kib": 4096}),
    14: (332, number(0) + DOMAIN, {"event": "pm-suspend-disk"}),
    15: (333, DOMAIN + string("net0"), {"event": "device-removed", "device": "net0"}),
    16: (339, DOMAIN + string("vda") + number(1) + number(0), {"event": "block-job-2", "disk": "vda", "job": "Block Pull", "status": "completed"}),
    17: (346, DOMAIN + params(**{"cputune.vcpupin0": "0-1", "blkdeviotune.size": 5}),
         {"event": "tunable", "params": {"cputune.vcpupin0": "0-1", "blkdeviotune.size": 5}}),
    18: (348, DOMAIN + number(1) + number(2), {"event": "agent-lifecycle", "state": "connected", "reason": "channel event"}),
    19: (354, DOMAIN + string("net1"), {"event": "device-added", "device": "net1"}),
    20: (359, DOMAIN + number(3), {"event": "migration-iteration", "iteration": 3}),
    21: (363, DOMAIN + params(time_elapsed=12, errmsg="none"), {"event": "job-completed", "params": {"time_elapsed": 12, "errmsg": "none"}}),
    22: (367, DOMAIN + string("net2"), {"event": "device-removal-failed", "device": "net2"}),
    23: (379, DOMAIN + number(2) + optional("http://x/1"), {"event": "metadata-change", "type": "element", "uri": "http://x/1"}),
    24: (385, DOMAIN + string("vda") + optional("/a.img") + number(1000, "Q") + number(24, "Q"),
         {"event": "block-threshold", "disk": "vda", "source": "/a.img", "threshold": 1000, "excess": 24}),
    25: (423, DOMAIN + number(1) + number(2) + number(3, "I"),
         {"event": "memory-failure", "recipient": "guest", "action": "fatal", "action_required": True, "recursive": True}),
    26: (438, DOMAIN + string("mem0") + number(1 << 30, "Q"), {"event": "memory-device-size-change", "device": "mem0", "size": 1 << 30}),
}


@pytest.fixture
def injected(daemon, scratch):
    """The URI of a daemon that tells of one event of each type."""
    if not (BUILD / "bin/domus").exists():
        pytest.skip("domus is not built")
    injector = Injector(daemon.root / "i.sock", daemon.socket, {event: told[:2] for event, told in EVENTS.items()})
    yield f"qemu+unix:///{'session' if daemon.session else 'system'}?socket={injector.path}"
    injector.close()


def watch(terminal, mark, client, uri, *words):
    """What a client shows until it has shown as many events as there are types; `mark` stands once in each."""
    watcher = terminal(client, "-c", uri, "event", "--all", "--loop", "--timeout", "200", *words)
    assert watcher.search(f"(?:{mark}.*?){{{len(EVENTS)}}}\n"), f"not all events are shown in {watcher.text}"
    watcher.process.send_signal(signal.SIGINT)
    watcher.wait()
    return watcher.text


def test_each_type_of_event_as_virsh_shows_it(injected, terminal):
    theirs, ours = (watch(terminal, "event '", client, injected) for client in ("virsh", BUILD / "bin/domus"))
    assert f"events received: {len(EVENTS)}" in theirs
    assert ours == theirs


def test_each_type_of_event_as_json(injected, terminal):
    seen = {}
    text = watch(terminal, '"event"', BUILD / "bin/domus", injected, "--json")
    while (begin := text.find("{")) >= 0:
        event, end = json.JSONDecoder().raw_decode(text[begin:])
        seen[event["event"]] = event
        text = text[begin + end:]
    assert len(seen) == len(EVENTS)
    for _procedure, _message, expected in EVENTS.values():
        event = seen[expected["event"]]
        assert event["domain"] == "on" and event["uuid"] == "00010203-0405-0607-0809-0a0b0c0d0e0f"
        assert {key: event[key] for key in expected} == expected


def test_the_types_are_virshs(daemon):
    assert daemon.domus("event", "--list").out == daemon.virsh("event", "--list").out
    names = json.loads(daemon.domus("--json", "event", "--list").out)
    assert [names[event] for event in EVENTS] == [expected["event"] for *_, expected in EVENTS.values()]
    assert set(names) <= offered(daemon, "event", "--event", "")[1]


def test_reads_as_virsh_does(daemon):
    assert not differences(daemon, ["event", "event absent", "event --event nonsense", "event --timeout x --all", "event --all --timeout 1",
                                    "event absent --all", "event --event reboot --timeout 1", "net-event", "net-event --list",
                                    "net-event --event nonsense", "net-event --event lifecycle --timeout 1"])
    assert_same_options(daemon, ["event", "net-event"])
    for line in ("event", "event --event nonsense", "net-event", "net-event --event nonsense",
                 "net-event absent --event lifecycle"):  # where virsh waits without an end
        assert_hint(daemon, line)


def test_no_event_is_an_error_in_json(daemon):
    for words in (["event", "--all"], ["net-event", "--event", "lifecycle"], ["pool-event", "--event", "refresh"]):
        failed = daemon.domus("--json", *words, "--timeout", "1", check=False)
        assert failed.code == 1 and failed.out == ""
        assert json.loads(failed.err)["error"]["code"] == 68  # VIR_ERR_OPERATION_TIMEOUT


def test_events_of_networks_as_virsh_shows_them(daemon, terminal, scratch):
    (scratch / "net.xml").write_text("<network><name>lan</name><bridge name='virbr7'/></network>")
    (scratch / "other.xml").write_text("<network><name>other</name><bridge name='virbr8'/></network>")
    both = [terminal(*client, "-c", daemon.uri, "net-event", "--event", "lifecycle", "--loop", "--timestamp", "--timeout", "200")
            for client in (["virsh"], [BUILD / "bin/domus"])]

    def seen():
        daemon.virsh("net-define", scratch / "other.xml")
        return all(each.search("for network other.*\n", 0.2) for each in both)

    wait_until(seen, "they see nothing")
    for line in (f"net-define {scratch}/net.xml", "net-start lan", "net-destroy lan", "net-undefine lan"):
        daemon.virsh(*line.split())
    shown = []
    for each in both:
        assert each.search("for network lan: Undefined.*\n")
        shown.append([STAMP.sub("STAMP", line) for line in each.text.splitlines()][-4:])
        each.process.send_signal(signal.SIGINT)
        assert each.search(r"events received: \d+") and each.wait() == 0
    assert shown[0] == shown[1] == [f"STAMP: event 'lifecycle' for network lan: {change}" for change in ("Defined", "Started", "Stopped", "Undefined")]


def test_one_event_of_a_network_as_json(daemon, terminal, scratch):
    (scratch / "net.xml").write_text("<network><name>lan</name><bridge name='virbr7'/></network>")
    watcher = terminal(BUILD / "bin/domus", "-c", daemon.uri, "--json", "net-event", "--event", "lifecycle", "--timeout", "200")
    wait_until(lambda: daemon.virsh("net-define", scratch / "net.xml") and watcher.search("}\r?\n", 0.2), "it sees nothing")
    assert watcher.wait() == 0
    event = json.loads(watcher.text)
    assert (event["event"], event["network"], event["kind"]) == ("lifecycle", "lan", "Defined") and len(event["uuid"]) == 36


def test_a_real_event_as_virsh_shows_it(daemon, conn, guest, terminal):
    conn.defineXML(guest("off"))
    both = [terminal(*client, "-c", daemon.uri, "event", "off", "--all", "--timeout", "200") for client in (["virsh"], [BUILD / "bin/domus"])]
    wait_until(lambda: daemon.virsh("desc", "off", "words") and all(each.search("metadata-change.*\n", 0.2) for each in both), "they see nothing")
    assert [each.wait() for each in both] == [0, 0]
    assert both[0].text == both[1].text
    assert said(daemon.domus("undefine", "off"))[1] == 0
