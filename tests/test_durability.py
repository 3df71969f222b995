"""Nothing is announced before it is on disk: the order of system calls.

A kill -9 cannot show this, since what was written survives the process.  So
strace writes down every sync of the queue's log and every answer, and the
order in that record is what counts.
"""
import re
import smtplib

from muleteer import Fleet, wait_for

# The leak checker of a sanitizer build cannot work under a tracer.
TRACE = ["strace", "-D", "-f", "-qq", "-y", "-xx", "-s", "64", "-E",
         "ASAN_OPTIONS=detect_leaks=0", "-e",
         "trace=fsync,fdatasync,read,write,writev,recvfrom,sendto,sendmsg",
         "-o"]


def hexed(octets):
    """As strace -xx prints them."""
    return "".join(f"\\x{c:02x}" for c in octets)


WAL = re.escape(hexed(b"queue.db-wal"))
SYNC = re.compile(rf"(?:fsync|fdatasync)\(.*{WAL}>\) += 0")
# strace splits a call that another thread interrupts.
SYNC_BEGUN = re.compile(rf"^(\d+) .*(?:fsync|fdatasync)\(.*{WAL}.*"
                        r"<unfinished")
SYNC_ENDED = re.compile(r"^(\d+) .*(?:fsync|fdatasync) resumed.*= 0")
QUEUED = hexed(b"250 2.0.0 Queued")
# A complete Ack_PDU: type 1 at octet 3, one entry of 10 octets at octet 14.
ACK = re.compile(r'iov_base="(?:\\x..){3}\\x01(?:\\x..){8}\\x00\\x01'
                 r'\\x00\\x0a')
# A Data_PDU comes in, behind the 20 octets of the emulator's frame.
DATA = re.compile(r'recvfrom\(.*"(?:\\x..){23}\\x00')
# The end of a message comes in.
END = hexed(b"\r\n.\r\n") + '"'
MESSAGES = 10


def announced(path, is_input, is_answer):
    """For each answer in the record: the syncs since the last octets came in
    that it answers."""
    syncs, counts, begun = 0, [], set()
    with open(path, encoding="ascii") as f:
        for line in f:
            start, end = SYNC_BEGUN.match(line), SYNC_ENDED.match(line)
            if SYNC.search(line):
                syncs += 1
            elif start:
                begun.add(start[1])
            elif end and end[1] in begun:
                begun.discard(end[1])
                syncs += 1
            elif is_input(line):
                syncs = 0
            elif is_answer(line):
                counts.append(syncs)
    return counts


def test_every_250_and_every_complete_ack_follows_its_own_sync(tmp_path):
    # An Ack that waits at random could be late by luck.
    fleet = Fleet(1, link=Fleet.FAST.replace("20ms", "0s"))
    traces = {}
    for name, gateway in fleet.gateways.items():
        traces[name] = str(tmp_path / f"{name}.strace")
        gateway.args = TRACE + [traces[name]] + gateway.args
    with fleet:
        # Nothing can be delivered, so that no other commit lends its sync.
        for sink in fleet.sinks.values():
            sink.server.stop()
        with smtplib.SMTP("127.0.0.1", fleet["shore"].port) as s:
            for i in range(MESSAGES):
                s.sendmail("ops@shore.example.mil", ["a@shore.example.mil"],
                           b"Subject: %d\r\n\r\nx\r\n" % i)
            for i in range(MESSAGES):
                s.sendmail("ops@shore.example.mil", ["a@ship1.example.mil"],
                           b"Subject: %d\r\n\r\nx\r\n" % i)
                wait_for(lambda n=i + 1: len(
                    fleet["shore"].events("mule.relayed")) >= n, 30, "ack")
    queued = announced(traces["shore"], lambda line: END in line,
                       lambda line: QUEUED in line)
    assert len(queued) == 2 * MESSAGES
    assert all(n >= 1 for n in queued), queued
    acks = announced(traces["ship1"], lambda line: bool(DATA.search(line)),
                     lambda line: bool(ACK.search(line)))
    # More when a busy machine made the receiver repeat one.
    assert len(acks) >= MESSAGES
    assert all(n >= 1 for n in acks), acks
