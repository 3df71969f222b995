"""The queue under faults: killed at each call that touches it, on disks that
fail.  A sample of them; TORTURE=1, make torture, takes all."""
import errno
import os
import re
import smtplib
import time

import pytest

from chain import Chain
from faults import FAIL, KILL, TEAR, Fault, database_is_sound, files_left
from muleteer import crlf, strip_trace, wait_for

TORTURE = bool(os.environ.get("TORTURE"))
SENDER = "ops@a.example.mil"
NAMES = ["a", "b", "c"]


def content(subject, size=0):
    filler = b"".join(os.urandom(30).hex().encode() + b"\r\n"
                      for _ in range(size // 62))
    return crlf(f"Subject: {subject}\n\n".encode()) + filler + b".\r\n"


def subject_of(text):
    return text.split(b"\r\n\r\n")[0].split(b"Subject: ")[1].decode()


def submit(gateway, to, text):
    """Whether it was accepted."""
    try:
        with smtplib.SMTP("127.0.0.1", gateway.port, timeout=20) as s:
            s.sendmail(SENDER, [to], text)
        return True
    except smtplib.SMTPResponseException as e:
        assert 400 <= e.smtp_code < 500, e
        return False
    except (OSError, smtplib.SMTPException):
        return False


class Workload:
    """Mail by SMTP into a, by P_MUL to b, to c, and out to its sink: a body
    in the database, and one in a file."""

    def __init__(self, chain, number):
        self.chain = chain
        self.subjects = []
        for size in (0, 100_000):
            subject = f"{number}-{size}"
            if submit(chain.gateways["a"], "bob@c.example.mil",
                      content(subject, size)):
                self.subjects.append(subject)

    def arrived(self):
        there = {subject_of(c)
                 for _, _, c, _ in list(self.chain.sinks["c"].messages)}
        return there >= set(self.subjects)


def empty(chain):
    try:
        return all(g.running() and g.status()["queue"]["messages"] == 0
                   for g in chain.gateways.values())
    except OSError:
        return False  # killed this moment


def started(gateway):
    """False if it did not survive its start."""
    try:
        gateway.start()
        return True
    except RuntimeError:
        return False


def survive(chain, fault, tmp_path, number, action, n):
    """One workload with a gateway that is killed at its nth call; whether
    there was an nth call.  It is alive again afterwards, and all is well."""
    victim = fault.gateway
    victim.stop()
    fault.arm(action, n)
    alive = started(victim)
    work = Workload(chain, number) if alive or victim.name != "a" else None
    deadline = time.monotonic() + 20
    while victim.running() and time.monotonic() < deadline:
        if work is not None and work.arrived() and empty(chain):
            break
        time.sleep(0.02)
    fault.disarm()
    reached = not victim.running()
    if reached:
        victim.process.wait()
        assert victim.process.returncode == -9, victim.read_log()[-2000:]
        database_is_sound(victim.state, str(tmp_path / f"copy{number}"))
        victim.start()
    if work is not None:
        wait_for(work.arrived, 30, f"{victim.name} killed at {n}")
    wait_for(lambda: empty(chain), 30, "nothing left")
    return reached


def once_by_radio(gateway):
    taken = [re.search(r"source=(\S+) msid=(\d+)", line).groups()
             for line in gateway.events("mule.received")]
    assert taken and len(set(taken)) == len(taken)


@pytest.mark.parametrize("name", NAMES)
def test_killed_at_any_call_nothing_is_lost(name, tmp_path):
    """TORTURE: n = 1, 2, 3 ... until a whole workload has no nth call."""
    chain = Chain(tmp_path, NAMES)
    fault = Fault(chain.gateways[name])
    with chain:
        n, number, kills = 1, 0, 0
        while survive(chain, fault, tmp_path, number,
                      TEAR if number % 5 == 4 else KILL, n):
            kills += 1
            number += 1
            n += 1 if TORTURE else 1 + n // 3
        assert kills >= 5
        print(f"{name}: killed {kills} times, up to call {n}")
        for g in ("b", "c"):
            once_by_radio(chain.gateways[g])
        for g in chain.gateways.values():
            wait_for(lambda g=g: not files_left(g.state), 20,
                     f"no orphan of {g.name}")


ERRORS = [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE, errno.ENOMEM]
# What an operator finds in the log, for each of them.
REASON = re.compile(r"<[34]>.*(No space|full|disk|Input/output|I/O|quota|"
                    r"Too many open files|memory|cannot be written)", re.I)


@pytest.mark.parametrize("name,error", [
    (n, e) for n in NAMES for e in ERRORS
    if TORTURE or n == "a" or (n, e) == ("c", errno.ENOSPC)],
    ids=lambda v: errno.errorcode.get(v, v))
def test_a_disk_that_fails_refuses_for_now_and_heals(name, error, tmp_path):
    """One call fails, or all from the nth on until somebody mends it."""
    chain = Chain(tmp_path, NAMES)
    fault = Fault(chain.gateways[name])
    victim = fault.gateway
    hit, refused = 0, 0
    with chain:
        works = []
        for number, n in enumerate(range(1, 60, 1 if TORTURE else 18)):
            for_good = number % 2 == 0
            fault.arm(FAIL, n, 1 << 40 if for_good else n, error)
            work = Workload(chain, f"{number}")
            refused += 2 - len(work.subjects)
            works.append(work)
            if for_good:
                time.sleep(0.3)  # As long as it lasts.
            hit += fault.hits > 0
            fault.disarm()
            assert victim.running(), victim.read_log()[-3000:]
            # Mended: the next one is taken at once.
            after = Workload(chain, f"{number}+")
            assert len(after.subjects) == 2
            works.append(after)
        for work in works:
            wait_for(work.arrived, 40, "all that was accepted")
        wait_for(lambda: empty(chain), 40, "nothing left")
        assert hit >= 2
        assert name != "a" or refused > 0
        assert REASON.search(victim.read_log()), victim.read_log()[-3000:]
        for g in ("b", "c"):
            once_by_radio(chain.gateways[g])
        # The server behind c is not told again what it took already.
        subjects = [subject_of(c) for _, _, c, _ in chain.sinks["c"].messages]
        assert len(subjects) == len(set(subjects))
        # And it goes on after a restart, which takes what an unlink that
        # failed has left.
        assert victim.stop() == 0
        database_is_sound(victim.state, str(tmp_path / "copy"))
        victim.start()
        assert not files_left(victim.state)
