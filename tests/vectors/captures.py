#!/usr/bin/python3
"""Makes test-vectors/capture/ again: captures of our own gateways over the
emulated channel, and captures of what others would send, octet by octet.

    MULETEER_BUILD=build /usr/bin/python3 tests/vectors/captures.py [NAME ...]

What is to be expected is written by hand below where the capture is made by
hand; of our own gateways' captures tshark says what is in them, and every node
must have done what the engine does when it is replayed.
"""
import hashlib
import os
import random
import re
import struct
import sys
import tempfile
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), p)
                for p in ("..", os.path.join("..", "lib"))]
# pylint: disable=wrong-import-position
import oracle                                              # noqa: E402
import test_mulecap as made                                # noqa: E402
from air import ACK, ADDRESS, Air                          # noqa: E402
from muleteer import TOP, Fleet, crlf, wait_for            # noqa: E402
from test_emcon import emcon                               # noqa: E402
from test_groups import DYNAMIC, regroup                   # noqa: E402

OUT = os.path.join(TOP, "test-vectors", "capture")
LINK = ("ack_delay_upper_bound: 50ms\nack_retransmission_time: 400ms\n"
        "ack_pdu_time: 1s\nbit_rate: 1000000\n")


# --- what our own gateways send ----------------------------------------------

def text(seed, lines):
    r = random.Random(seed)
    return crlf(b"From: ops@shore.example.mil\nSubject: %d\n\n" % seed
                + b"".join(r.randbytes(30).hex().encode() + b"\n"
                           for _ in range(lines)))


def submit(fleet, seed, lines, ships):
    fleet["shore"].submit("ops@shore.example.mil",
                          [f"a@{s}.example.mil" for s in ships],
                          text(seed, lines))


def empty(fleet):
    def done():
        return all(q["messages"] == q["transmissions"] == 0 for q in
                   (g.status()["queue"] for g in fleet.gateways.values()))
    wait_for(done, 60, "everything acknowledged")
    time.sleep(2)  # the last Ack-Acks


def clean(fleet):
    submit(fleet, 1, 40, ["ship1", "ship2"])
    empty(fleet)
    submit(fleet, 2, 3, ["ship2"])
    empty(fleet)


def lossy(fleet):
    submit(fleet, 3, 80, ["ship1", "ship2"])
    submit(fleet, 4, 20, ["ship1"])
    empty(fleet)


def silent(fleet):
    """ship2 is under radio silence; then it is not."""
    emcon(fleet["ship2"], True)
    emcon(fleet["shore"], True, "ship2")
    submit(fleet, 5, 40, ["ship1", "ship2"])
    fleet.sinks["ship2"].wait(1, 30)
    wait_for(lambda: len(Air(fleet.pcap).by(fleet.nodes["shore"], ADDRESS))
             >= 3, 30, "the repetitions")
    time.sleep(2)
    assert not Air(fleet.pcap).by(fleet.nodes["ship2"], ACK)
    emcon(fleet["ship2"], False)
    empty(fleet)


def split(fleet):
    submit(fleet, 6, 100, [f"ship{i}" for i in range(1, 8)])
    empty(fleet)


def dynamic(fleet):
    submit(fleet, 7, 20, ["ship1", "ship2"])
    empty(fleet)


def ungroup(fleet):
    """No static group has both ships; only shore takes dynamic ones."""
    for name, g in fleet.gateways.items():
        regroup(g, {"one": (1, ["shore", "ship1"]),
                    "two": (2, ["shore", "ship2"])},
                DYNAMIC if name == "shore" else "")


OWN = {
    "clean": dict(
        what="Two messages, nothing lost: to two nodes, then to one of them.",
        clause="P_MUL 3.2 to 3.5, the plain case.", run=clean),
    "lossy": dict(
        what="Two messages through a channel that loses a quarter of what "
             "each node hears.",
        clause="P_MUL 3.2, 3.5: selective repetition, and questions with an "
               "Extra_Address_PDU where an Ack did not come.",
        run=lossy, channel=dict(loss=0.25, seed=11)),
    "emcon": dict(
        what="A message to two nodes, of which the second, 10.142.0.3, is "
             "under radio silence: it is told as often as EMCON_RTC says, "
             "says nothing, and acknowledges when it may.",
        clause="P_MUL 3.7.", run=silent,
        link="emcon_rtc: 2\nemcon_rti: 800ms\n",
        # What was ordered at run time is not on the air.
        replay=("shore --emcon 10.142.0.3", "ship1", "ship2")),
    "split-lists": dict(
        what="PDUs of at most 64 octets: a message to seven nodes, so that "
             "the Destination_Entries need two Address_PDUs (MAP), over a "
             "channel that loses two fifths, so that lists of missing numbers "
             "do not fit into one Ack_PDU.",
        clause="P_MUL 1.2 MAP, 1.3, 1.5.", run=split, ships=7, pdu_max=64,
        # With so many losses it is not certain what shore has heard.
        replay=("ship1", "ship2"), channel=dict(loss=0.4, seed=5)),
    "dynamic-group": dict(
        what="A message to two nodes that no static group has together: a "
             "group is asked for, announced, used and released.",
        clause="P_MUL 3.8: Request_PDU, Announce_PDU, Release_PDU.",
        run=dynamic, prepare=ungroup),
}


def facts(path):
    """What is in a capture, as tshark sees it."""
    rows = oracle.fields(path, "frame.number")
    lines = [f"PDUs: {len(rows)}"]
    whole = oracle.fields(path, "p_mul.source_id", "p_mul.message_id",
                          "p_mul.reassembled.length", "data.data",
                          filter="p_mul.reassembled.length && data.data")
    seen = set()
    for source, msid, size, inflated in whole:
        key = f"{source} {int(msid, 0):08x}"
        if key in seen:
            continue
        seen.add(key)
        digest = hashlib.sha256(bytes.fromhex(inflated)).hexdigest()
        lines.append(f"Message: {key} {size} {digest}")
    return lines


def keep_config(gateway, name, node):
    """Without what belongs to the machine it ran on."""
    with open(gateway.config, encoding="utf-8") as f:
        config = f.read()
    config = re.sub(r"state_dir: \S+", "state_dir: /var/lib/muleteer", config)
    config = re.sub(r'"127\.0\.0\.1:\d+"', '"127.0.0.1:25"', config)
    with open(os.path.join(OUT, f"{name}-{node}.yaml"), "w",
              encoding="utf-8") as f:
        f.write(config)


def record(name, what, clause, run, ships=2, channel=None, link="",
           pdu_max=400, prepare=None, replay=("shore", "ship1", "ship2")):
    path = os.path.join(OUT, name + ".pcap")
    if os.path.exists(path):
        os.unlink(path)
    with tempfile.TemporaryDirectory(prefix="vectors-") as d:
        fleet = Fleet(ships, directory=d, pcap=path,
                      link=LINK + f"pdu_max: {pdu_max}\n" + link,
                      **(channel or {}))
        if prepare:
            prepare(fleet)
        with fleet:
            run(fleet)
        for how in replay:
            node = how.split()[0]
            keep_config(fleet[node], name, node)
    lines = facts(path) + ["Check: 0"] + [f"Replay: {how}" for how in replay]
    write_text(name, what, clause,
               "our own encoder and engine: gateways of this program on an "
               "emulated channel, recorded as it was on the air; what is in it "
               "is what tshark 4.0.17 says.", lines)


# --- what others send, by hand ---------------------------------------------------

A, B, C = made.A, made.B, made.C


def payload(n):
    return (b"<ops@shore.example.mil>\r\n<a@ship1.example.mil>\r\n\r\n"
            b"Subject: %d\r\n\r\n" % n
            + random.Random(n).randbytes(600).hex().encode() + b"\r\n")


class Tape:
    """A capture being made, and what there is to find in it."""

    def __init__(self):
        self.out, self.at, self.frame, self.lines = made.HEAD, 0.0, 0, []

    def put(self, pdu, *codes, port=2753, step=0.05):
        self.frame += 1
        self.out += made.record(made.packet(pdu, port), self.at)
        self.at += step
        self.lines += [f"Finding: frame {self.frame} {c}" for c in codes]

    def message(self, n, msid, size=200):
        """The fragments of a message that is to come out whole."""
        whole = made.cdt(payload(n))
        self.lines.append(f"Message: 10.142.0.1 {msid:08x} {len(whole)} "
                          + hashlib.sha256(payload(n)).hexdigest())
        return [whole[i:i + size] for i in range(0, len(whole), size)]

    def wait(self, seconds):
        self.at += seconds


def wrong_ack(node, **kw):
    """Q1: an entry whose Source_ID is who acknowledges."""
    return made.ack(node, source=node, **kw)


def ntnu_like(t):
    """The order of things is that of the list of quirks."""
    parts = t.message(1, 1)
    n = len(parts)
    t.put(made.address([B, C], n, msid=1))
    for i, p in enumerate(parts):
        t.put(made.data(i + 1, p, msid=1))
        if i == 1:
            # Q7: more than half is missing: it has not been sent yet.
            t.put(wrong_ack(C, msid=1, missing=list(range(2, n + 1))),
                  "ack-source", "early-nack")
    t.put(wrong_ack(B, msid=1), "ack-source")
    t.put(wrong_ack(C, msid=1, missing=[2]), "ack-source")
    # Q5: the Total of a round is the number of PDUs in it.
    t.put(made.address([C], 1, msid=1), "total-shrinks")
    # Q6: padded with zeros behind Length_of_PDU.
    t.put(made.data(2, parts[1], msid=1) + bytes(50), "trailing")
    t.put(wrong_ack(C, msid=1), "ack-source")
    # Q4: no Ack-Ack follows, and who hears none says it again.
    for _ in range(4):
        t.wait(2)
        t.put(wrong_ack(C, msid=1), "ack-source")
    t.lines += [f"Finding: frame {t.frame} {c}"
                for c in ("ack-repeat", "no-ack-ack")]


def hostile(t):
    good = t.message(2, 7)
    n = len(good)
    t.put(made.address([B], n, msid=7))
    t.put(made.data(1, good[0], msid=7))
    # Not one PDU.
    t.put(b"", "malformed")
    t.put(b"\xff" * 40, "malformed")
    t.put(made.data(2, good[1], msid=7)[:-3], "malformed")
    t.put(made.address([B], n, msid=7)[:20], "malformed")
    # A count of entries that are not there.
    lie = bytearray(made.address([B], n, msid=7))
    lie[20:22] = b"\xff\xff"
    t.put(made.fletcher(bytes(lie)), "malformed")
    # A flipped bit.
    bent = bytearray(made.data(2, good[1], msid=7))
    bent[-1] ^= 1
    t.put(bytes(bent), "checksum")
    # Types that nobody has defined.
    t.put(made.fletcher(struct.pack(">HBBHHI", 12, 0, 0x2a, 0, 0, A)), "type")
    # The number 0.
    t.put(made.data(0, b"x" * 50, msid=7), "malformed")
    # Who was never asked acknowledges; who was asks for what is not there.
    t.put(made.ack(C, msid=7), "ack-stranger")
    t.put(made.ack(B, msid=7, missing=[n + 9]), "missing-above")
    for i in range(1, n):
        t.put(made.data(i + 1, good[i], msid=7))
    t.put(made.ack(B, msid=7))
    t.put(made.address([], n, msid=7))
    # A message that is discarded, and goes on.
    t.put(made.address([B], 2, msid=8, seq=2))
    # A number above the Total.
    t.put(made.data(3, b"x" * 50, msid=8), "sequence")
    t.put(made.fletcher(struct.pack(">HBBHHII", 16, 4, 3, 0, 0, A, 8)))
    t.put(made.data(1, b"y" * 100, msid=8), "after-discard")
    t.wait(30)


MADE = {
    "ntnu-like": dict(
        what="A transmitter and two receivers that do what NTNU's library "
             "does: a Total for each round, zeros behind a PDU, Acks whose "
             "entries name who sends them, missing lists in the middle of the "
             "first pass, no Ack-Ack.",
        clause="peculiarities Q1, Q4, Q5, Q6 and Q7 of NTNU's library.",
        run=ntnu_like),
    "hostile": dict(
        what="A message to one node, whole and acknowledged, and between its "
             "PDUs what is no PDU, is damaged, lies about its length, or comes "
             "from who was not asked; then a message that is discarded and "
             "goes on.",
        clause="P_MUL 1.1, 1.4, 1.5, 1.6, 1.10, 3.3.", run=hostile),
}


def forge(name, what, clause, run):
    tape = Tape()
    run(tape)
    path = os.path.join(OUT, name + ".pcap")
    with open(path, "wb") as f:
        f.write(tape.out)
    write_text(name, what, clause,
               "a script independent of this program, from the published "
               "formats; what is to be found in it is written by hand.",
               facts(path)[:1] + tape.lines + ["Check: 1"])


def write_text(name, what, clause, origin, lines):
    def fold(s):
        return re.sub(r"(.{1,76})(?: +|$)", r"\1\n", s)
    with open(os.path.join(OUT, name + ".txt"), "w", encoding="utf-8") as f:
        f.write(fold(what) + "\n" + fold("Clause: " + clause)
                + fold("Origin: " + origin) + "\n"
                + "\n".join(lines) + "\n")


def main():
    wanted = sys.argv[1:] or list(OWN) + list(MADE)
    for name in wanted:
        if name in OWN:
            record(name, **OWN[name])
        else:
            forge(name, **MADE[name])
        print(name, flush=True)


if __name__ == "__main__":
    main()
