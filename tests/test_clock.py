"""A wall clock that has jumped by ten years between two lives of the daemon:
nothing expires early, nothing is lost.  libfaketime gives the daemon another
clock; the monotonic one stays."""
import glob

import pytest

from muleteer import Fleet, wait_for

CONTENT = b"Subject: a\r\n\r\nhello\r\n"

# The program of that name would take the signals that are for muled.
FAKETIME = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), None)

pytestmark = pytest.mark.skipif(FAKETIME is None, reason="needs faketime")


def restart(gateway, offset):
    assert gateway.stop() == 0
    muled = gateway.args[gateway.args.index("-c") - 1:]
    gateway.args = muled if offset is None else [
        "env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME={offset}",
        "FAKETIME_DONT_FAKE_MONOTONIC=1", *muled]
    gateway.start()


@pytest.mark.parametrize("offset", ["+10y", "-10y"])
def test_mail_survives_a_jump_of_the_clock_and_its_end(offset):
    with Fleet(1, smtp="retry_first: 1s\nretry_max: 2s") as fleet:
        shore, ship = fleet["shore"], fleet["ship1"]
        fleet.sinks["ship1"].stop()
        ship.submit("alice@shore.example.mil", ["bob@ship1.example.mil"],
                    CONTENT)
        wait_for(lambda: ship.events("smtp.unreachable"), 20, "an attempt")
        shore.submit("alice@shore.example.mil", ["bob@shore.example.mil"],
                     CONTENT)
        fleet.sinks["shore"].wait(1, 20)
        for jump in (offset, None, offset):
            before = len(ship.events("smtp.unreachable"))
            restart(ship, jump)
            assert ship.status()["queue"]["recipients"] == 1
            # Not waiting for ten years, either: it is tried again.
            wait_for(lambda: len(ship.events("smtp.unreachable")) > before,
                     40, "another attempt")
        assert len([x for x in ship.events("queue.warning")
                    if "clock has jumped" in x]) == 3
        assert not ship.events("smtp.failed")
        assert not ship.events("notify.sent")


@pytest.mark.parametrize("offset", ["+10y", "-10y"])
def test_transmission_survives_a_jump_of_its_senders_clock(offset):
    with Fleet(1) as fleet:
        shore, ship = fleet["shore"], fleet["ship1"]
        assert ship.stop() == 0
        shore.submit("alice@shore.example.mil", ["bob@ship1.example.mil"],
                     CONTENT)
        wait_for(lambda: shore.events("mule.sending"), 20, "a transmission")
        restart(shore, offset)
        assert shore.status()["queue"]["transmissions"] == 1
        restart(shore, None)
        ship.start()
        fleet.sinks["ship1"].wait(1, 20)
        wait_for(lambda: shore.events("mule.relayed"), 20, "the Ack")
        assert not shore.events("mule.failed")
