#!/usr/bin/python3
"""The main job on one screen: make demo.

Three gateways on loopback, an emulated half-duplex radio between them, one
message to two ships.  Exits 0 only if both copies arrived as they were sent.
"""
import argparse
import base64
import os
import random
import shutil
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "tests", "lib"))
import muleteer  # noqa: E402

# What TCP and IP add on a link: 40 octets for each segment of at most 1460.
TCP_HEADER = 40
TCP_SEGMENT = 1460
# Three segments to open a connection, four to close it.
TCP_OPEN_CLOSE = 7

TEXT = """\
Shore to all ships, weather and orders of the day.

Wind north-west 7 in gusts 9, sea state 5, visibility 2 nm in rain, easing
after 1800Z. Ice edge 62\u00b030'N, growlers reported 12 nm south of it.
Rendezvous moved to 61\u00b048'N 005\u00b012'\u00d8, 0430Z. Fuel state by return.

Gr\u00fc\u00dfe, \u03a7\u03b1\u03b9\u03c1\u03b5\u03c4\u03b9\u03c3\u03bc\u03bf\u03af, \u041f\u0440\u0438\u0432\u0435\u0442: this paragraph is here because sailors write in many
alphabets, and an 8-bit message crosses the radio as it is.

"""


def message():
    """About 20 KB that look like mail: text, UTF-8, an attachment."""
    rnd = random.Random(8494)
    rows = ["station,time,pressure_hpa,wind_kn,direction,wave_m"]
    for i in range(260):
        rows.append(f"{rnd.randint(1000, 9999)},{i // 12:02}{i % 12 * 5:02}Z,"
                    f"{rnd.gauss(990, 8):.1f},{rnd.randint(5, 55)},"
                    f"{rnd.randint(0, 359):03},{abs(rnd.gauss(3, 1)):.1f}")
    table = base64.encodebytes("\n".join(rows).encode()).decode()
    body = TEXT + "".join(
        f"{n + 1:2}. Watch {n % 3 + 1} reports {rnd.choice(WORDS)} "
        f"{rnd.choice(WORDS)} at bearing {rnd.randint(0, 359):03}, range "
        f"{rnd.randint(1, 40)} nm, course {rnd.randint(0, 359):03}.\n"
        for n in range(100))
    head = (
        "Date: Mon, 23 Nov 2026 12:00:00 +0000\n"
        "From: Duty Officer <ops@shore.example.mil>\n"
        "To: <bridge@ship1.example.mil>, <bridge@ship2.example.mil>\n"
        "Subject: Weather, ice and orders\n"
        "Message-ID: <demo.1@shore.example.mil>\n"
        "MIME-Version: 1.0\n"
        "Content-Type: multipart/mixed; boundary=\"=_demo\"\n\n"
        "--=_demo\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: 8bit\n\n")
    tail = ("\n--=_demo\nContent-Type: text/csv; name=\"stations.csv\"\n"
            "Content-Disposition: attachment; filename=\"stations.csv\"\n"
            "Content-Transfer-Encoding: base64\n\n" + table
            + "\n--=_demo--\n")
    return muleteer.crlf((head + body + tail).encode())


WORDS = ("trawler", "tanker", "ferry", "icebreaker", "yacht", "buoy adrift",
         "container", "survey vessel", "helicopter", "whale")


class CountingProxy:
    """Passes one TCP dialogue on and counts its octets each way."""

    def __init__(self, port):
        self.target = port
        self.sent = [0, 0]
        self.turns = 0
        self.last = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def pump(self, source, sink, way):
        while data := source.recv(65536):
            self.sent[way] += len(data)
            if self.last != way:
                self.turns += 1
                self.last = way
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

    def run(self):
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", self.target))
        back = threading.Thread(target=self.pump, args=(server, client, 1),
                                daemon=True)
        back.start()
        self.pump(client, server, 0)
        back.join()

    def octets_on_link(self):
        """Payload, and the headers of the segments it needs at the least."""
        segments = TCP_OPEN_CLOSE + self.turns
        for n in self.sent:
            segments += n // TCP_SEGMENT
        return sum(self.sent) + segments * TCP_HEADER


def smtp_floor(content):
    """Octets of one real SMTP delivery of the message, with TCP/IP."""
    sink = muleteer.Sink().start()
    proxy = CountingProxy(sink.port)
    import smtplib
    with smtplib.SMTP("127.0.0.1", proxy.port, timeout=30) as s:
        s.ehlo("shore.example.mil")
        s.sendmail("ops@shore.example.mil", ["bridge@ship1.example.mil"],
                   content, ["BODY=8BITMIME"])
    time.sleep(0.2)
    sink.stop()
    return proxy.octets_on_link()


class Bars:
    """One progress bar for each ship; plain lines when not on a terminal."""

    WIDTH = 40

    def __init__(self, names):
        self.names = names
        self.live = sys.stdout.isatty()
        self.drawn = False
        self.said = {}

    def line(self, name, have, total, word):
        part = have / total if total else 0
        full = int(part * self.WIDTH)
        return (f"  {name:6} [{'#' * full}{'.' * (self.WIDTH - full)}] "
                f"{100 * part:3.0f} %  {word}")

    def show(self, state, seconds):
        if self.live:
            if self.drawn:
                sys.stdout.write(f"\x1b[{len(self.names) + 1}A")
            for n in self.names:
                sys.stdout.write("\x1b[K" + self.line(n, *state[n]) + "\n")
            sys.stdout.write(f"\x1b[K  {seconds:5.1f} s\n")
            self.drawn = True
        else:
            for n in self.names:
                have, total, word = state[n]
                step = (10 * have // total if total else 0, word)
                if self.said.get(n) != step:
                    self.said[n] = step
                    print(f"{seconds:6.1f} s {self.line(n, have, total, word)}")
        sys.stdout.flush()


def ship_state(fleet, name, previous):
    """How much of the message the ship has: (have, total, word)."""
    if fleet.sinks[name].count() > 0:
        return (1, 1, "delivered by SMTP")
    try:
        link = fleet[name].status()["links"][0]
    except (OSError, RuntimeError):
        return previous
    for r in link["receiving"]:
        if r["total"]:
            return (r["have"], r["total"],
                    f"{r['have']} of {r['total']} Data_PDUs")
    return previous


def watch(fleet, ships, seconds):
    """Draw until every ship has delivered; the seconds that took."""
    bars = Bars(ships)
    start = time.monotonic()
    state = {n: (0, 1, "waiting") for n in ships}
    while True:
        for n in ships:
            state[n] = ship_state(fleet, n, state[n])
        now = time.monotonic() - start
        bars.show(state, now)
        if all(fleet.sinks[n].count() > 0 for n in ships):
            return now
        if now > seconds:
            raise TimeoutError(f"not delivered within {seconds} s")
        time.sleep(0.1)


def compare(fleet, ships, sent):
    good = True
    for n in ships:
        sender, rcpts, content, _ = fleet.sinks[n].messages[0]
        same = muleteer.strip_trace(content) == sent
        good = good and same and len(fleet.sinks[n].messages) == 1
        print(f"  {n}: {rcpts[0]}, {len(content)} octets, "
              + ("equals what was sent, trace fields aside" if same
                 else "DIFFERS from what was sent"))
    return good


def wait_quiet(fleet, seconds=60):
    """Until shore has every acknowledgement and the air is quiet."""
    def quiet():
        s = fleet["shore"].status()
        return (s["queue"]["messages"] == 0
                and s["links"][0]["gauges"]["tx_messages"] == 0)
    muleteer.wait_for(quiet, seconds, "acknowledgements")
    time.sleep(2.2)


def report(fleet, content, floor, seconds, rate):
    stats = fleet.channel.stats()
    link = fleet["shore"].status()["links"][0]["counters"]
    radio = stats["octets"]
    print(f"\n  On the air, all headers, both directions: {radio} octets "
          f"({8 * radio / rate:.1f} s of air)")
    print(f"  Floor of two SMTP deliveries over the link: {floor} octets "
          f"({8 * floor / rate:.1f} s),\n  without a single lost segment: the "
          f"real dialogue twice, {TCP_HEADER} octets for every\n  segment, "
          f"{TCP_OPEN_CLOSE} segments to open and close")
    print(f"  That is {radio / floor:.2f} of the floor; the message has "
          f"{len(content)} octets; {link['data_out']} Data_PDUs were sent, "
          f"{link['data_again']} of them again")
    print(f"  {seconds:.1f} s until both ships had delivered")


def run(args, directory):
    ships = ["ship1", "ship2"]
    link = ("preset: hf-9600\n"
            f"bit_rate: {args.rate}\nhalf_duplex: true\n"
            "ack_delay_upper_bound: 1s\nack_retransmission_time: 3s\n"
            "ack_pdu_time: 8s\npdu_max: 512\n")
    content = message()
    print(f"Three gateways on loopback; half-duplex radio, {args.rate} bit/s, "
          f"{100 * args.loss:g} % loss, seed {args.seed}")
    fleet = muleteer.Fleet(
        2, link, directory=directory, bit_rate=args.rate, loss=args.loss,
        half_duplex=True, delay_ms=5, turnaround_ms=50, seed=args.seed)
    with fleet:
        floor = 2 * smtp_floor(content)
        print(f"Submitting {len(content)} octets to shore by SMTP for "
              "bridge@ship1.example.mil and bridge@ship2.example.mil\n")
        fleet["shore"].submit(
            "ops@shore.example.mil",
            [f"bridge@{n}.example.mil" for n in ships], content,
            ["BODY=8BITMIME"])
        seconds = watch(fleet, ships, args.timeout)
        wait_quiet(fleet)
        print()
        good = compare(fleet, ships, content)
        report(fleet, content, floor, seconds, args.rate)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seed", type=int, default=142)
    parser.add_argument("--loss", type=float, default=0.1)
    parser.add_argument("--rate", type=int, default=9600)
    parser.add_argument("--timeout", type=float, default=300)
    args = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="muleteer-demo-")
    try:
        good = run(args, directory)
    except (Exception, KeyboardInterrupt) as e:
        print(f"\nThe demo failed: {type(e).__name__}: {e}\n"
              f"Logs and databases are in {directory}", file=sys.stderr)
        return 1
    if not good:
        print(f"\nLogs and databases are in {directory}", file=sys.stderr)
        return 1
    shutil.rmtree(directory, ignore_errors=True)
    print("\nWhere to look next: README.md, config/samples/, doc/man/muled.8, "
          "doc/ARCHITECTURE.md;\n  build/mulectl status against your own "
          "muled; tools/demo.py --help for other channels")
    return 0


if __name__ == "__main__":
    sys.exit(main())
