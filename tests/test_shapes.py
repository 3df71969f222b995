"""Messages of every shape cross and arrive byte for byte."""
import glob
import os
import smtplib
import socket

from messages import generate
from muleteer import TOP, Fleet, crlf, strip_trace, wait_for

SENDER = "ops@shore.example.mil"


class Raw:
    """An SMTP dialogue octet by octet."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.file = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.file.readline()
            if line[3:4] != b"-":
                return line.decode().strip()

    def say(self, octets):
        self.socket.sendall(octets)
        return self.reply()


def corpus():
    """Real messages and generated ones: pairs of a name and the octets."""
    messages = generate()
    for f in sorted(glob.glob(os.path.join(TOP, "tests/corpus/*.eml"))):
        with open(f, "rb") as handle:
            content = crlf(handle.read().replace(b"\r", b""))
        if not content.endswith(b"\r\n"):
            content += b"\r\n"
        messages.append((os.path.basename(f), content))
    return messages


def test_the_corpus_arrives_as_it_was_sent():
    messages = corpus()
    assert len(messages) >= 200
    with Fleet(1, loss=0.02, seed=11) as fleet:
        with smtplib.SMTP("127.0.0.1", fleet["shore"].port) as s:
            for i, (_, content) in enumerate(messages):
                s.sendmail(SENDER, [f"m{i}@ship1.example.mil"], content,
                           ["BODY=8BITMIME"])
        kept = fleet.sinks["ship1"].wait(len(messages), 30)
        got = {rcpts[0]: strip_trace(c) for _, rcpts, c, _ in kept}
        assert len(kept) == len(got) == len(messages)
        # A message that begins with trace fields of its own loses them too.
        changed = [name for i, (name, c) in enumerate(messages)
                   if got[f"m{i}@ship1.example.mil"] != strip_trace(c)]
        assert changed == []


def test_odd_shapes_arrive_as_they_were_sent():
    shapes = [
        b"\r\n",
        b"\r\n\r\n",
        b"Subject: no body\r\n",
        b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n",
        b"Subject: 998\r\n\r\n" + b"x" * 998 + b"\r\n" + b"." * 998 + b"\r\n",
        b"X-Huge: " + b"\r\n\t".join([b"y" * 900] * 100) + b"\r\n\r\nbody\r\n",
        b"Subject: 8-bit\r\n\r\n" + bytes(range(128, 256)) + b"\r\n",
    ]
    with Fleet(1) as fleet:
        for shape in shapes:
            fleet["shore"].submit(SENDER, ["a@ship1.example.mil"], shape,
                                  ["BODY=8BITMIME"])
        got = fleet.sinks["ship1"].wait(len(shapes), 30)
        assert sorted(strip_trace(c) for _, _, c, _ in got) == sorted(shapes)


def test_binary_by_bdat_reaches_the_next_gateway_untouched():
    """A sink without BINARYMIME gets a bounce; the octets are shown to have
    crossed by the notification that brings them back."""
    binary = b"Subject: b\r\nMIME-Version: 1.0\r\n\r\n\x00\n\r\xff.\r\n.\r\n"
    with Fleet(1) as fleet:
        s = Raw(fleet["shore"].port)
        assert s.say(b"EHLO c.example\r\n").startswith("250")
        assert s.say(b"MAIL FROM:<ops@shore.example.mil> BODY=BINARYMIME "
                     b"RET=FULL\r\n").startswith("250")
        assert s.say(b"RCPT TO:<a@ship1.example.mil>\r\n").startswith("250")
        assert s.say(b"BDAT 10\r\n" + binary[:10]).startswith("250")
        assert s.say(b"BDAT %d LAST\r\n" % (len(binary) - 10)
                     + binary[10:]).startswith("250 2.0.0")
        (line,) = wait_for(lambda: fleet["ship1"].events("smtp.failed"), 30,
                           "the sink's lack of BINARYMIME")
        assert "status=5.6.3" in line
        assert "BODY=BINARYMIME" in fleet["ship1"].events("mule.received")[0]


def test_what_would_smuggle_is_refused_and_leaves_nothing():
    with Fleet(1) as fleet:
        for ending in (b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n"):
            s = Raw(fleet["shore"].port)
            s.say(b"EHLO c.example\r\n")
            s.say(b"MAIL FROM:<ops@shore.example.mil>\r\n")
            s.say(b"RCPT TO:<a@ship1.example.mil>\r\n")
            s.say(b"DATA\r\n")
            assert s.say(b"x" + ending + b"MAIL FROM:<e@x.example>\r\n"
                         ).startswith("521 5.5.2")
            assert s.file.read() == b""
        assert fleet["shore"].status()["queue"]["messages"] == 0
        assert fleet["shore"].status()["smtp"]["accepted"] == 0


def test_a_hundred_recipients_are_one_transmission():
    with Fleet(2) as fleet:
        to = [f"r{i}@ship{i % 2 + 1}.example.mil" for i in range(100)]
        fleet["shore"].submit(SENDER, to, b"Subject: all\r\n\r\nhands\r\n")
        for n in (1, 2):
            (_, rcpts, _, _), = fleet.sinks[f"ship{n}"].wait(1, 30)
            assert sorted(rcpts) == sorted(to[n - 1::2])
        wait_for(lambda: len(fleet["shore"].events("mule.relayed")) == 100,
                 30, "every recipient relayed")
        assert len(fleet["shore"].events("mule.sending")) == 1


def test_25_megabytes_cross():
    line = bytes(range(33, 127)) * 8 + b"\r\n"
    content = b"Subject: big\r\n\r\n" + line * (25 * 1000 * 1000 // len(line))
    link = Fleet.FAST.replace("bit_rate: 100000000", "bit_rate: 1000000000") \
        + "pdu_max: 16384\n"
    with Fleet(1, link=link) as fleet:
        fleet["shore"].submit(SENDER, ["a@ship1.example.mil"], content)
        (_, _, got, _), = fleet.sinks["ship1"].wait(1, 120)
        assert strip_trace(got) == content
