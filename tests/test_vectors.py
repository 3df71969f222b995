"""The vectors of test-vectors/ that no unit test reads: reports by the strict
checker, dialogues with a gateway that runs."""
import glob
import os
import socket

import pytest

import dsn_check
from muleteer import TOP, Fleet, wait_for

VECTORS = os.path.join(TOP, "test-vectors")


def names(kind, end):
    found = sorted(glob.glob(os.path.join(VECTORS, kind, "*" + end)))
    assert found
    return [os.path.basename(f)[:-len(end)] for f in found]


def text_of(kind, name):
    with open(os.path.join(VECTORS, kind, name + ".txt"),
              encoding="utf-8") as f:
        return f.read()


def test_every_vector_says_what_it_is():
    for kind in os.listdir(VECTORS):
        directory = os.path.join(VECTORS, kind)
        if not os.path.isdir(directory):
            continue
        for name in os.listdir(directory):
            stem = os.path.splitext(name)[0].removesuffix("-internet")
            text = text_of(kind, stem)
            assert "Origin: " in text, (kind, name)


@pytest.mark.parametrize("name", names("dsn", ".eml"))
def test_reports_are_what_they_say(name):
    with open(os.path.join(VECTORS, "dsn", name + ".eml"), "rb") as f:
        content = f.read()
    (want,) = [line[10:] for line in text_of("dsn", name).splitlines()
               if line.startswith("Expected: ")]
    assert name.startswith("bad-") == (want != "accepted")
    try:
        dsn_check.check(content)
        got = "accepted"
    except dsn_check.Bad as e:
        got = str(e)
    assert got == want


class Session:
    """One dialogue, line by line."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.data = b""

    def reply(self):
        """The first line of the next reply, its others read and dropped."""
        first = None
        while True:
            while b"\r\n" not in self.data:
                more = self.socket.recv(65536)
                assert more, f"closed after {first}"
                self.data += more
            line, self.data = self.data.split(b"\r\n", 1)
            first = first or line.decode()
            if line[3:4] != b"-":
                return first

    def say(self, text, end=b"\r\n"):
        self.socket.sendall(
            text.replace("\\r", "\r").replace("\\n", "\n").encode() + end)


@pytest.fixture(name="fleet", scope="module")
def one_gateway():
    with Fleet(0, smtp="retry_first: 1s") as fleet:
        yield fleet


def talk(port, script):
    """The messages it ought to leave."""
    session, accepted, content = Session(port), 0, False
    for line in script.splitlines():
        if line.startswith("C: "):
            session.say(line[3:])
        elif line.startswith("C+ "):
            session.say(line[3:], b"")
        elif line.startswith("S: "):
            got = session.reply()
            assert got.startswith(line[3:]), (line, got)
            accepted += got.startswith("250 2.0.0 Queued")
        else:
            assert line.startswith("#") and not content, line
    session.socket.settimeout(10)
    return session, accepted


@pytest.mark.parametrize("name", names("smtp", ".txt"))
def test_dialogues_go_as_written(name, fleet):
    before = fleet.sinks["shore"].count()
    session, accepted = talk(fleet["shore"].port, text_of("smtp", name))
    with session.socket as s:
        # Every dialogue ends with the session.
        assert session.data == b"" and s.recv(1) == b""
    wait_for(lambda: fleet.sinks["shore"].count() >= before + accepted, 10,
             "what was accepted")
    assert fleet.sinks["shore"].count() == before + accepted
