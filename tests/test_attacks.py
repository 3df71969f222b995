"""What strangers try from outside: the door, the radio, the operator's socket.

Each attack is followed by a look at the gateway: that it still serves others,
and has not grown, spun or kept what nobody needs.
"""
import os
import socket
import subprocess
import time

import pytest

from muleteer import Fleet, crlf, free_port, wait_for
from test_bad_input import Station, address, counters
from test_door import edit

TEXT = crlf(b"From: ops@shore.example.mil\nSubject: attack\n\nText.\n")
LIMITS = """retry_first: 1s
timeout: 1s
max_sessions: 20
max_sessions_per_peer: 15
max_recipients: 100
max_message_size: 64KiB
"""


@pytest.fixture(scope="module", name="pair")
def make_pair(tmp_path_factory):
    d = tmp_path_factory.mktemp("pair")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", d / "key",
         "-out", d / "crt", "-subj", "/CN=localhost", "-days", "2"],
        check=True, capture_output=True)
    return d / "crt", d / "key"


@pytest.fixture(name="door")
def make_door(pair):
    """shore with STARTTLS on its port and TLS at once on .tls_port."""
    fleet = Fleet(1, smtp=LIMITS)
    g = fleet["shore"]
    g.tls_port = free_port()
    tls = f"tls: {{certificate: {pair[0]}, key: {pair[1]}}}"
    edit(g, f'- {{address: "127.0.0.1:{g.port}"}}',
         f'- {{address: "127.0.0.1:{g.port}", {tls}}}\n    - {{address: '
         f'"127.0.0.1:{g.tls_port}", implicit_tls: true, {tls}}}')
    with fleet:
        yield g


class Raw:
    """A client that minds no rule."""

    def __init__(self, port, greeting=True, rcvbuf=None):
        self.socket = socket.socket()
        if rcvbuf:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")
        if greeting:
            assert self.reply().startswith(b"220 ")

    def reply(self):
        """One reply, its last line; nothing at the end."""
        while True:
            line = self.file.readline()
            if not line or line[3:4] == b" ":
                return line

    def say(self, line):
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def ended(self):
        """Whether the gateway has closed."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True

    def close(self):
        self.file.close()
        self.socket.close()


def sessions(gateway):
    return gateway.status()["smtp"]["sessions_in"]


def processor_s(gateway):
    with open(f"/proc/{gateway.process.pid}/stat", encoding="ascii") as f:
        part = f.read().rsplit(")", 1)[1].split()
    return (int(part[11]) + int(part[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(gateway):
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as f:
        return int(f.read().split("VmRSS:")[1].split()[0])


def still_serves(gateway):
    gateway.submit("ops@shore.example.mil", ["a@shore.example.mil"], TEXT)


def test_a_handshake_that_stalls_ends_in_time(door):
    c = Raw(door.port)
    assert c.say(b"EHLO x").startswith(b"250 ")
    assert c.say(b"STARTTLS").startswith(b"220 ")
    implicit = Raw(door.tls_port, greeting=False)
    dripping = Raw(door.tls_port, greeting=False)
    assert sessions(door) == 3
    # The first octets of a ClientHello that never ends, one by one.
    for octet in b"\x16\x03\x01\x02\x00\x01\x00":
        try:
            dripping.socket.send(bytes([octet]))
        except OSError:
            break
        time.sleep(0.3)
    wait_for(lambda: sessions(door) == 0, 1, "all handshakes at an end")
    for s in (c, implicit, dripping):
        assert s.ended()
        s.close()
    still_serves(door)


def test_limits_of_sessions_hold_where_tls_comes_first(door):
    crowd = [Raw(door.tls_port, greeting=False) for _ in range(40)]
    wait_for(lambda: sessions(door) == 15, 1, "no more than one peer may have")
    assert sum(c.socket.fileno() >= 0 and c.ended() for c in crowd[15:]) == 25
    wait_for(lambda: sessions(door) == 0, 3, "those at an end too")
    # A line in a second, whoever knocks so often.
    assert 1 <= len(door.events("smtp.full")) <= 3
    for c in crowd:
        c.close()
    still_serves(door)


def test_who_reads_no_answer_is_left_in_time(door):
    c = Raw(door.port, rcvbuf=2048)
    before = memory_kib(door)
    c.socket.setblocking(False)
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        try:
            c.socket.send(b"NOOP\r\n" * 1000)
        except BlockingIOError:
            time.sleep(0.02)
    assert sessions(door) == 1
    wait_for(lambda: sessions(door) == 0, 5, "the deaf client is gone")
    assert memory_kib(door) - before < 8192
    c.close()
    still_serves(door)


SHORE, SHIP = 0x0a8e0001, 0x0a8e0002


def test_promises_of_messages_that_never_come_do_not_deafen():
    """As many as there is room for, as long as can be, until the year 2106."""
    with Fleet(1) as fleet:
        fleet.provoked = {"ack-unknown", "numbering"}
        ship = fleet["ship1"]
        station = Station(fleet.channel.port)
        for msid in range(1, 1201):
            station.send(address(msid, 65535, SHIP, 0xffffffff))
            if msid % 20 == 0:
                time.sleep(0.002)
        gauges = ship.status()["links"][0]["gauges"]
        assert gauges["rx_messages"] == 1024
        assert counters(ship)["busy"] >= 100
        time.sleep(3)  # twice the longest interval of Fleet.FAST
        fleet["shore"].submit("ops@shore.example.mil",
                              ["a@ship1.example.mil"], TEXT)
        fleet.sinks["ship1"].wait(1, 5)
        # And nobody works on what does not come.
        before = processor_s(ship)
        time.sleep(1)
        assert processor_s(ship) - before < 0.2
