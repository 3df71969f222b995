"""A disk that gets full: what is refused and held back, and that all of it
goes on when there is room again.  The disk is a small tmpfs of our own."""
import os
import smtplib
import subprocess

import pytest

from muleteer import Fleet, wait_for

MIB = 1024 * 1024
CONTENT = b"Subject: a\r\n\r\n" + b"x" * 40 + b"\r\n"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a tmpfs")


class SmallDisk(Fleet):
    """ship1's queue is on a disk of 24 MiB, of which 4 are the reserve."""

    def __init__(self):
        super().__init__(1)
        ship = self["ship1"]
        with open(ship.config, encoding="utf-8") as f:
            text = f.read().replace(
                "  state_dir:", "  disk_reserve: 4MiB\n  state_dir:")
        with open(ship.config, "w", encoding="utf-8") as f:
            f.write(text)
        os.makedirs(ship.state, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "none",
                        ship.state], check=True)
        self.filler = os.path.join(ship.state, "filler")

    def leave(self, octets):
        """So much room, taken for real."""
        if os.path.exists(self.filler):
            os.unlink(self.filler)
        s = os.statvfs(self["ship1"].state)
        with open(self.filler, "wb") as f:
            left = s.f_bavail * s.f_frsize - octets
            while left > 0:
                left -= f.write(b"\0" * min(left, MIB))

    def stop(self):
        codes = super().stop()
        subprocess.run(["umount", self["ship1"].state], check=True)
        return codes


def level(gateway, name):
    wait_for(lambda: gateway.status()["queue"]["room"] == name, 10,
             f"room: {name}")


def reply(gateway, size=None):
    with smtplib.SMTP("127.0.0.1", gateway.port, timeout=20) as s:
        s.ehlo("client.example")
        return s.mail("alice@shore.example.mil",
                      [f"SIZE={size}"] if size else [])


def test_mail_is_refused_before_the_disk_is_full_and_taken_afterwards():
    with SmallDisk() as fleet:
        ship = fleet["ship1"]
        level(ship, "ample")
        # No room for this one, and room for others.
        assert reply(ship, 21 * MIB)[0] == 452
        assert reply(ship, 10 * MIB)[0] == 250
        fleet.leave(3 * MIB)
        level(ship, "none")
        code, text = reply(ship)
        assert code == 452 and text.startswith(b"4.3.1")
        # What has been promised is still kept.
        assert ship.status()["queue"]["free"] > 2 * MIB
        fleet.leave(15 * MIB)
        level(ship, "ample")
        ship.submit("alice@shore.example.mil", ["bob@ship1.example.mil"],
                    CONTENT)
        fleet.sinks["ship1"].wait(1, 20)
        lines = ship.events("queue.room")
        assert "level=none" in " ".join(lines)
        assert "level=ample" in lines[-1]


def test_content_that_comes_when_the_room_has_gone_is_refused():
    with SmallDisk() as fleet:
        ship = fleet["ship1"]
        with smtplib.SMTP("127.0.0.1", ship.port, timeout=20) as s:
            s.ehlo("client.example")
            s.mail("alice@shore.example.mil")
            s.rcpt("bob@ship1.example.mil")
            fleet.leave(3 * MIB)
            level(ship, "none")
            code, text = s.data(CONTENT)
            assert code == 452 and text.startswith(b"4.3.1")
        assert ship.status()["queue"]["messages"] == 0


def test_radio_is_not_acknowledged_before_mail_is_refused():
    with SmallDisk() as fleet:
        shore, ship = fleet["shore"], fleet["ship1"]
        fleet.leave(6 * MIB)
        level(ship, "no-radio")
        shore.submit("alice@shore.example.mil", ["bob@ship1.example.mil"],
                     CONTENT)

        def whole():
            (link,) = ship.status()["links"]
            return [r["have"] == r["total"] for r in link["receiving"]] \
                == [True]
        wait_for(whole, 20, "all of the message")
        # SMTP still gets through.
        ship.submit("alice@ship1.example.mil", ["carol@ship1.example.mil"],
                    CONTENT)
        fleet.sinks["ship1"].wait(1, 20)
        assert not ship.events("mule.received")
        assert not ship.events("mule.commit")
        assert not shore.events("mule.relayed")
        assert shore.status()["queue"]["recipients"] == 1
        fleet.leave(15 * MIB)
        wait_for(lambda: shore.events("mule.relayed"), 30, "the Ack")
        fleet.sinks["ship1"].wait(2, 20)
        assert shore.status()["queue"]["recipients"] == 0


def test_restart_on_a_full_disk_keeps_what_is_in_the_queue():
    with SmallDisk() as fleet:
        ship = fleet["ship1"]
        fleet.sinks["ship1"].stop()
        ship.submit("alice@shore.example.mil", ["bob@ship1.example.mil"],
                    CONTENT)
        fleet.leave(3 * MIB)
        assert ship.stop() == 0
        ship.start()
        assert ship.status()["queue"]["room"] == "none"
        assert reply(ship)[0] == 452
        assert ship.status()["queue"]["recipients"] == 1
