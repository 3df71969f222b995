"""The emulated channel: rate, losses, who hears what, and its capture."""
import os
import socket
import struct
import subprocess
import time

import oracle
from muleteer import BUILD, Channel


class Node:
    """A node of a few lines on the channel."""

    def __init__(self, channel, number):
        self.ip = 0x0a000000 + number
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.connect(("127.0.0.1", channel.port))
        self.socket.settimeout(10)
        self.frame(1, 0, b"")
        assert self.socket.recv(100)[5] == 1

    def frame(self, kind, to, payload):
        self.socket.send(b"MLNK" + bytes([1, kind, 0, 0]) + struct.pack(
            ">IHHI", self.ip, 2754, 2753, to) + payload)

    def send(self, payload, to=0xef000001):
        self.frame(2, to, payload)

    def heard(self, seconds=0.3):
        """Payloads until there is silence for so long."""
        got = []
        self.socket.settimeout(seconds)
        try:
            while True:
                got.append(self.socket.recv(70000)[20:])
        except TimeoutError:
            return got


def test_rate_is_exact_and_counts_the_overhead(tmp_path):
    channel = Channel(str(tmp_path), bit_rate=80000).start()
    a, b = Node(channel, 1), Node(channel, 2)
    start = time.monotonic()
    for _ in range(10):
        a.send(b"x" * 972)
    got = b.heard(2)
    # 10 * (972 + 28) octets at 10,000 octets a second.
    seconds = time.monotonic() - start - 2
    assert len(got) == 10
    assert 0.99 <= seconds < 1.3
    assert channel.stop() == 0
    assert channel.stats()["octets"] == 10000
    assert channel.stats()["busy_s"] == 1.0


def test_half_duplex_serialises_and_full_duplex_does_not(tmp_path):
    for half, want in ((True, 1.0), (False, 0.5)):
        channel = Channel(str(tmp_path), bit_rate=80000,
                          half_duplex=half).start()
        a, b, c = (Node(channel, i) for i in (1, 2, 3))
        start = time.monotonic()
        for _ in range(5):
            a.send(b"x" * 972)
            b.send(b"y" * 972)
        got = c.heard(1.5)
        seconds = time.monotonic() - start - 1.5
        assert len(got) == 10
        assert want - 0.01 <= seconds < want + 0.3, half
        channel.stop()


def test_losses_follow_the_seed(tmp_path):
    heard = {}
    for seed in (1, 1, 2):
        channel = Channel(str(tmp_path), loss=0.2, seed=seed).start()
        a, b = Node(channel, 1), Node(channel, 2)
        for i in range(1000):
            a.send(struct.pack(">I", i))
        got = tuple(b.heard())
        channel.stop()
        assert 740 <= len(got) <= 860
        assert channel.stats()["nodes"][1]["lost"] == 1000 - len(got)
        assert heard.setdefault(seed, got) == got
    assert heard[1] != heard[2]


def test_unicast_reaches_its_node_only_and_capture_is_readable(tmp_path):
    pcap = str(tmp_path / "air.pcap")
    channel = Channel(str(tmp_path), pcap=pcap).start()
    a, b, c = (Node(channel, i) for i in (1, 2, 3))
    a.send(b"to b", to=b.ip)
    a.send(b"to all")
    a.send(b"to nobody", to=0x0a0000ff)
    assert b.heard() == [b"to b", b"to all"]
    assert c.heard() == [b"to all"]
    assert a.heard() == []
    channel.stop()
    assert channel.stats()["datagrams"] == 3
    rows = [line.split("|") for line in oracle.tshark(
        pcap, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
        "-T", "fields", "-E", "separator=|", "-e", "ip.src", "-e", "ip.dst",
        "-e", "udp.dstport", "-e", "ip.checksum.status",
        "-e", "udp.checksum.status").splitlines()]
    assert rows == [["10.0.0.1", dst, "2753", "1", "1"]
                    for dst in ("10.0.0.2", "239.0.0.1", "10.0.0.255")]


def test_bad_configurations_are_refused_in_one_line(tmp_path):
    for text in ("listen: nowhere\nbit_rate: 1\n",
                 "listen: \"127.0.0.1:0\"\n",
                 "listen: \"127.0.0.1:0\"\nbit_rate: fast\n",
                 "listen: \"127.0.0.1:0\"\nbit_rate: 1\nloss: 2\n",
                 "listen: \"127.0.0.1:0\"\nbit_rate: 1\nlos: 0\n",
                 ": [", ""):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        run = subprocess.run(
            [os.path.join(BUILD, "mulelink"), "-c", str(path)],
            stderr=subprocess.PIPE, text=True, check=False, timeout=10)
        assert run.returncode == 2, text
        assert run.stderr.startswith(f"{path}:"), run.stderr
        assert run.stderr.count("\n") == 1
