"""The emulated channel: rate, losses, who hears what, and its capture."""
import json
import os
import socket
import struct
import subprocess
import time

import pytest

import oracle
from muleteer import BUILD, TOP, Channel


class Node:
    """A node of a few lines on the channel."""

    def __init__(self, channel, number):
        self.ip = 0x0a000000 + number
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.connect(("127.0.0.1", channel.port))
        self.socket.settimeout(10)
        self.frame(1, 0, b"")
        assert self.socket.recv(100)[5] == 1

    def frame(self, kind, to, payload):
        self.socket.send(b"MLNK" + bytes([1, kind, 0, 0]) + struct.pack(
            ">IHHI", self.ip, 2754, 2753, to) + payload)

    def send(self, payload, to=0xef000001):
        self.frame(2, to, payload)

    def heard(self, seconds=0.3):
        """Payloads until there is silence for so long."""
        got = []
        self.socket.settimeout(seconds)
        try:
            while True:
                got.append(self.socket.recv(70000)[20:])
        except TimeoutError:
            return got


def test_rate_is_exact_and_counts_the_overhead(tmp_path):
    channel = Channel(str(tmp_path), bit_rate=80000).start()
    a, b = Node(channel, 1), Node(channel, 2)
    start = time.monotonic()
    for _ in range(10):
        a.send(b"x" * 972)
    got = b.heard(2)
    # 10 * (972 + 28) octets at 10,000 octets a second.
    seconds = time.monotonic() - start - 2
    assert len(got) == 10
    assert 0.99 <= seconds < 1.3
    assert channel.stop() == 0
    assert channel.stats()["octets"] == 10000
    assert channel.stats()["busy_s"] == 1.0


def test_half_duplex_serialises_and_full_duplex_does_not(tmp_path):
    for half, want in ((True, 1.0), (False, 0.5)):
        channel = Channel(str(tmp_path), bit_rate=80000,
                          half_duplex=half).start()
        a, b, c = (Node(channel, i) for i in (1, 2, 3))
        start = time.monotonic()
        for _ in range(5):
            a.send(b"x" * 972)
            b.send(b"y" * 972)
        got = c.heard(1.5)
        seconds = time.monotonic() - start - 1.5
        assert len(got) == 10
        assert want - 0.01 <= seconds < want + 0.3, half
        channel.stop()


def test_nodes_listen_before_they_send_or_collide(tmp_path):
    for sense, heard, waits in (("true", 2, 1), ("false", 0, 0)):
        channel = Channel(
            str(tmp_path), bit_rate=80000, half_duplex=True, delay_ms=1,
            turnaround_ms=2,
            more=f"collisions: true\ncarrier_sense: {sense}\n").start()
        a, b, c = (Node(channel, i) for i in (1, 2, 3))
        a.send(b"x" * 1000)
        time.sleep(0.05)
        b.send(b"y" * 1000)
        assert len(c.heard(1)) == heard
        channel.stop()
        stats = channel.stats()
        assert stats["nodes"][1]["deferred"] == waits
        assert stats["collided"] == 2 - heard


def test_losses_follow_the_seed(tmp_path):
    heard = {}
    for seed in (1, 1, 2):
        channel = Channel(str(tmp_path), loss=0.2, seed=seed).start()
        a, b = Node(channel, 1), Node(channel, 2)
        for i in range(1000):
            a.send(struct.pack(">I", i))
        got = tuple(b.heard())
        channel.stop()
        assert 740 <= len(got) <= 860
        assert channel.stats()["nodes"][1]["lost"] == 1000 - len(got)
        assert heard.setdefault(seed, got) == got
    assert heard[1] != heard[2]


def test_unicast_reaches_its_node_only_and_capture_is_readable(tmp_path):
    pcap = str(tmp_path / "air.pcap")
    channel = Channel(str(tmp_path), pcap=pcap).start()
    a, b, c = (Node(channel, i) for i in (1, 2, 3))
    a.send(b"to b", to=b.ip)
    a.send(b"to all")
    a.send(b"to nobody", to=0x0a0000ff)
    assert b.heard() == [b"to b", b"to all"]
    assert c.heard() == [b"to all"]
    assert a.heard() == []
    channel.stop()
    assert channel.stats()["datagrams"] == 3
    rows = [line.split("|") for line in oracle.tshark(
        pcap, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
        "-T", "fields", "-E", "separator=|", "-e", "ip.src", "-e", "ip.dst",
        "-e", "udp.dstport", "-e", "ip.checksum.status",
        "-e", "udp.checksum.status").splitlines()]
    assert rows == [["10.0.0.1", dst, "2753", "1", "1"]
                    for dst in ("10.0.0.2", "239.0.0.1", "10.0.0.255")]


def numbers(payloads):
    return [struct.unpack(">I", p[:4])[0] for p in payloads]


def test_settings_change_while_it_runs(tmp_path):
    channel = Channel(str(tmp_path)).start()
    a, b, c = (Node(channel, i) for i in (1, 2, 3))
    a.send(b"1")
    assert (b.heard(), c.heard()) == ([b"1"], [b"1"])
    assert channel.ctl("pair", "10.0.0.1", "10.0.0.2", "loss", "1") == {
        "ok": True, "exit": 0}
    a.send(b"2")
    b.send(b"3")
    assert (b.heard(), c.heard(), a.heard()) == ([], [b"2", b"3"], [b"3"])
    assert channel.ctl("pair", "*", "10.0.0.3", "heard", "false")["ok"]
    a.send(b"4")
    b.send(b"5")
    assert (c.heard(), a.heard()) == ([], [b"5"])
    shown = channel.ctl("show")
    assert shown["pairs"] == [
        {"from": "10.0.0.1", "to": "10.0.0.2", "loss": 1},
        {"from": "*", "to": "10.0.0.3", "heard": False}]
    # Said again it replaces what was said before.
    assert channel.ctl("pair", "10.0.0.1", "10.0.0.2", "loss", "0")["ok"]
    assert len(channel.ctl("show")["pairs"]) == 2
    a.send(b"6")
    assert b.heard() == [b"6"]
    assert channel.ctl("set", "loss", "1")["ok"]
    b.send(b"7")
    assert a.heard() == []
    assert channel.ctl("show")["settings"]["loss"] == 1
    # A node that joins later has the settings, too.
    d = Node(channel, 4)
    b.send(b"8")
    assert d.heard() == []
    assert channel.ctl("set", "loss", "0")["ok"]
    assert channel.ctl("set", "delay_ms", "400")["ok"]
    start = time.monotonic()
    b.send(b"9")
    assert d.heard(1) == [b"9"]
    assert time.monotonic() - start >= 1.4
    assert channel.ctl("stats")["datagrams"] == 9
    assert channel.stop() == 0
    assert not os.path.exists(channel.control)


def test_a_fade_by_command_lasts_as_long_as_it_says(tmp_path):
    channel = Channel(str(tmp_path)).start()
    a, b, c = (Node(channel, i) for i in (1, 2, 3))
    assert channel.ctl("fade", "700ms")["ok"]
    a.send(b"1")
    assert b.heard(0.2) == []
    time.sleep(0.7)
    a.send(b"2")
    assert b.heard() == [b"2"]
    assert channel.ctl("fade", "1h", "10.0.0.3")["ok"]
    a.send(b"3")
    assert (b.heard(), c.heard()) == ([b"3"], [b"2"])
    assert channel.ctl("show")["fades"][-1]["node"] == "10.0.0.3"
    assert channel.ctl("fade", "clear")["ok"]
    a.send(b"4")
    assert c.heard() == [b"4"]
    channel.stop()
    assert [n["faded"] for n in channel.stats()["nodes"]] == [0, 1, 2]


def test_a_fade_by_schedule_comes_and_goes(tmp_path):
    more = ("fades:\n  - {start_s: 0, length_s: 0.5, every_s: 1}\n"
            "  - {start_s: 0, length_s: 100, node: 10.0.0.3}\n")
    channel = Channel(str(tmp_path), more=more).start()
    a, b, c = (Node(channel, i) for i in (1, 2, 3))
    for i in range(100):
        a.send(struct.pack(">I", i))
        time.sleep(0.03)
    # 3 s: half of it is faded, in three gaps of half a second.
    got = numbers(b.heard())
    gaps = sum(1 for i, j in zip([-1] + got, got + [100]) if j - i > 8)
    assert 35 <= len(got) <= 65
    assert gaps in (3, 4)
    assert c.heard() == []
    channel.stop()


def test_what_each_node_heard_is_in_a_capture_of_its_own(tmp_path):
    heard = tmp_path / "heard"
    channel = Channel(
        str(tmp_path), pcap=str(tmp_path / "air.pcap"),
        more="pairs:\n  - {from: 10.0.0.1, to: 10.0.0.3, loss: 1}\n"
             "  - {from: 10.0.0.2, to: 10.0.0.1, both: true, loss: 1}\n",
        args=["-H", str(heard)]).start()
    a, b, c = (Node(channel, i) for i in (1, 2, 3))
    a.send(b"not by c")
    c.send(b"by all")
    a.send(b"nor by b")
    assert (a.heard(), b.heard(), c.heard()) == ([b"by all"], [b"by all"], [])
    channel.stop()
    assert sorted(os.listdir(heard)) == ["10.0.0.1.pcap", "10.0.0.2.pcap"]
    for path, n in ((tmp_path / "air.pcap", 3), (heard / "10.0.0.1.pcap", 1),
                    (heard / "10.0.0.2.pcap", 1)):
        rows = oracle.tshark(
            str(path), "-o", "udp.check_checksum:TRUE", "-T", "fields", "-e",
            "ip.src", "-e", "udp.checksum.status").splitlines()
        assert len(rows) == n
        assert "10.0.0.3\t1" in rows
        assert all(row.endswith("\t1") for row in rows)


def test_bad_commands_are_refused_and_change_nothing(tmp_path):
    channel = Channel(str(tmp_path)).start()
    Node(channel, 1)
    before = channel.ctl("show")["settings"]
    for command in (["set", "loss", "2"], ["set", "loss", "nan"],
                    ["set", "loss", "-0.1"], ["set", "los", "1"],
                    ["set", "loss"], ["set", "bit_rate", "1.5"],
                    ["set", "half_duplex", "1"], ["set", "slots", "0"],
                    ["set", "queue", "1e7"], ["set", "loss", "0.1x"],
                    ["pair", "a b", "c", "loss", "1"],
                    ["pair", "a/b", "c", "loss", "1"],
                    ["pair", "a", "b", "bit_rate", "1"],
                    ["pair", "a", "b", "loss", "7"],
                    ["fade", "soon"], ["fade", "-1s"], ["fade", "1s", "nobody"],
                    ["fade"], ["nonsense"], ["show", "me"], [" "],
                    ["set", "loss", "1" * 400]):
        answer = channel.ctl(*command)
        assert answer["exit"] == 1 and not answer["ok"], command
        assert answer["error"], command
    after = channel.ctl("show")
    assert after["settings"] == before
    assert (after["pairs"], after["fades"]) == ([], [])
    # More than any one command may be, and half a command.
    for junk in (b"x" * 5000 + b"\n", b"show"):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(channel.control)
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            try:
                assert s.recv(10) == b""
            except ConnectionResetError:
                pass
    # Two at a time, one octet at a time.
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(channel.control)
        for octet in b"stats\nnonsense\n":
            s.send(bytes([octet]))
        lines = s.makefile()
        assert '"ok":true' in lines.readline()
        assert '"ok":false' in lines.readline()
    assert channel.stop() == 0


def test_ctl_says_how_it_is_used_and_when_nobody_answers(tmp_path):
    def ctl(*args):
        return subprocess.run(
            [os.path.join(BUILD, "mulelink"), "ctl", *args],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            check=False, timeout=10)
    assert ctl("--help").returncode == 0
    assert "fade TIME" in ctl("--help").stdout
    assert ctl().returncode == 2
    assert ctl(str(tmp_path / "no")).returncode == 2
    gone = ctl(str(tmp_path / "no"), "show")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "No such file" in gone.stderr


def test_the_socket_of_one_that_was_killed_is_taken_over(tmp_path):
    channel = Channel(str(tmp_path)).start()
    second = subprocess.run(channel.args, stderr=subprocess.PIPE, text=True,
                            stdout=subprocess.DEVNULL, check=False, timeout=10)
    assert second.returncode == 1
    assert "address already in use" in second.stderr
    channel.kill()
    channel.start()
    assert channel.ctl("stats")["ok"]
    channel.stop()


def ready_made(name, *args, **env):
    return subprocess.Popen(
        [os.path.join(BUILD, "mulelink"), "-C", name, "-l", "127.0.0.1:0",
         *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=dict(os.environ, **env))


@pytest.mark.parametrize("name", ["hf-good", "hf-poor", "uhf-los", "satcom",
                                  "blackout"])
def test_ready_made_channels_are_found_by_name(tmp_path, name):
    control = str(tmp_path / "control")
    run = ready_made(name, "--seed", "7", "-u", control,
                     MULELINK_CHANNELS=os.path.join(TOP, "config/channels"))
    assert run.stdout.readline().endswith("seed 7\n")
    shown = json.loads(subprocess.run(
        [os.path.join(BUILD, "mulelink"), "ctl", control, "show"],
        stdout=subprocess.PIPE, check=True, timeout=10).stdout)
    assert shown["settings"]["bit_rate"] > 0
    assert shown["settings"]["half_duplex"] == (name != "satcom")
    assert (shown["fades"] != []) == (name in ("hf-poor", "blackout"))
    run.terminate()
    assert run.wait(10) == 0
    run.communicate()


def test_a_channel_that_is_not_there_is_said_so():
    for name in ("nowhere", "../channels/satcom", ""):
        run = ready_made(
            name, MULELINK_CHANNELS=os.path.join(TOP, "config/channels"))
        _, error = run.communicate(timeout=10)
        assert run.returncode == 2
        assert error.count("\n") == 1


GOOD = 'listen: "127.0.0.1:0"\nbit_rate: 1\n'


def test_bad_configurations_are_refused_in_one_line(tmp_path):
    for text, line in (
            ("listen: nowhere\nbit_rate: 1\n", 1),
            ('bit_rate: 1\nlisten: "127.0.0.1:"\n', 2),
            ('listen: "127.0.0.1:0"\n', 1),
            ('listen: "127.0.0.1:0"\nbit_rate: fast\n', 2),
            ('listen: "127.0.0.1:0"\nbit_rate: -1\n', 2),
            (GOOD + "loss: 2\n", 3), (GOOD + "loss: nan\n", 3),
            (GOOD + "los: 0\n", 3), (GOOD + "loss: 0\nloss: 0\n", 4),
            (GOOD + "\n\nseed: x\n", 5), (GOOD + "slots: 0\n", 3),
            (GOOD + "delay_ms: 3600001\n", 3), (GOOD + "queue: 0\n", 3),
            (GOOD + "half_duplex: maybe\n", 3), (GOOD + "ber: 1.1\n", 3),
            (GOOD + "overhead: 1.5\n", 3), (GOOD + "loss: [1]\n", 3),
            (GOOD + "bridge: [a, a]\n", 3), (GOOD + "bridge: [a/b]\n", 3),
            (GOOD + "pairs:\n - {from: a}\n", 4),
            (GOOD + "pairs:\n - {from: a, to: b}\n - from: a\n   to: b\n"
             "   loss: 3\n", 7),
            (GOOD + "pairs:\n - {from: a, to: b/c}\n", 4),
            (GOOD + "pairs:\n - {from: a, to: b, both: 1}\n", 4),
            (GOOD + "pairs:\n - {from: a, to: b, bit_rate: 1}\n", 4),
            (GOOD + "pairs:\n - from: loss\n   to: bits\n   bits: 1\n", 6),
            (GOOD + "# c\nloss: 0\nseed: 1\n\nloss: 0\n", 7),
            (GOOD + "fades:\n - {start_s: 1}\n", 4),
            (GOOD + "fades:\n - {start_s: 1, length_s: x}\n", 4),
            (GOOD + "fades:\n - start_s: 1\n   length_s: 9\n"
             "   every_s: 8\n", 6),
            (GOOD + "fades:\n - start_s: 1\n   length_s: 9\n"
             "   loss: 1.5\n", 6),
            (GOOD + 'fades:\n - {start_s: 1, length_s: 9, node: ""}\n', 4),
            (": [", 1), ("", 1)):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        run = subprocess.run(
            [os.path.join(BUILD, "mulelink"), "-c", str(path)],
            stderr=subprocess.PIPE, text=True, check=False, timeout=10)
        assert run.returncode == 2, text
        assert run.stderr.startswith(f"{path}:{line}: "), (text, run.stderr)
        assert run.stderr.count("\n") == 1
