"""What was on the channel: the PDUs of a capture by mulelink, in order."""
import socket
import struct
import time
from collections import namedtuple

DATA, ACK, ADDRESS, DISCARD, EXTRA = 0, 1, 2, 3, 0x12

# nodes: the destinations of an Address_PDU; seq: of a Data_PDU; missing: what
# the entries of an Ack_PDU list, as numbers on the wire.
Pdu = namedtuple("Pdu", "time kind source msid seq nodes missing octets")


def dotted(number):
    return socket.inet_ntoa(struct.pack(">I", number))


def entries(body):
    """The numbers that each entry of an Ack_PDU lists, and whose message."""
    (count,) = struct.unpack(">H", body[12:14])
    at, out = 14, []
    for _ in range(count):
        length, source, msid = struct.unpack(">HII", body[at:at + 10])
        out.append((dotted(source), msid, struct.unpack(
            f">{(length - 10) // 2}H", body[at + 10:at + length])))
        at += length
    return out


def decode(when, body):
    """One PDU from the payload of a datagram."""
    kind = body[3] & 0x3f
    (word,) = struct.unpack(">H", body[4:6])
    source = dotted(struct.unpack(">I", body[8:12])[0])
    msid, nodes, missing = None, [], []
    if kind == ACK:
        missing = entries(body)
    else:
        (msid,) = struct.unpack(">I", body[12:16])
    if kind in (ADDRESS, EXTRA):
        (count,) = struct.unpack(">H", body[20:22])
        nodes = [dotted(struct.unpack(">I", body[i:i + 4])[0])
                 for i in range(24, 24 + 8 * count, 8)]
    return Pdu(when, kind, source, msid, word if kind == DATA else None,
               nodes, missing, len(body))


def asked_for(numbers):
    """What one entry of an Ack_PDU lists; first, 0, last is a range."""
    out, at = set(), 0
    while at < len(numbers):
        if numbers[at + 1:at + 2] == (0,):
            out |= set(range(numbers[at], numbers[at + 2] + 1))
            at += 3
        else:
            out.add(numbers[at])
            at += 1
    return out


class Air:
    """The capture of a channel that may still be running."""

    def __init__(self, path):
        self.path = path

    def pdus(self):
        """All so far; mulelink flushes its capture once a second."""
        with open(self.path, "rb") as f:
            data = f.read()
        at, out = 24, []
        while at + 16 <= len(data):
            s, us, length, _ = struct.unpack("<IIII", data[at:at + 16])
            packet = data[at + 16:at + 16 + length]
            if len(packet) < length:
                break
            out.append(decode(s + us / 1e6, packet[28:]))
            at += 16 + length
        return out

    def settled(self, seconds=1.5):
        """All, when what was sent until now is surely in the file."""
        time.sleep(seconds)
        return self.pdus()

    def by(self, source, kind=None):
        """What source has sent."""
        return [p for p in self.settled() if p.source == source
                and (kind is None or p.kind == kind)]
