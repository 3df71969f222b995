"""Gateways over the ready-made channels, a hundred times as fast."""
import os
import re
import threading
import time

import pytest

from muleteer import TOP, Fleet, crlf, strip_trace, wait_for

SPEED = 100


def scaled(name):
    """A ready-made channel: more bits in a second, fewer seconds."""
    with open(os.path.join(TOP, "config/channels", name + ".yaml"),
              encoding="utf-8") as f:
        text = re.sub(r"#.*", "", f.read())
    rate = SPEED * int(re.search(r"^bit_rate: (\d+)", text, re.M)[1])
    text = re.sub(r"(_ms|\bstart_s|\blength_s|\bevery_s): ([\d.]+)",
                  lambda m: f"{m[1]}: {float(m[2]) / SPEED:g}", text)
    return rate, re.sub(r"^(bit_rate|half_duplex|turnaround_ms|delay_ms|loss):"
                        r".*\n", "", text, flags=re.M), text


def setting(text, key):
    found = re.search(rf"^{key}: (\S+)", text, re.M)
    return found[1] if found else "0"


def fleet(name, ack_delay, retransmission, **more):
    rate, rest, text = scaled(name)
    half = setting(text, "half_duplex") == "true"
    link = (f"bit_rate: {rate}\nhalf_duplex: {str(half).lower()}\n"
            f"ack_delay_upper_bound: {ack_delay}ms\n"
            f"ack_retransmission_time: {retransmission}ms\n"
            f"ack_pdu_time: {2 * retransmission}ms\npdu_max: 512\n")
    return Fleet(2, link, bit_rate=rate, half_duplex=half,
                 delay_ms=float(setting(text, "delay_ms")),
                 turnaround_ms=float(setting(text, "turnaround_ms")),
                 loss=float(setting(text, "loss")), more=rest, **more)


def mail(octets):
    return crlf(b"Subject: over a channel\n\n"
                + os.urandom(octets // 2).hex().encode().replace(b"0", b"\n")
                + b"\n")


@pytest.mark.parametrize("name,octets,ack_delay,retransmission", [
    ("hf-good", 150000, 500, 900), ("hf-poor", 20000, 740, 1300),
    ("uhf-los", 300000, 30, 100), ("satcom", 300000, 20, 60),
    # From 0.6 s to 6.6 s nobody hears anything.
    ("blackout", 300000, 300, 530)])
def test_a_message_gets_through(name, octets, ack_delay, retransmission):
    content = mail(octets)
    with fleet(name, ack_delay, retransmission) as f:
        f["shore"].submit("ops@shore.example.mil",
                          [f"a@ship{i}.example.mil" for i in (1, 2)], content)
        for ship in ("ship1", "ship2"):
            ((_, _, got, _),) = f.sinks[ship].wait(1, 120)
            assert strip_trace(got) == content
        wait_for(lambda: f["shore"].status()["queue"]["messages"] == 0, 60,
                 "acknowledgements")
        f.channel.stop()
        nodes = f.channel.stats()["nodes"]
        assert any(n["lost"] for n in nodes)
        if name == "blackout":
            assert all(n["faded"] for n in nodes
                       if n["node"] != f.nodes["shore"])


def all_to_all(f, texts):
    """Every node sends to all others, all at the same time."""
    names = list(f.nodes)
    threads = [threading.Thread(target=f[n].submit, args=(
        f"ops@{n}.example.mil",
        [f"a@{m}.example.mil" for m in names if m != n], t))
        for n, t in zip(names, texts)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for n in names:
        f.sinks[n].wait(len(names) - 1, 200)
    wait_for(lambda: all(f[n].status()["queue"]["messages"] == 0
                         for n in names), 120, "acknowledgements")


@pytest.mark.parametrize("sense", [True, False])
def test_collisions_lose_no_mail(sense):
    link = ("bit_rate: 240000\nhalf_duplex: true\nturnaround: 3ms\n"
            "ack_delay_upper_bound: 120ms\nack_retransmission_time: 220ms\n"
            "ack_pdu_time: 440ms\npdu_max: 512\n")
    more = ("collisions: true\nsense_ms: 1\n"
            f"carrier_sense: {str(sense).lower()}\n")
    texts = [mail(30000) for _ in range(3)]
    with Fleet(2, link, bit_rate=240000, half_duplex=True, delay_ms=1,
               turnaround_ms=3, more=more) as f:
        start = time.monotonic()
        all_to_all(f, texts)
        seconds = time.monotonic() - start
        for n, own in zip(f.nodes, texts):
            got = sorted(strip_trace(m[2]) for m in f.sinks[n].messages)
            assert got == sorted(t for t in texts if t != own)
        f.channel.stop()
        s = f.channel.stats()
        waits = sum(n["deferred"] for n in s["nodes"])
        print(f"carrier sense {sense}: {seconds:.1f} s; {s['datagrams']} "
              f"datagrams, {s['busy_s']:.2f} s on the air; {s['collided']} "
              f"collided, {s['collided_s'] / s['busy_s']:.1%} of it; "
              f"{waits} waits")
        # Who does not listen collides; who does may be lucky.
        assert s["collided"] > 0 or (sense and waits > 0)
