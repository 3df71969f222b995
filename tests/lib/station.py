"""A P_MUL node made of a few lines: PDUs by hand, and what MULE puts in them."""
import socket
import struct
import zlib

SOURCE = 0x0a8e00ee  # a node nobody configured
GROUP = 0xef8e0001


def fletcher(pdu):
    pdu = bytearray(pdu)
    pdu[6:8] = b"\0\0"
    c0 = c1 = 0
    for octet in pdu:
        c0 = (c0 + octet) % 255
        c1 = (c1 + c0) % 255
    t = len(pdu) - 7
    pdu[6] = (t * c0 - c1) % 255
    pdu[7] = (c1 - (t + 1) * c0) % 255
    return bytes(pdu)


def pdu(kind, word, rest, source=SOURCE, priority=6):
    return fletcher(struct.pack(">HBBHHI", 12 + len(rest), priority, kind,
                                word, 0, source) + rest)


def address(msid, total, dest, expiry=0x7fffffff, source=SOURCE):
    return pdu(2, total, struct.pack(">IIHHII", msid, expiry, 1, 0, dest, 1),
               source)


def data(msid, seq, fragment, source=SOURCE):
    return pdu(0, seq, struct.pack(">I", msid) + fragment, source)


class Station:
    """A P_MUL node made of a few lines, on the emulated channel."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(10)
        self.send(b"", kind=1)
        self.socket.recv(100)

    def send(self, payload, kind=2):
        self.socket.send(b"MLNK" + bytes([1, kind, 0, 0])
                         + struct.pack(">IHHI", SOURCE, 2754, 2753, GROUP)
                         + payload)

    def receive(self):
        """The next PDU addressed to us."""
        while True:
            frame = self.socket.recv(70000)
            if frame[5] == 2:
                return frame[20:]

    def send_message(self, msid, dest, payload, size=512):
        """A whole message: its address and its fragments, once."""
        parts = [payload[i:i + size] for i in range(0, len(payload), size)]
        self.send(address(msid, len(parts), dest))
        for i, part in enumerate(parts):
            self.send(data(msid, i + 1, part))


def tlv(tag, value):
    """A BER element, its length as short as it can be."""
    n = len(value)
    if n < 128:
        return bytes([tag, n]) + value
    size = (n.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + n.to_bytes(size, "big") + value


def mule_payload(sender, recipients, content):
    """MULE: an envelope and a content, in CompressedData.  The sender and
    the recipients are lines, with their parameters."""
    text = b"".join(line.encode() + b"\r\n"
                    for line in [sender, *recipients, ""]) + content
    inside = tlv(0x80, b"\x19") + tlv(0xa0, tlv(0x04, zlib.compress(text)))
    return tlv(0x30, tlv(0x80, b"\0") + tlv(0x30, inside))
