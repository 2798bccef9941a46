"""Events without callback ids, as clients ask for them that do not know feature 14."""
import struct

import libvirt
import pytest

from harness.raw import OPEN_CALL, packet, raw, read_packet

REGISTER, DEREGISTER, REGISTER_ANY, DEREGISTER_ANY = 105, 106, 167, 168
LIFECYCLE, REBOOT = 107, 169
MESSAGE = 2


@pytest.fixture
def old_client(daemon):
    client = raw(daemon)
    client.sendall(OPEN_CALL)
    assert read_packet(client)[0][5] == 0
    yield client
    client.close()


def ask(client, procedure, *numbers):
    client.sendall(packet(procedure, struct.pack(f">{len(numbers)}i", *numbers), serial=9))
    header, body = read_packet(client)
    assert header[2] == procedure and header[4] == 9
    return header[5], body


def events_until(client, procedure):
    """What comes until the first event of this kind: its name, its number, and what follows the domain in it."""
    while True:
        header, body = read_packet(client)
        assert header[3] == MESSAGE and header[4] == 0
        length = struct.unpack(">I", body[:4])[0]
        name, rest = body[4:4 + length].decode(), body[4 + length + -length % 4 + 20:]
        if header[2] == procedure:
            return name, rest


def test_lifecycles(old_client, conn, guest):
    assert ask(old_client, REGISTER) == (0, struct.pack(">i", 1))
    domain = conn.createXML(guest("old", memory=32))
    assert events_until(old_client, LIFECYCLE)[0] == "old"
    domain.destroy()
    while True:
        event = struct.unpack(">ii", events_until(old_client, LIFECYCLE)[1])
        if event == (libvirt.VIR_DOMAIN_EVENT_STOPPED, libvirt.VIR_DOMAIN_EVENT_STOPPED_DESTROYED):
            break
    assert ask(old_client, DEREGISTER) == (0, struct.pack(">i", 0))
    assert ask(old_client, DEREGISTER)[0] == 1


def test_others_that_have_a_message(old_client, conn, guest):
    assert ask(old_client, REGISTER_ANY, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT)[0] == 0
    assert ask(old_client, REGISTER_ANY, libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE)[0] == 0
    assert ask(old_client, REGISTER_ANY, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE)[0] == 1
    domain = conn.createXML(guest("old", memory=96))
    domain.reset(0)
    assert events_until(old_client, REBOOT) == ("old", b"")
    assert ask(old_client, DEREGISTER_ANY, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT)[0] == 0
    assert ask(old_client, DEREGISTER_ANY, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT)[0] == 1
    domain.destroy()
