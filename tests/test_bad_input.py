"""What peers and operators get wrong: counted, kept, named, and no more."""
import json
import os
import struct
import subprocess

import pytest

from muleteer import BUILD, Fleet, wait_for
from station import SOURCE, Station, address, data, pdu

def mulectl(gateway, *args):
    return subprocess.run(
        [os.path.join(BUILD, "mulectl"), "-s",
         os.path.join(gateway.state, "control.sock"), *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        check=False)


def counters(gateway):
    return gateway.status()["links"][0]["counters"]


def test_undecodable_payload_is_kept_acknowledged_and_shown():
    with Fleet(1) as fleet:
        ship = fleet["ship1"]
        station = Station(fleet.channel.port)
        station.send(address(77, 2, 0x0a8e0002))
        station.send(data(77, 1, b"this is no "))
        station.send(data(77, 2, b"CompressedData"))
        ack = station.receive()
        assert ack[3] == 1 and ack[8:12] == bytes([10, 142, 0, 2])
        # One entry, nothing missing: complete.
        assert struct.unpack(">HHII", ack[12:24]) == (1, 10, SOURCE, 77)
        rows = ship.ask(cmd="quarantine.list")["rows"]
        assert [(r["msid"], r["size"]) for r in rows] == [(77, 25)]
        text = mulectl(ship, "quarantine", "list")
        assert text.returncode == 0
        assert "BER element cut short" in text.stdout
        listed = json.loads(mulectl(ship, "--json", "quarantine",
                                    "list").stdout)
        assert listed["rows"][0]["msid"] == 77
        # Sent again it is acknowledged again, and kept once.
        ship.stop()
        ship.start()
        station.send(address(77, 2, 0x0a8e0002))
        assert station.receive()[3] == 1
        assert len(ship.ask(cmd="quarantine.list")["rows"]) == 1
        assert len(ship.events("mule.quarantine")) == 1


def test_bad_pdus_are_counted_by_reason_and_leave_nothing():
    good = data(5, 1, b"x")
    flipped = bytearray(good)
    flipped[-1] ^= 1
    cases = [
        ("malformed", b""),
        ("malformed", good[:-1]),
        ("malformed", data(5, 0, b"x")),
        ("malformed", data(5, 1, b"")),
        ("malformed", pdu(1, 0, struct.pack(">H", 0))),
        ("checksum", bytes(flipped)),
        ("type", pdu(0x3f, 0, b"1234")),
        ("own", data(5, 1, b"x", source=0x0a8e0002)),
        ("expired", address(5, 1, 0x0a8e0002, expiry=1000)),
        ("toobig", address(5, 65535, 0x0a8e0002, source=SOURCE)),
    ]
    with Fleet(1, link=Fleet.FAST + "max_message_size: 2048\n") as fleet:
        fleet.provoked = {"malformed", "checksum", "type", "total-grows",
                          "expiry-changes", "expired"}
        ship = fleet["ship1"]
        station = Station(fleet.channel.port)
        for reason, octets in cases:
            before = counters(ship)
            station.send(octets)
            wait_for(lambda: counters(ship)[reason] > before[reason], 5,
                     f"{reason} counted")
            after = counters(ship)
            changed = {k for k in after if after[k] != before[k]}
            assert changed == {reason}, (reason, octets.hex(), changed)
        gauges = ship.status()["links"][0]["gauges"]
        assert gauges["rx_messages"] == gauges["rx_bytes"] == 0
        assert ship.events("pmul.drop")


@pytest.mark.parametrize("old,new,word", [
    ("hostname: shore.example.mil", "hostname: a..b", "hostname"),
    ("id: 10.142.0.1\n", "id: 10.142.0\n", "id"),
    ("links:", "lnks:", "lnks"),
    ("members: [shore", "members: [ghost", "ghost"),
])
def test_configuration_errors_stop_the_start_with_file_and_line(
        tmp_path, old, new, word):
    fleet = Fleet(1, directory=str(tmp_path))
    path = fleet["shore"].config
    with open(path, encoding="utf-8") as f:
        text = f.read()
    assert old in text
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new, 1))
    number = text[:text.index(old)].count("\n") + 1
    for extra in (["-t"], []):
        run = subprocess.run(
            [os.path.join(BUILD, "muled"), "-c", path] + extra,
            stderr=subprocess.PIPE, text=True, check=False, timeout=20)
        assert run.returncode == 2
        assert run.stderr.startswith(f"{path}:{number}: "), run.stderr
        assert word in run.stderr
        assert run.stderr.count("\n") == 1


def test_mulectl_says_what_is_wrong():
    with Fleet(1) as fleet:
        status = mulectl(fleet["shore"], "status")
        assert status.returncode == 0
        assert "shore.example.mil" in status.stdout
        assert "link hf1" in status.stdout
        assert mulectl(fleet["shore"], "queue", "list").stdout == "nothing\n"
    gone = mulectl(fleet["shore"], "status")
    assert gone.returncode == 3 and "is muled running" in gone.stderr
    assert mulectl(fleet["shore"], "dance").returncode == 2
    assert mulectl(fleet["shore"], "status", "--limit", "1").returncode == 2
