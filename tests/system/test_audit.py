"""The audit: a line of the log for each change, refusal and reading of a secret, with who asked and how it ended."""
import re

import libvirt

from harness.calls import refused
from harness.wait import wait_until


def audit(daemon):
    """What each line says of operation, object and outcome."""
    lines = re.findall(r"audit: (\S+) (.*?)by uid (\d+) \(connection \d+\): (.*)$", daemon.log.read_text(), re.M)
    return [(operation, objects.strip(), outcome) for operation, objects, _, outcome in lines]


def has(daemon, *line):
    wait_until(lambda: line in audit(daemon), f"the audit has no {line}")


def test_changes_are_written_with_their_object_and_their_end(daemon, conn, guest):
    domain = conn.defineXML(guest("web"))
    has(daemon, "domain.define", "domain 'web'", "ok")
    refused(libvirt.VIR_ERR_OPERATION_INVALID, domain.suspend)
    has(daemon, "domain.suspend", "domain 'web'", "begun")
    has(daemon, "domain.suspend", "domain 'web'", "failed with code 55")
    domain.undefine()
    has(daemon, "domain.undefine", "domain 'web'", "ok")


def test_a_look_is_not_written_but_its_refusal_is(daemon, conn, guest):
    conn.defineXML(guest("web"))
    reader = libvirt.open(daemon.readonly_uri)
    mine = reader.lookupByName("web")
    has(daemon, "domain.define", "domain 'web'", "ok")
    before = len(audit(daemon))
    assert "<domain" in mine.XMLDesc() and reader.listAllDomains()
    assert "secure flag" in refused(libvirt.VIR_ERR_OPERATION_DENIED, mine.XMLDesc, libvirt.VIR_DOMAIN_XML_SECURE)
    has(daemon, "domain.xml", "domain 'web'", "refused with code 29")
    assert len(audit(daemon)) == before + 1
    reader.close()


def test_reading_a_secret_is_written_and_its_value_is_not(daemon, conn):
    secret = conn.secretDefineXML("<secret><usage type='ceph'><name>client.a</name></usage></secret>")
    secret.setValue(b"opensesame")
    assert secret.value() == b"opensesame"
    for operation in ("secret.define", "secret.set_value", "secret.value"):
        has(daemon, operation, f"secret '{secret.UUIDString()}'", "ok")
    assert "opensesame" not in daemon.log.read_text()


def test_only_some_refusals_of_a_user_are_written(daemon, conn, guest):
    conn.defineXML(guest("web"))
    reader = libvirt.open(daemon.readonly_uri)
    mine = reader.lookupByName("web")
    for _ in range(200):
        refused(libvirt.VIR_ERR_OPERATION_DENIED, mine.XMLDesc, libvirt.VIR_DOMAIN_XML_SECURE)
    reader.close()
    conn.lookupByName("web").undefine()
    has(daemon, "domain.undefine", "domain 'web'", "ok")  # behind all of them
    assert [line[2] for line in audit(daemon)].count("refused with code 29") == 20
