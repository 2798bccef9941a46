"""A client that speaks the protocol by hand: packets in and out, right or wrong."""
import socket
import struct

PROGRAM = 0x20008086
AUTH_LIST, OPEN = 66, 1


def packet(procedure, payload=b"", serial=0, kind=0, status=0, program=PROGRAM):
    header = struct.pack(">IIiiIi", program, 1, procedure, kind, serial, status)
    return struct.pack(">I", 4 + len(header) + len(payload)) + header + payload


def string(text):
    data = text.encode()
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


OPEN_CALL = packet(OPEN, struct.pack(">I", 1) + string("") + struct.pack(">I", 0))


def raw(daemon, readonly=False):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    client.connect(str(daemon.socket) + ("-ro" if readonly else ""))
    return client


def read_packet(client):
    def exactly(n):
        data = b""
        while len(data) < n:
            more = client.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data
    length = struct.unpack(">I", exactly(4))[0]
    body = exactly(length - 4)
    return struct.unpack(">IIiiIi", body[:24]), body[24:]


def opened(daemon, readonly=False):
    client = raw(daemon, readonly)
    client.sendall(packet(AUTH_LIST) + OPEN_CALL)
    assert read_packet(client)[0][5] == 0
    assert read_packet(client)[0][5] == 0
    return client


def at_once(daemon, *calls):
    """Makes all calls, pairs of procedure and payload, before the first answer; whether each one was granted."""
    client = opened(daemon)
    client.sendall(b"".join(packet(procedure, payload, serial) for serial, (procedure, payload) in enumerate(calls)))
    granted = {}
    for _ in calls:
        header, _ = read_packet(client)
        granted[header[4]] = header[5] == 0
    client.close()
    return [granted[serial] for serial in range(len(calls))]
