"""mulecap replay: captures of our own nodes into our engine, and onto a wire."""
import json
import os
import socket
import struct
import subprocess
import threading
import time

import pytest

import test_mulecap as made
from muleteer import Fleet, crlf, wait_for
from netns import Net
from test_netns import SINK, SUBMIT, gateway, start

MULECAP = made.MULECAP
LINK = ("ack_delay_upper_bound: 50ms\nack_retransmission_time: 400ms\n"
        "ack_pdu_time: 1s\nbit_rate: 1000000\npdu_max: 400\n")


def text(lines):
    return crlf(b"Subject: x\n\n" + b"".join(
        os.urandom(30).hex().encode() + b"\n" for _ in range(lines)))


def engine(pcap, config, *args):
    """Exit status, differences, and what is said about the whole."""
    r = subprocess.run([MULECAP, "replay", "--engine", "--json", "--config",
                        config, *args, pcap], capture_output=True, text=True,
                       timeout=120)
    rows = [json.loads(l) for l in r.stdout.splitlines()]
    assert r.returncode in (0, 1), r.stderr
    return r.returncode, rows[:-1], rows[-1]


def altered(gateway_, tmp_path, old, new):
    with open(gateway_.config, encoding="utf-8") as f:
        config = f.read()
    assert old in config
    path = tmp_path / "altered.yaml"
    path.write_text(config.replace(old, new), encoding="utf-8")
    return str(path)


def quiet(fleet):
    for g in fleet.gateways.values():
        wait_for(lambda q=g: (lambda s: s["messages"] == 0
                              and s["transmissions"] == 0)(
                                  q.status()["queue"]), 60, "an empty queue")


@pytest.fixture(scope="module")
def emulated(tmp_path_factory):
    """Two messages to two ships over the emulator, by loss."""
    made_ = {}

    def make(loss):
        if loss not in made_:
            d = str(tmp_path_factory.mktemp("air"))
            pcap = os.path.join(d, "air.pcap")
            with Fleet(2, link=LINK, directory=d, loss=loss, seed=3,
                       pcap=pcap) as fleet:
                for _ in range(2):
                    fleet["shore"].submit(
                        "ops@shore.example.mil",
                        ["a@ship1.example.mil", "a@ship2.example.mil"],
                        text(400))
                quiet(fleet)
            made_[loss] = (pcap, fleet.gateways)
        return made_[loss]
    return make


@pytest.mark.parametrize("loss", [0, 0.1])
@pytest.mark.parametrize("name", ["shore", "ship1", "ship2"])
def test_our_own_node_shows_no_difference(emulated, name, loss):
    pcap, gateways = emulated(loss)
    rc, rows, total = engine(pcap, gateways[name].config)
    assert (rc, rows) == (0, [])
    assert total["same"] > (40 if name == "shore" else 0)
    assert total["complete"]
    if loss == 0:
        assert total["lost"] == 0


def records(path):
    """(time, octets) of every frame of a capture of mulelink's."""
    with open(path, "rb") as f:
        octets = f.read()
    at, out = 24, []
    while at < len(octets):
        s, us, n, _ = struct.unpack_from("<IIII", octets, at)
        out.append(((s, us), octets[at:at + 16 + n]))
        at += 16 + n
    return octets[:24], out


def at_the_node(fleet, directory, name):
    """What it sent, and what it heard: a capture of its own."""
    node = bytes(map(int, fleet.nodes[name].split(".")))
    head, air = records(fleet.pcap)
    sent = [r for r in air if r[1][28:32] == node]
    _, heard = records(os.path.join(directory, fleet.nodes[name] + ".pcap"))
    path = os.path.join(directory, name + ".own.pcap")
    with open(path, "wb") as f:
        f.write(head + b"".join(r for _, r in sorted(sent + heard)))
    return path


@pytest.mark.parametrize("ships,pdu_max,channel", [
    (7, 64, {"loss": 0.4}),
    (2, 400, {"loss": 0.25}),
    (2, 400, {"loss": 0.1, "half_duplex": True, "bit_rate": 1000000})])
def test_what_a_node_heard_and_sent_is_replayed_without_a_guess(
        tmp_path, ships, pdu_max, channel):
    """However much was lost, nothing needs to be taken as lost."""
    heard = str(tmp_path / "heard")
    link = LINK.replace("pdu_max: 400", f"pdu_max: {pdu_max}")
    if channel.get("half_duplex"):
        link += "half_duplex: true\n"
    to = [f"a@ship{i + 1}.example.mil" for i in range(ships)]
    with Fleet(ships, link=link, directory=str(tmp_path), seed=5,
               args=["-H", heard], **channel) as fleet:
        # What looks like waste on the air: shore has not heard the Ack.
        fleet.provoked = {"acked-dest", "acked-data"}
        for lines in (60, 20):
            fleet["shore"].submit("ops@shore.example.mil", to, text(lines))
        quiet(fleet)
    assert sum(n["lost"] for n in fleet.channel.stats()["nodes"]) > 0
    for name in fleet.gateways:
        rc, rows, total = engine(at_the_node(fleet, heard, name),
                                 fleet[name].config, "--lossless")
        assert (rc, rows) == (0, []), name
        assert total["same"] > 0 and total["lost"] == 0


def test_runs_are_deterministic(emulated):
    pcap, gateways = emulated(0.1)
    args = [MULECAP, "replay", "--engine", "--all", "--config",
            gateways["ship1"].config, pcap]
    runs = {subprocess.run(args, capture_output=True).stdout
            for _ in range(3)}
    assert len(runs) == 1
    assert b"the same" in runs.pop()


@pytest.mark.parametrize("old,new", [
    ("pdu_max: 400", "pdu_max: 500"),
    ("bit_rate: 1000000", "bit_rate: 9600"),
    ("pdu_max: 400", "pdu_max: 400\n    extra_address: always"),
])
def test_a_transmitter_with_other_parameters_differs(
        emulated, tmp_path, old, new):
    pcap, gateways = emulated(0.1)
    config = altered(gateways["shore"], tmp_path, old, new)
    rc, rows, _ = engine(pcap, config, "--tolerance", "0.1")
    assert rc == 1
    assert all(r["what"].startswith("only ") for r in rows)


def test_a_receiver_with_other_parameters_differs(emulated, tmp_path):
    pcap, gateways = emulated(0.1)
    config = altered(gateways["ship1"], tmp_path, "pdu_max: 400",
                     "pdu_max: 400\n    timestamp: true")
    assert engine(pcap, config)[0] == 1


def test_acks_later_than_their_bound_differ(emulated, tmp_path):
    pcap, gateways = emulated(0)
    found = []
    for n in ("ship1", "ship2"):
        config = altered(gateways[n], tmp_path,
                         "ack_delay_upper_bound: 50ms",
                         "ack_delay_upper_bound: 1ms")
        found += engine(pcap, config, "--lossless", "--tolerance", "0.001")[1]
    assert "only our engine, after" in [f["what"] for f in found]


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """A message to a ship that is not there."""
    d = str(tmp_path_factory.mktemp("silent"))
    pcap = os.path.join(d, "air.pcap")
    with Fleet(2, link=LINK, directory=d, pcap=pcap) as fleet:
        assert fleet["ship2"].stop() == 0
        fleet["shore"].submit(
            "ops@shore.example.mil",
            ["a@ship1.example.mil", "a@ship2.example.mil"], text(60))
        time.sleep(4)
    return pcap, fleet["shore"]


@pytest.mark.parametrize("old,new,differs", [
    ("400ms", "400ms", False),
    ("400ms", "4s", True),
    ("400ms", "100ms", True),
    ("pdu_max: 400", "pdu_max: 400\n    back_off_factor: 1", True),
    ("pdu_max: 400", "pdu_max: 400\n    polls: 0", True),
])
def test_the_rounds_of_a_transmitter(silent, tmp_path, old, new, differs):
    pcap, shore = silent
    config = altered(shore, tmp_path, old, new)
    assert engine(pcap, config)[0] == differs


def forge(pcap, path, change):
    """The capture with one PDU changed, and which frame it is."""
    with open(pcap, "rb") as f:
        octets = f.read()
    at, out, forged, number = 24, octets[:24], 0, 0
    while at < len(octets):
        head = octets[at:at + 16]
        size = struct.unpack("<IIII", head)[2]
        p = octets[at + 16:at + 16 + size]
        at += 16 + size
        number += 1
        pdu = None if forged else change(p[28:])
        if pdu is not None:
            forged = number
            p = made.packet(made.fletcher(pdu[:6] + b"\0\0" + pdu[8:]))
        out += head[:8] + struct.pack("<II", len(p), len(p)) + p
    assert forged, "there is no such PDU"
    path.write_bytes(out)
    return forged


def missing(pdu):
    """A complete Ack of ship1's now misses a fragment."""
    if pdu[3] != 1 or pdu[8:12] != socket.inet_aton("10.142.0.2"):
        return None
    new = made.ack(0x0A8E0002, *struct.unpack(">II", pdu[16:24]), [1])
    return new[:2] + pdu[2:3] + new[3:]


def another(pdu):
    """...is of a message that nobody sent; of the same length."""
    if pdu[3] != 1 or pdu[8:12] != socket.inet_aton("10.142.0.2"):
        return None
    return pdu[:23] + bytes([pdu[23] ^ 0x40]) + pdu[24:]


def expiry(pdu):
    """An Ack-Ack of shore's has another Expiry_Time."""
    if pdu[3] & 63 != 2 or pdu[20:22] != b"\0\0":
        return None
    return pdu[:19] + bytes([pdu[19] ^ 1]) + pdu[20:]


@pytest.mark.parametrize("name,change", [
    ("ship1", missing), ("ship1", another), ("shore", expiry)])
def test_an_altered_pdu_is_found(emulated, tmp_path, name, change):
    pcap, gateways = emulated(0)
    path = tmp_path / "forged.pcap"
    frame = forge(pcap, path, change)
    # With losses, what an Ack misses was lost.
    rc, rows, _ = engine(str(path), gateways[name].config, "--lossless")
    assert rc == 1
    assert frame in [r.get("frame") for r in rows
                     if r["what"] == "only the node"]


def test_without_losses_what_was_lost_is_a_difference(emulated):
    pcap, gateways = emulated(0.1)
    lost = {n: engine(pcap, g.config)[2]["lost"]
            for n, g in gateways.items()}
    deaf = max(("ship1", "ship2"), key=lambda n: lost[n])
    assert lost[deaf] > 0
    assert engine(pcap, gateways[deaf].config, "--lossless")[0] == 1


@pytest.mark.parametrize("loss", [0, 15])
def test_real_multicast_shows_no_difference(tmp_path, loss):
    """As a station's own interface sees it."""
    names = ["shore", "ship1", "ship2"]
    pcaps = {n: str(tmp_path / f"{n}.pcap") for n in names}
    with Net(names) as net:
        dumps = []
        for n in names:
            dumps.append(subprocess.Popen(
                net.prefix(n) + ["tcpdump", "-i", "rf0", "-U",
                                 "--immediate-mode", "-Z", "root", "-w",
                                 pcaps[n], "udp"], stderr=subprocess.PIPE))
            assert b"listening" in dumps[-1].stderr.readline()
        sinks = [start(net, n, SINK, "x", str(tmp_path / n),
                       stdout=subprocess.PIPE) for n in names[1:]]
        for s in sinks:
            assert s.stdout.readline() == b"ready\n"
        gateways = [gateway(net, str(tmp_path), n).start() for n in names]
        for n in names[1:]:
            if loss:
                net.lose(n, loss)
        start(net, "shore", SUBMIT, str(gateways[0].port),
              "a@ship1.example.mil,a@ship2.example.mil",
              stdin=subprocess.PIPE).communicate(text(500), timeout=30)
        wait_for(lambda: gateways[0].status()["queue"]["messages"] == 0, 60,
                 "acknowledgements")
        for g in gateways:
            assert g.stop() == 0
        for p in dumps + sinks:
            p.terminate()
            p.wait()
    for n, g in zip(names, gateways):
        rc, rows, total = engine(pcaps[n], g.config)
        assert (rc, rows) == (0, []), n
        assert total["same"] > (20 if n == "shore" else 0)


def test_unusable_is_said(emulated, tmp_path):
    pcap, gateways = emulated(0)
    config = gateways["shore"].config
    made.run("replay", pcap, rc=2)
    made.run("replay", "--engine", pcap, rc=2)
    made.run("replay", "--engine", "--config", config, "--link", "no", pcap,
             rc=2)
    made.run("replay", "--engine", "--config", config, "--node", "10.9.9.9",
             pcap, rc=2)
    bad = tmp_path / "bad.yaml"
    bad.write_text("nonsense: 1\n")
    made.run("replay", "--engine", "--config", str(bad), pcap, rc=2)


def test_what_began_before_the_capture_is_not_compared(emulated):
    pcap, gateways = emulated(0)
    r = subprocess.run([MULECAP, "replay", "--engine", "--json", "--config",
                        gateways["shore"].config, "--time", "0.002:", pcap],
                       capture_output=True, text=True)
    rows = [json.loads(l) for l in r.stdout.splitlines()]
    assert "not compared" in [x["what"] for x in rows]


# --- onto a network ----------------------------------------------------------

class Listener:
    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.port = self.socket.getsockname()[1]
        self.got = []

    def run(self, *args):
        """What mulecap sent: (seconds since the first, octets)."""
        def listen():
            try:
                while True:
                    d = self.socket.recv(70000)
                    self.got.append((time.monotonic(), d))
                    self.socket.settimeout(1)
            except TimeoutError:
                pass
        t = threading.Thread(target=listen)
        t.start()
        out = made.run("replay", "--onto", "127.0.0.1", "--to",
                       f"127.0.0.1:{self.port}", *args)
        t.join()
        self.socket.close()
        first = self.got[0][0] if self.got else 0
        return out, [(at - first, d) for at, d in self.got]


@pytest.fixture
def capture(tmp_path):
    def make(pdus, step):
        path = tmp_path / "a.pcap"
        path.write_bytes(made.HEAD + b"".join(
            made.record(made.packet(p), i * step)
            for i, p in enumerate(pdus)))
        return str(path)
    return make


def test_times_are_the_originals(capture):
    out, got = Listener().run(capture(made.GOOD, 0.1))
    assert [d for _, d in got] == made.GOOD
    assert all(abs(at - i * 0.1) < 0.05 for i, (at, _) in enumerate(got))
    assert out.startswith("9 datagrams")


def test_times_are_scaled(capture):
    _, got = Listener().run("--speed", "4", capture(made.GOOD, 0.4))
    assert all(abs(at - i * 0.1) < 0.05 for i, (at, _) in enumerate(got))
    before = time.monotonic()
    _, got = Listener().run("--speed", "0", capture(made.GOOD, 100))
    assert len(got) == 9 and time.monotonic() - before < 5


def test_only_the_chosen_side(capture):
    _, got = Listener().run("--node", "10.142.0.3", "--speed", "0",
                            capture(made.GOOD, 0.1))
    assert [d for _, d in got] == [made.GOOD[5], made.GOOD[8]]


def test_ids_are_rewritten_everywhere_with_good_checksums(capture):
    _, got = Listener().run(
        "--map", "10.142.0.1=10.7.0.1", "--map", "10.142.0.3=10.7.0.3",
        "--map-id", "01020304=0a0b0c0d", "--speed", "0",
        capture(made.GOOD + [made.discard()], 0.1))
    a, b, c, m = 0x0A070001, made.B, 0x0A070003, 0x0A0B0C0D
    want = [made.address([b, c], 3, a, m), made.data(1, b"hello ", a, m),
            made.data(2, b"P_MUL ", a, m), made.data(3, b"world", a, m),
            made.ack(b, a, m), made.ack(c, a, m, [2]),
            made.address([c], 3, a, m), made.data(2, b"P_MUL ", a, m),
            made.ack(c, a, m),
            made.fletcher(struct.pack(">HBBHHII", 16, 4, 3, 0, 0, a, m))]
    assert [d for _, d in got] == want


def test_multicast_leaves_by_the_interface_asked_for(capture):
    """The captured group and port, by loopback's multicast."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("239.1.1.1", 2753))
    s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                 socket.inet_aton("239.1.1.1") + socket.inet_aton("127.0.0.1"))
    s.settimeout(5)
    made.run("replay", "--onto", "127.0.0.1", "--speed", "0",
             capture(made.GOOD, 0.1))
    got = [s.recvfrom(70000) for _ in made.GOOD]
    assert [d for d, _ in got] == made.GOOD
    assert {a[0] for _, a in got} == {"127.0.0.1"}
    s.close()


def test_a_useless_target_is_said(capture):
    path = capture(made.GOOD, 0)
    made.run("replay", "--onto", "no-such-interface", path, rc=2)
    made.run("replay", "--onto", "127.0.0.1", "--to", "x", path, rc=2)
    made.run("replay", "--onto", "127.0.0.1", "--map", "1=2", path, rc=2)
    made.run("replay", "--onto", "127.0.0.1", "--node", "10.9.9.9", path,
             rc=2)
    made.run("replay", "--onto", "127.0.0.1", "--engine", path, rc=2)
