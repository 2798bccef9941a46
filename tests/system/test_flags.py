"""Flags of calls: each bit is known or refused by name. Every procedure that takes flags is called on objects that exist
with every bit set, of which one belongs to no call: the answer names the bits that are not known, before anything is done.
What is known stands in tests/data/flags.txt, so that a flag that is taken is one that somebody wrote down.
DOMUS_UPDATE_GOLDEN=1 writes that file, to be read before it is committed."""
import csv
import os
import re
import struct

from harness.daemon import REPOSITORY
from harness.raw import opened, packet, read_packet, string

TABLE = REPOSITORY / "tests/data/flags.txt"
PROTOCOL = REPOSITORY / "src/wire/protocol"
HEADER = "# Flags that calls know, as a mask; every other bit is refused by name. See tests/system/test_flags.py.\n"
NOBODYS = 1 << 28  # a bit that no call of libvirt's has
# Calls on objects that this version does not make, the one that opens the connection (tests/system/test_session.py), and
# those that want a descriptor or parameters first.
LEFT_OUT = re.compile(r"CONNECT_OPEN$|DOMAIN_CHECKPOINT_|NWFILTER_|NETWORK_PORT_|NODE_DEVICE_|DOMAIN_OPEN_GRAPHICS$|DOMAIN_RESTORE_PARAMS$")


def rows(name):
    with open(PROTOCOL / name, newline="") as file:
        return list(csv.DictReader(file))


def calls():
    for row in rows("procedures.csv"):
        fields = [field.split(":", 1) for field in row["args"].split(";") if field]
        takes_flags = ["flags", "unsigned int"] in fields
        if row["kind"] == "call" and row["program"] == "remote" and takes_flags and not LEFT_OUT.match(row["name"]):
            yield int(row["number"]), row["name"], fields


def encoded(kind, objects):
    """An object that exists, or the least value of a type: empty, absent or 0."""
    if kind in objects:
        return objects[kind]
    if kind == "remote_nonnull_string":
        return string("x")
    return bytes(8 if kind in ("hyper", "unsigned hyper") else 4)


def payload(fields, flags, objects):
    return b"".join(struct.pack(">I", flags) if name == "flags" else encoded(kind, objects) for name, kind in fields)


def unknown_bits(client, call, flags, objects):
    """Those of the flags that the answer names, and the answer."""
    number, _, fields = call
    client.sendall(packet(number, payload(fields, flags, objects)))
    _, body = read_packet(client)
    said = body.decode(errors="replace")
    named = re.search(r"unsupported flags \(0x([0-9a-f]+)\) in function", said)
    return (int(named[1], 16) if named else 0), said


def known_bits(client, call, objects):
    """None if the version does not have the procedure."""
    unknown, said = unknown_bits(client, call, 0xffffffff, objects)
    if "unknown procedure" in said:
        return None
    if not unknown:  # some flags exclude each other, which may be said first
        for bit in range(32):
            unknown |= unknown_bits(client, call, NOBODYS | 1 << bit, objects)[0]
    return ~unknown & 0xffffffff


def make_objects(conn, guest, scratch):
    """One of each kind, stopped, as the protocol names them."""
    pool = conn.storagePoolCreateXML(f"<pool type='dir'><name>p</name><target><path>{scratch}</path></target></pool>")
    volume = pool.createXML("<volume><name>v</name><capacity unit='M'>1</capacity><target><format type='qcow2'/></target></volume>")
    disk = f"<disk type='file'><driver type='qcow2'/><source file='{volume.path()}'/><target dev='vdb' bus='virtio'/></disk>"
    domain = conn.defineXML(guest("flags", devices=disk))
    snapshot = domain.snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    network = conn.networkDefineXML("<network><name>n</name></network>")
    secret = conn.secretDefineXML("<secret ephemeral='no' private='no'/>")
    named = string(domain.name()) + domain.UUID() + struct.pack(">i", -1)
    return {"remote_nonnull_domain": named,
            "remote_nonnull_domain_snapshot": string(snapshot.getName()) + named,
            "remote_nonnull_network": string(network.name()) + network.UUID(),
            "remote_nonnull_storage_pool": string(pool.name()) + pool.UUID(),
            "remote_nonnull_storage_vol": string(pool.name()) + string(volume.name()) + string(volume.key()),
            "remote_nonnull_secret": secret.UUID() + struct.pack(">i", 0) + string(""),
            "remote_nonnull_interface": string("lo") + string("")}


def test_a_flag_is_known_or_refused_by_name(daemon, conn, guest, scratch):
    objects = make_objects(conn, guest, scratch)
    client = opened(daemon)
    found = {call[1]: known_bits(client, call, objects) for call in calls()}
    client.close()
    found = {name: f"0x{known:x}" for name, known in found.items() if known is not None}
    if os.environ.get("DOMUS_UPDATE_GOLDEN"):
        TABLE.write_text(HEADER + "".join(f"{name} {known}\n" for name, known in sorted(found.items())))
    stated = dict(line.split() for line in TABLE.read_text().splitlines() if not line.startswith("#"))
    ignoring = [name for name, known in found.items() if int(known, 16) & NOBODYS]
    assert not ignoring, f"take flags that nobody knows: {ignoring}"
    differing = [f"{name} {known}" for name, known in found.items() if stated.get(name) != known]
    assert not differing, f"know other flags than {TABLE.name} says; refuse them by name, or write them down: {differing}"
    assert not set(stated) - set(found), f"{TABLE.name} names procedures that there are not: {sorted(set(stated) - set(found))}"
