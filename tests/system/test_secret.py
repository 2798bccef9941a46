"""Secrets: defined, given a value, told by events, kept over a restart, and readable nowhere but by asking."""
import base64
import os
import threading

import libvirt
import pytest

from harness.calls import refused
from harness.wait import wait_until

VALUE = b"correct horse\0battery staple"
UUID = "2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a111"


@pytest.fixture
def daemon(make_daemon):
    """One that tells its log all it can."""
    return make_daemon(session=os.geteuid() != 0, config='[log]\nlevel = "debug"\n')


def secret_xml(usage="", attributes="", uuid=None):
    return f"<secret {attributes}>{f'<uuid>{uuid}</uuid>' if uuid else ''}{usage}</secret>"


def usage_xml(kind, element, name):
    return f"<usage type='{kind}'><{element}>{name}</{element}></usage>"


USAGES = [("volume", "volume", "/pool/a.luks", 1), ("ceph", "name", "client.a", 2), ("iscsi", "target", "t1", 3),
          ("tls", "name", "server", 4), ("vtpm", "name", "machine", 5)]


def files_with(root, text):
    return [path for path in root.rglob("*") if path.is_file() and text in path.read_bytes()]


@pytest.mark.parametrize("kind, element, name, number", USAGES)
def test_each_use_is_defined_found_and_undefined(conn, kind, element, name, number):
    secret = conn.secretDefineXML(secret_xml(usage_xml(kind, element, name)))
    assert (secret.usageType(), secret.usageID()) == (number, name)
    assert conn.secretLookupByUsage(number, name).UUIDString() == secret.UUIDString()
    assert conn.secretLookupByUUIDString(secret.UUIDString()).usageID() == name
    assert f"<{element}>{name}</{element}>" in secret.XMLDesc()
    assert (conn.numOfSecrets(), conn.listSecrets()) == (1, [secret.UUIDString()])
    secret.undefine()
    assert conn.numOfSecrets() == 0
    refused(libvirt.VIR_ERR_NO_SECRET, conn.secretLookupByUsage, number, name)
    refused(libvirt.VIR_ERR_NO_SECRET, secret.XMLDesc)
    refused(libvirt.VIR_ERR_NO_SECRET, secret.setValue, VALUE)
    refused(libvirt.VIR_ERR_NO_SECRET, secret.undefine)


def test_a_value_outlives_the_daemon_and_lies_nowhere_in_clear(conn, daemon):
    secret = conn.secretDefineXML(secret_xml(uuid=UUID))
    assert "does not have a value" in refused(libvirt.VIR_ERR_NO_SECRET, secret.value)
    secret.setValue(VALUE)
    assert secret.value() == VALUE
    secret.setValue(VALUE * 2000)
    assert secret.value() == VALUE * 2000
    secret.setValue(VALUE)
    conn.close()
    daemon.restart()
    again = libvirt.open(daemon.uri)
    assert again.secretLookupByUUIDString(UUID).value() == VALUE
    again.close()
    for form in (b"battery staple", base64.b64encode(VALUE)):
        assert files_with(daemon.root, form) == [], "not in a log either"
    assert f"{UUID}.value" in {path.name for path in (daemon.root / "etc/domus/secrets").iterdir()}


def test_an_ephemeral_secret_is_never_on_the_disk(conn, daemon):
    secret = conn.secretDefineXML(secret_xml(attributes="ephemeral='yes'", uuid=UUID))
    secret.setValue(VALUE)
    assert secret.value() == VALUE
    assert list((daemon.root / "etc/domus/secrets").iterdir()) == []
    assert not (daemon.root / "var/lib/domus/secrets/key").exists()
    conn.close()
    daemon.restart()
    assert UUID not in daemon.virsh("secret-list").out


def test_a_secret_becomes_ephemeral_and_comes_back_with_its_value(conn, daemon):
    secret = conn.secretDefineXML(secret_xml(uuid=UUID))
    secret.setValue(VALUE)
    conn.secretDefineXML(secret_xml(attributes="ephemeral='yes'", uuid=UUID))
    assert list((daemon.root / "etc/domus/secrets").iterdir()) == []
    assert secret.value() == VALUE
    conn.secretDefineXML(secret_xml(uuid=UUID))
    daemon.restart()
    assert base64.b64encode(VALUE).decode() in daemon.virsh("secret-get-value", UUID).out


def test_a_private_value_is_for_the_daemon_alone(conn):
    secret = conn.secretDefineXML(secret_xml(attributes="private='yes'", uuid=UUID))
    secret.setValue(VALUE)
    assert "secret is private" in refused(libvirt.VIR_ERR_INVALID_SECRET, secret.value)
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, conn.secretDefineXML, secret_xml(uuid=UUID))


@pytest.mark.parametrize("typed", ["!!", "abc"])
def test_what_is_no_base64_is_no_value(virsh, conn, typed):
    """virsh makes nothing of it, and sends that."""
    secret = conn.secretDefineXML(secret_xml(uuid=UUID))
    secret.setValue(VALUE)
    refused(libvirt.VIR_ERR_INVALID_ARG, secret.setValue, b"")
    done = virsh("secret-set-value", UUID, typed, check=False)
    assert done.code == 1 and "must not be NULL" in done.err
    assert secret.value() == VALUE


def test_what_cannot_be_is_refused_and_changes_nothing(conn, daemon):
    usage = usage_xml("ceph", "name", "client.a")
    conn.secretDefineXML(secret_xml(usage, uuid=UUID))
    clash = "is already defined for use with client.a"
    assert clash in refused(libvirt.VIR_ERR_INTERNAL_ERROR, conn.secretDefineXML, secret_xml(usage))
    assert clash in refused(libvirt.VIR_ERR_INTERNAL_ERROR, conn.secretDefineXML, secret_xml(uuid=UUID))
    refused(libvirt.VIR_ERR_XML_ERROR, conn.secretDefineXML, "<secret><usage type='volume'/></secret>")
    refused(libvirt.VIR_ERR_XML_INVALID_SCHEMA, conn.secretDefineXML, "<secret><colour/></secret>",
            libvirt.VIR_SECRET_DEFINE_VALIDATE)
    secret = conn.secretLookupByUUIDString(UUID)
    for call in ((conn.secretDefineXML, secret_xml(), 2), (secret.XMLDesc, 1), (secret.value, 1),
                 (secret.setValue, VALUE, 1), (conn.listAllSecrets, 16)):
        assert "unsupported flags" in refused(libvirt.VIR_ERR_INVALID_ARG, *call)
    assert conn.listSecrets() == [UUID]
    assert secret_xml(usage, uuid=UUID).count("client.a") == secret.XMLDesc().count("client.a")
    reader = libvirt.openReadOnly(daemon.readonly_uri) if not daemon.session else None
    if reader:
        seen = reader.secretLookupByUUIDString(UUID)
        assert "client.a" in seen.XMLDesc()
        refused(libvirt.VIR_ERR_OPERATION_DENIED, seen.value)
        reader.close()


def test_the_list_is_filtered(conn, virsh):
    kinds = {(ephemeral, private): conn.secretDefineXML(
        secret_xml(attributes=f"ephemeral='{ephemeral}' private='{private}'")).UUIDString()
        for ephemeral in ("yes", "no") for private in ("yes", "no")}

    def listed(*options):
        out = virsh("secret-list", *options).out
        return {kind for kind, uuid in kinds.items() if uuid in out}

    assert len(listed()) == 4
    assert listed("--ephemeral") == {("yes", "yes"), ("yes", "no")}
    assert listed("--no-ephemeral", "--private") == {("no", "yes")}
    assert listed("--no-private") == {("yes", "no"), ("no", "no")}
    assert len(listed("--private", "--no-private")) == 4


def test_stock_virsh_does_all_of_it(virsh, daemon, scratch, terminal):
    definition, value = scratch / "secret.xml", scratch / "value"
    definition.write_text(secret_xml(usage_xml("iscsi", "target", "disks"), uuid=UUID))
    assert f"Secret {UUID} created" in virsh("secret-define", definition, "--validate").out
    value.write_bytes(VALUE)
    assert "Secret value set" in virsh("secret-set-value", UUID, "--file", value, "--plain").out
    assert virsh("secret-get-value", UUID).out.strip() == base64.b64encode(VALUE).decode()
    assert virsh("secret-get-value", UUID, "--plain").out.encode().startswith(VALUE)
    asked = terminal("virsh", "-c", daemon.uri, "secret-set-value", UUID, "--interactive")
    asked.expect("Enter new value for secret:")
    asked.wait_unseen()
    asked.send("typed\n")
    assert asked.wait() == 0
    assert virsh("secret-get-value", UUID, "--plain").out.strip() == "typed"
    assert "iscsi disks" in virsh("secret-list").out
    assert f"<uuid>{UUID}</uuid>" in virsh("secret-dumpxml", UUID).out
    assert f"Secret {UUID} deleted" in virsh("secret-undefine", UUID).out
    assert "no secret with matching uuid" in virsh("secret-undefine", UUID, check=False).err


def test_events_tell_what_became_of_it(conn):
    seen, changed = [], threading.Condition()

    def add(what):
        with changed:
            seen.append(what)
            changed.notify_all()

    both = [conn.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE,
                                        lambda _c, secret, event, detail, _o: add((secret.UUIDString(), event)), None),
            conn.secretEventRegisterAny(None, libvirt.VIR_SECRET_EVENT_ID_VALUE_CHANGED,
                                        lambda _c, secret, _o: add((secret.UUIDString(), "value")), None)]
    other = conn.secretDefineXML(secret_xml())
    only = conn.secretEventRegisterAny(other, libvirt.VIR_SECRET_EVENT_ID_LIFECYCLE,
                                       lambda _c, secret, event, *_: add(("only", event)), None)
    secret = conn.secretDefineXML(secret_xml(uuid=UUID))
    secret.setValue(VALUE)
    secret.undefine()
    other.undefine()
    wanted = [(other.UUIDString(), 0), (UUID, 0), (UUID, "value"), (UUID, 1), (other.UUIDString(), 1), ("only", 1)]
    with changed:
        assert changed.wait_for(lambda: len(seen) >= len(wanted), 60), seen
    assert sorted(map(str, seen)) == sorted(map(str, wanted))
    for callback in both + [only]:
        conn.secretEventDeregisterAny(callback)


def test_virsh_prints_events(virsh, daemon, terminal):
    virsh("secret-define", "/dev/stdin", input=secret_xml(uuid=UUID))
    watch = terminal("virsh", "-c", daemon.uri, "secret-event", "--event", "value-changed", "--timeout", "200")
    wait_until(lambda: virsh("secret-set-value", UUID, "eA==") and watch.search("events received", timeout=0.2), "no event")
    watch.expect(f"event 'value-changed' for secret {UUID}")
