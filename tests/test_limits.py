"""What a link takes, by the priority of the message."""
import os

from muleteer import Fleet, strip_trace, wait_for

SENDER = "ops@shore.example.mil"
LINK = Fleet.FAST + """priorities:
  - {priority: -9..-1, max_message_size: 2KiB}
  - {priority: 4..9, lifetime: 2s}
"""


def text(subject, size):
    plain = bytes.maketrans(b"\0\r\n.", b"xyzw")
    return b"Subject: %s\r\n\r\n" % subject + b"".join(
        os.urandom(64).translate(plain) + b"\r\n" for _ in range(size // 66))


def submit(fleet, content, priority):
    fleet["shore"].submit(SENDER, ["a@ship1.example.mil"], content,
                          ["BODY=8BITMIME", f"MT-PRIORITY={priority}"])


def test_message_too_big_for_its_priority_comes_back():
    with Fleet(1, link=LINK) as fleet:
        small, big = text(b"small", 1000), text(b"big", 6000)
        submit(fleet, big, -4)
        (_, _, bounce, _), = fleet.sinks["shore"].wait(1, 20)
        assert b"Action: failed" in bounce
        assert b"Status: 5.3.4" in bounce
        (line,) = fleet["shore"].events("mule.refused")
        assert "to=\"<a@ship1.example.mil>\" link=hf1" in line
        # The same at another priority, and one that fits.
        submit(fleet, big, 0)
        submit(fleet, small, -4)
        got = [strip_trace(c) for _, _, c, _ in
               fleet.sinks["ship1"].wait(2, 20)]
        assert sorted(got) == sorted([small, big])
        wait_for(lambda: fleet["shore"].status()["queue"]["messages"] == 0,
                 20, "nothing left")


def test_urgent_message_is_given_up_early():
    with Fleet(1, link=LINK) as fleet:
        fleet["shore"].ask(cmd="emcon.set", link="hf1", on=True)
        submit(fleet, text(b"routine", 500), 0)
        submit(fleet, text(b"flash", 500), 6)
        (_, _, bounce, _), = fleet.sinks["shore"].wait(1, 20)
        assert b"Status: 4.4.7" in bounce
        assert b"Subject: flash" in bounce
        fleet["shore"].ask(cmd="emcon.set", link="hf1", on=False)
        (_, _, content, _), = fleet.sinks["ship1"].wait(1, 20)
        assert b"Subject: routine" in content
