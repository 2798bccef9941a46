"""`domus secret-*` beside stock `virsh` on the same daemon: what scripts read is the same to the letter."""
import base64
import json

import pytest

from harness.daemon import BUILD, run
from harness.wait import wait_until

UUID = "2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a111"
PRIVATE = "2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a112"
EPHEMERAL = "2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a113"
ABSENT = "2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a119"
VALUE = b"correct horse\xff battery\n"

READING = [
    "secret-list", "secret-list --ephemeral", "secret-list --no-ephemeral --private", "secret-list --no-private",
    "secret-list --nonsense", "--quiet secret-list", f"secret-dumpxml {UUID}", f"secret-dumpxml --secret {PRIVATE}",
    f"secret-dumpxml {UUID} --xpath //target", f"secret-dumpxml {UUID} --xpath //target --wrap",
    f"secret-dumpxml {ABSENT}", "secret-dumpxml nonsense", "secret-dumpxml", f"secret-get-value {UUID}",
    f"secret-get-value {PRIVATE}", f"secret-get-value {EPHEMERAL}", f"secret-get-value {ABSENT}", "secret-event --list",
    "secret-event", f"secret-event {UUID}", "secret-event --event nonsense", "secret-event --event lifecycle --timeout x",
    "secret-event --event value-changed --timeout 1",
    f"secret-set-value {UUID}", f"secret-set-value {UUID} --file /absent/file --base64 eA==",
    f"secret-set-value {UUID} --plain --base64 eA==", f"secret-set-value {UUID} --interactive --plain",
    f"secret-set-value {UUID} --interactive --file x", f"secret-set-value {UUID} --interactive --base64 eA==",
    f"secret-set-value {ABSENT} eA==", f"secret-undefine {ABSENT}", "secret-define /absent/file",
]

LIFE = [
    "secret-define {folder}/life.xml", "secret-define {folder}/life.xml --validate", "secret-define {folder}/broken.xml",
    "secret-define {folder}/clash.xml", f"secret-set-value {ABSENT} eA==", f"secret-get-value {ABSENT}",
    f"secret-get-value {ABSENT} --plain", f"secret-set-value {ABSENT} --file {{folder}}/encoded", f"secret-get-value {ABSENT}",
    f"secret-set-value {ABSENT} --file {{folder}}/life.xml --plain", f"secret-get-value {ABSENT}",
    f"secret-undefine {ABSENT}", f"secret-undefine {ABSENT}", "secret-list",
]


def said(result):
    """What a script sees of it: output, exit code, and the line that says what failed."""
    return result.out, result.code, result.err.splitlines()[:1]


@pytest.fixture
def secrets(daemon, scratch):
    if not (BUILD / "bin/domus").exists():
        pytest.skip("domus is not built")
    for uuid, attributes, usage in ((UUID, "", "<usage type='iscsi'><target>t</target></usage>"),
                                    (PRIVATE, "private='yes'", "<usage type='volume'><volume>/a b</volume></usage>"),
                                    (EPHEMERAL, "ephemeral='yes'", "")):
        definition = scratch / "secret.xml"
        definition.write_text(f"<secret {attributes}><uuid>{uuid}</uuid>{usage}</secret>")
        daemon.virsh("secret-define", definition)
    (scratch / "value").write_bytes(VALUE)
    for uuid in (UUID, PRIVATE):
        daemon.virsh("secret-set-value", uuid, "--file", scratch / "value", "--plain")
    return daemon


def differences(daemon, lines, **places):
    found = []
    each = [[said(client(*line.format(**places).split(), check=False)) for line in lines]
            for client in (daemon.virsh, daemon.domus)]
    for line, theirs, ours in zip(lines, *each):
        if theirs != ours:
            found.append(f"{line}\n  virsh: {theirs}\n  domus: {ours}")
    return "\n".join(found)


def test_reads_as_virsh_does(secrets):
    assert not (found := differences(secrets, READING)), found


def test_changes_as_virsh_does(secrets, scratch):
    (scratch / "life.xml").write_text(f"<secret><uuid>{ABSENT}</uuid><usage type='tls'><name>n</name></usage></secret>")
    (scratch / "clash.xml").write_text("<secret><usage type='tls'><name>n</name></usage></secret>")
    (scratch / "broken.xml").write_text("<secret>")
    (scratch / "encoded").write_bytes(base64.b64encode(VALUE))
    assert not (found := differences(secrets, LIFE, folder=scratch)), found


def test_a_value_that_is_typed_is_not_seen(secrets, terminal):
    asked = terminal(BUILD / "bin/domus", "-c", secrets.uri, "secret-set-value", UUID, "--interactive")
    asked.expect("Enter new value for secret:")
    asked.wait_unseen()
    asked.send("quietly typed\n")
    assert asked.wait() == 0
    assert "quietly" not in asked.text
    assert secrets.domus("--quiet", "secret-get-value", UUID, "--plain").out == "quietly typed"
    secrets.domus("secret-set-value", UUID, "--interactive", input="from a pipe\nand more")
    assert secrets.domus("--quiet", "secret-get-value", UUID, "--plain").out == "from a pipe"


def test_a_value_that_cannot_be_is_refused(secrets, scratch):
    (scratch / "large").write_bytes(bytes(65537))
    for words, why in ((("--base64", "not base64!"), "is not base64"), (("--file", scratch / "large", "--plain"), "65536")):
        refused = secrets.domus("secret-set-value", UUID, *words, check=False)
        assert refused.code == 1 and why in refused.err, refused
    assert base64.b64decode(secrets.domus("--quiet", "secret-get-value", UUID).out) == VALUE


def test_speaks_json(secrets):
    listed = json.loads(secrets.domus("--json", "secret-list").out)
    assert {"uuid": UUID, "usage_type": "iscsi", "usage": "t"} in listed
    assert {"uuid": EPHEMERAL, "usage_type": "none"} in listed
    value = json.loads(secrets.domus("--json", "secret-get-value", UUID, "--plain").out)
    assert value == {"secret": UUID, "base64": base64.b64encode(VALUE).decode()}
    refused = secrets.domus("--json", "secret-get-value", PRIVATE, check=False)
    assert json.loads(refused.err)["error"]["code"] == 65
    assert "<target>t</target>" in json.loads(secrets.domus("--json", "secret-dumpxml", UUID).out)["xml"]


def test_events_are_shown(secrets, terminal):
    for name, client in (("virsh", "virsh"), ("domus", BUILD / "bin/domus")):
        watch = terminal(client, "-c", secrets.uri, "secret-event", "--event", "value-changed", "--timeout", "200")
        wait_until(lambda: secrets.virsh("secret-set-value", UUID, "eA==") and watch.search("events received: 1", timeout=0.2), "no event")
        watch.expect(f"event 'value-changed' for secret {UUID}\r\n")
        assert watch.wait() == 0, name


def test_is_completed_and_described(secrets):
    words = run(BUILD / "bin/domus", "__complete", "-c", secrets.uri, "secret-dumpxml", "")
    assert UUID in words.out, words
    assert "secret-set-value" in secrets.domus("help", "secret").out
