"""What an operator does to the queue: hold, release, delete, retry, redirect,
expire; by mulectl, on running gateways."""
import os
import subprocess
import time

import pytest

from air import Air, DISCARD
from muleteer import BUILD, Fleet, Sink, wait_for

CONTENT = b"Subject: a\r\n\r\nhello\r\n"
SLOW = "retry_first: 1h\nretry_max: 2h"


def mulectl(gateway, *args):
    p = subprocess.run(
        [os.path.join(BUILD, "mulectl"), "-s",
         os.path.join(gateway.state, "control.sock"), *args],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=30, check=False)
    return p.returncode, p.stdout


def good(gateway, *args):
    code, text = mulectl(gateway, *args)
    assert code == 0, text
    return text


def recipients(gateway):
    return gateway.status()["queue"]["recipients"]


class Late(Fleet):
    """The server behind ship1 is down until late.start()."""

    def __init__(self, **options):
        super().__init__(1, smtp=SLOW, **options)
        self.late = Sink()
        self.up = False
        config = self["ship1"].config
        with open(config, encoding="utf-8") as f:
            text = f.read().replace(f":{self.sinks['ship1'].port}",
                                    f":{self.late.port}")
        with open(config, "w", encoding="utf-8") as f:
            f.write(text)

    def open_server(self):
        self.late.start()
        self.up = True

    def stop(self):
        if self.up:
            self.late.stop()
        return super().stop()

    def wait_in_queue(self, *names):
        """Mail for names that ship1 cannot deliver; the gateway."""
        ship = self["ship1"]
        ship.submit("alice@shore.example.mil",
                    [f"{n}@ship1.example.mil" for n in names], CONTENT)
        wait_for(lambda: ship.events("smtp.unreachable"), 20, "an attempt")
        return ship


def test_held_mail_waits_over_a_restart_until_it_is_released():
    with Late() as fleet:
        ship = fleet.wait_in_queue("bob", "carol")
        text = good(ship, "queue", "hold", "--recipient",
                    "bob@ship1.example.mil")
        assert "hold: 1 recipients of 1 messages" in text
        assert ship.stop() == 0
        fleet.open_server()
        ship.start()
        fleet.late.wait(1, 20)
        assert "held" in good(ship, "queue", "list")
        time.sleep(1.5)
        assert [m[1] for m in fleet.late.messages] == [
            ["carol@ship1.example.mil"]]
        # Retry is for what waits, not for what is held.
        assert "retry: 0 rec" in good(ship, "queue", "retry", "--all")
        assert "release: 1 rec" in good(ship, "queue", "release", "--all")
        assert fleet.late.wait(2, 20)[1][1] == ["bob@ship1.example.mil"]
        wait_for(lambda: recipients(ship) == 0, 20, "an empty queue")
        uid = f"uid={os.getuid()}"
        for event in ("queue.held", "queue.released", "queue.operator"):
            assert all(uid in line for line in ship.events(event))
        assert len(ship.events("queue.held")) == 1
        assert "action=hold" in ship.events("queue.operator")[0]
        assert "recipients=1 messages=1" in ship.events("queue.operator")[0]


def test_deleted_mail_is_gone_and_nobody_is_told():
    with Late() as fleet:
        ship = fleet.wait_in_queue("bob", "carol")
        (number,) = {r["message"] for r in
                     ship.ask(cmd="queue.list")["rows"]}
        text = good(ship, "queue", "delete", "--id", str(number),
                    "--dry-run")
        assert "delete (only counted): 2 recipients of 1 messages" in text
        assert "<bob@ship1.example.mil>" in text
        assert recipients(ship) == 2 and not ship.events("queue.operator")
        good(ship, "queue", "delete", "--id", str(number))
        assert recipients(ship) == 0
        assert len(ship.events("queue.deleted")) == 2
        assert f"message={number} " in ship.events("queue.deleted")[0]
        fleet.open_server()
        good(ship, "queue", "retry", "--all")
        time.sleep(1)
        assert fleet.late.count() == 0
        assert not ship.events("notify.sent")


def test_retry_does_not_wait_for_the_next_attempt():
    with Late() as fleet:
        ship = fleet.wait_in_queue("bob")
        fleet.open_server()
        good(ship, "queue", "retry", "--domain", "ship1.example.mil")
        fleet.late.wait(1, 20)


def test_redirected_mail_goes_to_another_address_by_its_route():
    with Late() as fleet:
        ship = fleet.wait_in_queue("bob", "carol")
        text = good(ship, "queue", "redirect", "--recipient",
                    "bob@ship1.example.mil", "--to",
                    "dora@shore.example.mil")
        assert "redirect: 1 recipients of 1 messages" in text
        got = fleet.sinks["shore"].wait(1, 20)
        assert got[0][1] == ["dora@shore.example.mil"]
        assert got[0][2].endswith(CONTENT)
        (line,) = ship.events("queue.redirected")
        assert 'to="<bob@ship1.example.mil>"' in line
        assert 'new="<dora@shore.example.mil>" hop=mule:hf1' in line
        # The other one to another server, the address as it is.
        other = Sink().start()
        good(ship, "queue", "redirect", "--all", "--to",
             f"smtp:127.0.0.1:{other.port}")
        assert other.wait(1, 20)[0][1] == ["carol@ship1.example.mil"]
        other.stop()


def test_expired_mail_is_reported_to_its_sender():
    with Late() as fleet:
        ship = fleet.wait_in_queue("bob")
        good(ship, "queue", "hold", "--all")
        good(ship, "queue", "expire", "--older", "0s")
        got = fleet.sinks["shore"].wait(1, 20)
        assert got[0][1] == ["alice@shore.example.mil"]
        assert b"Action: failed" in got[0][2]
        assert b"Status: 4.4.7" in got[0][2]
        assert b"bob@ship1.example.mil" in got[0][2]
        wait_for(lambda: recipients(ship) == 0, 20, "an empty queue")
        assert len(ship.events("queue.expired")) == 1


def test_deleted_mail_leaves_the_air_with_a_discard(tmp_path):
    pcap = str(tmp_path / "air.pcap")
    with Late(pcap=pcap) as fleet:
        shore, ship = fleet["shore"], fleet["ship1"]
        ship.kill()
        shore.submit("alice@shore.example.mil", ["bob@ship1.example.mil"],
                     CONTENT)
        wait_for(lambda: shore.events("mule.sending"), 20, "a transmission")
        text = good(shore, "queue", "delete", "--link", "hf1")
        assert "1 were on the air" in text
        assert recipients(shore) == 0
        status = shore.status()
        assert status["queue"]["transmissions"] == 0
        assert status["links"][0]["sending"] == []
        sent = Air(pcap).by(fleet.nodes["shore"])
        assert sent[-1].kind == DISCARD
        fleet.open_server()
        ship.start()
        time.sleep(1.5)
        assert fleet.late.count() == 0
        # The link is as good as ever.
        shore.submit("alice@shore.example.mil", ["carol@ship1.example.mil"],
                     CONTENT)
        fleet.late.wait(1, 20)


def test_held_mail_leaves_the_air_and_goes_out_again_when_released():
    with Late() as fleet:
        shore, ship = fleet["shore"], fleet["ship1"]
        ship.kill()
        shore.submit("alice@shore.example.mil", ["bob@ship1.example.mil"],
                     CONTENT, options=["MT-PRIORITY=4"])
        wait_for(lambda: shore.events("mule.sending"), 20, "a transmission")
        good(shore, "queue", "hold", "--priority", "4")
        assert shore.status()["links"][0]["sending"] == []
        fleet.open_server()
        ship.start()
        time.sleep(1)
        assert not ship.events("mule.received")
        good(shore, "queue", "release", "--link", "hf1")
        fleet.late.wait(1, 20)
        wait_for(lambda: recipients(shore) == 0, 20, "the Ack")


@pytest.mark.parametrize("code,why,args", [
    (1, "nothing is selected", ("hold",)),
    (1, "redirect", ("hold", "--all", "--to", "a@shore.example.mil")),
    (1, "redirect", ("redirect", "--all")),
    (1, "no route", ("redirect", "--all", "--to", "a@nowhere.example")),
    (1, "not an address", ("redirect", "--all", "--to", "a b@x")),
    (1, "no such link", ("redirect", "--all", "--to", "mule:hf1")),
    (1, "no such link", ("redirect", "--all", "--to", "mule:hf1/ship9")),
    (1, "no group", ("redirect", "--all", "--to", "mule:hf1/ship1")),
    (1, "HOST:PORT", ("redirect", "--all", "--to", "smtp:host")),
    (1, "HOST:PORT", ("redirect", "--all", "--to", "smtp:host:0")),
    (1, "next hop", ("redirect", "--all", "--to", "loop:")),
    (1, "-9 to 9", ("hold", "--priority", "10")),
    (1, "number of a message", ("hold", "--id", "0")),
    (2, "usage", ("hold", "--id", "x")),
    (2, "usage", ("hold", "--id", "1", "--id", "2")),
    (2, "usage", ("hold", "--older", "3y")),
    (2, "usage", ("hold", "--older")),
    (2, "usage", ("hold", "everything")),
    (2, "usage", ("list", "--id", "3")),
])
def test_nonsense_is_refused(one, code, why, args):
    got, text = mulectl(one["ship1"], "queue", *args)
    assert got == code and why in text, text


@pytest.fixture(scope="module", name="one")
def fixture_one():
    with Late() as fleet:
        yield fleet


def test_misspelt_selector_selects_nothing(one):
    with pytest.raises(RuntimeError, match="unknown key"):
        one["ship1"].ask(cmd="queue.operate", action="delete", all=True,
                         domian="x")
