#!/usr/bin/python3
"""Frames for tests of filters, and what carries them over a bridge: run with a sandbox's command, it plays a guest and its
network.

    frames.py SEND RECEIVE    reads lines of JSON, {"frames": [HEX...], "last": HEX}, sends them on one device, and writes
                              those that came out of the other before the last did, as {"passed": [INDEX...]}
    frames.py --flood SEND RECEIVE GOOD BAD    sends both without end, until its input ends; then writes how many of each
                              came, {"good": N, "bad": N, "sent": N}
"""
import json
import select
import socket
import struct
import sys

BROADCAST = "ff:ff:ff:ff:ff:ff"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def ethernet(source, target, kind, payload):
    return mac(target) + mac(source) + struct.pack("!H", kind) + payload.ljust(46, b"\0")


def arp(source, sender_mac, sender_ip, target_ip, opcode=1, target=BROADCAST, kind=0x806):
    body = struct.pack("!HHBBH", 1, 0x800, 6, 4, opcode) + mac(sender_mac) + socket.inet_aton(sender_ip)
    return ethernet(source, target, kind, body + bytes(6) + socket.inet_aton(target_ip))


def udp(source_port, target_port, payload):
    return struct.pack("!HHHH", source_port, target_port, 8 + len(payload), 0) + payload


def tcp(source_port, target_port, flags):
    return struct.pack("!HHIIBBHHH", source_port, target_port, 1, 2 if flags & 16 else 0, 5 << 4, flags, 1024, 0, 0)


def ipv4(source, target, source_ip, target_ip, protocol, payload):
    payload = payload.ljust(26, b"\0")  # a bridge may cut off what is no part of the packet
    if protocol == 6:  # connection tracking looks at it
        pseudo = socket.inet_aton(source_ip) + socket.inet_aton(target_ip) + struct.pack("!BBH", 0, protocol, len(payload))
        payload = payload[:16] + struct.pack("!H", checksum(pseudo + payload)) + payload[18:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0)
    head += socket.inet_aton(source_ip) + socket.inet_aton(target_ip)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return ethernet(source, target, 0x800, head + payload)


def ipv6(source, target, source_ip, target_ip, protocol, payload):
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
    head += socket.inet_pton(socket.AF_INET6, source_ip) + socket.inet_pton(socket.AF_INET6, target_ip)
    return ethernet(source, target, 0x86dd, head + payload)


def tagged(frame, vlan):
    return frame[:12] + struct.pack("!HH", 0x8100, vlan) + frame[12:]


def dhcp_answer(server, guest, server_ip, guest_ip, lease=3600, kind=5):
    body = bytes([2, 1, 6, 0]) + bytes(12) + socket.inet_aton(guest_ip) + bytes(8) + mac(guest).ljust(16, b"\0") + bytes(192)
    body += bytes.fromhex("63825363") + bytes([53, 1, kind, 51, 4]) + struct.pack("!I", lease) + b"\xff"
    return ipv4(server, guest, server_ip, guest_ip, 17, udp(67, 68, body))


def open_device(name):
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    packets.setsockopt(263, 23, 1)  # SOL_PACKET, PACKET_IGNORE_OUTGOING
    packets.setsockopt(263, 8, 1)  # PACKET_AUXDATA: where the tag is that the kernel has taken out
    packets.bind((name, 0))
    return packets


def receive(packets, timeout):
    """A frame with its tag; nothing after `timeout` seconds."""
    if not select.select([packets], [], [], timeout)[0]:
        return None
    data, ancillary, _flags, _address = packets.recvmsg(4096, 256)
    for level, kind, value in ancillary:
        if (level, kind) == (263, 8):
            status, _length, _snap, _mac, _net, tci, _tpid = struct.unpack("IIIHHHH", value[:20])
            if status & 16:  # TP_STATUS_VLAN_VALID
                return data[:12] + struct.pack("!HH", 0x8100, tci) + data[12:]
    return data


def serve(sender, receiver):
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        frames, last = [bytes.fromhex(each) for each in wanted["frames"]], bytes.fromhex(wanted["last"])
        for frame in [*frames, last]:
            sender.send(frame)
        passed = []
        while (frame := receive(receiver, 20)) != last:
            if frame is None:
                passed = None  # the last one did not come
                break
            passed += [index for index, each in enumerate(frames) if each == frame]
        print(json.dumps({"passed": passed}), flush=True)


def flood(sender, receiver, good, bad):
    counts = {"good": 0, "bad": 0, "sent": 0}
    print("ready", flush=True)
    ended = False
    while not ended:
        for frame in (bad, good) * 8:
            sender.send(frame)
        counts["sent"] += 8
        ended = bool(select.select([sys.stdin], [], [], 0)[0])
        # At the end all that is still on its way, however slow the machine, and a moment for what must not come.
        while (frame := receive(receiver, 0 if not ended else 20 if counts["good"] < counts["sent"] else 0.3)) is not None:
            counts["good"] += frame == good
            counts["bad"] += frame == bad
    print(json.dumps(counts), flush=True)


def main():
    words = sys.argv[1:]
    if words[0] == "--flood":
        flood(open_device(words[1]), open_device(words[2]), *map(bytes.fromhex, words[3:5]))
    else:
        serve(open_device(words[0]), open_device(words[1]))


if __name__ == "__main__":
    main()
