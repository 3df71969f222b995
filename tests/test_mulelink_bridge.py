"""mulelink as root: a radio between network namespaces."""
import json
import os
import subprocess

import pytest

import oracle
from muleteer import BUILD, Process, wait_for
from netns import Net
from test_netns import SINK, SUBMIT, gateway, start

CHANNEL = """\
bit_rate: {rate}
delay_ms: 20
seed: 5
pairs:
  - {{from: p0, to: p2, both: true, heard: false}}
"""


class Bridge(Process):
    """mulelink on the open ends of a Net's cables."""

    def __init__(self, net, directory, rate):
        self.directory = directory
        self.control = os.path.join(directory, "control")
        config = os.path.join(directory, "channel.yaml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(CHANNEL.format(rate=rate))
        args = ["ip", "netns", "exec", net.air,
                os.path.join(BUILD, "mulelink"), "-c", config, "-u",
                self.control, "-p", os.path.join(directory, "air.pcap"),
                "-H", os.path.join(directory, "heard")]
        for i in range(len(net.names)):
            args += ["-b", f"p{i}"]
        super().__init__("bridge", directory, args)

    def start(self):
        super().start()
        wait_for(lambda: "bridging" in self.read_log(), 10, "mulelink")
        return self

    def ctl(self, *command):
        return json.loads(subprocess.run(
            [os.path.join(BUILD, "mulelink"), "ctl", self.control, *command],
            stdout=subprocess.PIPE, check=False, timeout=10).stdout)


@pytest.fixture
def world(tmp_path):
    """a and b hear each other, b and c; a and c do not."""
    with Net(["a", "b", "c"], ipv6=False, bridge=False) as net:
        bridge = Bridge(net, str(tmp_path), 64000).start()
        try:
            yield net, bridge
        finally:
            bridge.stop()


PING = """
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.connect((sys.argv[1], 0))
s.settimeout(1.5)
text = struct.pack(">BBHHH", 8, 0, 0, 1, 1) + bytes(int(sys.argv[2]))
text = text[:2] + struct.pack(">H", 0xffff - 8 * 256 - 2) + text[4:]
start = time.monotonic()
s.send(text)
try:
    while s.recv(2000)[20] != 0:
        pass
    print(1000 * (time.monotonic() - start))
except TimeoutError:
    print(0)
"""


def ping(net, name, to, size=56):
    """The round trip in milliseconds, 0 if there was none."""
    return float(start(net, name, PING, net.address[to], str(size),
                       stdout=subprocess.PIPE).communicate(timeout=10)[0])


def test_two_namespaces_are_joined_at_the_rate_of_the_channel(world):
    net, bridge = world
    ping(net, "a", "b")  # who has that address
    short, long = ping(net, "a", "b"), ping(net, "a", "b", 1000)
    # 84 and 1028 octets each way at 8 octets a millisecond, and the delay.
    assert 61 <= short < 90
    assert 297 <= long < 340
    assert ping(net, "b", "c")
    assert not ping(net, "a", "c")
    stats = bridge.ctl("stats")
    assert [n["node"] for n in stats["nodes"]] == ["p0", "p1", "p2"]


def test_commands_change_what_a_bridge_lets_through(world):
    net, bridge = world
    ping(net, "a", "b")
    assert bridge.ctl("set", "loss", "1")["ok"]
    assert not ping(net, "a", "b")
    assert bridge.ctl("set", "loss", "0")["ok"]
    assert bridge.ctl("pair", "p0", "p2", "heard", "true")["ok"]
    assert bridge.ctl("pair", "p2", "p0", "heard", "true")["ok"]
    assert ping(net, "a", "c")


def test_udp_and_tcp_have_right_checksums_on_the_air(world):
    net, bridge = world
    ping(net, "a", "b")
    assert bridge.ctl("set", "bit_rate", "0")["ok"]
    # Linux leaves both checksums to the interface, and TCP's cutting up.
    server = start(net, "b", """
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("", 5000))
t = socket.create_server(("", 5000))
print("ready", flush=True)
print(u.recv(100).decode(), flush=True)
c, _ = t.accept()
n = 0
while data := c.recv(65536):
    n += len(data)
print(n)
""", stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "ready\n"
    start(net, "a", f"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
    u.sendto(b"hello", ("{net.address['b']}", 5000))
with socket.create_connection(("{net.address['b']}", 5000)) as t:
    t.sendall(bytes(200000))
""").wait(30)
    assert server.communicate(timeout=30)[0] == "hello\n200000\n"
    assert bridge.stop() == 0
    heard = os.path.join(bridge.directory, "heard")
    assert sorted(os.listdir(heard)) == ["p0.pcap", "p1.pcap"]
    for path in ("air.pcap", "heard/p1.pcap"):
        rows = oracle.tshark(
            os.path.join(bridge.directory, path), "-o",
            "udp.check_checksum:TRUE", "-Y", "udp", "-T", "fields", "-e",
            "ip.src", "-e", "udp.checksum.status").splitlines()
        assert rows == [f"{net.address['a']}\t1"]
    # a hears nobody's frames but b's.
    rows = oracle.tshark(os.path.join(heard, "p0.pcap"), "-T", "fields",
                         "-e", "ip.src", "-Y", "ip").splitlines()
    assert set(rows) == {net.address["b"]}


def test_gateways_exchange_mail_over_a_bridge(world, tmp_path):
    net, bridge = world
    assert bridge.ctl("pair", "*", "*", "heard", "true")["ok"]
    assert bridge.ctl("set", "bit_rate", "1000000")["ok"]
    assert bridge.ctl("set", "loss", "0.1")["ok"]
    sinks = [start(net, n, SINK, "x", str(tmp_path / n),
                   stdout=subprocess.PIPE) for n in ("b", "c")]
    for s in sinks:
        assert s.stdout.readline() == b"ready\n"
    gateways = [gateway(net, str(tmp_path), n).start() for n in net.names]
    content = b"Subject: over a bridge\r\n\r\n" + b"text\r\n" * 2000
    start(net, "a", SUBMIT, str(gateways[0].port),
          "x@b.example.mil,x@c.example.mil",
          stdin=subprocess.PIPE).communicate(content, timeout=30)
    for n in ("b", "c"):
        wait_for((tmp_path / f"{n}.0").exists, 60, f"mail at {n}")
    assert [g.stop() for g in gateways] == [0, 0, 0]
    for s in sinks:
        s.kill()
        s.wait()
