"""How fast `mulecap list` reads a large capture, beside tshark.

    make bench-cap [CAP_BYTES=1000000000 [CAP_DIR=/var/tmp]]

Writes a capture of CAP_BYTES octets in CAP_DIR: messages of 100 KB to three
nodes in Data_PDUs of 1400 octets, one fragment in ten repeated in a second
round.  Both programs then read it from the page cache and print, for each
message or PDU, who sent what to whom and what was acknowledged.  Prints
seconds, the ratio, and the peak of the resident memory.
"""
import os
import struct
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.path.join(TOP, os.environ.get("MULETEER_BUILD", "build"))
SHORE, SHIPS = 0x0A8E0001, (0x0A8E0002, 0x0A8E0003, 0x0A8E0004)
FRAGMENTS, OCTETS = 72, 1384
T0 = 1700000000


class Pdu:
    """A PDU as a template: what changes has its share of the checksum.

    Fletcher's sums are linear: an octet v at place p of n counts v in the
    first and v * (n - p) in the second.
    """

    def __init__(self, body):
        self.body = bytearray(body)
        n = len(body)
        self.c0 = sum(body) % 255
        self.c1 = sum((n - i) * b for i, b in enumerate(body)) % 255

    def put(self, place, octets):
        n = len(self.body)
        for i, v in enumerate(octets, place):
            d = v - self.body[i]
            self.body[i] = v
            self.c0 += d
            self.c1 += d * (n - i)

    def done(self):
        t = len(self.body) - 7
        self.body[6] = (t * self.c0 - self.c1) % 255
        self.body[7] = (self.c1 - (t + 1) * self.c0) % 255
        out = bytes(self.body)
        self.body[6] = self.body[7] = 0
        return out


def packet_head(length, source):
    return struct.pack(">BBHHHBBHIIHHHH", 0x45, 0, 28 + length, 0, 0, 64, 17,
                       0, source, 0xEF8E0001, 2754, 2753, 8 + length, 0)


def address(nodes):
    return Pdu(struct.pack(">HBBHHIIIHH", 24 + 8 * len(nodes), 4, 2, FRAGMENTS,
                           0, SHORE, 0, T0 + 10000000, len(nodes), 0)
               + b"".join(struct.pack(">II", n, 0) for n in nodes))


def ack(node, missing=()):
    n = len(missing)
    return Pdu(struct.pack(">HBBHHIHHII", 24 + 2 * n, 4, 1, 0, 0, node, 1,
                           10 + 2 * n, SHORE, 0)
               + struct.pack(f">{n}H", *missing))


class Writer:
    def __init__(self, f):
        self.f = f
        self.us = 0
        self.size = f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0,
                                        65535, 101))

    def put(self, pdu, source=SHORE):
        n = 28 + len(pdu)
        self.us += 11000
        self.size += self.f.write(
            struct.pack("<IIII", T0 + self.us // 1000000, self.us % 1000000,
                        n, n) + packet_head(len(pdu), source) + pdu)


def write(path, size):
    lost = tuple(range(5, FRAGMENTS, 10))
    data = [Pdu(struct.pack(">HBBHHII", 16 + OCTETS, 4, 0, s + 1, 0, SHORE, 0)
                + os.urandom(OCTETS)) for s in range(FRAGMENTS)]
    first, second = address(SHIPS), address(SHIPS[1:2])
    acks = [ack(SHIPS[0]), ack(SHIPS[1], lost), ack(SHIPS[2])]
    last, end = ack(SHIPS[1]), address(())
    with open(path, "wb", 1 << 20) as f:
        w, msid = Writer(f), 0
        while w.size < size:
            msid += 1
            octets = struct.pack(">I", msid)
            for a in (first, second):
                for at in range(28, len(a.body), 8):
                    a.put(at, octets)
            for p in data + [first, second, end]:
                p.put(12, octets)
            for p in acks + [last]:
                p.put(20, octets)
            w.put(first.done())
            for p in data:
                w.put(p.done())
            for node, p in zip(SHIPS, acks):
                w.put(p.done(), node)
            w.put(second.done())
            for s in lost:
                w.put(data[s - 1].done())
            w.put(last.done(), SHIPS[1])
            w.put(end.done())
    return msid


def watch(pid, peak):
    """Keep the peak in KiB; what wait4() says counts this process, too."""
    try:
        while True:
            with open(f"/proc/{pid}/status", encoding="ascii") as f:
                peak[0] = next(int(line.split()[1]) for line in f
                               if line.startswith("VmHWM"))
            time.sleep(0.02)
    except (OSError, StopIteration):
        pass


def measure(args):
    """Seconds, peak KiB, and lines printed."""
    began = time.monotonic()
    p = subprocess.Popen(args, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL,
                         env={"PATH": "/usr/bin:/bin", "LC_ALL": "C",
                              "HOME": "/nonexistent"})
    peak = [0]
    watcher = threading.Thread(target=watch, args=(p.pid, peak))
    watcher.start()
    lines = sum(block.count(b"\n")
                for block in iter(lambda: p.stdout.read(1 << 20), b""))
    p.stdout.close()
    assert p.wait() == 0, args
    seconds = time.monotonic() - began
    watcher.join()
    return seconds, peak[0], lines


FIELDS = ("frame.number", "frame.time_relative", "p_mul.pdu_type_value",
          "p_mul.source_id", "p_mul.source_id_ack", "p_mul.message_id",
          "p_mul.priority", "p_mul.no_pdus", "p_mul.seq_no", "p_mul.length",
          "p_mul.dest_id", "p_mul.missing_seq_no")


def main():
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000000
    path = os.path.join(sys.argv[2] if len(sys.argv) > 2 else "/var/tmp",
                        f"mulecap-bench-{os.getpid()}.pcap")
    shark = ["tshark", "-n", "-d", "udp.port==2751-2754,p_mul", "-o",
             "p_mul.relative_msgid:FALSE", "-r", path, "-T", "fields"]
    for name in FIELDS:
        shark += ["-e", name]
    try:
        began = time.monotonic()
        messages = write(path, size)
        print(f"{os.path.getsize(path) / 1e6:.0f} MB, {messages} messages, "
              f"written in {time.monotonic() - began:.0f} s")
        with open(path, "rb") as f:
            while f.read(1 << 24):
                pass
        ours = measure([os.path.join(BUILD, "mulecap"), "list", path])
        check = measure([os.path.join(BUILD, "mulecap"), "check", path])
        theirs = measure(shark)
        assert check[2] == 0
        assert ours[2] == messages
        for name, (s, kib, lines) in (("mulecap list", ours),
                                      ("mulecap check", check),
                                      ("tshark -T fields", theirs)):
            print(f"{name:18} {s:7.1f} s {kib / 1024:7.0f} MiB "
                  f"{lines:8} lines")
        print(f"ratio {theirs[0] / ours[0]:.1f}")
    finally:
        if os.path.exists(path):
            os.unlink(path)


if __name__ == "__main__":
    main()
