"""What strangers try from outside: the door, the radio, the operator's socket.

Each attack is followed by a look at the gateway: that it still serves others,
and has not grown, spun or kept what nobody needs.
"""
import os
import resource
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


def crowd(port, n):
    """n connections that say nothing; some may be turned away."""
    found = []
    for _ in range(n):
        s = socket.socket()
        s.settimeout(0.05)
        s.connect_ex(("127.0.0.1", port))
        found.append(s)
    return found


def test_without_memory_for_a_connection_others_are_served_later(door):
    with open(f"/proc/{door.process.pid}/status", encoding="ascii") as f:
        size = int(f.read().split("VmSize:")[1].split()[0]) * 1024
    if size > 1 << 40:
        pytest.skip("a sanitizer takes the whole address space")
    edit(door, "max_sessions: 20", "max_sessions: 2000")
    edit(door, "max_sessions_per_peer: 15", "max_sessions_per_peer: 2000")
    edit(door, "timeout: 1s", "timeout: 20s")
    door.stop()
    door.start()
    still_serves(door)  # its threads are there
    time.sleep(1.5)
    with open(f"/proc/{door.process.pid}/status", encoding="ascii") as f:
        size = int(f.read().split("VmSize:")[1].split()[0]) * 1024
    unlimited = resource.prlimit(
        door.process.pid, resource.RLIMIT_AS,
        (size + 2000000, resource.RLIM_INFINITY))
    many = crowd(door.port, 120)
    wait_for(lambda: door.events("smtp.accept"), 5, "memory ran out")
    for s in many:
        s.close()
    resource.prlimit(door.process.pid, resource.RLIMIT_AS, unlimited)
    still_serves(door)
    assert len(door.events("smtp.accept")) <= 10


def test_without_descriptors_nothing_spins_and_nothing_is_lost(door):
    edit(door, "max_sessions: 20", "max_sessions: 2000")
    edit(door, "max_sessions_per_peer: 15", "max_sessions_per_peer: 2000")
    edit(door, "timeout: 1s", "timeout: 20s")
    door.stop()
    door.start()
    first = Raw(door.port)
    used = len(os.listdir(f"/proc/{door.process.pid}/fd"))
    resource.prlimit(door.process.pid, resource.RLIMIT_NOFILE,
                     (used + 10,
                      resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    many = crowd(door.port, 100)
    before = processor_s(door)
    time.sleep(1)
    assert processor_s(door) - before < 0.2
    # A session that was there first goes on, and hears no false promise.
    assert first.say(b"EHLO x").startswith(b"250 ")
    assert first.say(b"MAIL FROM:<o@shore.example.mil>").startswith(b"250 ")
    assert first.say(b"RCPT TO:<a@shore.example.mil>").startswith(b"250 ")
    assert first.say(b"DATA").startswith(b"354 ")
    assert first.say((b"x" * 70 + b"\r\n") * 800 + b".")[:3] in (
        b"250", b"451", b"452")
    for s in many:
        s.close()
    wait_for(lambda: sessions(door) == 1, 5, "the crowd is gone")
    still_serves(door)
    first.close()


def test_ten_thousand_recipients_and_a_hundred_megabytes(door):
    c = Raw(door.port)
    assert c.say(b"EHLO x").startswith(b"250 ")
    before = memory_kib(door)
    c.socket.sendall(b"MAIL FROM:<o@shore.example.mil>\r\n" + b"".join(
        b"RCPT TO:<u%d@shore.example.mil>\r\n" % i for i in range(10000)))
    replies = [c.reply()[:3] for _ in range(101)]
    assert replies == [b"250"] * 101  # max_recipients: 100
    assert {c.reply()[:3] for _ in range(15)} <= {b"452", b"421", b""}
    c.close()
    c = Raw(door.port)
    try:  # not one end of a line
        for _ in range(100):
            c.socket.sendall(b"x" * (1 << 20))
        pytest.fail("took 100 MB without a line end")
    except OSError:
        pass
    c.close()
    assert memory_kib(door) - before < 16384
    still_serves(door)


def test_a_connection_cut_in_any_state_leaves_nothing(door):
    dialogue = [b"EHLO x\r\n", b"MAIL FROM:<o@shore.example.mil>\r\n",
                b"RCPT TO:<a@shore.example.mil>\r\n"]
    ends = [[], [b"DATA\r\n"], [b"DATA\r\n", b"Subject: half"],
            [b"BDAT 1000\r\n" + b"x" * 500], [b"BDAT 5\r\nhello"],
            [b"BDAT 99999999999999999999\r\n"], [b"BDAT 60000 LAST\r\nxx"]]
    for end in ends:
        for hard in (False, True):
            c = Raw(door.port)
            for part in dialogue + end:
                c.socket.sendall(part)
            if hard:  # RST
                c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                    b"\1\0\0\0\0\0\0\0")
            else:
                c.socket.shutdown(socket.SHUT_WR)
            c.close()
    wait_for(lambda: sessions(door) == 0, 3, "all gone")
    assert door.status()["queue"]["messages"] == 0
    assert os.listdir(os.path.join(door.state, "tmp")) == []
    still_serves(door)


def test_names_write_no_lines_of_their_own_into_the_log(door):
    c = Raw(door.port)
    for line in (b"EHLO a\x1b[2Jb", b"EHLO x\"y", b"EHLO \xff\xfe",
                 b"HELO " + b"h" * 400, b"EHLO fine",
                 b"MAIL FROM:<\x1b[31m@x.example>",
                 b"MAIL FROM:<o@shore.example.mil>",
                 b'RCPT TO:<"a\\\x1b b\\" to=x"@nowhere.example>',
                 b"RCPT TO:<a@no\x07where.example>"):
        c.say(line)
    c.close()
    wait_for(lambda: sessions(door) == 0, 3, "gone")
    with open(door.log, "rb") as f:
        log = f.read()
    assert all(b == 10 or 32 <= b < 127 for b in log)
    assert all(line.startswith(b"<") for line in log.splitlines())


def test_the_operators_socket_takes_no_rubbish(door):
    path = os.path.join(door.state, "control.sock")

    def connect():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(5)
        s.connect(path)
        return s

    for rubbish in (b"x" * 5000, b"[" * 4000 + b"\n", b"\0\n", b"\xff" * 9,
                    b'{"cmd":1}\n', b'{"cmd":"queue.list","limit":-1}\n',
                    b'{"cmd":"status","cmd":"emcon"}\n', b"\n" * 4000):
        with connect() as s:
            try:
                s.sendall(rubbish)
                s.shutdown(socket.SHUT_WR)
                while s.recv(65536):
                    pass
            except OSError:
                pass
    # Who asks and does not listen is asked to wait, and nothing grows.
    before = memory_kib(door)
    with connect() as s:
        s.settimeout(0.5)
        try:
            for _ in range(2000):
                s.sendall(b'{"cmd":"status"}\n' * 200)
        except OSError:
            pass
        assert memory_kib(door) - before < 8192
        assert door.status()["hostname"]


def test_operators_sockets_that_stay_lock_nobody_out(door):
    path = os.path.join(door.state, "control.sock")
    idle = []
    for _ in range(200):
        s = socket.socket(socket.AF_UNIX)
        s.connect(path)
        s.settimeout(5)
        idle.append(s)
        # Whoever asks something is served, however many say nothing.
        if len(idle) % 50 == 0:
            assert door.status()["hostname"]
    assert idle[0].recv(1) == b""  # the first made room
    for s in idle:
        s.close()
    assert door.status()["hostname"]
