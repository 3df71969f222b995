"""More than is good: sessions without end, clients that hardly speak or never
listen, a message forty times too big.  Others are served meanwhile, memory
stays, and every refusal is counted."""
import contextlib
import os
import resource
import socket
import threading
import time

import pytest

from muleteer import Fleet, crlf, wait_for
from test_door import edit

TEXT = crlf(b"Subject: among many\n\nText.\n")
SESSIONS = 2000
MIB = 1 << 20


@pytest.fixture(name="door")
def make_door():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limits[1] >= 3 * SESSIONS, "raise the hard limit of descriptors"
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    with Fleet(1, smtp=f"timeout: 3s\nmax_sessions: {SESSIONS}\n"
                       f"max_sessions_per_peer: {SESSIONS}\n") as fleet:
        yield fleet["shore"]
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def memory(gateway):
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as f:
        return int(f.read().split("VmRSS:")[1].split()[0]) * 1024


def numbers(gateway):
    return gateway.status()["smtp"]


def serves(gateway):
    accepted = numbers(gateway)["accepted"]
    begin = time.monotonic()
    gateway.submit("o@shore.example.mil", ["a@shore.example.mil"], TEXT)
    assert numbers(gateway)["accepted"] == accepted + 1
    return time.monotonic() - begin


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.file = self.socket.makefile("rb")
        self.greeting = self.file.readline()

    def reply(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return line

    def say(self, line):
        self.socket.sendall(line + b"\r\n")
        return self.reply()

    def begin(self):
        assert self.say(b"EHLO x").startswith(b"250 ")
        assert self.say(b"MAIL FROM:<o@shore.example.mil>")[:3] == b"250"
        assert self.say(b"RCPT TO:<a@shore.example.mil>")[:3] == b"250"

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.file.close()
        self.socket.close()


def test_two_thousand_that_say_nothing(door):
    """One place is left for others, and then none."""
    before = memory(door)
    with contextlib.ExitStack() as stack:
        # They come and stay at once: the timeout counts from the first.
        idle = [stack.enter_context(Client(door.port))
                for _ in range(SESSIONS - 1)]
        assert {c.greeting[:4] for c in idle} == {b"220 "}
        assert numbers(door)["sessions_in"] == SESSIONS - 1
        serves(door)
        # What a session needs: some 20 KB, under sanitizers more.
        assert memory(door) - before < 200 * MIB
        with Client(door.port):
            with Client(door.port) as refused:
                assert refused.greeting.startswith(b"421 ")
            (line,) = door.events("smtp.full")
            assert f"sessions={SESSIONS + 1} total=1" in line
        for c in idle:
            assert c.reply().startswith(b"421 ")
    wait_for(lambda: numbers(door)["sessions_in"] == 0, 10, "all gone")
    serves(door)


def test_who_dribbles_is_left_in_time(door):
    """One octet now and then is no command: the time is for the whole line."""
    ends = []

    def dribble(client, line):
        begin = time.monotonic()
        for octet in line * 1000:
            try:
                client.socket.sendall(bytes([octet]))
            except OSError:
                break
            time.sleep(0.2)
        ends.append((time.monotonic() - begin, client.reply()))

    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(door.port)) for _ in range(20)]
        threads = [threading.Thread(target=dribble, args=(c, b"EHLO"))
                   for c in clients]
        for t in threads:
            t.start()
        assert serves(door) < 2
        for t in threads:
            t.join(20)
    assert len(ends) == 20
    for seconds, reply in ends:
        assert seconds > 2
        assert reply == b"" or reply.startswith(b"421 ")


def test_who_speaks_slowly_in_whole_commands_is_heard(door):
    with Client(door.port) as c:
        for _ in range(5):
            time.sleep(1)
            assert c.say(b"NOOP").startswith(b"250 ")
        c.begin()
        assert c.say(b"DATA").startswith(b"354 ")
        for octet in b"slowly":
            time.sleep(1)
            c.socket.sendall(bytes([octet]))
        assert c.say(b"\r\n.").startswith(b"250 ")


def test_who_never_listens_fills_nothing(door):
    before = memory(door)
    with Client(door.port) as c:
        c.socket.settimeout(1)
        with pytest.raises(OSError):
            while True:
                c.socket.sendall(b"NOOP\r\n" * 10000)
        serves(door)
        assert memory(door) - before < 16 * MIB
        wait_for(lambda: numbers(door)["sessions_in"] == 0, 10, "it is gone")


def test_nobody_relays_who_may_not(door):
    edit(door, f'"127.0.0.1:{door.port}"', f'"127.0.0.1:{door.port}", '
         'allow: ["10.0.0.0/8"]')
    door.stop()
    door.start()
    refused = numbers(door)["rejected"]
    tries = [b"x@elsewhere.example", b"x%elsewhere.example@elsewhere.example",
             b"@shore.example.mil:x@elsewhere.example",
             b'"x@elsewhere.example"@ship9.example', b"x@[127.0.0.1]",
             b"bob@ship1.example.mil"]
    with Client(door.port) as c:
        assert c.say(b"EHLO x").startswith(b"250 ")
        for to in tries:
            assert c.say(b"MAIL FROM:<o@shore.example.mil>")[:3] == b"250"
            assert c.say(b"RCPT TO:<" + to + b">")[:3] in (b"550", b"553",
                                                           b"554"), to
            assert c.say(b"RSET").startswith(b"250 ")
    assert numbers(door)["rejected"] == refused + len(tries)
    assert door.status()["queue"]["messages"] == 0


def test_a_gibibyte_for_a_limit_of_25_mebibytes(door):
    before, refused = memory(door), numbers(door)["rejected"]
    block = (b"x" * 998 + b"\r\n") * 1000
    with Client(door.port) as c:
        assert c.say(b"EHLO x").startswith(b"250 ")
        assert c.say(b"MAIL FROM:<o@shore.example.mil> SIZE=1073741824"
                     ).startswith(b"552 ")
        assert c.say(b"MAIL FROM:<o@shore.example.mil>")[:3] == b"250"
        assert c.say(b"RCPT TO:<a@shore.example.mil>")[:3] == b"250"
        assert c.say(b"DATA").startswith(b"354 ")
        most = disk = 0
        for i in range(1074):
            c.socket.sendall(block)
            if i % 100 == 0:
                most = max(most, memory(door))
                disk = max(disk, used(door.state))
                serves(door)
        assert c.say(b".").startswith(b"552 ")
    assert most - before < 32 * MIB
    assert disk < 40 * MIB
    assert numbers(door)["rejected"] > refused
    wait_for(lambda: used(door.state) < 12 * MIB, 10, "nothing is left")


def used(directory):
    total = 0
    for top, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(os.path.join(top, name)).st_size
    return total
