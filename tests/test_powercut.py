"""Power failures at every sync: what was announced is there afterwards."""
import os
import random
import re
import shutil
import sqlite3
import struct

import powercut
from chain import Chain
from faults import Fault, database_is_sound
from muleteer import Gateway, Sink, free_port, wait_for
from test_faults import SENDER, TORTURE, content

MESSAGES = 24
SAMPLE = 24
QUEUED = re.compile(rb"250 2\.0\.0 Queued as (\d+)")


def texts():
    """Small bodies and large ones, which are files."""
    return {str(i): content(str(i), 90_000 if i % 4 == 3 else 500 * i)
            for i in range(MESSAGES)}


class Stored:
    """What a queue holds, read after its gateway has recovered it."""

    def __init__(self, state):
        db = sqlite3.connect(os.path.join(state, "queue.db"))
        self.bodies = {}
        for i, in_file in db.execute("SELECT id, in_file FROM message"):
            if in_file:
                with open(os.path.join(state, "spool", str(i)), "rb") as f:
                    body = f.read()
            else:
                ((body,),) = db.execute(
                    "SELECT data FROM body WHERE message_id = ?", (i,))
            subject = body.split(b"Subject: ")[1].split(b"\r\n")[0]
            self.bodies[subject.decode()] = body
        self.tombstones = {(s & 0xffffffff, m) for s, m in
                           db.execute("SELECT source, msid FROM tombstone")}
        rows = {str(i) for (i,) in db.execute(
            "SELECT id FROM message WHERE in_file = 1")}
        rows |= {f"t{i}" for (i,) in db.execute(
            "SELECT id FROM transmission WHERE in_file = 1")}
        db.close()
        assert set(os.listdir(os.path.join(state, "spool"))) == rows
        assert not os.listdir(os.path.join(state, "tmp"))


def recover(gateway, state):
    """Start a gateway with this state and stop it again."""
    with open(gateway.config, encoding="utf-8") as f:
        text = f.read()
    text = text.replace(gateway.state, state).replace(
        f":{gateway.port}", f":{free_port()}")
    again = Gateway(os.path.dirname(state), "again", "10.9.9.9",
                    {"again": "10.9.9.9"}, 1, [])
    with open(again.config, "w", encoding="utf-8") as f:
        f.write(text)
    again.start()
    assert again.stop() == 0
    log = again.read_log()
    os.remove(again.log)
    assert "queue.body_lost" not in log, log


def complete_acks(pdu):
    """[(Source_ID, Message_ID)] that an Ack_PDU calls complete."""
    if len(pdu) < 14 or pdu[3] & 0x3f != 1:
        return []
    (count,) = struct.unpack_from(">H", pdu, 12)
    at, found = 14, []
    for _ in range(count):
        if at + 10 > len(pdu):
            return []
        length, source, msid = struct.unpack_from(">HII", pdu, at)
        if length == 10:
            found.append((source, msid))
        at += length
    return found


def cuts(records, rnd):
    """Before which records the power fails: syncs, and the end."""
    points = [i for i, r in enumerate(records) if r[0] == "S"]
    points.append(len(records))
    modes = [(i, m) for i in points for m in ("drop", "keep", "scramble")]
    return set(modes if TORTURE else rnd.sample(modes, SAMPLE))


def each_failure(gateway, journal, tmp_path, check):
    """check(stored, announcements) after each power failure."""
    rnd = random.Random(8494)
    records = powercut.read(journal)
    disk, announced, n = powercut.Disk(), [], 0
    wanted = cuts(records, rnd)
    for i in range(len(records) + 1):
        for mode in ("drop", "keep", "scramble"):
            if (i, mode) not in wanted:
                continue
            state = str(tmp_path / "cut" / "state")
            disk.after_failure(state, mode, rnd)
            try:
                database_is_sound(state, str(tmp_path / "copy"))
                recover(gateway, state)
                check(Stored(state), announced)
            except BaseException:
                print(f"power failed before record {i}, {mode}")
                raise
            shutil.rmtree(tmp_path / "cut")
            n += 1
        if i < len(records):
            if records[i][0] == "A":
                announced.append(records[i][3])
            else:
                disk.apply(records[i])
    print(f"{gateway.name}: {n} failures, {len(records)} records")
    return n


def run(tmp_path):
    """a's mail for x stays with it, its mail for b is delivered there and
    stays in b; both write down what they do to their disks."""
    chain = Chain(tmp_path, ["a", "b"])
    journals = {n: str(tmp_path / f"{n}.journal") for n in chain.names}
    for n, g in chain.gateways.items():
        Fault(g, journals[n])
        with open(g.config, encoding="utf-8") as f:
            text = f.read()
        with open(g.config, "w", encoding="utf-8") as f:
            f.write(text + "  - {domain: x.example.mil, via: smtp, host: "
                    f'"127.0.0.1:{free_port()}"}}\n')
    mail = texts()
    with chain:
        port = chain.sinks["b"].port
        chain.sinks["b"].stop()
        for i, (_, text) in enumerate(mail.items()):
            to = "x" if i % 2 else "b"
            chain.gateways["a"].submit(SENDER, [f"bob@{to}.example.mil"],
                                       text)
        wait_for(lambda: len(chain.gateways["a"].events("mule.relayed"))
                 == MESSAGES // 2, 30, "b has its mail")
        chain.sinks["b"] = Sink(port=port).start()
        wait_for(lambda: chain.gateways["b"].status()["queue"]["messages"]
                 == 0, 30, "b has delivered")
    return chain, journals, mail


def test_power_failures_lose_nothing_that_was_announced(tmp_path):
    chain, journals, mail = run(tmp_path)

    def smtp(stored, announced):
        """What got a 250 and stays."""
        accepted = sum(len(QUEUED.findall(a)) for a in announced)
        for i, (subject, text) in enumerate(mail.items()):
            if i % 2 and i < accepted:
                assert stored.bodies[subject].endswith(text), subject

    def mule(stored, announced):
        """What was acknowledged is known, and until it left it is there."""
        acked = {k for a in announced for k in complete_acks(a)}
        assert acked <= stored.tombstones
        seen.append((len(acked), len(stored.bodies)))

    seen = []
    least = 3 * MESSAGES if TORTURE else SAMPLE
    assert each_failure(chain.gateways["a"], journals["a"], tmp_path,
                        smtp) >= least
    assert each_failure(chain.gateways["b"], journals["b"], tmp_path,
                        mule) >= least
    # While the sink was away everything that was acknowledged is there.
    assert max(n for n, _ in seen) == MESSAGES // 2
    assert any(n > 0 and bodies >= n for n, bodies in seen)
