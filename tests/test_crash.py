"""kill -9 at seeded instants: what was accepted arrives, once over P_MUL."""
import random
import re
import smtplib
import threading
import time

from muleteer import Fleet, crlf, strip_trace, wait_for

MESSAGES = 50
KILLS = 100
SEED = 8494


def submit_all(fleet, accepted):
    """50 messages to both ships; a submission that breaks is repeated, and
    only those with a 250 count."""
    i = 0
    while i < MESSAGES:
        text = crlf(f"Subject: {i}\n\n{'x' * 200 * (i % 7)}\n".encode())
        try:
            with smtplib.SMTP("127.0.0.1", fleet["shore"].port,
                              timeout=10) as s:
                s.sendmail("ops@shore.example.mil",
                           ["a@ship1.example.mil", "b@ship2.example.mil"],
                           text)
                accepted.append(i)
                i += 1
        except (OSError, smtplib.SMTPException):
            time.sleep(0.02)


def kill_all(fleet, rnd):
    for _ in range(KILLS):
        time.sleep(rnd.random() * 0.1)
        victim = rnd.choice(list(fleet.gateways.values()))
        victim.kill()
        victim.start()


def received_once(gateway):
    """No (source, msid) was committed twice, by the log of all its lives."""
    taken = [re.search(r"source=(\S+) msid=(\d+)", line).groups()
             for line in gateway.events("mule.received")]
    assert len(taken) > MESSAGES / 2
    assert len(set(taken)) == len(taken)


def test_nothing_accepted_is_lost_and_nothing_comes_twice_by_radio():
    rnd = random.Random(SEED)
    with Fleet(2, loss=0.02, seed=SEED) as fleet:
        # An Ack that came and was not yet on disk is forgotten by the kill.
        fleet.provoked = {"acked-dest", "acked-data"}
        accepted = []
        sender = threading.Thread(target=submit_all, args=(fleet, accepted))
        sender.start()
        kill_all(fleet, rnd)
        sender.join()

        def arrived(ship):
            return {int(strip_trace(c).split()[1])
                    for _, _, c, _ in list(fleet.sinks[ship].messages)}
        assert len(accepted) == MESSAGES
        for ship in ("ship1", "ship2"):
            wait_for(lambda s=ship: arrived(s) >= set(accepted), 60,
                     f"everything on {ship}")
        for g in fleet.gateways.values():
            wait_for(lambda g=g: g.status()["queue"]["messages"] == 0, 60,
                     f"{g.name} has nothing left")
        for ship in ("ship1", "ship2"):
            received_once(fleet[ship])
