"""Packets of libvirt's RPC protocol, read with the tables from which the daemon's own messages are made
(src/wire/protocol/*.csv): framing, headers, and the fields of every procedure."""
import csv
import pathlib
import re
import struct
import uuid

PROTOCOL = pathlib.Path(__file__).resolve().parents[2] / "src/wire/protocol"
PROGRAMS = {0x20008086: "remote", 0x20008087: "qemu", 0x20008088: "lxc", 0x646F6D75: "domus", 0x6B656570: "keepalive"}
TYPES = ["call", "reply", "message", "stream", "call with descriptors", "reply with descriptors", "stream hole"]
STATUSES = ["ok", "error", "continue"]
KEEPALIVE = {1: "PING", 2: "PONG"}


class Truncated(Exception):
    """The bytes end before the fields do, or have another form than the table says."""


def _rows(name):
    with open(PROTOCOL / name, newline="") as file:
        return list(csv.DictReader(file))


def _fields(text):
    text = re.sub(r"^msg\{(.*)\}$", r"\1", text)
    return [tuple(field.split(":", 1)) for field in text.split(";") if field]


class Tables:
    def __init__(self):
        self.structs = {row["name"]: _fields(row["fields"]) for row in _rows("structs.csv") if row["kind"] == "struct"}
        self.procedures = {(row["program"], int(row["number"])): row for row in _rows("procedures.csv")}

    def name(self, program, number):
        if program == "keepalive":
            return KEEPALIVE.get(number, str(number))
        row = self.procedures.get((program, number))
        return row["name"] if row else f"{program}:{number}"

    def fields(self, program, number, direction):
        """Of a call's arguments ("args") or a reply's or event's results ("ret")."""
        row = self.procedures.get((program, number))
        if row is None:
            return []
        if row["kind"] == "event":
            return _fields(row["args"] or row["ret"])
        return _fields(row[direction])


class Reader:
    def __init__(self, tables, data):
        self.tables, self.data, self.at = tables, data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Truncated
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(f">{form}", self.take(struct.calcsize(form)))[0]

    def opaque(self, length):
        data = self.take(length)
        self.take(-length % 4)
        return data

    def text(self):
        return self.opaque(self.number("I")).decode(errors="replace")

    SCALARS = {"int": "i", "unsigned int": "I", "unsigned": "I", "hyper": "q", "unsigned hyper": "Q", "double": "d", "char": "i",
               "unsigned char": "I", "unsigned short": "I", "remote_auth_type": "i"}
    TYPED = {1: "i", 2: "I", 3: "q", 4: "Q", 5: "d", 6: "i"}

    def value(self, kind):
        array = re.fullmatch(r"(.+?)([<\[])(\d+)[>\]]", kind)
        if array:
            return self.array(array[1], array[2], int(array[3]))
        if kind in self.SCALARS:
            return self.number(self.SCALARS[kind])
        if kind == "remote_nonnull_string":
            return self.text()
        if kind == "remote_string":
            return self.text() if self.number("I") else None
        if kind == "remote_uuid":
            return str(uuid.UUID(bytes=self.take(16)))
        if kind == "remote_typed_param_value":
            which = self.number("i")
            return self.text() if which == 7 else self.number(self.TYPED[which])
        if kind in self.tables.structs:
            return self.record(self.tables.structs[kind])
        nonnull = kind.replace("remote_", "remote_nonnull_", 1)  # a pointer to an object
        if nonnull in self.tables.structs:
            return self.record(self.tables.structs[nonnull]) if self.number("I") else None
        raise Truncated

    def array(self, kind, bracket, limit):
        if bracket == "[":  # of a fixed length; characters have four bytes each
            return [self.value(kind) for _ in range(limit)]
        count = self.number("I")
        if count > limit:
            raise Truncated
        if kind == "opaque":
            return self.opaque(count).hex()
        return [self.value(kind) for _ in range(count)]

    def record(self, fields):
        return {name: self.value(kind) for name, kind in fields}


class Packet:
    def __init__(self, tables, data):
        program, self.version, number, kind, self.serial, status = struct.unpack(">IIiiIi", data[4:28])
        self.program = PROGRAMS.get(program, hex(program))
        self.procedure = tables.name(self.program, number)
        self.type = TYPES[kind] if kind < len(TYPES) else str(kind)
        self.status = STATUSES[status] if status < len(STATUSES) else str(status)
        self.length = len(data)
        self.descriptors = 0
        body = data[28:]
        if "descriptors" in self.type:
            self.descriptors = struct.unpack(">I", body[:4])[0]
            body = body[4:]
        self.fields = self.decoded(tables, number, body)

    def decoded(self, tables, number, body):
        reader = Reader(tables, body)
        try:
            if self.status == "error":
                return reader.record(tables.structs["remote_error"])
            if self.type == "stream":
                return {"bytes": len(body)}
            if self.type == "stream hole":
                return {"length": reader.number("q"), "flags": reader.number("I")}
            return reader.record(tables.fields(self.program, number, "args" if self.type.startswith("call") else "ret"))
        except (Truncated, KeyError, struct.error):
            return {"undecoded": body.hex()}

    def as_json(self):
        return {"program": self.program, "procedure": self.procedure, "type": self.type, "status": self.status, "serial": self.serial,
                "length": self.length, "descriptors": self.descriptors, "fields": self.fields}

    def __str__(self):
        fields = ", ".join(f"{name}={short(value)}" for name, value in self.fields.items())
        notes = "".join([f" [{self.status}]" if self.status != "ok" else "", f" +{self.descriptors} descriptors" if self.descriptors else ""])
        return f"{self.serial:4} {self.type:8} {self.procedure}({fields}){notes}"


def short(value, most=60):
    text = repr(value)
    return text if len(text) <= most else f"{text[:most]}... ({len(text)})"


class Splitter:
    """Bytes of one direction in; whole packets out. The byte that carries a descriptor is no part of a packet."""

    def __init__(self, tables):
        self.tables, self.buffer, self.carriers = tables, b"", 0

    def add(self, data):
        self.buffer += data
        packets = []
        while True:
            if self.carriers and self.buffer:
                self.buffer, self.carriers = self.buffer[1:], self.carriers - 1
                continue
            if len(self.buffer) < 28:
                return packets
            length = struct.unpack(">I", self.buffer[:4])[0]
            if length < 28 or len(self.buffer) < length:
                return packets
            packet = Packet(self.tables, self.buffer[:length])
            self.buffer = self.buffer[length:]
            self.carriers = packet.descriptors
            packets.append(packet)
