"""SMTP smuggling: one message in, at most one out, whatever the line endings.

Today shore refuses all of these by DATA (521) and by plain BDAT (554), and what
comes as BINARYMIME is reported as undeliverable: none of it gets as far as the
server behind ship1.  After each an ordinary message must arrive, and nothing
else.  A payload made by hand for ship1 is not tried here.
"""
import os
import smtplib

import pytest

from mta import SERVERS
from muleteer import Fleet, wait_for

ENDINGS = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
           b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\n\r.\n\r", b"\n\r.\r\n",
           b"\r\r\n.\r\r\n", b"\r\n.\r\r\n", b"\r\n..\n", b"\n..\r\n"]
EVIL = (b"MAIL FROM:<evil@shore.example.mil>\r\nRCPT TO:<b@ship1.example.mil>"
        b"\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n")


def content(i, ending):
    return b"Subject: case %d\r\n\r\nfirst" % i + ending + EVIL


def offer(port, i, ending, how):
    """The reply to one message: it may be refused at any stage."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as s:
        s.ehlo("client.example")
        s.mail("ops@shore.example.mil",
               ["BODY=BINARYMIME"] if how == "binary" else [])
        s.rcpt("a@ship1.example.mil")
        text = content(i, ending)
        if how == "data":
            assert s.docmd("DATA")[0] == 354
            # A real client stuffs dots only after CRLF; the sequence itself
            # is left as it is.
            s.send(text + b"\r\n.\r\n")
        else:
            s.send(b"BDAT %d LAST\r\n" % len(text) + text)
        return s.getreply()[0]


@pytest.mark.parametrize("kind", list(SERVERS))
def test_one_in_at_most_one_out(kind, tmp_path):
    os.makedirs(tmp_path / "fleet")
    fleet = Fleet(1, directory=str(tmp_path / "fleet"))
    far = SERVERS[kind](str(tmp_path), "ship1.example.mil",
                        fleet["ship1"].port)
    ship = fleet["ship1"].config
    with open(ship, encoding="utf-8") as f:
        text = f.read()
    with open(ship, "w", encoding="utf-8") as f:
        f.write(text.replace(f'"127.0.0.1:{fleet.sinks["ship1"].port}"',
                             f'"127.0.0.1:{far.port}"'))
    accepted = 0
    controls = []
    try:
        far.start()
        with fleet:
            for how in ("data", "bdat", "binary"):
                for i, ending in enumerate(ENDINGS):
                    code = offer(fleet["shore"].port, i, ending, how)
                    # Only what is declared binary may hold these.
                    assert code == {"data": 521, "bdat": 554,
                                    "binary": 250}[how], (how, ending)
                    accepted += code == 250
                    controls.append(f"control {how} {i}".encode())
                    fleet["shore"].submit(
                        "ops@shore.example.mil", ["a@ship1.example.mil"],
                        b"Subject: " + controls[-1] + b"\r\n\r\nText.\r\n")
            wait_for(lambda: len(far.mail("a")) + fleet.sinks["shore"].count()
                     >= accepted + len(controls) and
                     fleet["ship1"].status()["queue"]["messages"] == 0, 30,
                     "all delivered or reported")
            subjects = [line[9:] for m in far.mail("a")
                        for line in m.splitlines()
                        if line.startswith(b"Subject: ")]
            assert sorted(subjects) == sorted(controls)
            assert not far.mail("b"), "a message was smuggled"
            assert fleet.sinks["shore"].count() == accepted
    finally:
        far.stop()
