"""One message by each protocol over an Air, and what it took.

Each is a class with: run(), which starts everything, sends one message and
returns when the sender has no more to do; units(frame), the fragments that a
frame brings to a receiver; and payload, the octets to which all is compared.
"""
import os
import random
import socket
import subprocess
import sys

import airnet
from airnet import until
from muleteer import BUILD, Gateway

# The octets of the message in one frame, the same for all three, since loss
# here does not depend on the length of a frame.
SEGMENT = 1384

# How Muleteer is configured: a terrestrial link of 9600 bit/s, full duplex, on
# which an acknowledgement takes 0.04 s and nobody has to turn round.
MULETEER_LINK = f"""\
preset: uhf-56k
bit_rate: {airnet.BIT_RATE}
half_duplex: false
turnaround: 0s
pdu_max: {SEGMENT + 16}
ack_delay_upper_bound: 200ms
ack_retransmission_time: 800ms
ack_retransmission_min: 300ms
ack_pdu_time: 4s
"""
# -R is in units of 1024 bit/s, whole ones only, and counts IP and UDP.
UFTP_RATE = 9
# First, least and greatest GRTT in seconds.  As by default, but for the least,
# 0.01: a receiver gives up after a second in which two frames are lost.
UFTP_GRTT = "0.5:0.5:15"
# Seconds; NORM's own default.
NORM_GRTT = 0.5

SUBMIT = """
import smtplib, sys
with smtplib.SMTP("127.0.0.1", int(sys.argv[1]), timeout=60) as s:
    s.sendmail("a@tx.example.mil", sys.argv[2].split(","),
               sys.stdin.buffer.read(), ["BODY=8BITMIME"])
"""


def noise(size):
    """Octets that no compressor makes shorter, and SMTP takes as they are."""
    octets = bytes(c for c in range(1, 256) if c not in b"\r\n.")
    lines = bytearray(random.choices(octets, k=size))
    for at in range(900, size - 1, 902):
        lines[at:at + 2] = b"\r\n"
    return bytes(lines)


class Protocol:
    # Seconds without a frame after which nothing more is expected.
    QUIET = 4

    def __init__(self, air, size, limit):
        self.air = air
        self.size = size
        self.payload = size
        self.limit = limit
        self.ships = air.names[1:]

    def file(self):
        name = os.path.join(self.air.directory, "message")
        with open(name, "wb") as f:
            f.write(random.randbytes(self.size))
        return name

    def check(self, name, path):
        """Fail unless the receiver has, or soon will have, the message."""
        def same():
            with open(os.path.join(self.air.directory, "message"), "rb") as f:
                sent = f.read()
            got = os.path.join(self.air.directory, path)
            if not os.path.exists(got):
                return False
            with open(got, "rb") as f:
                return f.read() == sent
        until(same, 20, f"the file on {name}")

    def log(self, name):
        with open(os.path.join(self.air.directory, name + ".log"),
                  encoding="utf-8", errors="replace") as f:
            return f.read()

    def spawn(self, name, args, **kw):
        return self.air.spawn(self.air.prefix(name) + args, name, **kw)

    def finish(self):
        self.air.quiet(self.QUIET, self.limit)

    def last_arrival(self):
        """When the last receiver had every unit."""
        want = self.unit_count()
        have = [set() for _ in self.air.names]
        done = {}
        for f in self.air.frames():
            if f.sent or f.station == 0 or f.station in done:
                continue
            have[f.station].update(self.units(f))
            if len(have[f.station]) == want:
                done[f.station] = f.time
        if len(done) != len(self.ships):
            raise RuntimeError(f"{len(done)} of {len(self.ships)} receivers "
                               "have the message")
        return max(done.values())


class Muleteer(Protocol):
    NAME = "Muleteer"

    def run(self):
        gateways = self.start()
        tx = gateways[0]
        to = ",".join(f"a@{n}.example.mil" for n in self.ships)
        body = (b"From: a@tx.example.mil\r\nSubject: air\r\nMIME-Version: "
                b"1.0\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
                + noise(self.size) + b"\r\n")
        p = self.spawn("tx", [sys.executable, "-c", SUBMIT, str(tx.port), to],
                       stdin=subprocess.PIPE)
        p.stdin.write(body)
        p.stdin.close()
        if p.wait(60) != 0:
            raise RuntimeError("muled did not take the message")
        until(lambda: tx.status()["queue"]["messages"] == 0, self.limit,
              "acknowledgements")
        self.finish()
        for g in gateways[1:]:
            if g.status()["queue"]["messages"] != 1:
                raise RuntimeError(f"{g.name} has not got the message")
        self.stop(gateways)
        self.payload = self.fragments()

    def start(self):
        """muled everywhere; the receivers keep what they get."""
        gateways = []
        try:
            for n in self.air.names:
                gateways.append(self.gateway(n))
                gateways[-1].start()
        except BaseException:
            self.stop(gateways)
            raise
        return gateways

    def gateway(self, name):
        air = self.air
        routes = [f'domain: {name}.example.mil, via: smtp, host: '
                  '"127.0.0.1:9"']
        routes += [f"domain: {m}.example.mil, via: mule, node: {m}"
                   for m in air.names if m != name]
        return Gateway(air.directory, name, air.address[name], air.address, 0,
                       routes, self.link(), prefix=air.prefix(name),
                       bearer=f"bearer: udp, interface: {air.address[name]}")

    def link(self):
        return MULETEER_LINK

    @staticmethod
    def stop(gateways):
        for g in gateways:
            g.kill()

    def units(self, frame):
        """Sequence numbers of Data_PDUs."""
        if len(frame.data) >= 16 and frame.data[3] & 0x3f == 0:
            return [int.from_bytes(frame.data[4:6], "big")]
        return []

    def fragments(self):
        """Octets of all different fragments that were sent."""
        sizes = {}
        for f in self.air.frames():
            if f.sent and f.station == 0:
                for seq in self.units(f):
                    sizes[seq] = int.from_bytes(f.data[0:2], "big") - 16
        self.count = len(sizes)
        return sum(sizes.values())

    def unit_count(self):
        return self.count


class FastMuleteer(Muleteer):
    """To find how much the envelope and the header add to a body."""
    QUIET = 1

    def link(self):
        return ("preset: lan\nack_delay_upper_bound: 20ms\n"
                "ack_retransmission_time: 200ms\n")


class Uftp(Protocol):
    NAME = "UFTP"

    def run(self):
        name = self.file()
        for n in self.ships:
            os.mkdir(os.path.join(self.air.directory, n))
            self.spawn(n, ["uftpd", "-d", "-q", "-I", "rf0", "-D",
                           os.path.join(self.air.directory, n)])
        until(lambda: all(self.listening(n) for n in self.ships), 20, "uftpd")
        hosts = ",".join("0x" + socket.inet_aton(self.air.address[n]).hex()
                         for n in self.ships)
        p = self.spawn("tx", ["uftp", "-R", str(UFTP_RATE), "-b",
                              str(SEGMENT), "-r", UFTP_GRTT, "-I", "rf0",
                              "-H", hosts, name])
        until(lambda: p.poll() is not None, self.limit, "uftp")
        self.finish()
        for n in self.ships:
            self.check(n, os.path.join(n, "message"))

    def listening(self, name):
        groups = subprocess.run(
            self.air.prefix(name) + ["ip", "maddr", "show", "dev", "rf0"],
            stdout=subprocess.PIPE, text=True, check=True).stdout
        return "230.4.4.1" in groups

    def units(self, frame):
        """Section and block of FILESEG, behind a header of 16 octets."""
        if len(frame.data) >= 24 and frame.data[1] == frame.data[16] == 9:
            return [frame.data[20:24]]
        return []

    def unit_count(self):
        return -(-self.size // SEGMENT)


class Norm(Protocol):
    NAME = "NORM"

    def run(self):
        name = self.file()
        tool = os.path.join(BUILD, "bench_norm")
        for i, n in enumerate(self.ships):
            self.spawn(n, [tool, "receive", "rf0", str(i + 2), f"{n}.got"])
        until(lambda: all("ready" in self.log(n) for n in self.ships), 20,
              "receivers")
        p = self.spawn("tx", [tool, "send", "rf0", str(len(self.ships)),
                              str(airnet.BIT_RATE), str(SEGMENT),
                              str(NORM_GRTT), name])
        until(lambda: all("complete" in self.log(n) for n in self.ships),
              self.limit, "receivers")
        until(lambda: p.poll() is not None, self.limit, "acknowledgements")
        self.finish()
        for n in self.ships:
            self.check(n, f"{n}.got")

    def last_arrival(self):
        """Parity stands for any segment, so the receivers are asked."""
        return max(float(self.log(n).split("complete ")[1].split()[0])
                   for n in self.ships)


PROTOCOLS = {"muleteer": Muleteer, "uftp": Uftp, "norm": Norm}
