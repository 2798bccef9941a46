"""Displays through descriptors (virDomainOpenGraphics, virDomainOpenGraphicsFD), as virt-viewer and virt-manager use them."""
import os
import socket

import libvirt
import pytest

from harness.wait import wait_until

VNC = "<graphics type='vnc' port='-1' autoport='yes' passwd='hush'/><video><model type='vga'/></video>"
SKIP = libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH
NO_AUTHENTICATION, PASSWORD = 1, 2


@pytest.fixture
def domain(conn, guest):
    return conn.createXML(guest("seen", memory=32, devices=VNC), libvirt.VIR_DOMAIN_START_PAUSED)


def security_types(client):
    """Greets as RFB 3.8 does, and returns what the server then offers."""
    with client:
        client.settimeout(10)
        assert client.recv(12, socket.MSG_WAITALL) == b"RFB 003.008\n"
        client.sendall(b"RFB 003.008\n")
        return list(client.recv(client.recv(1)[0], socket.MSG_WAITALL))


def refused(code, text, call, *arguments):
    with pytest.raises(libvirt.libvirtError, match=text) as caught:
        call(*arguments)
    assert caught.value.get_error_code() == code


def test_a_descriptor_from_the_daemon_shows_the_display(domain):
    assert security_types(socket.socket(fileno=domain.openGraphicsFD(0, 0))) == [PASSWORD]
    assert security_types(socket.socket(fileno=domain.openGraphicsFD(0, SKIP))) == [NO_AUTHENTICATION]


def test_a_descriptor_of_the_client_shows_the_display(domain):
    for flags, offered in ((0, PASSWORD), (SKIP, NO_AUTHENTICATION)):
        ours, theirs = socket.socketpair()
        domain.openGraphics(0, theirs.fileno(), flags)
        theirs.close()
        assert security_types(ours) == [offered]


def test_many_at_once_and_none_stays_in_the_daemon(daemon, domain):
    def descriptors():
        return len(os.listdir(f"/proc/{daemon.pids_of('domusd')[0]}/fd"))

    domain.info()
    before = descriptors()
    clients = [socket.socket(fileno=domain.openGraphicsFD(0, SKIP)) for _ in range(20)]
    for client in clients:
        assert client.recv(12, socket.MSG_WAITALL) == b"RFB 003.008\n"
    assert descriptors() <= before + 1
    for client in clients:
        client.close()
    ours, theirs = socket.socketpair()
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, "No graphics backend", domain.openGraphics, 7, theirs.fileno(), 0)
    theirs.close()
    assert ours.recv(1) == b"", "what was refused is closed"
    wait_until(lambda: descriptors() <= before + 1, "descriptors stay open")


def test_what_cannot_be_opened_is_refused(daemon, conn, guest, domain):
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, "No graphics backend with index 1", domain.openGraphicsFD, 1, 0)
    refused(libvirt.VIR_ERR_INVALID_ARG, "unsupported flags", domain.openGraphicsFD, 0, 2)
    datagrams, _other = socket.socketpair(type=socket.SOCK_DGRAM)
    with datagrams, _other:
        refused(libvirt.VIR_ERR_INVALID_ARG, "not a stream socket", domain.openGraphics, 0, datagrams.fileno(), 0)
    assert security_types(socket.socket(fileno=domain.openGraphicsFD(0, SKIP))) == [NO_AUTHENTICATION], "and it goes on"

    off = conn.defineXML(guest("off", devices=VNC))
    refused(libvirt.VIR_ERR_OPERATION_INVALID, "not running", off.openGraphicsFD, 0, 0)
    blind = conn.createXML(guest("blind", memory=32), libvirt.VIR_DOMAIN_START_PAUSED)
    refused(libvirt.VIR_ERR_INTERNAL_ERROR, "No graphics backend with index 0", blind.openGraphicsFD, 0, 0)
    readonly = libvirt.open(daemon.readonly_uri)
    refused(libvirt.VIR_ERR_OPERATION_DENIED, "read only", readonly.lookupByName("seen").openGraphicsFD, 0, 0)
    readonly.close()
