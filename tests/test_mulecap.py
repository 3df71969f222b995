"""mulecap on captures made here, octet by octet."""

import json
import os
import pty
import random
import re
import signal
import socket
import struct
import subprocess
import time
import zlib

import pytest

BUILD = os.environ.get("MULETEER_BUILD", "build")
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MULECAP = os.path.join(TOP, BUILD, "mulecap")
A, B, C = 0x0A8E0001, 0x0A8E0002, 0x0A8E0003
MSID = 0x01020304
T0 = 1700000000
EXPIRY = T0 + 3600


def fletcher(p):
    p = bytearray(p)
    p[6:8] = b"\0\0"
    c0 = c1 = 0
    for b in p:
        c0 = (c0 + b) % 255
        c1 = (c1 + c0) % 255
    t = len(p) - 7
    p[6], p[7] = (t * c0 - c1) % 255, (c1 - (t + 1) * c0) % 255
    return bytes(p)


def address(dests, total, source=A, msid=MSID, expiry=EXPIRY, seq=1, kind=2):
    body = b"".join(struct.pack(">II", d, seq) for d in dests)
    return fletcher(struct.pack(">HBBHHIIIHH", 24 + len(body), 4, kind, total,
                                0, source, msid, expiry, len(dests), 0) + body)


def data(seq, octets, source=A, msid=MSID):
    return fletcher(struct.pack(">HBBHHII", 16 + len(octets), 4, 0, seq, 0,
                                source, msid) + octets)


def ack(node, source=A, msid=MSID, missing=()):
    n = len(missing)
    return fletcher(struct.pack(">HBBHHIHHII", 24 + 2 * n, 4, 1, 0, 0, node, 1,
                                10 + 2 * n, source, msid)
                    + struct.pack(">%dH" % n, *missing))


def discard(source=A):
    return fletcher(struct.pack(">HBBHHII", 16, 4, 3, 0, 0, source, MSID))


def group(kind, address, source=A, msid=MSID):
    return fletcher(struct.pack(">HBBHHIII", 20, 0, kind, 0, 0, source, msid,
                                address))


def announce(nodes, address, source=A, msid=MSID):
    return fletcher(struct.pack(">HBBHHIIII%dI" % len(nodes),
                                24 + 4 * len(nodes), 0, 4, len(nodes), 0,
                                source, msid, EXPIRY, address, *nodes))


def packet(pdu, port=2753):
    udp = struct.pack(">HHHH", port, port, 8 + len(pdu), 0) + pdu
    return struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0,
                       A, 0xEF010101) + udp


HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)


def record(p, at):
    us = round(at * 1000000)
    return struct.pack("<IIII", T0 + us // 1000000, us % 1000000,
                       len(p), len(p)) + p


@pytest.fixture
def capture(tmp_path):
    def make(pdus, step=0.01, port=2753):
        """Each PDU, or (PDU, its port), a step after the other; a number
        is a pause."""
        path = tmp_path / "a.pcap"
        at, out = 0.0, HEAD
        for p in pdus:
            if isinstance(p, (float, int)):
                at += p
                continue
            p, to = p if isinstance(p, tuple) else (p, port)
            out += record(packet(p, to), at)
            at += step
        path.write_bytes(out)
        return str(path)
    return make


def run(*args, rc=0, **kw):
    r = subprocess.run([MULECAP, *args], capture_output=True, timeout=60, **kw)
    assert r.returncode == rc, r.stdout + r.stderr
    return r.stdout.decode()


def rows(*args, rc=0):
    return [json.loads(l) for l in run(*args, "--json", rc=rc).splitlines()]


def cdt(payload):
    """CompressedData as reference A.5 has it, EXPLICIT of a short form."""
    z = zlib.compress(payload, 9)

    def tlv(tag, v):
        n = len(v)
        size = bytes([n]) if n < 128 else b"\x82" + struct.pack(">H", n)
        return bytes([tag]) + size + v
    content = tlv(0x30, tlv(0x80, b"\x19") + tlv(0xA0, tlv(0x04, z)))
    return tlv(0x30, tlv(0x80, b"\0") + content)


GOOD = [address([B, C], 3), data(1, b"hello "), data(2, b"P_MUL "),
        data(3, b"world"), ack(B), ack(C, missing=[2]), address([C], 3),
        data(2, b"P_MUL "), ack(C)]


def test_list_says_what_became_of_a_message(capture):
    (m,) = rows("list", capture(GOOD))
    assert (m["source"], m["id"]) == ("10.142.0.1", "01020304")
    assert (m["size"], m["total"], m["have"], m["rounds"]) == (17, 3, 3, 2)
    assert [(d["node"], d["outcome"]) for d in m["destinations"]] == [
        ("10.142.0.2", "acked"), ("10.142.0.3", "acked")]
    assert m["octets"] == sum(28 + len(p) for p in GOOD)
    assert "10.142.0.3=acked" in run("list", capture(GOOD))


def test_show_filters(capture):
    path = capture(GOOD)
    assert len(rows("show", path)) == 9
    assert len(rows("show", "--type", "ack", path)) == 3
    assert len(rows("show", "--node", "10.142.0.2", path)) == 2
    assert len(rows("show", "--time", "0.015:0.025", path)) == 1
    assert rows("show", "--source", "10.0.0.9", path) == []


def test_other_ports_are_found_when_asked(capture):
    path = capture(GOOD, port=9000)
    assert rows("show", path, rc=2) == []
    assert len(rows("show", "--any-port", path)) == 9
    assert len(rows("show", "--ports", "1-3,9000", path)) == 9
    # What is no PDU there is somebody else's.
    path = capture(GOOD + [b"somebody else's"], port=9000)
    assert len(rows("show", "--any-port", path)) == 9
    assert len(rows("show", "--ports", "9000", path)) == 10


def test_extract_is_exact(capture, tmp_path):
    payload = b"<a@b.example>\r\n<c@d.example>\r\n\r\nSubject: x\r\n\r\nbody\r\n"
    whole = cdt(payload)
    path = capture([address([B], 2), data(2, whole[20:]), data(1, whole[:20])])
    run("extract", "-o", str(tmp_path), path)
    base = tmp_path / "10.142.0.1-01020304"
    assert base.with_name(base.name + ".cdt").read_bytes() == whole
    envelope = json.loads(base.with_name(base.name + ".json").read_text())
    assert envelope.get("error") is None, envelope
    assert envelope["to"] == ["<c@d.example>"]
    assert base.with_name(base.name + ".payload").read_bytes() == payload
    assert base.with_name(base.name + ".eml").read_bytes() == \
        b"Subject: x\r\n\r\nbody\r\n"


def test_extract_writes_through_no_link_and_says_what_it_cannot(capture,
                                                                tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    out = tmp_path / "out"
    out.mkdir()
    (out / "10.142.0.1-01020304.cdt").symlink_to(victim)
    r = subprocess.run([MULECAP, "extract", "-o", str(out), capture(GOOD)],
                       capture_output=True, text=True, timeout=20)
    assert r.returncode == 2 and "01020304.cdt" in r.stderr
    assert victim.read_text() == "precious"
    # What is no CompressedData is told in the .json.
    assert json.loads((out / "10.142.0.1-01020304.json").read_text())["error"]


def test_a_message_of_4_gb_is_refused_in_bounded_memory(tmp_path):
    """1024 fragments of 64 KiB are too many, and not the memory's trouble."""
    p = subprocess.Popen([MULECAP, "extract", "--partial", "-o",
                          str(tmp_path / "out"), "-"],
                         stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdin.write(HEAD + record(packet(address([B], 5000)), 0))
    for i in range(1, 5000):
        p.stdin.write(record(packet(data_unchecked(i)), 0))
    p.stdin.flush()
    assert peak(p) < 100 * 1024
    _, said = p.communicate(timeout=20)
    assert p.returncode == 2 and b"more than 67108864 octets" in said


def peak(process):
    """KiB; what wait4() says counts the parent before exec, too."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("VmHWM"))


def data_unchecked(seq):
    """A large Data_PDU of zeros, the checksum of which is soon made."""
    n = 60016
    head = struct.pack(">HBBHHII", n, 4, 0, seq, 0, A, MSID)
    c0 = sum(head) % 255
    c1 = sum((n - i) * b for i, b in enumerate(head)) % 255
    t = n - 7
    check = bytes([(t * c0 - c1) % 255, (c1 - (t + 1) * c0) % 255])
    return head[:6] + check + head[8:] + bytes(n - 16)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("command", ["show", "list"])
def test_live_on_an_interface(command):
    p = subprocess.Popen([MULECAP, command, "--json", "-i", "lo", "--ports",
                          "47753"], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    assert "listening" in p.stderr.readline()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for pdu in GOOD:
            s.sendto(pdu, ("127.0.0.1", 47753))
    time.sleep(0.5)
    p.send_signal(signal.SIGINT)
    out, _ = p.communicate(timeout=5)
    assert p.returncode == 0
    seen = [json.loads(l) for l in out.splitlines()]
    if command == "show":
        assert [s["code"] for s in seen] == [p[3] for p in GOOD]
    else:
        assert [(m["have"], m["rounds"]) for m in seen] == [(3, 2)]


def test_progress_is_shown_on_a_terminal_only(tmp_path):
    path = tmp_path / "a.pcap"
    path.write_bytes(HEAD + record(packet(GOOD[0]), 0) * 200000)
    ours, theirs = pty.openpty()
    with subprocess.Popen([MULECAP, "show", "--source", "1.2.3.4", str(path)],
                          stderr=theirs) as p:
        os.close(theirs)
        said = b""
        try:
            while more := os.read(ours, 4096):
                said += more
        except OSError:
            pass
        assert p.wait(20) == 0
    os.close(ours)
    assert re.search(rb"\r\[#+ +\] +[0-9]+ %", said) and said[-3:] == b"\x1b[K"
    r = subprocess.run([MULECAP, "list", str(path)], capture_output=True,
                       timeout=20, check=True)
    assert r.stderr == b""


def test_partial_messages_are_extracted_only_when_asked(capture, tmp_path):
    path = capture([address([B], 2), data(2, b"end")])
    out = tmp_path / "10.142.0.1-01020304.cdt"
    run("extract", "-o", str(tmp_path), path)
    assert not out.exists()
    run("extract", "--partial", "-o", str(tmp_path), path)
    assert out.read_bytes() == b"end"
    told = json.loads(out.with_suffix(".json").read_text())
    assert (told["complete"], told["total"], told["missing"]) == (
        False, 2, [[1, 1]])
    assert told["error"]


START = [address([B], 2), data(1, b"one"), data(2, b"two")]
MANY = list(range(0x0A8E0010, 0x0A8E0020))
NTNU = ack(B, source=B)
AGAIN = [1.0, address([B], 2), data(1, b"one"), data(2, b"two"), ack(B)]
GROUP, OTHER = 0xE0000201, 0xE0000202
BAD = {
    "malformed": [b"\0\x10\4\3\0\0"],
    "checksum": [discard()[:-1] + b"\xff"],
    "type": [fletcher(b"\0\x10\4\x3f" + bytes(12))],
    "map": [address([B], 1, kind=0x42), address([C], 1, kind=2)],
    "trailing": START + [data(1, b"one") + b"\0" * 8],
    "sequence": START + [data(3, b"x")],
    "total": [address([B], 0)],
    "total-shrinks": START + [1.0, address([B], 1)],
    "total-grows": START + [1.0, address([B], 3)],
    "expiry-changes": START + [1.0, address([B], 2, expiry=EXPIRY + 1)],
    "unsorted": [address([C, B], 1)],
    "renumbered": START + [1.0, address([B], 2, seq=2)],
    "numbering": START + [address([B], 2, msid=5)],
    "reuse": START + [1.0, address([B], 2), data(1, b"1ne")],
    "expired": START + [4000, data(1, b"one")],
    "after-discard": START + [discard(), data(1, b"one")],
    "no-discard": START + [4000, (group(7, GROUP, source=C), 2751)],
    "discard-port": START + [(discard(), 2754)],
    "discard-ntnu": START + [NTNU, discard()],
    "acked-dest": START + [ack(B), address([], 2), address([B], 2)],
    "acked-data": START + [ack(B), data(1, b"one")],
    "bare-repeat": START + [data(1, b"one")],
    "round-twice": START + START,
    "extra-first": [address([B], 2, kind=0x12), data(1, b"one")],
    "pdu-size": START + [NTNU, address([B], 2, msid=5, seq=2),
                         data(1, bytes(3830), msid=5)],
    "ack-source": START + [NTNU],
    "ack-stranger": START + [ack(C)],
    "ack-implosion": [address(MANY, 1), data(1, b"x"), 1.0]
    + [p for n in MANY for p in (ack(n), -0.0099)],
    "ack-repeat": START + [ack(B)] * 5,
    "no-ack-ack": START + [ack(B)] * 5,
    "acked-damaged": START[:2] + [data(2, b"two")[:-1] + b"x", ack(B)],
    "missing-list": START + [ack(B, missing=[0, 1])],
    "missing-above": START + [ack(B, missing=[3])],
    "long-entry": START + [ack(B, missing=list(range(1, 125)))],
    "range-ntnu": START + [NTNU, address([A], 4, source=B, msid=9),
                           data(4, b"x", source=B, msid=9),
                           ack(A, source=B, msid=9, missing=[1, 0, 3])],
    "early-nack": START[:2] + [ack(B, missing=[2])],
    "nack-repeat": START + [ack(B, missing=[1])] * 6,
    "silent-round": START + AGAIN,
    "reject-group": [group(5, GROUP), group(6, OTHER)],
    "reject-source": [group(5, GROUP), group(6, GROUP, source=B)],
}
NOTES = ["silent-round"]
# These need an option, and have tests of their own.
OPTIONS = {"emcon", "pacing"}


def kinds():
    """What the source says that check can find."""
    with open(os.path.join(TOP, "tools/cap_check.c"), encoding="utf-8") as f:
        return set(re.findall(r'\[CAP_\w+\] = \{ "([a-z-]+)"', f.read()))


def test_every_kind_of_finding_is_provoked_and_explained():
    assert kinds() == set(BAD) | OPTIONS
    with open(os.path.join(TOP, "doc/man/mulecap.1"), encoding="utf-8") as f:
        told = set(re.findall(r"^\.It Cm ([a-z-]+) Pq", f.read(), re.M))
    assert told == kinds()


# What each of them also is.
ALSO = {
    "acked-data": {"bare-repeat"},
    "pdu-size": {"ack-source"},
    "discard-ntnu": {"ack-source"},
    "range-ntnu": {"ack-source"},
    "ack-repeat": {"no-ack-ack"},
    "no-ack-ack": {"ack-repeat"},
    "acked-damaged": {"checksum"},
    "after-discard": {"bare-repeat"},
    "expired": {"bare-repeat", "no-discard"},
    "long-entry": {"missing-above"},
    "trailing": {"bare-repeat"},
}


def kinds_in(path):
    r = subprocess.run([MULECAP, "check", "--json", path],
                       capture_output=True, timeout=20)
    assert r.returncode in (0, 1) and not r.stderr
    return {json.loads(l)["finding"] for l in r.stdout.splitlines()}


@pytest.mark.parametrize("code", BAD)
def test_check_finds(code, capture):
    found = rows("check", capture(BAD[code]), rc=0 if code in NOTES else 1)
    assert all(f["frame"] > 0 and f["clause"] for f in found)
    assert {f["severity"] for f in found if f["finding"] == code} == {
        "note" if code in NOTES else "finding"}
    assert {f["finding"] for f in found} == {code} | ALSO.get(code, set())


# Other ways to do the same wrong, and what is only half of it.
MORE = [
    ({"map"}, START[:1] + [fletcher(data(1, b"x")[:3] + b"\x40"
                                    + data(1, b"x")[4:])]),
    ({"map"}, [address([B], 1, kind=0x42), address([B], 1)]),
    ({"acked-data", "acked-dest"}, [
        address([B, C], 2), *START[1:], ack(C), 1.0, address([C], 2),
        START[1]]),
    ({"ack-source"}, START + [NTNU, address([B], 2, msid=5, seq=2),
                              data(1, bytes(3000), msid=5)]),
    ({"ack-source"}, START + [(announce([B], GROUP), 2752), NTNU, discard()]),
    ({"ack-source"}, START + [ack(A)]),
    ({"checksum"}, START[:2] + [data(2, b"two")[:-1] + b"x", START[2],
                                ack(B)]),
    ({"ack-repeat"}, START + [ack(B), address([], 2)] + [ack(B)] * 4),
    ({"missing-list"}, START + [ack(B, missing=[2, 0, 2])]),
    ({"missing-list"}, START + [ack(B, missing=[2, 1])]),
    ({"missing-list"}, START + [ack(B, missing=[1, 0])]),
    ({"numbering"}, [address([B], 1, msid=i, seq=s) for i, s in
                     ((1, 4), (2, 9), (3, 4))]),
    ({"reject-group"}, [group(6, A)]),
    ({"acked-dest"}, START + [ack(B), 1.0, address([B], 2)]),
]


@pytest.mark.parametrize("codes,pdus", MORE)
def test_check_tells_one_thing_from_another(codes, pdus, capture):
    assert kinds_in(capture(pdus)) == codes


# Near each finding, but right.
RIGHT = {
    "a set of two": [address([B], 1, kind=0x42), address([C], 1, kind=0x82)],
    "a range": [address([B], 4), data(1, b"a"), data(4, b"d"),
                ack(B, missing=[1, 0, 3])],
    "three repetitions": START + [ack(B)] * 4,
    "discard after expiry": START + [3599, discard()],
    "numbers that overtake": [address([B], 1, msid=i, seq=s)
                              for i, s in ((1, 4), (2, 6), (3, 5))],
    "an ack for both": START + [fletcher(
        b"\0\x22" + ack(B)[2:12] + b"\0\2" + ack(B)[14:]
        + struct.pack(">HII", 10, B, MSID))],
    "seven at once": [address(MANY[:7], 1), data(1, b"x"), 1.0]
    + [p for n in MANY[:7] for p in (ack(n), -0.0099)],
    "the rest, after a pause": START[:2] + [1, ack(B, missing=[2]), data(
        2, b"two"), ack(B)],
    "complete after other acks": START + [ack(B, missing=[i]) for i in
                                          (1, 2, 1, 2)] + [ack(B)] * 4,
    "a round for the silent": START + [address([C], 2), data(1, b"one")],
    "the request's reject": [group(5, GROUP), group(6, GROUP)],
    "discarded in time": START + [discard(), 4000,
                                  (group(7, GROUP, source=C), 2751)],
    "in the second of expiry": START + [3600.4, address([B], 2), START[1]],
    "a round as soon as asked for": START + [
        -0.008, ack(B, missing=[1]), -0.008, address([B], 2), START[1]],
    "eight, one after the other": [address(MANY[:8], 1), data(1, b"x"), 1.0]
    + [p for n in MANY[:8] for p in (ack(n), -0.0098)],
    "an expired one complete": START + [ack(B), 4000, ack(B)],
}


@pytest.mark.parametrize("what", RIGHT)
def test_check_is_clean_on(what, capture):
    assert run("check", capture(RIGHT[what])) == ""


def test_who_repeats_after_an_ack_is_blamed_only_if_it_was_heard(capture):
    """A single Ack can have been lost on its way to the sender."""
    found = rows("check", capture(START + [ack(B)] + AGAIN))
    assert [(f["finding"], f["severity"]) for f in found] == [
        ("acked-dest", "note"), ("acked-data", "note"), ("acked-data", "note")]
    found = rows("check", capture(START + [ack(B)] + AGAIN * 6), rc=1)
    assert ("acked-data", "finding") in [
        (f["finding"], f["severity"]) for f in found]


def test_check_is_clean_on_a_good_transfer(capture):
    assert run("check", "--rate", "9600", capture(GOOD, step=1.0)) == ""


def test_check_finds_emissions_in_silence(capture):
    path = capture(GOOD)
    assert "emcon" in run("check", "--emcon", "10.142.0.2", path, rc=1)
    run("check", "--emcon", "10.142.0.2:1:", path)
    run("check", "--emcon", "10.142.0.2::0.01", path)
    # Whatever leaves the node: here its address tells.
    noise = capture(GOOD[:1] + [b"noise"])
    found = rows("check", "--emcon", "10.142.0.1:0.005:", noise, rc=1)
    assert [f["finding"] for f in found] == ["emcon", "malformed"]


def test_check_finds_more_than_the_link_carries(capture):
    assert "pacing" in run("check", "--rate", "300", capture(GOOD), rc=1)


def test_stats_add_up(capture):
    st = json.loads(run("stats", "--json", capture(GOOD)))
    assert st["octets"] == sum(28 + len(p) for p in GOOD)
    assert (st["payload"], st["deliveries"]) == (17, 2)
    assert st["types"]["Data_PDU"]["pdus"] == 4
    assert st["priorities"]["4"] == {
        "octets": st["octets"], "payload": 17, "messages": 1, "deliveries": 2,
        "goodput_bps": st["goodput_bps"]}
    assert st["goodput_bps"] == pytest.approx(17 * 8 / 0.08)

    def delays(name):
        return {d["below_s"]: d["count"] for d in st[name]}
    # Acks 10 and 20 ms after the last Data_PDU, then 10 again.
    assert delays("round_trip") == {0.016: 2, 0.032: 1}
    assert delays("turnaround") == {0.016: 4}
    again = json.loads(run("stats", "--json", capture(GOOD + [ack(C)])))
    assert again["round_trip"] == st["round_trip"]
    assert delays("delivery") == {0.064: 1, 0.128: 1}
    loss = {n["node"]: n.get("loss") for n in st["nodes"]}
    assert loss == {"10.142.0.1": None, "10.142.0.2": 0,
                    "10.142.0.3": pytest.approx(1 / 3)}


PCAPNG = (struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
          + struct.pack("<IIHHII", 1, 20, 101, 0, 65535, 20))
FRAME = record(packet(GOOD[0]), 0)
UNUSABLE = {
    "empty": b"",
    "no capture": b"nonsense, not a capture",
    "no frames": HEAD,
    "no frames, pcapng": PCAPNG,
    "cut in the head": HEAD[:17],
    "cut in a frame's head": HEAD + FRAME + FRAME[:9],
    "cut in a frame": HEAD + FRAME[:-3],
    "cut in a block": PCAPNG + struct.pack("<III", 6, 64, 0),
    "a length of 3 GB": HEAD + struct.pack("<IIII", T0, 0, 3 << 30, 3 << 30),
    "a link of Mars": HEAD[:-4] + struct.pack("<I", 147) + FRAME,
    "noise": HEAD + record(bytes(range(200)), 0),
    "another protocol": HEAD + record(packet(b"x" * 30, port=53), 0),
    "headers only": HEAD + record(packet(GOOD[0])[:28], 0),
}


@pytest.mark.parametrize("command", ["list", "show", "check", "extract",
                                     "stats"])
@pytest.mark.parametrize("what", UNUSABLE)
def test_unusable_input_is_one_clear_line(command, what, tmp_path):
    path = tmp_path / "in.pcap"
    path.write_bytes(UNUSABLE[what])
    more = ["-o", str(tmp_path)] if command == "extract" else []
    r = subprocess.run([MULECAP, command, *more, str(path)],
                       capture_output=True, text=True, timeout=20)
    assert r.returncode == 2
    (line,) = r.stderr.splitlines()
    assert line.startswith(f"mulecap: {path}: ")


@pytest.mark.parametrize("seed", range(8))
def test_garbled_captures_end_in_one_line_at_most(seed, tmp_path):
    rnd = random.Random(seed)
    path = tmp_path / "in.pcap"
    whole = HEAD + b"".join(record(packet(p), i) for i, p in enumerate(GOOD))
    if seed % 2:
        whole = PCAPNG + b"".join(
            struct.pack("<IIIIIII", 6, 32 + len(q), 0, i, 0, len(q), len(q)) + q
            + struct.pack("<I", 32 + len(q)) for i, q in enumerate(
                packet(p).ljust(-(-len(packet(p)) // 4) * 4, b"\0")
                for p in GOOD))
    for _ in range(12):
        octets = bytearray(whole)
        for _ in range(rnd.randint(1, 12)):
            octets[rnd.randrange(len(octets))] = rnd.randrange(256)
        path.write_bytes(octets[:rnd.randint(len(octets) // 2, len(octets))])
        for command in ("list", "show", "check", "stats"):
            r = subprocess.run([MULECAP, command, str(path)], timeout=20,
                               capture_output=True, text=True)
            assert r.returncode in (0, 1, 2), (command, r.stderr)
            assert r.returncode != 1 or (command == "check" and r.stdout)
            assert len(r.stderr.splitlines()) <= 1
            assert r.returncode != 2 or r.stderr.startswith("mulecap: ")


def test_a_wrong_command_line_is_said(capture, tmp_path):
    path = capture(GOOD)
    run("list", str(tmp_path / "none"), rc=2)
    for bad in (["fly", path], ["list"], ["list", path, path], ["list",
                "--ports", "0", path], ["list", "--ports", "9-3", path],
                ["list", "--id", "g", path], ["list", "--type", "x", path],
                ["list", "--source", "1.2.3", path], ["extract", path],
                ["check", "--rate", "-1", path], ["show", "--time", "1", path],
                ["check", "--emcon", "1.2.3.4:x", path]):
        run(*bad, rc=2)


def test_help_and_version_are_given_when_asked(capture):
    for args in (["--help"], ["list", "--help"], ["replay", "--help", "x"]):
        out = run(*args)
        assert "replay" in out and "Exit status" in out
    assert run("--version").startswith("mulecap 0.")


def test_memory_does_not_grow_with_the_capture():
    p = subprocess.Popen([MULECAP, "list", "-"], stdin=subprocess.PIPE,
                         stdout=subprocess.DEVNULL)
    p.stdin.write(HEAD)
    filler = record(packet(b"\0" * 1400, port=9), 1) * 700
    for i in range(500):
        head = address([B], 2, msid=i)
        p.stdin.write(record(packet(head), i) + filler)
        p.stdin.write(b"".join(record(packet(data(1, b"x", msid=i << 16 | k)), i)
                               for k in range(40)))
    p.stdin.flush()
    assert peak(p) < 64 * 1024
    p.communicate(timeout=20)
    assert p.returncode == 0
