"""SMTP smuggling: one message in, at most one out, whatever the line endings.

By SMTP shore refuses all of these by DATA (521) and by plain BDAT (554), and
what comes as BINARYMIME without a word about its encoding is reported as
undeliverable: none of it gets as far as the server behind ship1.  By radio they come from a node that does not check,
and is believed or not.  After each an ordinary message must arrive, and nothing
else.
"""
import os
import re
import smtplib

import pytest

from mta import SERVERS
from muleteer import Fleet, wait_for
from station import Station, mule_payload

ENDINGS = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
           b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n\r.\n\r", b"\n\r.\r\n",
           b"\r\r\n.\r\r\n", b"\r\n.\r\r\n", b"\r\n..\n", b"\n..\r\n"]
# These have to be stuffed, and nothing else is to be done about them.
HONEST = [b"\r\n.\r\n", b"\r\n..\r\n.\r\n"]
EVIL = (b"MAIL FROM:<evil@shore.example.mil>\r\nRCPT TO:<b@ship1.example.mil>"
        b"\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n")
# What follows the first line: to end it wrongly, or the whole message.
EVILS = [e + EVIL for e in ENDINGS] + [b"\r", b"\n", b"\r\n.\r", b"\0"]
GOODS = [e + EVIL for e in HONEST]
SENDER, TO = "ops@shore.example.mil", "a@ship1.example.mil"
SHIP = 0x0a8e0002


class World:
    """Two gateways, and a mail server behind the second."""

    def __init__(self, kind, directory):
        os.makedirs(directory / "fleet")
        self.fleet = Fleet(1, directory=str(directory / "fleet"))
        # The station gives all its messages one number.
        self.fleet.provoked = {"numbering"}
        self.shore, self.ship = self.fleet["shore"], self.fleet["ship1"]
        self.reports = self.fleet.sinks["shore"]
        self.far = SERVERS[kind](str(directory), "ship1.example.mil",
                                 self.ship.port)
        with open(self.ship.config, encoding="utf-8") as f:
            text = f.read()
        with open(self.ship.config, "w", encoding="utf-8") as f:
            f.write(text.replace(
                f'"127.0.0.1:{self.fleet.sinks["ship1"].port}"',
                f'"127.0.0.1:{self.far.port}"'))

    def control(self, word):
        self.shore.submit(SENDER, [TO], b"Subject: " + word
                          + b"\r\n\r\nText.\r\n")

    def count(self):
        return len(self.far.mail("a")) + self.reports.count()

    def settle(self, n):
        """Wait for so many messages and reports in all, and their end."""
        wait_for(lambda: self.count() >= n and all(
            g.status()["queue"]["messages"] == 0
            for g in (self.shore, self.ship)), 30, "all delivered or reported")

    def subjects(self):
        """All Subject fields there, be they in a header or not."""
        return [line[9:] for m in self.far.mail("a") for line in m.splitlines()
                if line.startswith(b"Subject: ")]


@pytest.fixture(scope="module", params=list(SERVERS))
def world(request, tmp_path_factory):
    w = World(request.param, tmp_path_factory.mktemp("smuggling"))
    try:
        w.far.start()
        with w.fleet:
            yield w
    finally:
        w.far.stop()


def content(word, rest):
    return b"Subject: " + word + b"\r\n\r\nfirst" + rest


def offer(port, text, how):
    """The reply to one message: it may be refused at any stage."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as s:
        s.ehlo("client.example")
        s.mail(SENDER, ["BODY=BINARYMIME"] if how == "binary" else [])
        s.rcpt(TO)
        if how == "data":
            assert s.docmd("DATA")[0] == 354
            # A real client stuffs dots only after CRLF; the sequence itself
            # is left as it is.
            s.send(text + b"\r\n.\r\n")
        else:
            s.send(b"BDAT %d LAST\r\n" % len(text) + text)
        return s.getreply()[0]


def test_by_smtp_one_in_at_most_one_out(world):
    accepted = 0
    before, mail, reports = (world.subjects(), len(world.far.mail("a")),
                             world.reports.count())
    controls = []
    for how in ("data", "bdat", "binary"):
        for i, rest in enumerate(EVILS):
            code = offer(world.shore.port, content(b"case %d" % i, rest), how)
            # Only what is declared binary may hold these.
            assert code == {"data": 521, "bdat": 554,
                            "binary": 250}[how], (how, rest)
            accepted += code == 250
            controls.append(f"control {how} {i}".encode())
            world.control(controls[-1])
    world.settle(mail + len(controls) + reports + accepted)
    assert sorted(world.subjects()) == sorted(before + controls)
    assert not world.far.mail("b"), "a message was smuggled"
    assert world.reports.count() == reports + accepted


# What the sender declares, the first MSID, and why it is not passed on: the
# content belies the declaration, or the next server takes no such thing.
@pytest.mark.parametrize("body,msid,why", [
    ("", 1000, b"5.6.0"), (" BODY=8BITMIME", 2000, b"5.6.0"),
    (" BODY=BINARYMIME", 3000, b"5.6.3")])
def test_by_radio_one_in_one_out(world, body, msid, why):
    mail, reports, before = (len(world.far.mail("a")), world.reports.count(),
                             world.count())
    station = Station(world.fleet.channel.port)
    word = b"air %d" % msid
    for i, rest in enumerate(EVILS + GOODS):
        station.send_message(msid + i, SHIP, mule_payload(
            f"<{SENDER}>{body}", [f"<{TO}>"],
            content(b"%s %d." % (word, i), rest)))
        station.receive()
    world.settle(before + len(EVILS + GOODS))
    world.control(b"control %d" % msid)
    world.settle(before + len(EVILS + GOODS) + 1)
    # Of each either the message, as it was, or a report with its header.
    found = {}
    for m in world.far.mail("a")[mail:]:
        head, text = m.split(b"\n\n", 1)
        subject = re.search(rb"(?m)^Subject: (.*)$", head).group(1)
        found.setdefault(subject, []).append(text.rstrip(b"\n"))
    for m in world.reports.messages[reports:]:
        assert m[:2] == ("<>", [SENDER])
        subject = re.search(rb"(?m)^Subject: (air .*)\r$", m[2]).group(1)
        assert b"\r\nStatus: " + why + b"\r\n" in m[2]
        found.setdefault(subject, []).append(None)
    expected = {b"control %d" % msid: [b"Text."]}
    for i, rest in enumerate(EVILS + GOODS):
        text = b"first" + rest
        expected[b"%s %d." % (word, i)] = [
            text.replace(b"\r\n", b"\n").rstrip(b"\n")
            if rest in GOODS else None]
    assert found == expected
    assert not world.far.mail("b"), "a message was smuggled"
