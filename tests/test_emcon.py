"""Radio silence, ordered while muled runs: nothing leaves, mail arrives, and
nothing is forgotten by a restart."""
import os
import subprocess
import time

import pytest

from air import ACK, ADDRESS, DATA, EXTRA, Air, asked_for
from muleteer import BUILD, Fleet, strip_trace, wait_for

SENDER = "ops@shore.example.mil"
LINK = Fleet.FAST + "emcon_rtc: 2\nemcon_rti: 400ms\npdu_max: 512\n"


@pytest.fixture(name="air")
def air_of_the_test(tmp_path):
    return Air(str(tmp_path / "air.pcap"))


def emcon(gateway, on, node=None, link="hf1"):
    more = {"node": node} if node else {}
    return gateway.ask(cmd="emcon.set", link=link, on=on, **more)


def silent_nodes(gateway):
    (link,) = gateway.ask(cmd="emcon")["links"]
    return [n["node"] for n in link["nodes"] if n["emcon"]]


def is_silent(gateway):
    (link,) = gateway.ask(cmd="emcon")["links"]
    return link["emcon"]


def content(n, size=3000):
    """About size octets that do not compress."""
    plain = bytes.maketrans(b"\0\r\n.", b"xyzw")
    return b"Subject: %d\r\n\r\n" % n + b"".join(
        os.urandom(64).translate(plain) + b"\r\n" for _ in range(size // 66))


def submit(gateway, sender, recipients, text):
    gateway.submit(sender, recipients, text, ["BODY=8BITMIME"])


def restart(gateway, kill):
    if kill:
        gateway.kill()
    else:
        assert gateway.stop() == 0
    gateway.start()


def test_silent_node_gets_its_mail_and_emits_nothing(air):
    with Fleet(1, link=LINK, pcap=air.path) as fleet:
        shore, ship = fleet["shore"], fleet["ship1"]
        me = fleet.nodes["ship1"]
        emcon(ship, True)
        emcon(shore, True, "ship1")
        before = len(air.by(me))
        sent = content(1)
        submit(shore, SENDER, ["a@ship1.example.mil"], sent)
        (_, _, got, _), = fleet.sinks["ship1"].wait(1, 20)
        assert strip_trace(got) == sent
        # Mail of its own waits.
        submit(ship, "a@ship1.example.mil", [SENDER], content(2))
        for kill in (False, True):
            restart(ship, kill)
            assert is_silent(ship)
        time.sleep(1)
        assert len(air.by(me)) == before
        assert fleet.sinks["shore"].count() == 0

        data = len(air.by(fleet.nodes["shore"], DATA))
        emcon(ship, False)
        wait_for(lambda: shore.events("mule.relayed"), 20, "the Ack")
        fleet.sinks["shore"].wait(1, 20)
        wait_for(lambda: shore.status()["queue"]["transmissions"] == 0, 20,
                 "the end of the transmission")
        # The Ack said it all: nothing was sent again.
        assert len(air.by(fleet.nodes["shore"], DATA)) == data
        assert shore.events("link.emcon-left")
        assert silent_nodes(shore) == []
        assert fleet.sinks["ship1"].count() == 1


def test_flagged_node_is_told_three_times_and_left_alone(air):
    with Fleet(1, link=LINK, pcap=air.path) as fleet:
        shore = fleet["shore"]
        emcon(fleet["ship1"], True)
        emcon(shore, True, "ship1")
        submit(shore, SENDER, ["a@ship1.example.mil"], content(1))
        fleet.sinks["ship1"].wait(1, 20)
        wait_for(lambda: shore.status()["links"][0]["counters"]
                 ["emcon_rounds"] == 2, 20, "both repetitions")
        data = air.by(fleet.nodes["shore"], DATA)
        numbers = [p.seq for p in data]
        assert all(numbers.count(n) == 3 for n in set(numbers))
        everything = len(air.by(fleet.nodes["shore"]))
        time.sleep(2)
        assert len(air.by(fleet.nodes["shore"])) == everything
        # A restart is no reason to tell it again.
        restart(shore, True)
        assert silent_nodes(shore) == ["ship1"]
        time.sleep(2)
        assert len(air.by(fleet.nodes["shore"], DATA)) == len(data)
        emcon(fleet["ship1"], False)
        wait_for(lambda: shore.events("mule.relayed"), 20, "the Ack")
        assert len(air.by(fleet.nodes["shore"], DATA)) == len(data)


def test_end_of_silence_survives_a_restart(air):
    with Fleet(2, link=LINK, pcap=air.path) as fleet:
        shore, ship = fleet["shore"], fleet["ship1"]
        for on in (True, False, True, False):
            emcon(ship, on)
            emcon(shore, on, "ship1")
            emcon(shore, on, "ship2")
            restart(ship, True)
            restart(shore, True)
            assert is_silent(ship) == on
            assert silent_nodes(shore) == (["ship1", "ship2"] if on else [])
        submit(shore, SENDER, ["a@ship1.example.mil"], content(1))
        fleet.sinks["ship1"].wait(1, 20)
        wait_for(lambda: shore.events("mule.relayed"), 20, "the Ack")


def test_silence_ordered_in_the_middle_of_a_message_holds(air):
    link = LINK.replace("bit_rate: 100000000", "bit_rate: 100000")
    with Fleet(1, link=link, bit_rate=100000, pcap=air.path) as fleet:
        shore = fleet["shore"]
        submit(shore, SENDER, ["a@ship1.example.mil"], content(1, 100000))
        wait_for(lambda: shore.status()["links"][0]["counters"]["data_out"]
                 > 20, 20, "some of it")
        emcon(shore, True)
        time.sleep(0.5)  # what the channel still held
        count = len(air.by(fleet.nodes["shore"]))
        time.sleep(1)
        assert len(air.by(fleet.nodes["shore"])) == count
        emcon(shore, False)
        fleet.sinks["ship1"].wait(1, 30)


def test_receive_only_link_receives_and_never_speaks(air):
    fleet = Fleet(1, link=LINK, pcap=air.path)
    ship = fleet["ship1"]
    with open(ship.config, encoding="utf-8") as f:
        lines = f.read().replace("bit_rate:", "receive_only: true\n    "
                                 "bit_rate:")
    with open(ship.config, "w", encoding="utf-8") as f:
        f.write("\n".join(line for line in lines.split("\n")
                          if "via: mule" not in line))
    with fleet:
        emcon(fleet["shore"], True, "ship1")
        submit(fleet["shore"], SENDER, ["a@ship1.example.mil"], content(1))
        fleet.sinks["ship1"].wait(1, 20)
        with pytest.raises(RuntimeError, match="receive_only"):
            emcon(ship, False)
        assert is_silent(ship)
        # What another configuration had set does not count.
        emcon(ship, True)
        restart(ship, True)
        assert is_silent(ship)
        assert air.by(fleet.nodes["ship1"]) == []


def test_configured_silence_yields_to_what_was_set(air):
    fleet = Fleet(1, link=LINK, pcap=air.path)
    for name, old, new in (
            ("ship1", "bit_rate:", "emcon: true\n    bit_rate:"),
            ("shore", "id: 10.142.0.2}", "id: 10.142.0.2, emcon: true}")):
        with open(fleet[name].config, encoding="utf-8") as f:
            text = f.read()
        assert old in text
        with open(fleet[name].config, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new, 1))
    with fleet:
        shore, ship = fleet["shore"], fleet["ship1"]
        assert is_silent(ship)
        assert silent_nodes(shore) == ["ship1"]
        submit(shore, SENDER, ["a@ship1.example.mil"], content(1))
        fleet.sinks["ship1"].wait(1, 20)
        restart(ship, True)
        assert air.by(fleet.nodes["ship1"]) == []
        emcon(ship, False)
        # The Ack is owed since before the restart.
        wait_for(lambda: shore.events("mule.relayed"), 20, "the Ack")
        wait_for(lambda: silent_nodes(shore) == [], 20, "the end of the flag")
        restart(ship, True)
        restart(shore, True)
        assert not is_silent(ship)
        assert silent_nodes(shore) == []


def test_mulectl_sets_and_shows_silence():
    def mulectl(gateway, *args):
        p = subprocess.run(
            [os.path.join(BUILD, "mulectl"), "-s",
             os.path.join(gateway.state, "control.sock"), *args],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=30, check=False)
        return p.returncode, p.stdout

    with Fleet(1, link=LINK) as fleet:
        shore = fleet["shore"]
        assert mulectl(shore, "emcon") == (
            0, "hf1: not in EMCON, as configured\n")
        code, text = mulectl(shore, "emcon", "on", "hf1")
        assert code == 0
        assert text.startswith("hf1: in EMCON since 20")
        assert text.endswith(", set at run time\n")
        code, text = mulectl(shore, "emcon", "on", "hf1", "ship1")
        assert code == 0
        assert "hf1 node ship1: in EMCON since" in text
        code, text = mulectl(shore, "status")
        assert "  this node: in EMCON since" in text
        assert "  node ship1: in EMCON since" in text
        assert mulectl(shore, "emcon", "off", "hf1")[0] == 0
        code, text = mulectl(shore, "emcon", "off", "hf1", "ship1")
        assert code == 0 and "in EMCON since" in text
        assert text.count("not in EMCON since") == 2
        for args, why in ((("on", "hf2"), "no link of that name"),
                          (("on", "hf1", "ship9"), "no node of that name"),
                          (("off", "hf1", "shore"), "this node itself")):
            code, text = mulectl(shore, "emcon", *args)
            assert code == 1 and why in text
        for args in (("on",), ("off",), ("on", "hf1", "a", "b"), ("hf1",),
                     ("on", "hf1", "--limit", "3")):
            assert mulectl(shore, "emcon", *args)[0] == 2
        uid = os.getuid()
        assert shore.events("link.emcon")[0].endswith(
            f"link=hf1 state=on uid={uid}")
        assert shore.events("link.emcon-node")[-1].endswith(
            f"link=hf1 node=ship1 state=off uid={uid}")


def test_silence_that_cannot_be_written_down_is_kept_nevertheless():
    """A disk without room refuses the end of silence, but not its beginning."""
    with Fleet(1, link=LINK) as fleet:
        ship = fleet["ship1"]
        ship.stop()
        # A write beyond the limit shall fail, not kill.
        ship.args = ["env", "--ignore-signal=XFSZ"] + ship.args
        ship.start()

        def room(octets):
            subprocess.run(["prlimit", "--pid", str(ship.process.pid),
                            f"--fsize={octets}:"], check=True)
        emcon(ship, True)
        room(os.path.getsize(os.path.join(ship.state, "queue.db-wal")))
        with pytest.raises(RuntimeError, match="still in EMCON"):
            emcon(ship, False)
        assert is_silent(ship)
        with pytest.raises(RuntimeError, match="a restart would forget it"):
            emcon(ship, True, "shore")
        assert silent_nodes(ship) == ["shore"]
        room("unlimited")
        emcon(ship, False)
        assert not is_silent(ship)
        room(os.path.getsize(os.path.join(ship.state, "queue.db-wal")))
        with pytest.raises(RuntimeError, match="a restart would forget it"):
            emcon(ship, True)
        assert is_silent(ship)
        room("unlimited")
        emcon(ship, False)
        assert len(ship.events("link.emcon-commit")) == 3


# --- what a restart costs ---------------------------------------------------


def test_nine_nodes_that_acknowledged_are_not_told_again(air):
    with Fleet(10, link=LINK, pcap=air.path) as fleet:
        shore = fleet["shore"]
        emcon(fleet["ship10"], True)
        submit(shore, SENDER, [f"a@ship{i + 1}.example.mil"
                              for i in range(10)], content(1))
        wait_for(lambda: shore.status()["queue"]["recipients"] == 1, 30,
                 "nine Acks")
        shore.kill()
        before = len(air.settled())
        shore.start()
        emcon(fleet["ship10"], False)
        wait_for(lambda: shore.status()["queue"]["transmissions"] == 0, 30,
                 "the tenth Ack")
        after = air.settled()[before:]
        told = {n for p in after if p.kind in (ADDRESS, EXTRA)
                and p.source == fleet.nodes["shore"] for n in p.nodes}
        assert told <= {fleet.nodes["ship10"]}
        assert all(fleet.sinks[f"ship{i + 1}"].count() == 1
                   for i in range(10))


def test_receiver_killed_late_asks_for_the_rest_only(air):
    rate = 40000
    link = LINK.replace("bit_rate: 100000000", f"bit_rate: {rate}")
    with Fleet(1, link=link, bit_rate=rate, pcap=air.path) as fleet:
        shore, ship = fleet["shore"], fleet["ship1"]
        text = content(1, 100000)  # 20 s on the air
        submit(shore, SENDER, ["a@ship1.example.mil"], text)

        def progress():
            coming = ship.status()["links"][0]["receiving"]
            return coming and coming[0]["total"] and \
                coming[0]["have"] / coming[0]["total"]
        wait_for(lambda: (progress() or 0) >= 0.91, 60, "91 % of it")
        ship.kill()
        total = max(p.seq for p in air.settled() if p.kind == DATA)
        before = len(air.pdus())
        ship.start()
        wait_for(lambda: shore.status()["queue"]["transmissions"] == 0, 60,
                 "the rest")
        (_, _, got, _), = fleet.sinks["ship1"].wait(1, 20)
        assert strip_trace(got) == text
        # What the sender repeated by itself meanwhile does not count.
        asked = set()
        for p in air.settled()[before:]:
            if p.source == fleet.nodes["ship1"] and p.kind == ACK:
                for _, _, numbers in p.missing:
                    asked |= asked_for(numbers)
        assert 0.08 * total < len(asked) <= 0.15 * total
