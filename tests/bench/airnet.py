"""A slow radio link between network namespaces, and what passed over it.

Each station's port to the bridge has a token bucket of the link's rate, whose
queue holds two frames, so that whoever sends faster loses what he sends.  What
the bridge hands to a station is lost with the given probability, for each
station on its own, in both directions.  All of it is counted from IP on: the
14 octets of Ethernet, which no radio carries, are left out of the rate and of
the sums.
"""
import os
import signal
import struct
import subprocess
import threading
import time
from collections import namedtuple

from netns import Net, run

BIT_RATE = 9600
FRAME = 1540    # octets: what the bucket holds, more than any frame
QUEUE = 3000    # octets: two of the largest frames

# One datagram at one end of a port: number of the station, whether it leaves
# the station or reaches it, seconds, octets from IP on, what UDP carries.
Frame = namedtuple("Frame", "station sent time size source port data")

stop = threading.Event()


class Stopped(Exception):
    """The user has had enough."""


def until(condition, seconds, what, step=0.1):
    """The first true value of condition(), or an error after so long."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if stop.wait(step):
            raise Stopped()
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")


class Air(Net):
    """tx and rx1, rx2, ... on one channel; slow=False for one without limit."""

    all = []

    def __init__(self, directory, receivers, loss, slow=True):
        super().__init__(["tx"] + [f"rx{i + 1}" for i in range(receivers)])
        self.directory = directory
        self.loss = loss
        self.slow = slow
        self.pcap = os.path.join(directory, "air.pcap")
        self.started = []
        self.ports = {}
        self.all.append(self)

    def build(self):
        super().build()
        macs = {}
        for i, n in enumerate(self.names):
            ns = ["ip", "-n", self.ns(n)]
            macs[n] = f"02:00:0a:8e:00:{i + 1:02x}"
            run(*self.prefix(n), "sysctl", "-qw",
                "net.ipv6.conf.all.disable_ipv6=1")
            run(*ns, "link", "set", "rf0", "address", macs[n])
            run(*ns, "route", "add", "224.0.0.0/4", "dev", "rf0")
            self.ports[self.index(f"p{i}")] = i
        for n in self.names:
            self.meet(n, macs)
            if self.slow:
                self.limit(n)
        if self.loss:
            self.lose_everywhere()
        self.capture()

    def index(self, port):
        text = run("ip", "netns", "exec", self.air, "cat",
                   f"/sys/class/net/{port}/ifindex")
        return int(text)

    def meet(self, name, macs):
        """No ARP on the air."""
        for n, mac in macs.items():
            if n != name:
                run("ip", "-n", self.ns(name), "neigh", "replace",
                    self.address[n], "lladdr", mac, "nud", "permanent",
                    "dev", "rf0")

    def limit(self, name):
        run(*self.prefix(name), "tc", "qdisc", "add", "dev", "rf0", "root",
            "stab", "overhead", "-14", "linklayer", "ethernet", "tbf",
            "rate", f"{BIT_RATE}bit", "burst", str(FRAME), "limit",
            str(QUEUE))

    def lose_everywhere(self):
        rules = "".join(
            f"add rule bridge loss out oifname p{i} ip protocol udp numgen "
            f"random mod 100 lt {self.loss} drop; "
            for i in range(len(self.names)))
        run("ip", "netns", "exec", self.air, "nft",
            "add table bridge loss; add chain bridge loss out { type filter "
            "hook forward priority 0; }; " + rules)

    def capture(self):
        # At the bridge's ports: behind the sender's bucket, and behind the
        # loss on the way to each station.
        p = self.spawn(["ip", "netns", "exec", self.air, "tcpdump", "-i",
                        "any", "-U", "--immediate-mode", "-Z", "root", "-s",
                        "120", "-w", self.pcap, "udp"], "tcpdump",
                       stderr=subprocess.PIPE)
        for line in p.stderr:
            if b"listening" in line:
                return
        raise RuntimeError("tcpdump does not listen")

    def spawn(self, args, log, **kw):
        """Start a program, which remove() ends."""
        with open(os.path.join(self.directory, log + ".log"), "ab") as out:
            kw.setdefault("stderr", out)
            kw.setdefault("stdout", out)
            p = subprocess.Popen(args, stdin=kw.pop("stdin", None) or
                                 subprocess.DEVNULL, cwd=self.directory,
                                 start_new_session=True, **kw)
        self.started.append(p)
        return p

    def remove(self):
        for p in self.started:
            if p.poll() is None:
                p.send_signal(signal.SIGKILL)
        for p in self.started:
            p.wait()
        super().remove()

    @classmethod
    def sweep(cls):
        """Remove what an interrupted removal has left."""
        left = run("ip", "netns", "list", check=False)
        for air in cls.all:
            if air.tag in left:
                air.remove()

    def quiet(self, seconds, limit):
        """Wait until nothing has been on the air for so long."""
        def idle():
            return time.time() - os.stat(self.pcap).st_mtime > seconds
        until(idle, limit, "silence")

    def frames(self):
        """All datagrams so far, in order."""
        with open(self.pcap, "rb") as f:
            data = f.read()
        at = 24
        while at + 16 <= len(data):
            s, us, kept, _ = struct.unpack_from("<IIII", data, at)
            record = data[at + 16:at + 16 + kept]
            at += 16 + kept
            frame = self.frame(record, s + us / 1e6)
            if frame:
                yield frame

    def frame(self, record, when):
        """From a record of LINUX_SLL2, None if it is another port's."""
        index, = struct.unpack_from(">I", record, 4)
        ip = record[20:]
        if index not in self.ports or len(ip) < 28:
            return None
        size, = struct.unpack_from(">H", ip, 2)
        port, = struct.unpack_from(">H", ip, 22)
        # Outgoing for the bridge is incoming for the station.
        return Frame(self.ports[index], record[10] != 4, when, size,
                     ip[12:16], port, ip[28:])
