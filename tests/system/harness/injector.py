"""A proxy before a daemon that tells a client of events which the daemon did not send."""
import socket
import struct
import threading

from .raw import packet, read_packet, string

REGISTER = 316  # CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY
MESSAGE = 2


def whole(header, body):
    return struct.pack(">I", 4 + 24 + len(body)) + struct.pack(">IIiiIi", *header) + body


class Injector:
    """Listens on `path` and passes all on to `target`. When a client has registered for the last of `events`, it gets all
    of them: {event ID: (procedure, message behind the callback ID)}.
    """

    def __init__(self, path, target, events):
        self.path, self._target, self._events = path, target, events
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self._target))
            asked = {}
            threading.Thread(target=self._up, args=(client, server, asked), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server, asked), daemon=True).start()

    def _up(self, client, server, asked):
        try:
            while True:
                header, body = read_packet(client)
                if header[2] == REGISTER:
                    asked[header[4]] = struct.unpack(">i", body[:4])[0]
                server.sendall(whole(header, body))
        except (EOFError, OSError):
            server.close()

    def _down(self, client, server, asked):
        callbacks = {}
        try:
            while True:
                header, body = read_packet(server)
                client.sendall(whole(header, body))
                if header[2] != REGISTER or header[3] != 1:
                    continue
                callbacks[asked[header[4]]] = body[:4]
                if callbacks.keys() >= self._events.keys():
                    for event, (procedure, message) in self._events.items():
                        client.sendall(packet(procedure, callbacks[event] + message, kind=MESSAGE))
        except (EOFError, OSError):
            client.close()


def number(value, form="i"):
    return struct.pack(f">{form}", value)


def optional(text):
    return number(0) if text is None else number(1) + string(text)


def params(**values):
    """Typed parameters: whole numbers as unsigned hyper (4), text as string (7)."""
    return number(len(values)) + b"".join(
        string(name) + (number(7) + string(value) if isinstance(value, str) else number(4) + number(value, "Q"))
        for name, value in values.items())
